/* AbortMultipartUpload: its record goes by one commit; its parts follow. */
#include <stdlib.h>

#include "index/s3/multipart.h"
#include "index/s3/upload_removal.h"

struct abort_op {
    struct call call; /* `request` NULL once the client is gone */
};

static enum s3_error start(struct abort_op *op);

static void removed_cb(void *arg, int rc)
{
    struct abort_op *op = arg;
    enum s3_error error = S3_OK;

    if (rc == STORE_CONFLICT && op->call.request != NULL) { /* it has been completed, perhaps */
        error = start(op);
        if (error == S3_OK)
            return;
    } else if (rc < 0) {
        error = call_error_of(rc);
    }
    if (op->call.request != NULL && error != S3_OK)
        call_fail(&op->call, error, NULL);
    else if (op->call.request != NULL)
        http_respond(op->call.request, 204, "", 0);
    free(op);
}

static enum s3_error start(struct abort_op *op)
{
    struct multipart multipart;
    enum s3_error error = multipart_find(&op->call, false, &multipart);
    int rc;

    if (error != S3_OK)
        return error;
    rc = upload_remove(op->call.s3->objects, &multipart.key, &multipart.record, removed_cb, op);
    return rc < 0 ? call_error_of(rc) : S3_OK;
}

static void closed_cb(struct http_request *request)
{
    struct abort_op *op = http_request_data(request);

    op->call.request = NULL;
}

void abort_multipart_upload(const struct call *call)
{
    struct abort_op *op = malloc(sizeof(*op));
    enum s3_error error = S3_SERVICE_UNAVAILABLE;

    if (op != NULL) {
        op->call = *call;
        op->call.auth = NULL;
        error = start(op);
    }
    if (error != S3_OK) {
        free(op);
        call_fail(call, error, NULL);
        return;
    }
    http_request_set_data(call->request, op);
    http_request_hold(call->request, closed_cb);
}
