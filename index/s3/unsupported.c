#include "index/s3/unsupported.h"

#include <string.h>
#include <strings.h>

/* A name that ends in '-' stands for all that begin with it. */
static const struct unsupported {
    const char *name;
    const char *harmless[3]; /* values that ask for nothing that isn't so */
    enum s3_error error;
    const char *message;
} table[] = {
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

static bool is_named(const struct unsupported *entry, const char *name)
{
    size_t len = strlen(entry->name);

    return entry->name[len - 1] == '-' ? strncasecmp(name, entry->name, len) == 0
                                       : strcasecmp(name, entry->name) == 0;
}

/* Values are compared without the spaces behind them. */
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

enum s3_error unsupported_headers(const struct http_request *request, const char **message)
{
    const char *name;
    const char *value;

    for (unsigned i = 0; (value = http_request_header_at(request, i, &name)) != NULL; i++) {
        if (strncasecmp(name, "x-amz-", 6) != 0)
            continue;
        for (size_t k = 0; k < sizeof(table) / sizeof(table[0]); k++) {
            if (is_named(&table[k], name) && !is_harmless(&table[k], value)) {
                *message = table[k].message;
                return table[k].error;
            }
        }
    }
    return S3_OK;
}
