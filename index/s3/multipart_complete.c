/* CompleteMultipartUpload: the list is read, and a completion awaited, which may be one that runs
 * already. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "index/http/front.h"
#include "index/s3/body.h"
#include "index/s3/completion.h"
#include "index/s3/slow_answer.h"

struct complete_op {
    struct slow_answer answer;
    struct body body;
    struct body_complete *list;
    struct multipart upload;
    struct store_reading reading;
    struct completion_waiter waiter;
    bool is_waiting; /* with that */
};

static_assert(offsetof(struct complete_op, answer) == 0, "slow_answer.h wants it so");

static void free_cb(struct slow_answer *answer)
{
    struct complete_op *op = (struct complete_op *)answer;

    body_deinit(&op->body);
    body_complete_free(op->list);
    free(op);
}

static void closed_cb(struct slow_answer *answer)
{
    struct complete_op *op = (struct complete_op *)answer;

    if (op->is_waiting)
        completion_leave(&op->waiter);
    store_cancel(answer->call.s3->objects->store, &op->reading);
    slow_answer_end(answer);
}

/* --- The answer ------------------------------------------------------------------------------ */

static void write_location(struct xml_out *out, const struct http_request *request)
{
    const char *host = http_request_header(request, "Host");
    struct buf text = {.data = NULL};
    size_t len;
    const char *path = http_request_path(request, &len);

    if (host != NULL &&
        buf_append_format(&text, "%s://%s", front_has_tls(request) ? "https" : "http", host) < 0)
        out->failed = true;
    if (buf_append(&text, path, len) < 0)
        out->failed = true;
    else
        xml_out_text(out, "Location", buf_bytes(&text), buf_size(&text));
    buf_deinit(&text);
}

/* What the metadata of the object says. */
static void write_answer(struct xml_out *out, const struct call *call, const char *meta, size_t len)
{
    struct meta_line line;
    char etag[META_ETAG_SIZE];
    enum checksum_kind kind = meta_checksum(meta, len, &line);

    xml_out_root(out, "CompleteMultipartUploadResult");
    write_location(out, call->request);
    xml_out_string(out, "Bucket", call->target.bucket);
    xml_out_text(out, "Key", target_key(&call->target), call->target.key_len);
    if (kind != CHECKSUM_NONE) {
        xml_out_text(out, checksum_element(kind), line.value, line.value_len);
        xml_out_string(out, "ChecksumType",
                       multipart_checksum_type(meta_checksum_is_composite(&line)));
    }
    meta_etag(meta, len, &(const struct record){.flags = 0}, etag);
    xml_out_string(out, "ETag", etag);
    xml_out_close(out, "CompleteMultipartUploadResult");
}

static void respond(struct complete_op *op, const char *meta, size_t len)
{
    write_answer(slow_answer_xml(&op->answer), &op->answer.call, meta, len);
    slow_answer_send(&op->answer);
}

/* --- Waiting --------------------------------------------------------------------------------- */

static void done_cb(struct completion_waiter *waiter, enum s3_error error, const char *message,
                    const struct meta *meta)
{
    struct complete_op *op =
        (struct complete_op *)((char *)waiter - offsetof(struct complete_op, waiter));

    op->is_waiting = false;
    if (error != S3_OK)
        slow_answer_fail(&op->answer, error, message);
    else
        respond(op, meta->bytes, meta->len);
}

static void wait_for(struct complete_op *op, struct completion *completion)
{
    op->waiter.done = done_cb;
    op->is_waiting = true;
    completion_wait(completion, &op->waiter);
    slow_answer_wait(&op->answer);
}

/* --- What the head says of the object ----------------------------------------------------------
 */

static enum s3_error read_checksum(const struct call *call, struct completion_wanted *wanted,
                                   const char **message)
{
    const char *name;
    const char *value;
    unsigned n_parts;

    wanted->kind = CHECKSUM_NONE;
    for (unsigned i = 0; (value = http_request_header_at(call->request, i, &name)) != NULL; i++) {
        enum checksum_kind kind = checksum_of_header(name);

        if (kind == CHECKSUM_NONE)
            continue;
        if (checksum_parse(kind, value, strlen(value), wanted->checksum, &n_parts) < 0) {
            *message = "The value of an x-amz-checksum- header is invalid.";
            return S3_INVALID_REQUEST;
        }
        wanted->kind = kind;
    }
    return S3_OK;
}

static enum s3_error read_size(const struct call *call, struct completion_wanted *wanted,
                               const char **message)
{
    const char *text = http_request_header(call->request, "x-amz-mp-object-size");
    char *end;

    wanted->has_size = text != NULL;
    if (text == NULL)
        return S3_OK;
    errno = 0;
    wanted->size = strtoull(text, &end, 10);
    if (errno == 0 && *text >= '0' && *text <= '9' && *end == '\0')
        return S3_OK;
    *message = "The value of x-amz-mp-object-size is invalid.";
    return S3_INVALID_REQUEST;
}

static enum s3_error read_wanted(const struct call *call, const struct multipart *upload,
                                 struct completion_wanted *wanted, const char **message)
{
    const char *type = http_request_header(call->request, "x-amz-checksum-type");

    if (type != NULL && upload->kind != CHECKSUM_NONE &&
        strcasecmp(type, multipart_checksum_type(upload->is_composite)) != 0) {
        *message = "The upload was created with another checksum type.";
        return S3_INVALID_REQUEST;
    }
    if (read_checksum(call, wanted, message) != S3_OK)
        return S3_INVALID_REQUEST;
    return read_size(call, wanted, message);
}

/* --- The list -------------------------------------------------------------------------------- */

/* Whether the object has come from the upload. */
static bool is_object_of(const struct record *record, const char *id)
{
    struct meta_line line;

    return !(record->flags & RECORD_UNLINKED) &&
           meta_find(record->meta, record->meta_len, "upload", &line) &&
           line.value_len == UPLOAD_ID_LENGTH && memcmp(line.value, id, UPLOAD_ID_LENGTH) == 0;
}

/* Who asks again finds the record of its object in there, as long as there is no other one. */
static void repeat(struct complete_op *op, int rc, const struct record *record)
{
    if (rc == 0 && is_object_of(record, op->upload.id))
        respond(op, record->meta, record->meta_len);
    else
        slow_answer_fail(&op->answer,
                         rc < 0 && rc != UV_ENOENT ? call_error_of(rc) : S3_NO_SUCH_UPLOAD, NULL);
}

static void object_cb(struct store_reading *reading, int rc, const struct record *record)
{
    repeat(reading->data, rc, record);
}

static void look_for_object(struct complete_op *op)
{
    const struct call *call = &op->answer.call;
    struct record record;
    int rc =
        objects_look_up(call->s3->objects, &op->reading, &call->target.key, &record, object_cb);

    if (rc != STORE_LATER)
        repeat(op, rc, &record);
}

static enum s3_error complete(struct complete_op *op, const struct record *record,
                              const char **message)
{
    struct completion *completion;
    struct completion_wanted wanted;
    enum s3_error error;

    multipart_read_record(record, &op->upload);
    error = read_wanted(&op->answer.call, &op->upload, &wanted, message);
    if (error != S3_OK)
        return error;
    completion = completion_find(op->answer.call.s3, &op->upload.key);
    if (completion == NULL) {
        error =
            completion_start(&op->answer.call, &op->upload, record, op->list, &wanted, &completion);
        if (error != S3_OK)
            return error;
        op->list = NULL;
    }
    wait_for(op, completion);
    return S3_OK;
}

/* The upload may have been aborted, or completed by another request, while the list came. */
static void go_on(struct complete_op *op, int rc, const struct record *record)
{
    const char *message = NULL;
    enum s3_error error;

    if (rc == UV_ENOENT) {
        look_for_object(op);
        return;
    }
    error = rc < 0 ? call_error_of(rc) : complete(op, record, &message);
    if (error != S3_OK)
        slow_answer_fail(&op->answer, error, message);
}

static void upload_cb(struct store_reading *reading, int rc, const struct record *record)
{
    go_on(reading->data, rc, record);
}

static void look_for_upload(struct complete_op *op)
{
    struct record record;
    int rc = objects_look_up(op->answer.call.s3->objects, &op->reading, &op->upload.key, &record,
                             upload_cb);

    if (rc == STORE_LATER)
        slow_answer_wait(&op->answer);
    else
        go_on(op, rc, &record);
}

static void data_cb(struct http_request *request, const char *bytes, size_t n)
{
    struct complete_op *op = http_request_data(request);
    const char *end = bytes + n;
    const char *piece;
    const char *message;
    size_t len;
    enum s3_error error;

    while ((error = body_next(&op->body, &bytes, end, &piece, &len, &message)) == S3_OK &&
           len > 0) {
        message = NULL;
        error = body_complete_add(op->list, piece, len);
        if (error != S3_OK)
            break;
    }
    if (error != S3_OK)
        slow_answer_fail(&op->answer, error, message);
}

static void end_cb(struct http_request *request)
{
    struct complete_op *op = http_request_data(request);
    const char *message;
    enum s3_error error = body_end(&op->body, &message);

    if (error == S3_OK)
        error = body_complete_end(op->list);
    body_deinit(&op->body); /* what follows may take long, and needs parts that were uploaded */
    if (error != S3_OK)
        slow_answer_fail(&op->answer, error, message);
    else
        look_for_upload(op);
}

static const struct http_body_reader reader = {
    .data = data_cb,
    .end = end_cb,
    .closed = slow_answer_closed_cb,
    .least_rate = BODY_RATE,
};

static enum s3_error start(struct complete_op *op, const struct call *call, const char **message)
{
    op->reading.data = op;
    multipart_read_key(call, &op->upload);
    op->list = body_complete_new();
    return op->list != NULL ? body_init(&op->body, call, BODY_OF_PARTS, message)
                            : S3_SERVICE_UNAVAILABLE;
}

static void begin(const struct call *call)
{
    struct complete_op *op = calloc(1, sizeof(*op));
    const char *message = NULL;
    enum s3_error error;

    if (op == NULL) {
        call_fail(call, S3_SERVICE_UNAVAILABLE, NULL);
        return;
    }
    slow_answer_init(&op->answer, call, closed_cb, free_cb);
    error = start(op, call, &message);
    if (error != S3_OK)
        slow_answer_fail(&op->answer, error, message);
    else
        http_read_body(call->request, &reader);
}

static void object_found(const struct call *call, const struct record *record)
{
    struct multipart upload;

    multipart_read_key(call, &upload);
    if (record != NULL && is_object_of(record, upload.id))
        begin(call);
    else
        call_fail(call, S3_NO_SUCH_UPLOAD, NULL);
}

/* Or it is completed already: repeat(). */
static void upload_found(const struct call *call, const struct record *record)
{
    if (record != NULL)
        begin(call);
    else
        call_find_record(call, &call->target.key, object_found);
}

void complete_multipart_upload(const struct call *call)
{
    multipart_find(call, upload_found);
}
