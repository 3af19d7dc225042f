/* UploadPart and UploadPartCopy: the value of a key of S3's own, which lies where the object will
 * (key_to_place()), so that the volumes can make that of it. One that is sent again replaces it.
 * The upload may be aborted or completed meanwhile: what was stored then belongs to nobody, and
 * goes, whether its client is still there or not. */
#include <assert.h>

#include "index/objects/change.h"
#include "index/s3/copy_operation.h"
#include "index/s3/multipart.h"
#include "index/s3/receive.h"

static void removed_cb(void *arg, int rc)
{
    (void)arg;
    (void)rc; /* else it is found later: upload_expiry.h */
}

static enum s3_error stored_cb(const struct call *call, const struct key *key,
                               const struct record *record)
{
    struct objects *o = call->s3->objects;
    struct record of_upload;
    struct key upload;
    bool is_part = upload_key_record_of_part(key, &upload);
    int rc;

    assert(is_part);
    (void)is_part;
    rc = objects_look_up(o, &upload, &of_upload);
    if (rc != UV_ENOENT)
        return rc < 0 ? call_error_of(rc) : S3_OK;
    change_remove(o, key, record, removed_cb, NULL);
    return S3_NO_SUCH_UPLOAD;
}

/* The checksum of a whole object that is copied is the part's. */
static void add_checksum(struct meta *meta, const struct multipart *multipart,
                         const struct record *source)
{
    unsigned char bytes[CHECKSUM_SIZE_MAX];
    struct meta_line line;
    unsigned n_parts;

    if (multipart->kind != CHECKSUM_NONE &&
        meta_checksum(source->meta, source->meta_len, &line) == multipart->kind &&
        checksum_parse(multipart->kind, line.value, line.value_len, bytes, &n_parts) == 0 &&
        n_parts == 0)
        meta_add_checksum(meta, multipart->kind, bytes, 0);
}

/* UploadPartCopy. */
static void copy_part(const struct call *call, const struct multipart *multipart,
                      const struct key *key)
{
    struct meta meta = {.len = 0};
    const char *message = NULL;
    struct range range;
    struct copy source;
    enum s3_error error = copy_find(call, &source, &message);

    if (error == S3_OK)
        error = copy_source_range(http_request_header(call->request, "x-amz-copy-source-range"),
                                  source.record.size, &range);
    if (error != S3_OK) {
        call_fail(call, error, message);
        return;
    }
    if (range.length == source.record.size)
        add_checksum(&meta, multipart, &source.record);
    copy_run(call, &(struct copy_options){
                       .source = &source,
                       .range = range,
                       .key = key,
                       .meta = &meta,
                       .result = "CopyPartResult",
                       .stored = stored_cb,
                   });
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
    error = multipart_find(call, &multipart);
    if (error != S3_OK) {
        call_fail(call, error, NULL);
        return;
    }
    upload_key_of_part(&call->target.key, multipart.id, (unsigned)number, &key);
    if (copy_is_wanted(call->request))
        copy_part(call, &multipart, &key);
    else
        receive(call, &(struct receive_options){
                          .key = &key, .kind = multipart.kind, .stored = stored_cb});
}
