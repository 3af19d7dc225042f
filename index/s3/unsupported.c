#include "index/s3/unsupported.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "index/access/params.h"

/* A name that ends in '-' stands for all that begin with it. */
struct unsupported {
    const char *name;
    const char *harmless[3]; /* values that ask for nothing that isn't so */
    enum s3_error error;
    const char *message;
};

static const struct unsupported table[] = {
    {"x-amz-acl",
     {"private", "bucket-owner-full-control"},
     S3_NOT_IMPLEMENTED,
     "Rights are given in the keys file: of ACLs there is only private."},
    {"x-amz-grant-", {NULL}, S3_NOT_IMPLEMENTED, "Rights are given in the keys file, not by ACLs."},
    {"x-amz-server-side-encryption",
     {NULL},
     S3_NOT_IMPLEMENTED,
     "Encryption on the server's side is not implemented."},
    {"x-amz-server-side-encryption-",
     {NULL},
     S3_NOT_IMPLEMENTED,
     "Encryption on the server's side is not implemented."},
    {"x-amz-copy-source-server-side-encryption-",
     {NULL},
     S3_NOT_IMPLEMENTED,
     "Encryption on the server's side is not implemented."},
    {"x-amz-object-lock-", {NULL}, S3_NOT_IMPLEMENTED, "Object locks are not implemented."},
    {"x-amz-bucket-object-lock-enabled",
     {"false"},
     S3_NOT_IMPLEMENTED,
     "Object locks are not implemented."},
    {"x-amz-object-ownership",
     {"BucketOwnerEnforced", "BucketOwnerPreferred"},
     S3_NOT_IMPLEMENTED,
     "Objects have no owners of their own."},
    {"x-amz-storage-class",
     {"STANDARD"},
     S3_INVALID_STORAGE_CLASS,
     "There is no storage class but STANDARD."},
    {"x-amz-tagging", {""}, S3_NOT_IMPLEMENTED, "Tags are not implemented."},
    {"x-amz-website-redirect-location", {NULL}, S3_NOT_IMPLEMENTED, "There are no websites here."},
    {"x-amz-expected-bucket-owner", {NULL}, S3_NOT_IMPLEMENTED, "Buckets have no owners here."},
    {"x-amz-source-expected-bucket-owner",
     {NULL},
     S3_NOT_IMPLEMENTED,
     "Buckets have no owners here."},
    {"x-amz-write-offset-bytes", {NULL}, S3_NOT_IMPLEMENTED, "Nothing can be appended to objects."},
    {"x-amz-if-match-",
     {NULL},
     S3_NOT_IMPLEMENTED,
     "An object can be conditioned by its ETag alone."},
    {"x-amz-mfa", {NULL}, S3_NOT_IMPLEMENTED, "There are no devices for authentication here."},
};

/* Those that are done as headers, and not as parameters: without its source a copy would be a PUT
 * of nothing. */
static const struct unsupported parameters[] = {
    {"x-amz-copy-source",
     {NULL},
     S3_NOT_IMPLEMENTED,
     "The source of a copy must be a header: in the query it is not implemented."},
    {"x-amz-copy-source-",
     {NULL},
     S3_NOT_IMPLEMENTED,
     "What a copy depends on must be a header: in the query it is not implemented."},
    {"x-amz-metadata-directive",
     {NULL},
     S3_NOT_IMPLEMENTED,
     "x-amz-metadata-directive must be a header: in the query it is not implemented."},
};

#define VALUE_MAX 64 /* bytes; no harmless value is longer */

static bool is_named(const struct unsupported *entry, const char *name)
{
    size_t len = strlen(entry->name);

    return entry->name[len - 1] == '-' ? strncasecmp(name, entry->name, len) == 0
                                       : strcasecmp(name, entry->name) == 0;
}

/* Values are compared without the spaces after them. */
static bool is_harmless(const struct unsupported *entry, const char *value)
{
    size_t len = strlen(value);

    while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
        len--;
    for (size_t i = 0; i < 3 && entry->harmless[i] != NULL; i++) {
        if (strlen(entry->harmless[i]) == len && strncmp(entry->harmless[i], value, len) == 0)
            return true;
    }
    return false;
}

static const struct unsupported *find(const struct unsupported *entries, size_t n, const char *name,
                                      const char *value)
{
    if (strncasecmp(name, "x-amz-", 6) != 0)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        if (is_named(&entries[i], name) && !is_harmless(&entries[i], value))
            return &entries[i];
    }
    return NULL;
}

static const struct unsupported *find_header(const struct http_request *request)
{
    const struct unsupported *found = NULL;
    const char *name;
    const char *value;

    for (unsigned i = 0; found == NULL; i++) {
        value = http_request_header_at(request, i, &name);
        if (value == NULL)
            break;
        found = find(table, sizeof(table) / sizeof(table[0]), name, value);
    }
    return found;
}

/* What is too long for these is none that is known, and no harmless one. */
static const struct unsupported *find_parameter(const struct param *param)
{
    const struct unsupported *found;
    char name[VALUE_MAX];
    char value[VALUE_MAX];
    size_t len = param->name_len < sizeof(name) ? param->name_len : sizeof(name) - 1;

    memcpy(name, param->name, len);
    name[len] = '\0';
    if (param_decode(param->value, param->value_len, value, sizeof(value)) < 0)
        strcpy(value, "?");
    found = find(parameters, sizeof(parameters) / sizeof(parameters[0]), name, value);
    return found != NULL ? found : find(table, sizeof(table) / sizeof(table[0]), name, value);
}

static enum s3_error find_in_query(const char *query, size_t len, const struct unsupported **found)
{
    struct params params;
    int rc = params_init(&params, query, len);

    for (size_t i = 0; rc == 0 && i < params.n && *found == NULL; i++)
        *found = find_parameter(&params.at[i]);
    params_deinit(&params);
    if (rc < 0)
        return rc == -E2BIG ? S3_INVALID_ARGUMENT : S3_SERVICE_UNAVAILABLE;
    return S3_OK;
}

enum s3_error unsupported_check(const struct http_request *request, const char **message)
{
    const struct unsupported *found = find_header(request);
    enum s3_error error = S3_OK;
    size_t len;
    const char *query = http_request_query(request, &len);

    if (found == NULL && len > 0)
        error = find_in_query(query, len, &found);
    if (found == NULL)
        return error;
    *message = found->message;
    return found->error;
}
