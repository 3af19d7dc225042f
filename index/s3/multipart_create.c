/* CreateMultipartUpload. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "index/base/clock.h"
#include "index/base/hex.h"
#include "index/s3/mark.h"
#include "index/s3/multipart.h"

struct create_op {
    struct call call; /* `request` NULL once the client is gone */
    char id[UPLOAD_ID_SIZE];
    enum checksum_kind kind;
    bool is_composite;
};

/* Ids of one object are in the order of their making: 48 bits are of the clock, 80 of chance. */
static int make_id(char id[UPLOAD_ID_SIZE])
{
    unsigned char bytes[UPLOAD_ID_LENGTH / 2];
    uint64_t now = clock_now_ms();

    if (getrandom(bytes, sizeof(bytes), GRND_NONBLOCK) != sizeof(bytes))
        return UV_EAGAIN;
    for (int i = 0; i < 6; i++)
        bytes[i] = (unsigned char)(now >> (40 - 8 * i));
    hex_write(bytes, sizeof(bytes), id);
    return 0;
}

/* --- Which checksum the object is to have ------------------------------------------------------
 */

/* Amazon S3 User Guide, "Checking object integrity": SHA of a whole object can't be had from its
 * parts, and CRC64NVME is of whole objects alone. */
static enum s3_error read_type(struct create_op *op, const char *type, const char **message)
{
    bool is_full = strcasecmp(type, "FULL_OBJECT") == 0;

    op->is_composite = strcasecmp(type, "COMPOSITE") == 0;
    *message = NULL;
    if (!is_full && !op->is_composite)
        *message = "Value for x-amz-checksum-type header is invalid.";
    else if (op->kind == CHECKSUM_NONE)
        *message = "The x-amz-checksum-type header can only be used with the "
                   "x-amz-checksum-algorithm header.";
    else if (is_full && !checksum_is_crc(op->kind))
        *message = "The FULL_OBJECT checksum type cannot be used with the algorithm.";
    else if (op->is_composite && op->kind == CHECKSUM_CRC64NVME)
        *message = "The COMPOSITE checksum type cannot be used with the crc64nvme algorithm.";
    return *message == NULL ? S3_OK : S3_INVALID_REQUEST;
}

static enum s3_error read_checksum(struct create_op *op, const char **message)
{
    const char *name = http_request_header(op->call.request, "x-amz-checksum-algorithm");
    const char *type = http_request_header(op->call.request, "x-amz-checksum-type");

    op->kind = name != NULL ? checksum_of_name(name) : CHECKSUM_NONE;
    if (name != NULL && op->kind == CHECKSUM_NONE) {
        *message = "Checksum algorithm provided is unsupported. Please try again with any of the "
                   "valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]";
        return S3_INVALID_REQUEST;
    }
    op->is_composite = op->kind != CHECKSUM_NONE && op->kind != CHECKSUM_CRC64NVME;
    return type != NULL ? read_type(op, type, message) : S3_OK;
}

/* --- The operation -----------------------------------------------------------------------------
 */

static void respond(const struct create_op *op)
{
    struct http_request *request = op->call.request;
    const struct target *target = &op->call.target;
    struct buf body = {.data = NULL};
    struct xml_out out = {.buf = &body};

    if (op->kind != CHECKSUM_NONE) {
        http_add_header(request, "x-amz-checksum-algorithm", checksum_name(op->kind));
        http_add_header(request, "x-amz-checksum-type", multipart_checksum_type(op->is_composite));
    }
    xml_out_declare(&out);
    xml_out_root(&out, "InitiateMultipartUploadResult");
    xml_out_string(&out, "Bucket", target->bucket);
    xml_out_text(&out, "Key", target_key(target), target->key_len);
    xml_out_string(&out, "UploadId", op->id);
    xml_out_close(&out, "InitiateMultipartUploadResult");
    respond_xml(request, 200, &out);
    buf_deinit(&body);
}

/* An upload that nobody has heard of goes as all do that are left alone. */
static void written_cb(void *arg, int rc, const char *text, const struct record *record)
{
    struct create_op *op = arg;

    (void)text;
    (void)record;
    if (op->call.request != NULL && rc < 0)
        call_fail(&op->call, call_error_of(rc), NULL);
    else if (op->call.request != NULL)
        respond(op);
    free(op);
}

static void closed_cb(struct http_request *request)
{
    struct create_op *op = http_request_data(request);

    op->call.request = NULL;
}

static enum s3_error start(struct create_op *op, const char **message)
{
    struct meta meta = {.len = 0};
    struct key key;
    enum s3_error error = read_checksum(op, message);
    int rc;

    if (error == S3_OK)
        error = meta_add_request(&meta, op->call.request);
    if (error != S3_OK)
        return error;
    meta_add_algorithm(&meta, op->kind, op->is_composite);
    rc = make_id(op->id);
    upload_key_of_record(&op->call.target.key, op->id, &key);
    if (rc == 0)
        rc = mark_write(op->call.s3->objects, &key,
                        &(struct mark_options){.meta = &meta, .done = written_cb, .arg = op});
    return rc < 0 ? call_error_of(rc) : S3_OK;
}

static void bucket_checked(const struct call *call, const struct record *record)
{
    struct create_op *op = calloc(1, sizeof(*op));
    enum s3_error error = S3_SERVICE_UNAVAILABLE;
    const char *message = NULL;

    (void)record;
    if (op != NULL) {
        op->call = *call;
        op->call.auth = NULL;
        error = start(op, &message);
    }
    if (error != S3_OK) {
        free(op);
        call_fail(call, error, message);
        return;
    }
    http_request_set_data(call->request, op);
    http_request_hold(call->request, closed_cb);
}

void create_multipart_upload(const struct call *call)
{
    call_check_target(call, bucket_checked);
}
