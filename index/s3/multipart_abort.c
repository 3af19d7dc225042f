/* AbortMultipartUpload: its record goes by one commit; its parts follow. Where it is about to be
 * completed, that has its end first. */
#include <stdlib.h>

#include "index/s3/completion.h"
#include "index/s3/upload_removal.h"

struct abort_op {
    struct call call; /* `request` NULL once the client is gone */
    struct multipart upload;
    struct store_reading reading;
    bool is_reading;
    struct completion_waiter waiter;
    bool is_waiting;
};

/* The operation is over. */
static bool respond(struct abort_op *op, enum s3_error error)
{
    const struct call call = op->call;

    free(op);
    if (call.request != NULL && error != S3_OK)
        call_fail(&call, error, NULL);
    else if (call.request != NULL)
        http_respond(call.request, 204, "", 0);
    return false;
}

static bool start(struct abort_op *op);

static void removed_cb(void *arg, int rc)
{
    struct abort_op *op = arg;

    if (rc == STORE_CONFLICT && op->call.request != NULL)
        start(op);
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
    start(op);
}

/* Goes on with whatever the upload is now. False when it's over. */
static bool go_on(struct abort_op *op, int rc, const struct store_view *view)
{
    struct completion *completion;

    op->is_reading = false;
    if (rc == 0 && !view->exists)
        return respond(op, S3_NO_SUCH_UPLOAD);
    completion = rc == 0 ? completion_find(op->call.s3, &op->upload.key) : NULL;
    if (completion != NULL) {
        op->is_waiting = true;
        completion_wait(completion, &op->waiter);
        return true;
    }
    if (rc == 0)
        rc = upload_remove(op->call.s3->objects, &op->upload.key, view, removed_cb, op);
    return rc == 0 || respond(op, call_error_of(rc));
}

static void viewed_cb(struct store_reading *reading, int rc, const struct store_view *view)
{
    go_on(reading->data, rc, view);
}

static bool start(struct abort_op *op)
{
    struct store_view view;
    int rc = objects_view(op->call.s3->objects, &op->reading, &op->upload.key, &view, viewed_cb);

    op->is_reading = rc == STORE_LATER;
    return op->is_reading || go_on(op, rc, &view);
}

static void closed_cb(struct http_request *request)
{
    struct abort_op *op = http_request_data(request);

    op->call.request = NULL;
    if (!op->is_waiting && !op->is_reading)
        return;
    if (op->is_waiting)
        completion_leave(&op->waiter);
    store_cancel(op->call.s3->objects->store, &op->reading);
    free(op);
}

void abort_multipart_upload(const struct call *call)
{
    struct abort_op *op = calloc(1, sizeof(*op));

    if (op == NULL) {
        call_fail(call, S3_SERVICE_UNAVAILABLE, NULL);
        return;
    }
    if (!multipart_read_key(call, &op->upload)) {
        free(op);
        call_fail(call, S3_NO_SUCH_UPLOAD, NULL);
        return;
    }
    op->call = *call;
    op->call.auth = NULL;
    op->reading.data = op;
    op->waiter.done = completed_cb;
    if (!start(op))
        return;
    http_request_set_data(call->request, op);
    http_request_hold(call->request, closed_cb);
}
