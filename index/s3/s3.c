#include "index/s3/s3.h"

#include <string.h>
#include <strings.h>

#include "index/base/operation.h"
#include "index/http/front.h"
#include "index/http/meter.h"
#include "index/http/query.h"
#include "index/s3/call.h"

/* --- Which requests are S3's ----------------------------------------------------------------- */

static bool begins_with(const char *text, const char *prefix)
{
    return strncasecmp(text, prefix, strlen(prefix)) == 0;
}

/* "AWS ACCESS:SIGNATURE", "AWS4-HMAC-SHA256 ..." */
static bool is_scheme_of_amazon(const char *value)
{
    return strncmp(value, "AWS", 3) == 0 && (value[3] == ' ' || value[3] == '4');
}

static bool has_header_of_amazon(const struct http_request *request)
{
    const char *name;
    const char *value;

    for (unsigned i = 0; (value = http_request_header_at(request, i, &name)) != NULL; i++) {
        if (*name != 'a' && *name != 'A' && *name != 'x' && *name != 'X')
            continue;
        if (begins_with(name, "x-amz-") || begins_with(name, "amz-sdk-") ||
            (strcasecmp(name, "Authorization") == 0 && is_scheme_of_amazon(value)))
            return true;
    }
    return false;
}

static bool has_parameter(const char *query, size_t len, const char *name)
{
    char none[1];
    size_t n;

    return query_find(query, len, name, none, 0, &n) != -ENOENT;
}

static bool is_presigned(const struct http_request *request)
{
    size_t len;
    const char *query = http_request_query(request, &len);

    if (len == 0)
        return false;
    return has_parameter(query, len, "X-Amz-Signature") ||
           has_parameter(query, len, "X-Amz-Credential") ||
           (has_parameter(query, len, "AWSAccessKeyId") && has_parameter(query, len, "Signature"));
}

/* A request that is signed for the native API says so in the credential's scope, in Authorization
 * or in the query. */
static bool is_signed_for_native(const struct http_request *request)
{
    static const char end[] = "/mkv/aws4_request";
    const size_t n = sizeof(end) - 1;
    const char *authorization = http_request_header(request, "Authorization");
    char scope[KEYS_ACCESS_MAX + ACCESS_SCOPE_SIZE];
    size_t query_len;
    const char *query = http_request_query(request, &query_len);
    size_t len;

    if (authorization != NULL && is_scheme_of_amazon(authorization) &&
        strstr(authorization, end) != NULL)
        return true;
    return query_find(query, query_len, "X-Amz-Credential", scope, sizeof(scope), &len) == 0 &&
           len >= n && memcmp(scope + len - n, end, n) == 0;
}

bool s3_is_wanted(const struct http_request *request)
{
    if (front_port(request) == FRONT_S3)
        return true;
    return (has_header_of_amazon(request) || is_presigned(request)) &&
           !is_signed_for_native(request);
}

/* --- One of them ----------------------------------------------------------------------------- */

static bool is_read(const struct http_request *request)
{
    enum http_method method = http_request_method(request);

    return method == HTTP_METHOD_GET || method == HTTP_METHOD_HEAD;
}

/* Who calls comes before what is asked for: a stranger learns nothing. */
static void handle(struct call *call)
{
    struct access_auth auth = {.who = NULL};
    const char *message = NULL;
    enum s3_error error = S3_OK;

    if (call->s3->keys != NULL) {
        error = call_authenticate(call, &auth, &message);
        call->auth = &auth;
    }
    if (error == S3_OK && call->s3->only_reads && !is_read(call->request)) {
        error = S3_METHOD_NOT_ALLOWED;
        message = "This index only reads.";
    }
    if (error != S3_OK)
        call_fail(call, error, message);
    else
        call_run(call);
    call->auth = NULL;
    access_auth_deinit(&auth);
}

void s3_handle(struct s3 *s3, struct http_request *request)
{
    struct call call = {.s3 = s3, .request = request};
    size_t len;
    const char *path = http_request_path(request, &len);
    enum s3_error error;

    http_request_set_kind(request, S3_OTHER);
    respond_ids_make(&call.ids, request);
    respond_add_ids(request, &call.ids);
    error = target_parse(path, len, http_request_header(request, "Host"), s3->domain, &call.target);
    if (error != S3_OK)
        call_fail(&call, error, NULL);
    else
        handle(&call);
}

void call_fail(const struct call *call, enum s3_error error, const char *message)
{
    respond_error(call->request, &call->ids, error, message);
}
