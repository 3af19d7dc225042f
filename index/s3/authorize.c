/* Between S3 and `access`, which knows no HTTP and none of S3's errors. */
#include <time.h>

#include "index/s3/call.h"

enum s3_error call_error_of_access(enum access_result result)
{
    switch (result) {
    case ACCESS_OK:
        return S3_OK;
    case ACCESS_UNKNOWN_KEY:
        return S3_INVALID_ACCESS_KEY_ID;
    case ACCESS_MISMATCH:
        return S3_SIGNATURE_DOES_NOT_MATCH;
    case ACCESS_SKEWED:
        return S3_REQUEST_TIME_TOO_SKEWED;
    case ACCESS_EXPIRED:
    case ACCESS_NOT_YET:
    case ACCESS_BAD_EXPIRES:
    case ACCESS_NO_DATE:
    case ACCESS_UNSIGNED_HEADER:
    case ACCESS_BAD_SECRET:
    case ACCESS_BAD_WORD:
    case ACCESS_IN_CLEAR:
        return S3_ACCESS_DENIED;
    case ACCESS_BAD_HEADER:
        return S3_AUTHORIZATION_HEADER_MALFORMED;
    case ACCESS_BAD_QUERY:
        return S3_AUTHORIZATION_QUERY_PARAMETERS;
    case ACCESS_TWO_SIGNATURES:
    case ACCESS_BAD_PAYLOAD_HASH:
    case ACCESS_BAD_LENGTH:
        return S3_INVALID_ARGUMENT;
    case ACCESS_UNKNOWN_SCHEME:
    case ACCESS_UNSIGNED_PAYLOAD:
    case ACCESS_BAD_ANNOUNCEMENT:
        return S3_INVALID_REQUEST;
    case ACCESS_HASH_MISMATCH:
        return S3_X_AMZ_CONTENT_SHA256_MISMATCH;
    case ACCESS_NO_LENGTH:
        return S3_MISSING_CONTENT_LENGTH;
    case ACCESS_UNSUPPORTED_PAYLOAD:
        return S3_NOT_IMPLEMENTED;
    case ACCESS_INCOMPLETE:
        return S3_INCOMPLETE_BODY;
    case ACCESS_BAD_TRAILER:
        return S3_MALFORMED_TRAILER;
    case ACCESS_NO_MEMORY:
        return S3_SERVICE_UNAVAILABLE;
    }
    return S3_INTERNAL_ERROR;
}

static const char *header_at(const void *arg, unsigned index, const char **name)
{
    return http_request_header_at(arg, index, name);
}

void call_access_request(const struct call *call, struct access_request *request)
{
    const struct http_request *r = call->request;

    *request = (struct access_request){
        .method = http_method_name(http_request_method(r)),
        .host_bucket = call->target.host_has_bucket ? call->target.bucket : NULL,
        .header_at = header_at,
        .arg = r,
        .now = time(NULL),
    };
    request->path = http_request_path(r, &request->path_len);
    request->query = http_request_query(r, &request->query_len);
}

enum s3_error call_authenticate(const struct call *call, struct access_auth *auth,
                                const char **message)
{
    struct access_request request;
    enum access_result result;

    call_access_request(call, &request);
    result = access_authenticate(call->s3->keys, &request, auth);
    *message = access_result_text(result);
    return call_error_of_access(result);
}

bool call_may(const struct call *call, enum access_right right, const char *bucket, const char *key,
              size_t key_len)
{
    return call->auth == NULL || access_may(call->auth->who, right, bucket, key, key_len);
}

bool call_may_somewhere(const struct call *call, enum access_right right, const char *bucket)
{
    return call->auth == NULL || access_may_somewhere(call->auth->who, right, bucket);
}

bool call_may_see(const struct call *call, const char *bucket)
{
    return call->auth == NULL || access_may_see(call->auth->who, bucket);
}
