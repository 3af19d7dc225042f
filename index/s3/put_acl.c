/* PutBucketAcl and PutObjectAcl: rights are given in the keys file, so that an ACL is taken when it
 * says what is so anyway, and refused else. (That of a header, s3/unsupported.c judges.) */
#include <stdlib.h>

#include "index/s3/body.h"
#include "index/s3/body_acl.h"
#include "index/s3/call.h"

struct acl_op {
    struct call call;
    struct body body;
    struct body_acl acl;
};

static void op_free(struct acl_op *op)
{
    body_deinit(&op->body);
    body_acl_deinit(&op->acl);
    free(op);
}

static void op_fail(struct acl_op *op, enum s3_error error, const char *message)
{
    const struct call call = op->call;

    op_free(op);
    if (error == S3_NOT_IMPLEMENTED)
        message = "Rights are given in the keys file: of ACLs there is only private.";
    call_fail(&call, error, message);
}

static enum s3_error add_cb(void *arg, const char *bytes, size_t n)
{
    return body_acl_add(arg, bytes, n);
}

static void data_cb(struct http_request *request, const char *bytes, size_t n)
{
    struct acl_op *op = http_request_data(request);
    const char *message;
    enum s3_error error = body_feed(&op->body, bytes, n, add_cb, &op->acl, &message);

    if (error != S3_OK)
        op_fail(op, error, message);
}

static void end_cb(struct http_request *request)
{
    struct acl_op *op = http_request_data(request);
    const char *message;
    enum s3_error error = body_end(&op->body, &message);

    if (error == S3_OK)
        error = body_acl_end(&op->acl);
    if (error != S3_OK) {
        op_fail(op, error, message);
        return;
    }
    op_free(op);
    http_respond(request, 200, "", 0);
}

static void closed_cb(struct http_request *request)
{
    op_free(http_request_data(request));
}

static const struct http_body_reader reader = {
    .data = data_cb, .end = end_cb, .closed = closed_cb, .least_rate = BODY_RATE};

static void target_found(const struct call *call, const struct record *record)
{
    struct acl_op *op = calloc(1, sizeof(*op));
    const char *message = NULL;
    enum s3_error error = S3_SERVICE_UNAVAILABLE;

    (void)record;
    if (op == NULL) {
        call_fail(call, error, NULL);
        return;
    }
    op->call = *call;
    op->call.auth = NULL;
    if (body_acl_init(&op->acl) == 0)
        error = body_init(&op->body, call, BODY_OF_REQUEST, &message);
    if (error != S3_OK) {
        op_fail(op, error, message);
        return;
    }
    http_request_set_data(call->request, op);
    http_read_body(call->request, &reader);
}

void put_acl(const struct call *call)
{
    call_find_target(call, target_found);
}
