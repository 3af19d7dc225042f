/* CreateBucket and DeleteBucket: what bucket_change.h does, for a client. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "index/s3/body_location.h"
#include "index/s3/bucket_change.h"
#include "index/s3/call.h"

struct bucket_op {
    struct call call;
    struct body_location *body;   /* of CreateBucket */
    enum s3_error error;          /* that the body has */
    struct bucket_change *change; /* NULL while none runs */
};

static struct bucket_op *op_new(const struct call *call)
{
    struct bucket_op *op = calloc(1, sizeof(*op));

    if (op == NULL) {
        call_fail(call, S3_SERVICE_UNAVAILABLE, NULL);
        return NULL;
    }
    op->call = *call;
    http_request_set_data(call->request, op);
    return op;
}

static void op_free(struct bucket_op *op)
{
    body_location_free(op->body);
    free(op);
}

/* The client is gone; what it asked for goes on. */
static void closed_cb(struct http_request *request)
{
    struct bucket_op *op = http_request_data(request);

    if (op->change != NULL)
        bucket_change_forget(op->change);
    op_free(op);
}

static void fail(struct bucket_op *op, enum s3_error error)
{
    call_fail(&op->call, error, NULL);
    op_free(op);
}

/* --- CreateBucket ---------------------------------------------------------------------------- */

/* One that was created before is as good, as it is in Amazon's first region. */
static void created_cb(void *arg, int rc)
{
    struct bucket_op *op = arg;
    char location[1 + BUCKET_NAME_MAX + 1];

    if (rc < 0 && rc != UV_EEXIST) {
        fail(op, call_error_of(rc));
        return;
    }
    snprintf(location, sizeof(location), "/%s", op->call.target.bucket);
    http_add_header(op->call.request, "Location", location);
    http_respond(op->call.request, 200, "", 0);
    op_free(op);
}

static void data_cb(struct http_request *request, const char *bytes, size_t len)
{
    struct bucket_op *op = http_request_data(request);

    if (op->error == S3_OK)
        op->error = body_location_add(op->body, bytes, len);
}

static void end_cb(struct http_request *request)
{
    struct bucket_op *op = http_request_data(request);
    const struct target *target = &op->call.target;
    int rc;

    if (op->error == S3_OK)
        op->error = body_location_end(op->body);
    if (op->error != S3_OK) {
        fail(op, op->error);
        return;
    }
    rc = bucket_create(op->call.s3->objects, target->bucket, target->bucket_len, created_cb, op,
                       &op->change);
    if (rc < 0)
        created_cb(op, rc);
}

static const struct http_body_reader reader = {.data = data_cb, .end = end_cb, .closed = closed_cb};

void create_bucket(const struct call *call)
{
    struct bucket_op *op;

    if (!bucket_name_is_valid(call->target.bucket, call->target.bucket_len)) {
        call_fail(call, S3_INVALID_BUCKET_NAME, NULL);
        return;
    }
    op = op_new(call);
    if (op == NULL)
        return;
    op->body = body_location_new();
    if (op->body == NULL)
        fail(op, S3_SERVICE_UNAVAILABLE);
    else
        http_read_body(call->request, &reader);
}

/* --- DeleteBucket ---------------------------------------------------------------------------- */

static void removed_cb(void *arg, int rc)
{
    struct bucket_op *op = arg;

    if (rc == UV_ENOENT) {
        fail(op, S3_NO_SUCH_BUCKET);
    } else if (rc == -ENOTEMPTY) {
        fail(op, S3_BUCKET_NOT_EMPTY);
    } else if (rc < 0) {
        fail(op, call_error_of(rc));
    } else {
        http_respond(op->call.request, 204, "", 0);
        op_free(op);
    }
}

void delete_bucket(const struct call *call)
{
    const struct target *target = &call->target;
    struct bucket_op *op = op_new(call);
    int rc;

    if (op == NULL)
        return;
    http_request_hold(call->request, closed_cb);
    rc = bucket_remove(call->s3->objects, target->bucket, target->bucket_len, removed_cb, op,
                       &op->change);
    if (rc < 0)
        removed_cb(op, rc);
}
