/* UploadPart: the value of a key of S3's own. One that is sent again replaces it. The upload may be
 * aborted or completed while the body comes: what was stored then belongs to nobody, and goes. */
#include "index/objects/change.h"
#include "index/s3/multipart.h"
#include "index/s3/receive.h"

static void removed_cb(void *arg, int rc)
{
    (void)arg;
    (void)rc; /* else it is found later: upload_expiry.h */
}

static enum s3_error stored_cb(const struct call *call, const struct record *record)
{
    struct multipart multipart;
    enum s3_error error = multipart_find(call, false, &multipart);
    struct key key;

    if (error != S3_NO_SUCH_UPLOAD)
        return error;
    upload_key_of_part(multipart.id, (unsigned)multipart_part_number(call->request), &key);
    change_remove(call->s3->objects, &key, record, removed_cb, NULL);
    return error;
}

void upload_part(const struct call *call)
{
    struct multipart multipart;
    int number = multipart_part_number(call->request);
    enum s3_error error;
    struct key key;

    if (number <= 0) {
        call_fail(call, S3_INVALID_ARGUMENT, MULTIPART_BAD_NUMBER);
        return;
    }
    error = multipart_find(call, false, &multipart);
    if (error == S3_OK && http_request_header(call->request, "x-amz-copy-source") != NULL)
        error = S3_NOT_IMPLEMENTED;
    if (error != S3_OK) {
        call_fail(call, error, NULL);
        return;
    }
    upload_key_of_part(multipart.id, (unsigned)number, &key);
    receive(call,
            &(struct receive_options){.key = &key, .kind = multipart.kind, .stored = stored_cb});
}
