#include "index/api/auth.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "index/http/front.h"

#define REASON_MAX 512

int auth_status(enum access_result result)
{
    switch (result) {
    case ACCESS_OK:
        return 200;
    case ACCESS_UNKNOWN_KEY:
    case ACCESS_MISMATCH:
    case ACCESS_SKEWED:
    case ACCESS_NO_DATE:
    case ACCESS_UNSIGNED_HEADER:
    case ACCESS_UNKNOWN_SCHEME:
    case ACCESS_BAD_SECRET:
        return 401;
    case ACCESS_EXPIRED: /* whoever follows such a link has no key to try again with */
    case ACCESS_NOT_YET:
    case ACCESS_IN_CLEAR:
        return 403;
    case ACCESS_BAD_EXPIRES:
    case ACCESS_BAD_HEADER:
    case ACCESS_BAD_QUERY:
    case ACCESS_BAD_WORD:
    case ACCESS_TWO_SIGNATURES:
    case ACCESS_BAD_PAYLOAD_HASH:
    case ACCESS_BAD_LENGTH:
    case ACCESS_UNSIGNED_PAYLOAD:
    case ACCESS_BAD_ANNOUNCEMENT:
    case ACCESS_HASH_MISMATCH:
    case ACCESS_NO_LENGTH:
    case ACCESS_INCOMPLETE:
    case ACCESS_BAD_TRAILER:
        return 400;
    case ACCESS_UNSUPPORTED_PAYLOAD:
        return 501;
    case ACCESS_NO_MEMORY:
        return 503;
    }
    return 500;
}

static const char *header_at(const void *arg, unsigned index, const char **name)
{
    return http_request_header_at(arg, index, name);
}

static void fill_in(struct http_request *r, struct access_request *request)
{
    *request = (struct access_request){
        .service = ACCESS_NATIVE,
        .is_confidential = front_is_confidential(r),
        .method = http_method_name(http_request_method(r)),
        .header_at = header_at,
        .arg = r,
        .now = time(NULL),
    };
    request->path = http_request_path(r, &request->path_len);
    request->query = http_request_query(r, &request->query_len);
}

/* RFC 9110, section 11.6.1. Where others can read a secret, nobody is asked for one. */
static void refuse(struct http_request *request, int status, bool is_confidential, const char *why)
{
    char text[REASON_MAX];

    if (status == 401 && is_confidential) {
        http_add_header(request, "WWW-Authenticate", "Basic realm=\"mkv\", charset=\"UTF-8\"");
        http_add_header(request, "WWW-Authenticate", "Bearer realm=\"mkv\"");
    }
    if (status == 401)
        http_add_header(request, "WWW-Authenticate", "AWS4-HMAC-SHA256");
    snprintf(text, sizeof(text), "%s\n", why);
    http_respond_text(request, status, text);
}

/* It doesn't say whether it is the key that is unknown or the signature that is wrong.
 *
 * curl signs the hash of a body that -d gives it, and doesn't send the hash but to S3. */
static const char *explain(enum access_result result, struct http_request *request)
{
    if (result == ACCESS_UNKNOWN_KEY)
        result = ACCESS_MISMATCH;
    if (result == ACCESS_MISMATCH && http_request_content_length(request) != 0 &&
        http_request_header(request, "x-amz-content-sha256") == NULL)
        return "The signature is not the one that the secret key makes of this request. A request "
               "with a body needs the header x-amz-content-sha256: the body's SHA-256, or "
               "UNSIGNED-PAYLOAD.";
    return access_result_text(result);
}

bool auth_admits(struct api *api, struct http_request *request, enum access_right right,
                 const char *key, size_t len, struct access_auth *auth)
{
    struct access_request asked;
    struct access_auth found;
    enum access_result result;

    if (api->keys == NULL) {
        memset(auth, 0, sizeof(*auth));
        return true;
    }
    fill_in(request, &asked);
    result = access_authenticate(api->keys, &asked, &found);
    if (result != ACCESS_OK) {
        refuse(request, auth_status(result), asked.is_confidential, explain(result, request));
        return false;
    }
    if (access_may_path(found.who, right, key, len)) {
        *auth = found;
        return true;
    }
    if (found.scheme == ACCESS_ANONYMOUS)
        refuse(request, 401, asked.is_confidential, "This needs an access key.");
    else
        refuse(request, 403, false, "The access key has no grant for this.");
    access_auth_deinit(&found);
    return false;
}

bool auth_admits_admin(struct keys *keys, struct http_request *request)
{
    struct access_request asked;
    struct access_auth found;
    enum access_result result;
    bool may;

    if (keys == NULL)
        return true;
    fill_in(request, &asked);
    asked.is_confidential = http_request_is_local(request);
    result = access_authenticate(keys, &asked, &found);
    if (result != ACCESS_OK) {
        refuse(request, auth_status(result), asked.is_confidential, explain(result, request));
        return false;
    }
    /* A link to a key named /status would do else: what is signed is a host and a path. */
    may = access_may_administer(found.who) && !found.presigned;
    if (found.presigned)
        refuse(request, 403, false, "No link opens this port: sign the request's headers.");
    else if (!may && found.scheme == ACCESS_ANONYMOUS)
        refuse(request, 401, asked.is_confidential, "This needs an access key.");
    else if (!may)
        refuse(request, 403, false, "The access key has no grant for this: it needs a:*");
    access_auth_deinit(&found);
    return may;
}

int auth_begin_body(struct http_request *request, const struct access_auth *auth,
                    struct payload *payload, const char **text)
{
    struct access_request asked;
    enum access_result result;

    if (auth->scheme != ACCESS_V4) {
        memset(payload, 0, sizeof(*payload));
        return 0;
    }
    if (!auth->presigned && http_request_header(request, "x-amz-content-sha256") == NULL) {
        *text = "a signed PUT needs the header x-amz-content-sha256: the body's SHA-256, or "
                "UNSIGNED-PAYLOAD\n";
        return 400;
    }
    fill_in(request, &asked);
    result = payload_init(payload, &asked, auth);
    *text = access_result_text(result);
    if (result != ACCESS_OK)
        return auth_status(result);
    if (!payload->is_chunked)
        return 0;
    payload_deinit(payload);
    *text = "a body in aws-chunked is S3's: send it as it is\n";
    return 501;
}
