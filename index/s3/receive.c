/* The head is judged, the body goes from the client's connection to a write (objects), without its
 * framing, and what it was announced to be is verified before the last step of that. */
#include "index/s3/receive.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

#include "index/objects/write.h"
#include "index/s3/meta.h"
#include "index/s3/stored_part.h"
#include "index/s3/write_conditions.h"

struct receiving {
    struct call_waiter waiter;
    struct call call; /* `request` NULL once the client of a part that is whole is gone */
    struct body body;
    receive_condition_cb condition;
    bool is_part;
    struct stored_part part;
    struct key key;
    bool is_whole; /* all has come, and written_cb() will fire */
    char etag[META_ETAG_SIZE];
    struct meta meta;
    struct write *write;
};

static void receiving_free(struct receiving *op)
{
    body_deinit(&op->body);
    free(op);
}

/* The write is over, and no callback of the request fires any more. */
static void fail(struct receiving *op, enum s3_error error, const char *message)
{
    const struct call call = op->call;

    receiving_free(op);
    if (call.request != NULL)
        call_fail(&call, error, message);
}

static int condition_cb(void *arg, const struct record *record)
{
    struct receiving *op = arg;

    return op->condition(&op->call, record);
}

/* --- The body --------------------------------------------------------------------------------- */

static enum s3_error error_of(int rc)
{
    return rc == UV_EILSEQ ? S3_BAD_DIGEST : write_conditions_error_of(rc);
}

static void end(struct receiving *op, enum s3_error error)
{
    struct http_request *request = op->call.request;

    if (error != S3_OK || request == NULL) {
        fail(op, error, NULL);
        return;
    }
    http_add_header(request, "ETag", op->etag);
    body_add_checksum(&op->body, request);
    receiving_free(op);
    http_respond(request, 200, "", 0);
}

static void checked_cb(struct stored_part *part, enum s3_error error)
{
    end(part->data, error);
}

static void written_cb(void *arg, int rc, const char *text, const struct record *record)
{
    struct receiving *op = arg;
    int error = (int)(rc < 0 ? error_of(rc) : S3_OK);

    (void)text;
    if (rc == 0)
        meta_etag(record->meta, record->meta_len, record, op->etag);
    if (rc == 0 && op->is_part)
        error = stored_part_check(&op->part, op->call.s3->objects, &op->key, checked_cb);
    if (error != STORE_LATER)
        end(op, (enum s3_error)error);
}

static void drained_cb(void *arg)
{
    struct receiving *op = arg;

    if (op->call.request != NULL)
        http_resume_body(op->call.request);
}

/* Gives the write what the bytes are without their framing. 1 to go on, 0 to wait; or negative, and
 * it is answered. */
static int feed(struct receiving *op, const char *bytes, size_t n)
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
            fail(op, error, message);
            return -1;
        }
        if (len == 0)
            return go_on;
        rc = write_data(op->write, piece, len, text);
        if (rc < 0) {
            fail(op, error_of(rc), NULL);
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
    struct receiving *op = http_request_data(request);
    char text[UPLOAD_TEXT_MAX];
    const char *message;
    enum s3_error error = body_end(&op->body, &message);
    int rc;

    if (error != S3_OK) {
        write_forget(op->write);
        fail(op, error, message);
        return;
    }
    if (op->body.kind != CHECKSUM_NONE)
        meta_add_checksum(&op->meta, op->body.kind, op->body.checksum, 0);
    rc = write_end_with(op->write, op->meta.bytes, op->meta.len, text);
    op->is_whole = rc == 0;
    if (rc < 0)
        fail(op, error_of(rc), NULL);
}

/* A value that has come whole is stored all the same. */
static void closed_cb(struct http_request *request)
{
    struct receiving *op = http_request_data(request);

    op->call.request = NULL;
    if (op->is_whole && op->is_part)
        return;
    write_forget(op->write);
    receiving_free(op);
}

static const struct http_body_reader reader = {
    .data = data_cb,
    .end = end_cb,
    .closed = closed_cb,
};

/* --- The start -------------------------------------------------------------------------------- */

/* The client is gone before the write has started. */
static void left_cb(struct call_waiter *waiter)
{
    struct receiving *op = (struct receiving *)waiter;

    write_forget(op->write);
    receiving_free(op);
}

static_assert(offsetof(struct receiving, waiter) == 0, "left_cb() wants it so");

static void started_cb(void *arg)
{
    struct receiving *op = arg;

    http_request_set_data(op->call.request, op);
    http_read_body(op->call.request, &reader);
}

static int start_write(struct receiving *op, const struct key *key)
{
    char text[UPLOAD_TEXT_MAX];

    return write_start(op->call.s3->objects, key,
                       &(struct write_options){
                           .request_id = op->call.ids.request,
                           .size = op->body.length,
                           .is_framed = op->body.payload.is_chunked,
                           .md5 = op->body.has_md5 ? op->body.md5 : NULL,
                           .needs_md5 = true,
                           .allows_empty = true,
                           .replaces = true,
                           .condition = op->condition != NULL ? condition_cb : NULL,
                           .started = started_cb,
                           .drained = drained_cb,
                           .done = written_cb,
                           .arg = op,
                       },
                       &op->write, text);
}

/* --- The head --------------------------------------------------------------------------------- */

static enum s3_error read_head(struct receiving *op, const struct receive_options *options,
                               const char **message)
{
    enum s3_error error = body_require(&op->body, options->kind, message);

    if (error == S3_OK && options->keeps_headers)
        error = meta_add_request(&op->meta, op->call.request);
    return error;
}

void receive(const struct call *call, const struct receive_options *options)
{
    struct receiving *op = malloc(sizeof(*op));
    const char *message = NULL;
    enum s3_error error;
    int rc;

    if (op == NULL) {
        call_fail(call, S3_SERVICE_UNAVAILABLE, NULL);
        return;
    }
    op->call = *call;
    op->condition = options->condition;
    op->is_part = options->is_part;
    op->part.data = op;
    op->waiter.closed = left_cb;
    op->key = *options->key;
    op->is_whole = false;
    op->meta.len = 0;
    error = body_init(&op->body, call, BODY_OF_OBJECT, &message);
    op->call.auth = NULL;
    if (error != S3_OK) {
        free(op);
        call_fail(call, error, message);
        return;
    }
    error = read_head(op, options, &message);
    rc = error == S3_OK ? start_write(op, options->key) : 0;
    if (rc < 0)
        error = error_of(rc);
    if (error != S3_OK) {
        fail(op, error, message);
    } else {
        call_wait(&op->call, &op->waiter);
    }
}
