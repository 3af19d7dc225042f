#include "index/s3/body.h"

#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

#define MISMATCH "The checksum is another than that of the bytes that were received."

/* --- The head -------------------------------------------------------------------------------- */

/* RFC 1864: the base64 of 16 bytes. */
static enum s3_error read_md5(struct body *body, const struct http_request *request)
{
    const char *text = http_request_header(request, "Content-MD5");
    unsigned char bytes[24];
    size_t n;

    if (text == NULL)
        return S3_OK;
    if (strlen(text) != BASE64_SIZE(MD5_SIZE) ||
        base64_decode(text, BASE64_SIZE(MD5_SIZE), bytes, &n) < 0 || n != MD5_SIZE)
        return S3_INVALID_DIGEST;
    memcpy(body->md5, bytes, MD5_SIZE);
    body->has_md5 = true;
    return S3_OK;
}

/* A header x-amz-checksum-NAME, of which there may be one. */
static enum s3_error read_checksum(struct body *body, const struct http_request *request,
                                   const char **message)
{
    const char *name;
    const char *value;
    unsigned n_parts;

    for (unsigned i = 0; (value = http_request_header_at(request, i, &name)) != NULL; i++) {
        enum checksum_kind kind = checksum_of_header(name);

        if (kind == CHECKSUM_NONE)
            continue;
        if (body->kind != CHECKSUM_NONE) {
            *message = "Expecting a single x-amz-checksum- header. Multiple checksum types are not "
                       "allowed.";
            return S3_INVALID_REQUEST;
        }
        if (checksum_parse(kind, value, strlen(value), body->announced, &n_parts) < 0 ||
            n_parts != 0) {
            *message = "The value of an x-amz-checksum- header is invalid.";
            return S3_INVALID_REQUEST;
        }
        body->kind = kind;
    }
    return S3_OK;
}

static enum s3_error read_trailer(struct body *body, const char **message)
{
    if (body->payload.trailer[0] == '\0')
        return S3_OK;
    if (body->kind != CHECKSUM_NONE) {
        *message = "Expecting a single x-amz-checksum- header. Multiple checksum types are not "
                   "allowed.";
        return S3_INVALID_REQUEST;
    }
    body->kind = checksum_of_header(body->payload.trailer);
    body->is_trailer = true;
    *message = "The value specified in the x-amz-trailer header is not supported";
    return body->kind != CHECKSUM_NONE ? S3_OK : S3_INVALID_REQUEST;
}

/* What x-amz-sdk-checksum-algorithm names must come. In the query of a presigned request it means
 * nothing: clients put it there, and have no bytes at that time. */
static enum s3_error check_algorithm(const struct body *body, const struct http_request *request,
                                     const char **message)
{
    const char *name = http_request_header(request, "x-amz-sdk-checksum-algorithm");
    enum checksum_kind kind;

    if (name == NULL)
        return S3_OK;
    kind = checksum_of_name(name);
    if (kind == CHECKSUM_NONE)
        *message = "Value for x-amz-sdk-checksum-algorithm header is invalid.";
    else if (body->kind == CHECKSUM_NONE)
        *message = "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* "
                   "or x-amz-trailer headers were found.";
    else if (body->kind != kind)
        *message = "Value for x-amz-sdk-checksum-algorithm header does not match the checksum.";
    else
        return S3_OK;
    return S3_INVALID_REQUEST;
}

static enum s3_error read_head(struct body *body, const struct call *call, enum body_use use,
                               const char **message)
{
    enum s3_error error = read_md5(body, call->request);

    if (use == BODY_OF_PARTS)
        return error;
    if (error == S3_OK)
        error = read_checksum(body, call->request, message);
    if (error == S3_OK)
        error = read_trailer(body, message);
    if (error == S3_OK)
        error = check_algorithm(body, call->request, message);
    return error;
}

/* Whether so many bytes more may be kept for whoever sends this body. */
static bool has_room(const struct body *body, size_t n)
{
    const struct body *each;
    size_t own = n;
    size_t others = 0;

    LIST_FOREACH(each, &body->s3->bodies, link)
    {
        if (each->who == body->who)
            own += each->kept;
        else
            others += each->kept;
    }
    return own <= (BODY_BYTES_MAX - others) / 2;
}

static enum s3_error keep(struct body *body, size_t n)
{
    if (body->s3 == NULL)
        return S3_OK;
    if (!has_room(body, n))
        return S3_SLOW_DOWN;
    body->kept += n;
    return S3_OK;
}

static enum s3_error begin_keeping(struct body *body, const struct call *call)
{
    body->s3 = call->s3;
    body->who = call->auth != NULL ? call->auth->who : NULL;
    LIST_INSERT_HEAD(&call->s3->bodies, body, link);
    return keep(body, BODY_LEAST);
}

enum s3_error body_init(struct body *body, const struct call *call, enum body_use use,
                        const char **message)
{
    struct access_request request;
    enum access_result result;
    enum s3_error error;

    memset(body, 0, sizeof(*body));
    *message = NULL;
    call_access_request(call, &request);
    result = payload_init(&body->payload, &request, call->auth);
    if (result != ACCESS_OK) {
        *message = access_result_text(result);
        return call_error_of_access(result);
    }
    error = read_head(body, call, use, message);
    if (error != S3_OK) {
        body_deinit(body);
        return error;
    }
    *message = NULL;
    if (use != BODY_OF_OBJECT) {
        error = begin_keeping(body, call);
        if (error != S3_OK) {
            body_deinit(body);
            return error;
        }
    }
    body->length = body->payload.is_chunked ? body->payload.decoded_length
                                            : http_request_content_length(call->request);
    if (body->kind != CHECKSUM_NONE)
        checksum_begin(&body->running, body->kind);
    if (body->has_md5 && use != BODY_OF_OBJECT)
        md5_begin(&body->running_md5);
    return S3_OK;
}

enum s3_error body_require(struct body *body, enum checksum_kind kind, const char **message)
{
    if (kind == CHECKSUM_NONE || body->kind == kind)
        return S3_OK;
    if (body->kind != CHECKSUM_NONE) {
        *message = "The checksum is of another algorithm than the upload was created with.";
        return S3_INVALID_REQUEST;
    }
    body->kind = kind;
    body->is_required = true;
    checksum_begin(&body->running, kind);
    return S3_OK;
}

void body_deinit(struct body *body)
{
    payload_deinit(&body->payload);
    if (body->s3 != NULL)
        LIST_REMOVE(body, link);
    body->s3 = NULL;
    body->kept = 0;
}

/* --- Its bytes -------------------------------------------------------------------------------- */

static enum s3_error fail(enum access_result result, const char **message)
{
    *message = access_result_text(result);
    return call_error_of_access(result);
}

enum s3_error body_next(struct body *body, const char **at, const char *end, const char **bytes,
                        size_t *len, const char **message)
{
    enum access_result result = payload_next(&body->payload, at, end, bytes, len);
    enum s3_error error;

    if (result != ACCESS_OK)
        return fail(result, message);
    *message = NULL;
    error = keep(body, *len);
    if (error != S3_OK)
        return error;
    if (body->kind != CHECKSUM_NONE)
        checksum_add(&body->running, *bytes, *len);
    if (body->running_md5.is_begun)
        md5_add(&body->running_md5, *bytes, *len);
    return S3_OK;
}

enum s3_error body_feed(struct body *body, const char *bytes, size_t n,
                        enum s3_error (*add)(void *arg, const char *bytes, size_t n), void *arg,
                        const char **message)
{
    const char *end = bytes + n;
    const char *piece;
    size_t len;
    enum s3_error error;

    do {
        error = body_next(body, &bytes, end, &piece, &len, message);
        if (error != S3_OK || len == 0)
            return error;
        *message = NULL;
        error = add(arg, piece, len);
    } while (error == S3_OK);
    return error;
}

static enum s3_error check_checksum(struct body *body, const char **message)
{
    const char *value = body->payload.value;
    unsigned n_parts;

    if (body->kind == CHECKSUM_NONE)
        return S3_OK;
    checksum_finish(&body->running, body->checksum);
    if (body->is_required)
        return S3_OK;
    if (body->is_trailer &&
        (checksum_parse(body->kind, value, strlen(value), body->announced, &n_parts) < 0 ||
         n_parts != 0)) {
        *message = "The value of the trailer is no checksum.";
        return S3_INVALID_REQUEST;
    }
    if (memcmp(body->announced, body->checksum, checksum_size(body->kind)) == 0)
        return S3_OK;
    *message = MISMATCH;
    return S3_BAD_DIGEST;
}

enum s3_error body_end(struct body *body, const char **message)
{
    enum access_result result = payload_end(&body->payload);
    unsigned char md5[MD5_SIZE];
    enum s3_error error;

    *message = NULL;
    if (result != ACCESS_OK)
        return fail(result, message);
    error = check_checksum(body, message);
    if (error != S3_OK || !body->running_md5.is_begun)
        return error;
    md5_finish(&body->running_md5, md5);
    return memcmp(md5, body->md5, MD5_SIZE) == 0 ? S3_OK : S3_BAD_DIGEST;
}

void body_add_checksum(const struct body *body, struct http_request *request)
{
    char text[CHECKSUM_TEXT_MAX];

    if (body->kind == CHECKSUM_NONE)
        return;
    checksum_format(body->kind, body->checksum, 0, text);
    http_add_header(request, checksum_header(body->kind), text);
    http_add_header(request, "x-amz-checksum-type", "FULL_OBJECT");
}
