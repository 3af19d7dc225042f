/* AbortMultipartUpload: its record goes by one commit; its parts follow. Where it is about to be
 * completed, that has its end first. */
#include <stdlib.h>

#include "index/s3/completion.h"
#include "index/s3/upload_removal.h"

struct abort_op {
    struct call call; /* `request` NULL once the client is gone */
    struct completion_waiter waiter;
    bool is_waiting;
};

static enum s3_error start(struct abort_op *op);

static void respond(struct abort_op *op, enum s3_error error)
{
    const struct call call = op->call;

    free(op);
    if (call.request != NULL && error != S3_OK)
        call_fail(&call, error, NULL);
    else if (call.request != NULL)
        http_respond(call.request, 204, "", 0);
}

/* Begins anew, with whatever the upload is now. */
static void start_again(struct abort_op *op)
{
    enum s3_error error = start(op);

    if (error != S3_OK)
        respond(op, error);
}

static void removed_cb(void *arg, int rc)
{
    struct abort_op *op = arg;

    if (rc == STORE_CONFLICT && op->call.request != NULL)
        start_again(op);
    else
        respond(op, rc < 0 ? call_error_of(rc) : S3_OK);
}

static void completed_cb(struct completion_waiter *waiter, enum s3_error error, const char *message,
                         const struct meta *meta)
{
    struct abort_op *op = (struct abort_op *)((char *)waiter - offsetof(struct abort_op, waiter));

    (void)error;
    (void)message;
    (void)meta;
    op->is_waiting = false;
    start_again(op);
}

/* S3_OK: something runs. */
static enum s3_error start(struct abort_op *op)
{
    struct multipart multipart;
    enum s3_error error = multipart_find(&op->call, &multipart);
    struct completion *completion;
    int rc;

    if (error != S3_OK)
        return error;
    completion = completion_find(op->call.s3, &multipart.key);
    if (completion != NULL) {
        op->is_waiting = true;
        completion_wait(completion, &op->waiter);
        return S3_OK;
    }
    rc = upload_remove(op->call.s3->objects, &multipart.key, &multipart.record, removed_cb, op);
    return rc < 0 ? call_error_of(rc) : S3_OK;
}

static void closed_cb(struct http_request *request)
{
    struct abort_op *op = http_request_data(request);

    op->call.request = NULL;
    if (op->is_waiting) {
        completion_leave(&op->waiter);
        free(op);
    }
}

void abort_multipart_upload(const struct call *call)
{
    struct abort_op *op = malloc(sizeof(*op));
    enum s3_error error = S3_SERVICE_UNAVAILABLE;

    if (op != NULL) {
        *op = (struct abort_op){.call = *call, .waiter.done = completed_cb};
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
