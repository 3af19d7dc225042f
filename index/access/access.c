#include "index/access/access.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>
#include <strings.h>

#include "index/access/internal.h"

#define WHITE " \t"

const char *access_result_text(enum access_result result)
{
    static const char *const texts[] = {
        [ACCESS_OK] = "The request is who it says.",
        [ACCESS_UNKNOWN_KEY] = "The access key ID is unknown here.",
        [ACCESS_MISMATCH] = "The signature is not the one that the secret key makes of this "
                            "request. Check both keys and the signing method.",
        [ACCESS_SKEWED] = "The difference between the request time and the server's time is too "
                          "large.",
        [ACCESS_EXPIRED] = "Request has expired",
        [ACCESS_NOT_YET] = "Request is not valid yet",
        [ACCESS_BAD_EXPIRES] = "X-Amz-Expires must be a number of seconds from 1 to 604800.",
        [ACCESS_NO_DATE] = "A signed request needs a valid Date or x-amz-date header.",
        [ACCESS_UNSIGNED_HEADER] = "There were headers present in the request which were not "
                                   "signed: Host and all that begin with x-amz- must be.",
        [ACCESS_BAD_HEADER] = "The Authorization header is malformed: it needs a Credential of "
                              "KEY/DATE/REGION/SERVICE/aws4_request with the service of this API "
                              "(s3, or mkv), SignedHeaders and Signature.",
        [ACCESS_BAD_QUERY] = "A signature in the query needs well-formed parameters: "
                             "X-Amz-Algorithm, X-Amz-Credential, X-Amz-Date, X-Amz-Expires, "
                             "X-Amz-SignedHeaders and X-Amz-Signature, or those of version 2.",
        [ACCESS_TWO_SIGNATURES] = "Only one way of signing is allowed: the Authorization header or "
                                  "the query, once.",
        [ACCESS_UNKNOWN_SCHEME] = "The authorization mechanism is not supported. Please use "
                                  "AWS4-HMAC-SHA256.",
        [ACCESS_BAD_PAYLOAD_HASH] =
            "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, "
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, "
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, "
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER or a SHA-256 in hexadecimal.",
        [ACCESS_BAD_SECRET] = "The access key or its secret is wrong.",
        [ACCESS_BAD_WORD] = "Basic and Bearer need ACCESS:SECRET: Basic its base64, Bearer as it "
                            "is.",
        [ACCESS_IN_CLEAR] = "Basic and Bearer show the secret to whoever can read the connection, "
                            "and are taken over TLS or from this machine alone. Sign the request "
                            "(AWS4-HMAC-SHA256).",
        [ACCESS_HASH_MISMATCH] =
            "The x-amz-content-sha256 header does not match what was computed.",
        [ACCESS_NO_LENGTH] = "A chunked upload needs x-amz-decoded-content-length.",
        [ACCESS_BAD_LENGTH] = "x-amz-decoded-content-length is not a number of bytes.",
        [ACCESS_UNSUPPORTED_PAYLOAD] = "Payloads signed by elliptic curves are not supported.",
        [ACCESS_UNSIGNED_PAYLOAD] = "A payload of signed chunks needs a signature of version 4.",
        [ACCESS_BAD_ANNOUNCEMENT] = "The value specified in the x-amz-trailer header is not "
                                    "supported",
        [ACCESS_INCOMPLETE] = "The body is not the number of bytes that the headers say, or its "
                              "chunks are malformed.",
        [ACCESS_BAD_TRAILER] = "The request contained trailing data that was not well-formed or "
                               "did not conform to what was announced.",
        [ACCESS_NO_MEMORY] = "Memory is short. Please try again.",
    };

    return texts[result];
}

/* --- Requests -------------------------------------------------------------------------------- */

const char *access_header(const struct access_request *request, const char *name)
{
    const char *here;
    const char *value;

    for (unsigned i = 0; (value = request->header_at(request->arg, i, &here)) != NULL; i++) {
        if (strcasecmp(here, name) == 0)
            return value;
    }
    return NULL;
}

/* Appends the value, without white space around it. */
static int append_value(const char *value, bool collapse, struct buf *out)
{
    int rc = 0;

    for (value += strspn(value, WHITE); *value != '\0' && rc == 0;) {
        size_t word = strcspn(value, WHITE);
        size_t white = strspn(value + word, WHITE);
        bool is_last = value[word + white] == '\0';

        rc = buf_append(out, value, word);
        if (rc == 0 && !is_last)
            rc = collapse ? buf_append(out, " ", 1) : buf_append(out, value + word, white);
        value += word + white;
    }
    return rc;
}

int access_append_header(const struct access_request *request, const char *name, bool collapse,
                         struct buf *out)
{
    const char *here;
    const char *value;
    bool found = false;
    int rc = 0;

    for (unsigned i = 0; (value = request->header_at(request->arg, i, &here)) != NULL; i++) {
        if (strcasecmp(here, name) != 0)
            continue;
        if (found)
            rc = buf_append(out, ",", 1);
        found = true;
        rc = rc < 0 ? rc : append_value(value, collapse, out);
        if (rc < 0)
            return rc;
    }
    return found ? 0 : -ENOENT;
}

bool access_same(const char *a, const char *b)
{
    size_t len = strlen(a);

    return strlen(b) == len && CRYPTO_memcmp(a, b, len) == 0;
}

/* --- Who it is ------------------------------------------------------------------------------- */

static bool begins(const char *text, const char *word)
{
    size_t len = strlen(word);

    return strncmp(text, word, len) == 0 && (text[len] == ' ' || text[len] == '\t');
}

/* The same of a scheme of HTTP's, of which the case doesn't matter (RFC 9110, section 11.1): what
 * follows it, or NULL. */
static const char *after_scheme(const char *authorization, const char *scheme)
{
    size_t len = strlen(scheme);

    if (strncasecmp(authorization, scheme, len) != 0)
        return NULL;
    authorization += len;
    return *authorization == '\0' || strchr(WHITE, *authorization) != NULL
               ? authorization + strspn(authorization, WHITE)
               : NULL;
}

static bool has_two(const struct access_request *request, const char *header)
{
    const char *name;
    unsigned n = 0;

    for (unsigned i = 0; request->header_at(request->arg, i, &name) != NULL; i++)
        n += strcasecmp(name, header) == 0;
    return n > 1;
}

static enum access_result by_query(struct keys *keys, const struct access_request *request,
                                   const struct params *params, struct access_auth *auth)
{
    if (params_find(params, "X-Amz-Signature") != NULL ||
        params_find(params, "X-Amz-Credential") != NULL ||
        params_find(params, "X-Amz-Algorithm") != NULL)
        return sigv4_query(keys, request, params, auth);
    if (request->service == ACCESS_S3 && params_find(params, "Signature") != NULL &&
        params_find(params, "AWSAccessKeyId") != NULL)
        return sigv2_query(keys, request, params, auth);
    memset(auth, 0, sizeof(*auth));
    auth->keys = keys_hold(keys);
    auth->who = keys_anonymous(keys);
    return ACCESS_OK;
}

/* By the secret itself. Where others can read it, it isn't even looked at. */
static enum access_result by_secret(struct keys *keys, const struct access_request *request,
                                    const char *authorization, struct access_auth *auth)
{
    const char *basic = after_scheme(authorization, "Basic");
    const char *bearer = after_scheme(authorization, "Bearer");

    if (basic == NULL && bearer == NULL)
        return ACCESS_UNKNOWN_SCHEME;
    if (!request->is_confidential)
        return ACCESS_IN_CLEAR;
    return basic != NULL ? plain_basic(keys, basic, auth) : plain_bearer(keys, bearer, auth);
}

static enum access_result by_header(struct keys *keys, const struct access_request *request,
                                    const struct params *params, const char *authorization,
                                    struct access_auth *auth)
{
    if (params_find(params, "X-Amz-Signature") != NULL ||
        (params_find(params, "Signature") != NULL && params_find(params, "AWSAccessKeyId") != NULL))
        return ACCESS_TWO_SIGNATURES;
    if (request->service == ACCESS_NATIVE &&
        (params_find(params, "X-Amz-Credential") != NULL || has_two(request, "Authorization")))
        return ACCESS_TWO_SIGNATURES;
    if (begins(authorization, "AWS4-HMAC-SHA256"))
        return sigv4_header(keys, request, params, authorization, auth);
    if (request->service == ACCESS_NATIVE)
        return by_secret(keys, request, authorization, auth);
    if (begins(authorization, "AWS"))
        return sigv2_header(keys, request, params, authorization, auth);
    return ACCESS_UNKNOWN_SCHEME;
}

enum access_result access_authenticate(struct keys *keys, const struct access_request *request,
                                       struct access_auth *auth)
{
    const char *authorization = access_header(request, "Authorization");
    enum access_result result;
    struct params params;
    int rc = params_init(&params, request->query, request->query_len);

    if (rc < 0)
        result = rc == -E2BIG ? ACCESS_BAD_QUERY : ACCESS_NO_MEMORY;
    else if (authorization == NULL)
        result = by_query(keys, request, &params, auth);
    else
        result = by_header(keys, request, &params, authorization, auth);
    params_deinit(&params);
    return result;
}

void access_auth_deinit(struct access_auth *auth)
{
    keys_release(auth->keys);
    OPENSSL_cleanse(auth, sizeof(*auth));
}
