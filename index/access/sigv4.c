/* A request's *claim* is what Authorization or the query says: which key signed what, when, for
 * which region. judge() is the same for both: it finds the key, checks the times, makes the
 * signature of the canonical request (canonical.c), and compares. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "index/access/internal.h"
#include "index/base/buf.h"
#include "index/base/hex.h"
#include "index/base/http_date.h"

#define ALGORITHM "AWS4-HMAC-SHA256"
#define UNSIGNED  "UNSIGNED-PAYLOAD"
#define WHITE     " \t"
#define LIST_MAX  4096 /* characters of SignedHeaders */

/* As scopes name them. */
static const char *const services[] = {[ACCESS_S3] = "s3", [ACCESS_NATIVE] = "mkv"};

struct claim {
    enum access_service service;                              /* that it has to name */
    char credential[KEYS_ACCESS_MAX + 1 + ACCESS_SCOPE_SIZE]; /* the access key, a NUL, the scope */
    const char *scope;
    char day[9];
    char region[ACCESS_REGION_MAX + 1];
    char signed_headers[LIST_MAX];
    char signature[65];
    char date[17];
    int64_t time;    /* what `date` means, seconds since 1970 */
    int64_t expires; /* seconds after `time`, of a presigned URL; else -1 */
    char payload[68];
};

/* --- Parts of a claim ------------------------------------------------------------------------ */

static bool copy_text(char *out, size_t size, const char *text, size_t len)
{
    if (len >= size)
        return false;
    memcpy(out, text, len);
    out[len] = '\0';
    return true;
}

/* "20130524T000000Z". */
static bool read_time(const char *text, int64_t *time)
{
    struct tm tm = {0};
    char again[17];

    if (strlen(text) != 16 || strptime(text, "%Y%m%dT%H%M%SZ", &tm) != text + 16)
        return false;
    *time = timegm(&tm);
    strftime(again, sizeof(again), "%Y%m%dT%H%M%SZ", &tm);
    return strcmp(text, again) == 0; /* else there is no such day */
}

/* Whether `end` is "/SERVICE/aws4_request". */
static bool is_scope_end(const char *end, enum access_service service)
{
    size_t len = strlen(services[service]);

    return end[0] == '/' && strncmp(end + 1, services[service], len) == 0 &&
           strcmp(end + 1 + len, "/aws4_request") == 0;
}

/* Cuts ACCESS/DAY/REGION/SERVICE/aws4_request into what it says. */
static bool split_credential(struct claim *claim)
{
    char *day = strchr(claim->credential, '/');
    const char *region;
    size_t len;

    if (day == NULL)
        return false;
    *day++ = '\0';
    claim->scope = day;
    if (strspn(day, "0123456789") != 8 || day[8] != '/')
        return false;
    copy_text(claim->day, sizeof(claim->day), day, 8);
    region = day + 9;
    len = strcspn(region, "/");
    return len > 0 && copy_text(claim->region, sizeof(claim->region), region, len) &&
           is_scope_end(region + len, claim->service);
}

static bool is_signature(const char *text)
{
    return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Makes the list of signed headers lower-case, without white space. False: it is none. */
static bool tidy_list(char *list)
{
    char *out = list;

    for (const char *in = list; *in != '\0'; in++) {
        if (strchr(WHITE, *in) == NULL)
            *out++ = lower(*in);
    }
    *out = '\0';
    return canonical_is_list(list);
}

/* --- What Authorization says ----------------------------------------------------------------- */

/* One NAME=VALUE; `seen` has a bit for each name. */
static bool read_field(struct claim *claim, const char *at, size_t len, unsigned *seen)
{
    const struct {
        const char *name;
        char *out;
        size_t size;
    } fields[] = {
        {"Credential=", claim->credential, sizeof(claim->credential)},
        {"SignedHeaders=", claim->signed_headers, sizeof(claim->signed_headers)},
        {"Signature=", claim->signature, sizeof(claim->signature)},
    };

    for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        size_t name_len = strlen(fields[i].name);

        if (len < name_len || strncmp(at, fields[i].name, name_len) != 0)
            continue;
        if ((*seen & 1U << i) != 0)
            return false;
        *seen |= 1U << i;
        return copy_text(fields[i].out, fields[i].size, at + name_len, len - name_len);
    }
    return false;
}

/* "Credential=..., SignedHeaders=..., Signature=...", in any order. */
static bool read_fields(struct claim *claim, const char *at)
{
    unsigned seen = 0;

    while (*at != '\0') {
        size_t len;
        size_t end;

        at += strspn(at, WHITE);
        end = len = strcspn(at, ",");
        while (end > 0 && strchr(WHITE, at[end - 1]) != NULL)
            end--;
        if (!read_field(claim, at, end, &seen))
            return false;
        at += len + (at[len] == ',');
    }
    return seen == 7;
}

/* x-amz-date, or else Date, which may be of HTTP's form. */
static bool read_date(const struct access_request *request, struct claim *claim)
{
    const char *text = access_header(request, "x-amz-date");
    struct tm tm;
    time_t time;

    if (text == NULL)
        text = access_header(request, "Date");
    if (text == NULL)
        return false;
    if (read_time(text, &claim->time))
        return copy_text(claim->date, sizeof(claim->date), text, strlen(text));
    if (http_date_parse(text, &claim->time) < 0)
        return false;
    time = (time_t)claim->time;
    return gmtime_r(&time, &tm) != NULL &&
           strftime(claim->date, sizeof(claim->date), "%Y%m%dT%H%M%SZ", &tm) == 16;
}

static enum access_result read_payload(const char *text, const char *otherwise, struct claim *claim)
{
    if (text == NULL)
        text = otherwise;
    return copy_text(claim->payload, sizeof(claim->payload), text, strlen(text))
               ? ACCESS_OK
               : ACCESS_BAD_PAYLOAD_HASH;
}

/* --- Signatures ------------------------------------------------------------------------------ */

static void derive(const struct identity *who, const struct claim *claim, struct signing_key *out)
{
    char secret[4 + KEYS_SECRET_MAX + 1];
    int len = snprintf(secret, sizeof(secret), "AWS4%s", who->secret);
    const char *service = services[claim->service];

    snprintf(out->day, sizeof(out->day), "%s", claim->day);
    snprintf(out->region, sizeof(out->region), "%s", claim->region);
    out->service = claim->service;
    sha256_hmac(secret, (size_t)len, out->day, strlen(out->day), out->key);
    sha256_hmac(out->key, sizeof(out->key), out->region, strlen(out->region), out->key);
    sha256_hmac(out->key, sizeof(out->key), service, strlen(service), out->key);
    sha256_hmac(out->key, sizeof(out->key), "aws4_request", 12, out->key);
    OPENSSL_cleanse(secret, sizeof(secret));
}

static bool is_for(const struct signing_key *key, const struct claim *claim)
{
    return key->service == claim->service && strcmp(key->day, claim->day) == 0 &&
           strcmp(key->region, claim->region) == 0;
}

/* Of this day, region and service; kept for the next request. */
static const unsigned char *signing_key(struct identity *who, const struct claim *claim)
{
    struct signing_key *kept = who->signing_keys;
    struct signing_key found;
    size_t i = 0;

    while (i < SIGNING_KEYS - 1 && !is_for(&kept[i], claim))
        i++;
    found = kept[i];
    if (!is_for(&found, claim))
        derive(who, claim, &found);
    memmove(kept + 1, kept, i * sizeof(kept[0]));
    kept[0] = found;
    OPENSSL_cleanse(&found, sizeof(found));
    return kept[0].key;
}

/* The signature that the claim should have. */
static int sign(const struct access_request *request, const struct params *params,
                const struct claim *claim, const unsigned char key[SHA256_SIZE], unsigned form,
                char signature[65])
{
    struct buf text = {0};
    char hash[SHA256_HEX_SIZE];
    unsigned char mac[SHA256_SIZE];
    int rc = canonical_append(request, params, claim->signed_headers, claim->payload, form, &text);

    if (rc == 0) {
        sha256_hex(buf_bytes(&text), buf_size(&text), hash);
        buf_clear(&text);
        rc = buf_append_format(&text, ALGORITHM "\n%s\n%s\n%s", claim->date, claim->scope, hash);
    }
    if (rc == 0) {
        sha256_hmac(key, SHA256_SIZE, buf_bytes(&text), buf_size(&text), mac);
        hex_write(mac, sizeof(mac), signature);
    }
    buf_deinit(&text);
    return rc;
}

/* --- Judgement ------------------------------------------------------------------------------- */

static enum access_result judge_times(const struct claim *claim, int64_t now)
{
    if (claim->expires < 0) {
        bool skewed = claim->time > now + ACCESS_SKEW || claim->time < now - ACCESS_SKEW;

        return skewed ? ACCESS_SKEWED : ACCESS_OK;
    }
    if (claim->time > now + ACCESS_SKEW)
        return ACCESS_NOT_YET;
    return now > claim->time + claim->expires ? ACCESS_EXPIRED : ACCESS_OK;
}

static void fill_in(struct access_auth *auth, struct keys *keys, const struct identity *who,
                    const struct claim *claim, const unsigned char key[SHA256_SIZE])
{
    memset(auth, 0, sizeof(*auth));
    auth->who = who;
    auth->keys = keys_hold(keys);
    auth->scheme = ACCESS_V4;
    auth->presigned = claim->expires >= 0;
    memcpy(auth->signing_key, key, SHA256_SIZE);
    memcpy(auth->signature, claim->signature, sizeof(auth->signature));
    memcpy(auth->date, claim->date, sizeof(auth->date));
    snprintf(auth->scope, sizeof(auth->scope), "%s", claim->scope);
    memcpy(auth->payload, claim->payload, sizeof(auth->payload));
}

/* The path as it was sent is S3's form. AWS's other services have it encoded once more, and so
 * clients sign for the native API in either (newer versions of curl in the second). A signature
 * must not be good for two keys: a path with "%25" would be the second form of another one. */
static bool may_be_as_sent(const struct access_request *request)
{
    return request->service == ACCESS_S3 ||
           memmem(request->path, request->path_len, "%25", 3) == NULL;
}

/* Whether the claim's signature is the right one in one of the forms. 1, 0 or -ENOMEM. The work
 * doesn't depend on the key. */
static int is_signed(const struct access_request *request, const struct params *params,
                     const struct claim *claim, const unsigned char key[SHA256_SIZE])
{
    static const unsigned forms[] = {
        CANONICAL_COLLAPSED,
        0, /* as s3cmd and curl have it */
        CANONICAL_COLLAPSED | CANONICAL_ENCODED,
        CANONICAL_ENCODED,
    };
    const size_t n = request->service == ACCESS_S3 ? 2 : 4;
    char signature[65];

    for (size_t i = may_be_as_sent(request) ? 0 : 2; i < n; i++) {
        int rc = sign(request, params, claim, key, forms[i], signature);

        if (rc < 0)
            return rc;
        if (access_same(signature, claim->signature))
            return 1;
    }
    return 0;
}

static enum access_result judge(struct keys *keys, const struct access_request *request,
                                const struct params *params, const struct claim *claim,
                                struct access_auth *auth)
{
    enum access_result result = judge_times(claim, request->now);
    bool known;
    struct identity *who = keys_find(keys, claim->credential, &known);
    const unsigned char *key = signing_key(who, claim);
    int rc;

    if (!canonical_signs_enough(request, claim->signed_headers))
        return ACCESS_UNSIGNED_HEADER;
    rc = is_signed(request, params, claim, key);
    if (rc < 0)
        return ACCESS_NO_MEMORY;
    if (rc == 0 && known && result == ACCESS_OK)
        result = ACCESS_MISMATCH;
    if (!known && (result == ACCESS_OK || request->service == ACCESS_S3))
        return ACCESS_UNKNOWN_KEY;
    if (result == ACCESS_OK)
        fill_in(auth, keys, who, claim, key);
    return result;
}

enum access_result sigv4_header(struct keys *keys, const struct access_request *request,
                                const struct params *params, const char *authorization,
                                struct access_auth *auth)
{
    struct claim claim = {.service = request->service, .expires = -1};
    enum access_result result;

    if (!read_fields(&claim, authorization + strlen(ALGORITHM)) || !split_credential(&claim) ||
        !is_signature(claim.signature) || !tidy_list(claim.signed_headers))
        return ACCESS_BAD_HEADER;
    if (!read_date(request, &claim))
        return ACCESS_NO_DATE;
    if (strncmp(claim.date, claim.day, 8) != 0)
        return ACCESS_BAD_HEADER;
    result = read_payload(access_header(request, "x-amz-content-sha256"), EMPTY_HASH, &claim);
    return result == ACCESS_OK ? judge(keys, request, params, &claim, auth) : result;
}

/* --- What the query says --------------------------------------------------------------------- */

static bool decode(const struct params *params, const char *name, char *out, size_t size)
{
    const struct param *param = params_find(params, name);

    return param != NULL && param_decode(param->value, param->value_len, out, size) >= 0;
}

static enum access_result read_expires(const struct params *params, struct claim *claim)
{
    char text[24];
    char *end;

    if (!decode(params, "X-Amz-Expires", text, sizeof(text)))
        return ACCESS_BAD_QUERY;
    if (strspn(text, "-0123456789") != strlen(text) || *text == '\0')
        return ACCESS_BAD_QUERY;
    claim->expires = strtoll(text, &end, 10);
    if (*end != '\0')
        return ACCESS_BAD_QUERY;
    return claim->expires < 1 || claim->expires > ACCESS_EXPIRES_MAX ? ACCESS_BAD_EXPIRES
                                                                     : ACCESS_OK;
}

/* A hash of the payload may be a parameter, or else a header. */
static enum access_result read_query_payload(const struct access_request *request,
                                             const struct params *params, struct claim *claim)
{
    const struct param *param = params_find(params, "X-Amz-Content-Sha256");

    if (param == NULL)
        return read_payload(access_header(request, "x-amz-content-sha256"), UNSIGNED, claim);
    return param_decode(param->value, param->value_len, claim->payload, sizeof(claim->payload)) < 0
               ? ACCESS_BAD_PAYLOAD_HASH
               : ACCESS_OK;
}

enum access_result sigv4_query(struct keys *keys, const struct access_request *request,
                               const struct params *params, struct access_auth *auth)
{
    struct claim claim = {.service = request->service};
    char algorithm[sizeof(ALGORITHM)];
    enum access_result result;

    if (!decode(params, "X-Amz-Algorithm", algorithm, sizeof(algorithm)) ||
        strcmp(algorithm, ALGORITHM) != 0 ||
        !decode(params, "X-Amz-Credential", claim.credential, sizeof(claim.credential)) ||
        !decode(params, "X-Amz-SignedHeaders", claim.signed_headers, LIST_MAX) ||
        !decode(params, "X-Amz-Signature", claim.signature, sizeof(claim.signature)) ||
        !decode(params, "X-Amz-Date", claim.date, sizeof(claim.date)) ||
        !split_credential(&claim) || !is_signature(claim.signature) ||
        !read_time(claim.date, &claim.time) || strncmp(claim.date, claim.day, 8) != 0 ||
        !tidy_list(claim.signed_headers))
        return ACCESS_BAD_QUERY;
    result = read_expires(params, &claim);
    if (result == ACCESS_OK)
        result = read_query_payload(request, params, &claim);
    return result == ACCESS_OK ? judge(keys, request, params, &claim, auth) : result;
}
