/* Version 2: HMAC-SHA-1 of method, Content-MD5, Content-Type, date, the x-amz-... headers, and the
 * path with those parameters that make it another resource. boto3 still presigns so by default,
 * with headers of the request it was made for as parameters of the URL. */
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "index/access/internal.h"
#include "index/base/base64.h"
#include "index/base/http_date.h"

#define SHA1_SIZE      20
#define SIGNATURE_SIZE (BASE64_SIZE(SHA1_SIZE) + 1)
#define VALUE_MAX      8192 /* of a parameter, decoded: as long as a request's target may be */
#define NAMES_MAX      64   /* of x-amz-... headers */
#define NAME_MAX_LEN   128

/* --- Headers --------------------------------------------------------------------------------- */

/* The header, or where a query is signed and there is none, the parameter. */
static int append_standard(const struct access_request *request, const struct params *params,
                           const char *name, struct buf *out)
{
    const struct param *param = params != NULL ? params_find(params, name) : NULL;
    const char *value = access_header(request, name);
    char decoded[VALUE_MAX];
    int rc = 0;

    if (value == NULL && param != NULL &&
        param_decode(param->value, param->value_len, decoded, sizeof(decoded)) >= 0)
        value = decoded;
    if (value != NULL)
        rc = buf_append_string(out, value);
    return rc < 0 ? rc : buf_append(out, "\n", 1);
}

struct names {
    size_t n;
    char at[NAMES_MAX][NAME_MAX_LEN + 1]; /* lower-case */
};

/* Adds it unless it is there. False when there is no room. */
static bool add_name(struct names *names, const char *name, size_t len)
{
    char *out;

    if (len < 6 || strncasecmp(name, "x-amz-", 6) != 0)
        return true;
    if (names->n == NAMES_MAX || len > NAME_MAX_LEN)
        return false;
    out = names->at[names->n];
    for (size_t i = 0; i < len; i++)
        out[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] - 'A' + 'a') : name[i];
    out[len] = '\0';
    for (size_t i = 0; i < names->n; i++) {
        if (strcmp(names->at[i], out) == 0)
            return true;
    }
    names->n++;
    return true;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* All x-amz-... headers, and where a query is signed its parameters of such names, too. */
static bool collect_names(const struct access_request *request, const struct params *params,
                          struct names *names)
{
    const char *name;

    names->n = 0;
    for (unsigned i = 0; request->header_at(request->arg, i, &name) != NULL; i++) {
        if (!add_name(names, name, strlen(name)))
            return false;
    }
    for (size_t i = 0; params != NULL && i < params->n; i++) {
        if (!add_name(names, params->at[i].name, params->at[i].name_len))
            return false;
    }
    qsort(names->at, names->n, sizeof(names->at[0]), compare_names);
    return true;
}
/* "NAME:VALUE\n" of each. */
static int append_amazon(const struct access_request *request, const struct params *params,
                         const char *name, struct buf *out)
{
    int rc = buf_append_format(out, "%s:", name);

    if (rc < 0)
        return rc;
    rc = access_append_header(request, name, false, out);
    if (rc != -ENOENT)
        return rc < 0 ? rc : buf_append(out, "\n", 1);
    return append_standard(request, params, name, out);
}

/* --- The resource ---------------------------------------------------------------------------- */

/* Whether a parameter belongs to the resource. */
static bool is_sub_resource(const struct param *param)
{
    static const char *const names[] = {
        "accelerate",
        "acl",
        "analytics",
        "cors",
        "defaultObjectAcl",
        "delete",
        "encryption",
        "inventory",
        "legal-hold",
        "lifecycle",
        "location",
        "logging",
        "metrics",
        "notification",
        "object-lock",
        "partNumber",
        "policy",
        "replication",
        "requestPayment",
        "response-cache-control",
        "response-content-disposition",
        "response-content-encoding",
        "response-content-language",
        "response-content-type",
        "response-expires",
        "restore",
        "retention",
        "select",
        "select-type",
        "storageClass",
        "tagging",
        "torrent",
        "uploadId",
        "uploads",
        "versionId",
        "versioning",
        "versions",
        "website",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strlen(names[i]) == param->name_len &&
            memcmp(names[i], param->name, param->name_len) == 0)
            return true;
    }
    return false;
}

static int append_sub_resource(const struct param *param, bool is_first, struct buf *out)
{
    char value[VALUE_MAX];
    int len = param_decode(param->value, param->value_len, value, sizeof(value));
    int rc = buf_append(out, is_first ? "?" : "&", 1);

    rc = rc < 0 ? rc : buf_append(out, param->name, param->name_len);
    if (rc == 0 && len > 0)
        rc = buf_append(out, "=", 1);
    return rc < 0 || len <= 0 ? rc : buf_append(out, value, (size_t)len);
}

/* Whether the path is a bucket's, without a slash at its end. */
static bool is_bare_bucket(const struct access_request *request)
{
    return request->host_bucket == NULL && request->path_len > 1 &&
           memchr(request->path + 1, '/', request->path_len - 1) == NULL;
}

/* `tail` is put after the path. */
static int append_resource(const struct access_request *request, const struct params *params,
                           const char *tail, struct buf *out)
{
    bool is_first = true;
    int rc = 0;

    if (request->host_bucket != NULL)
        rc = buf_append_format(out, "/%s", request->host_bucket);
    rc = rc < 0 ? rc : buf_append(out, request->path, request->path_len);
    rc = rc < 0 ? rc : buf_append_string(out, tail);
    for (size_t i = 0; i < params->n && rc == 0; i++) {
        if (!is_sub_resource(&params->at[i]))
            continue;
        rc = append_sub_resource(&params->at[i], is_first, out);
        is_first = false;
    }
    return rc;
}

/* --- Signatures ------------------------------------------------------------------------------ */

/* `expires` is that of a signed query, or NULL: then it's the header that is signed. */
static int append_string_to_sign(const struct access_request *request, const struct params *params,
                                 const char *expires, const char *tail, struct buf *out)
{
    const struct params *also = expires != NULL ? params : NULL;
    const char *date = expires;
    struct names names;
    int rc = buf_append_format(out, "%s\n", request->method);

    if (date == NULL && access_header(request, "x-amz-date") == NULL)
        date = access_header(request, "Date");
    if (!collect_names(request, also, &names))
        return -E2BIG;
    rc = rc < 0 ? rc : append_standard(request, also, "content-md5", out);
    rc = rc < 0 ? rc : append_standard(request, also, "content-type", out);
    rc = rc < 0 ? rc : buf_append_format(out, "%s\n", date != NULL ? date : "");
    for (size_t i = 0; i < names.n && rc == 0; i++)
        rc = append_amazon(request, also, names.at[i], out);
    return rc < 0 ? rc : append_resource(request, params, tail, out);
}

static int sign(const struct access_request *request, const struct params *params,
                const char *expires, const struct identity *who, const char *tail,
                char signature[SIGNATURE_SIZE])
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    struct buf text = {0};
    int rc = append_string_to_sign(request, params, expires, tail, &text);

    if (rc == 0 &&
        HMAC(EVP_sha1(), who->secret, (int)strlen(who->secret),
             (const unsigned char *)buf_bytes(&text), buf_size(&text), mac, NULL) == NULL)
        rc = -ENOMEM;
    buf_deinit(&text);
    if (rc == 0)
        signature[base64_encode(mac, SHA1_SIZE, signature)] = '\0';
    return rc;
}

/* `times` is what the times said. */
static enum access_result judge(struct keys *keys, const struct access_request *request,
                                const struct params *params, const char *expires,
                                const char *access, const char *given, enum access_result times,
                                struct access_auth *auth)
{
    bool known;
    const struct identity *who = keys_find(keys, access, &known);
    char signature[SIGNATURE_SIZE] = "";
    int rc = sign(request, params, expires, who, "", signature);

    if (rc == 0 && is_bare_bucket(request) && !access_same(signature, given))
        rc = sign(request, params, expires, who, "/", signature); /* as boto3 has it */
    if (rc < 0)
        return rc == -E2BIG ? ACCESS_UNSIGNED_HEADER : ACCESS_NO_MEMORY;
    if (!access_same(signature, given) && known && times == ACCESS_OK)
        return ACCESS_MISMATCH;
    if (!known)
        return ACCESS_UNKNOWN_KEY;
    if (times != ACCESS_OK)
        return times;
    memset(auth, 0, sizeof(*auth));
    auth->who = who;
    auth->keys = keys_hold(keys);
    auth->scheme = ACCESS_V2;
    auth->presigned = expires != NULL;
    return ACCESS_OK;
}

/* A date of HTTP, or one that ends in the number of GMT, as in mail. */
static bool read_date(const char *text, int64_t *time)
{
    char copy[HTTP_DATE_SIZE + 4];
    char *zone;

    if (http_date_parse(text, time) == 0)
        return true;
    if (strlen(text) >= sizeof(copy))
        return false;
    strcpy(copy, text);
    zone = strstr(copy, " +0000");
    if (zone == NULL || zone[6] != '\0')
        return false;
    strcpy(zone, " GMT");
    return http_date_parse(copy, time) == 0;
}

static enum access_result judge_date(const struct access_request *request)
{
    const char *text = access_header(request, "x-amz-date");
    int64_t time;

    if (text == NULL)
        text = access_header(request, "Date");
    if (text == NULL || !read_date(text, &time))
        return ACCESS_NO_DATE;
    return time > request->now + ACCESS_SKEW || time < request->now - ACCESS_SKEW ? ACCESS_SKEWED
                                                                                  : ACCESS_OK;
}

/* "AWS ACCESS:SIGNATURE". */
enum access_result sigv2_header(struct keys *keys, const struct access_request *request,
                                const struct params *params, const char *authorization,
                                struct access_auth *auth)
{
    const char *access = authorization + 3 + strspn(authorization + 3, " \t");
    const char *colon = strchr(access, ':');
    char name[KEYS_ACCESS_MAX + 1];

    if (colon == NULL || (size_t)(colon - access) >= sizeof(name))
        return ACCESS_BAD_HEADER;
    memcpy(name, access, (size_t)(colon - access));
    name[colon - access] = '\0';
    return judge(keys, request, params, NULL, name, colon + 1, judge_date(request), auth);
}

enum access_result sigv2_query(struct keys *keys, const struct access_request *request,
                               const struct params *params, struct access_auth *auth)
{
    const struct param *access = params_find(params, "AWSAccessKeyId");
    const struct param *signature = params_find(params, "Signature");
    const struct param *expires = params_find(params, "Expires");
    char name[KEYS_ACCESS_MAX + 1];
    char given[SIGNATURE_SIZE];
    char until[24];

    if (expires == NULL || param_decode(access->value, access->value_len, name, sizeof(name)) < 0 ||
        param_decode(signature->value, signature->value_len, given, sizeof(given)) < 0 ||
        param_decode(expires->value, expires->value_len, until, sizeof(until)) < 1 ||
        strlen(until) > 18 || until[strspn(until, "0123456789")] != '\0')
        return ACCESS_BAD_QUERY;
    return judge(keys, request, params, until, name, given,
                 request->now > strtoll(until, NULL, 10) ? ACCESS_EXPIRED : ACCESS_OK, auth);
}
