/* CreateBucket and DeleteBucket: what bucket_change.h does, by HTTP. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "index/s3/body.h"
#include "index/s3/body_location.h"
#include "index/s3/bucket_change.h"
#include "index/s3/call.h"

struct bucket_op {
    struct call call;
    struct body body; /* of CreateBucket, as the next */
    struct body_location *location;
    struct bucket_change *change;
};

static void op_free(struct bucket_op *op)
{
    body_deinit(&op->body);
    body_location_free(op->location);
    free(op);
}

static void op_fail(struct bucket_op *op, enum s3_error error, const char *message)
{
    const struct call call = op->call;

    op_free(op);
    call_fail(&call, error, message);
}

static struct bucket_op *op_new(const struct call *call)
{
    struct bucket_op *op = calloc(1, sizeof(*op));

    if (op == NULL) {
        call_fail(call, S3_SERVICE_UNAVAILABLE, NULL);
        return NULL;
    }
    op->call = *call;
    op->call.auth = NULL;
    return op;
}

static void closed_cb(struct http_request *request)
{
    struct bucket_op *op = http_request_data(request);

    if (op->change != NULL)
        bucket_change_forget(op->change);
    op_free(op);
}

/* --- CreateBucket ------------------------------------------------------------------------------
 */

/* One that is there is its owner's, who may create it again. */
static void respond_created(struct bucket_op *op)
{
    char location[BUCKET_NAME_MAX + 2] = "/";
    struct http_request *request = op->call.request;

    strcat(location, op->call.target.bucket);
    op_free(op);
    http_add_header(request, "Location", location);
    http_respond(request, 200, "", 0);
}

static void created_cb(void *arg, int rc)
{
    struct bucket_op *op = arg;

    if (rc < 0)
        op_fail(op, call_error_of(rc), NULL);
    else
        respond_created(op);
}

static enum s3_error add_cb(void *arg, const char *bytes, size_t n)
{
    return body_location_add(arg, bytes, n);
}

static void create_data_cb(struct http_request *request, const char *bytes, size_t n)
{
    struct bucket_op *op = http_request_data(request);
    const char *message;
    enum s3_error error = body_feed(&op->body, bytes, n, add_cb, op->location, &message);

    if (error != S3_OK)
        op_fail(op, error, message);
}

static void create_end_cb(struct http_request *request)
{
    struct bucket_op *op = http_request_data(request);
    const struct target *target = &op->call.target;
    const char *message;
    enum s3_error error = body_end(&op->body, &message);
    int rc;

    if (error == S3_OK)
        error = body_location_end(op->location);
    if (error != S3_OK) {
        op_fail(op, error, message);
        return;
    }
    rc = bucket_create(op->call.s3, target->bucket, target->bucket_len,
                       body_location_text(op->location), created_cb, op, &op->change);
    if (rc == UV_EEXIST)
        respond_created(op);
    else if (rc < 0)
        op_fail(op, call_error_of(rc), NULL);
}

static const struct http_body_reader create_reader = {
    .data = create_data_cb,
    .end = create_end_cb,
    .closed = closed_cb,
    .least_rate = BODY_RATE,
};

void create_bucket(const struct call *call)
{
    struct bucket_op *op;
    const char *message = NULL;
    enum s3_error error;

    if (!bucket_name_is_valid(call->target.bucket, call->target.bucket_len)) {
        call_fail(call, S3_INVALID_BUCKET_NAME, NULL);
        return;
    }
    op = op_new(call);
    if (op == NULL)
        return;
    op->location = body_location_new();
    error = op->location != NULL ? body_init(&op->body, call, BODY_OF_REQUEST, &message)
                                 : S3_SERVICE_UNAVAILABLE;
    if (error != S3_OK) {
        op_fail(op, error, message);
        return;
    }
    http_request_set_data(call->request, op);
    http_read_body(call->request, &create_reader);
}

/* --- DeleteBucket ------------------------------------------------------------------------------
 */

static enum s3_error error_of_removal(int rc)
{
    if (rc == UV_ENOENT)
        return S3_NO_SUCH_BUCKET;
    return rc == -ENOTEMPTY ? S3_BUCKET_NOT_EMPTY : call_error_of(rc);
}

static void removed_cb(void *arg, int rc)
{
    struct bucket_op *op = arg;
    struct http_request *request = op->call.request;

    if (rc < 0) {
        op_fail(op, error_of_removal(rc), NULL);
        return;
    }
    op_free(op);
    http_respond(request, 204, "", 0);
}

void delete_bucket(const struct call *call)
{
    struct bucket_op *op = op_new(call);
    int rc;

    if (op == NULL)
        return;
    rc = bucket_remove(call->s3, call->target.bucket, call->target.bucket_len, removed_cb, op,
                       &op->change);
    if (rc < 0) {
        op_fail(op, error_of_removal(rc), NULL);
        return;
    }
    http_request_set_data(call->request, op);
    http_request_hold(call->request, closed_cb);
}
