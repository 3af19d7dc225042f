/* PutObject: the head is judged, the body goes from the client's connection to a write (objects),
 * without its framing, and what it was announced to be is verified before the last step of that. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "index/http/conditions.h"
#include "index/objects/write.h"
#include "index/s3/body.h"
#include "index/s3/buckets.h"
#include "index/s3/call.h"
#include "index/s3/conditional.h"
#include "index/s3/meta.h"

struct put_op {
    struct call call;
    struct body body;
    struct meta meta;
    struct write *write;
};

static void put_free(struct put_op *op)
{
    body_deinit(&op->body);
    free(op);
}

/* The write is over, and no callback of the request fires any more. */
static void put_fail(struct put_op *op, enum s3_error error, const char *message)
{
    const struct call call = op->call;

    put_free(op);
    call_fail(&call, error, message);
}

/* --- What the key must have ------------------------------------------------------------------- */

static int condition_cb(void *arg, const struct record *record)
{
    struct put_op *op = arg;

    return conditional_check(&op->call, record);
}

/* --- The body --------------------------------------------------------------------------------- */

static void written_cb(void *arg, int rc, const char *text, const struct record *record)
{
    struct put_op *op = arg;
    struct http_request *request = op->call.request;
    char etag[META_ETAG_SIZE];

    (void)text;
    if (rc < 0) {
        put_fail(op, conditional_error_of(rc), NULL);
        return;
    }
    meta_etag(record->meta, record->meta_len, record, etag);
    http_add_header(request, "ETag", etag);
    body_add_checksum(&op->body, request);
    put_free(op);
    http_respond(request, 200, "", 0);
}

static void drained_cb(void *arg)
{
    struct put_op *op = arg;

    http_resume_body(op->call.request);
}

/* Gives the write what the bytes are without their framing. 1 to go on, 0 to wait; or negative, and
 * it is answered. */
static int feed(struct put_op *op, const char *bytes, size_t n)
{
    const char *end = bytes + n;
    const char *message;
    char text[UPLOAD_TEXT_MAX];
    int go_on = 1;

    for (;;) {
        const char *piece;
        size_t len;
        enum s3_error error = body_next(&op->body, &bytes, end, &piece, &len, &message);
        int rc;

        if (error != S3_OK) {
            write_forget(op->write);
            put_fail(op, error, message);
            return -1;
        }
        if (len == 0)
            return go_on;
        rc = write_data(op->write, piece, len, text);
        if (rc < 0) {
            put_fail(op, conditional_error_of(rc), NULL);
            return -1;
        }
        go_on &= rc;
    }
}

static void data_cb(struct http_request *request, const char *bytes, size_t n)
{
    if (feed(http_request_data(request), bytes, n) == 0)
        http_pause_body(request);
}

static void end_cb(struct http_request *request)
{
    struct put_op *op = http_request_data(request);
    char text[UPLOAD_TEXT_MAX];
    const char *message;
    enum s3_error error = body_end(&op->body, &message);
    int rc;

    if (error != S3_OK) {
        write_forget(op->write);
        put_fail(op, error, message);
        return;
    }
    if (op->body.kind != CHECKSUM_NONE)
        meta_add_checksum(&op->meta, op->body.kind, op->body.checksum, 0);
    rc = write_end_with(op->write, op->meta.bytes, op->meta.len, text);
    if (rc < 0)
        put_fail(op, conditional_error_of(rc), NULL);
}

static void closed_cb(struct http_request *request)
{
    struct put_op *op = http_request_data(request);

    write_forget(op->write);
    put_free(op);
}

static const struct http_body_reader reader = {
    .data = data_cb,
    .end = end_cb,
    .closed = closed_cb,
};

/* --- The head --------------------------------------------------------------------------------- */

/* With a keys file somebody has to create a bucket before; without, a PUT makes one. */
static enum s3_error check_target(const struct call *call)
{
    const struct target *target = &call->target;
    int rc = 1;

    if (!target_is_utf8(target))
        return S3_INVALID_URI;
    if (call->s3->keys != NULL)
        rc = bucket_exists(call->s3->objects->store, target->bucket, target->bucket_len);
    if (rc < 0)
        return call_error_of(rc);
    return rc > 0 ? S3_OK : S3_NO_SUCH_BUCKET;
}

static int start_write(struct put_op *op)
{
    char text[UPLOAD_TEXT_MAX];

    return write_start(op->call.s3->objects, &op->call.target.key,
                       &(struct write_options){
                           .size = op->body.length,
                           .md5 = op->body.has_md5 ? op->body.md5 : NULL,
                           .needs_md5 = true,
                           .allows_empty = true,
                           .replaces = true,
                           .condition = conditional_is_needed(&op->call) ? condition_cb : NULL,
                           .drained = drained_cb,
                           .done = written_cb,
                           .arg = op,
                       },
                       &op->write, text);
}

void put_object(const struct call *call)
{
    struct put_op *op;
    const char *message = NULL;
    enum s3_error error = check_target(call);
    int rc;

    if (error == S3_OK && http_request_header(call->request, "x-amz-copy-source") != NULL)
        error = S3_NOT_IMPLEMENTED;
    op = error == S3_OK ? malloc(sizeof(*op)) : NULL;
    if (op == NULL) {
        call_fail(call, error != S3_OK ? error : S3_SERVICE_UNAVAILABLE, NULL);
        return;
    }
    op->call = *call;
    op->meta.len = 0;
    error = body_init(&op->body, call, BODY_OF_OBJECT, &message);
    op->call.auth = NULL;
    if (error != S3_OK) {
        free(op);
        call_fail(call, error, message);
        return;
    }
    error = meta_add_request(&op->meta, call->request);
    rc = error == S3_OK ? start_write(op) : 0;
    if (rc < 0)
        error = conditional_error_of(rc);
    if (error != S3_OK) {
        put_fail(op, error, NULL);
        return;
    }
    http_request_set_data(call->request, op);
    http_read_body(call->request, &reader);
}
