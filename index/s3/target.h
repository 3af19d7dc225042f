/* What a request of S3 is about: an object, a bucket, or the service as a whole. Amazon S3 User
 * Guide, "Virtual hosting of general purpose buckets". */
#ifndef MKV_S3_TARGET_H
#define MKV_S3_TARGET_H

#include <stdbool.h>
#include <stddef.h>

#include "index/base/key.h"
#include "index/s3/bucket_name.h"
#include "index/s3/copy_source.h"
#include "index/s3/error.h"

struct target {
    size_t bucket_len;                /* 0: the service */
    char bucket[BUCKET_NAME_MAX + 1]; /* usable; terminated */
    bool host_has_bucket;             /* the host's name names it, not the path */
    size_t key_len;                   /* of the object's key without its bucket; 0: the bucket */
    struct key key;                   /* of an object: "/BUCKET/KEY", as the native API names it */
};

/* The object's key without its bucket: key_len bytes, any but NUL; not terminated. */
static inline const char *target_key(const struct target *target)
{
    return target->key.bytes + target->bucket_len + 2;
}

/* Reads the path, as sent, and the header Host, which may be NULL: "/", "/BUCKET[/]" or
 * "/BUCKET/KEY"; or "/" or "/KEY" at the host BUCKET.DOMAIN, with or without a port. `domain` NULL:
 * there is none. The path is decoded once, and "//", ".." and '+' are bytes like any other. S3_OK;
 * S3_INVALID_BUCKET_NAME; S3_INVALID_URI for a '%' without two hexadecimal digits, or a NUL; or
 * S3_KEY_TOO_LONG. *target is undefined on failure. */
enum s3_error target_parse(const char *path, size_t len, const char *host, const char *domain,
                           struct target *target);

/* Whether the object's key is UTF-8: another one can't be told in XML. */
bool target_is_utf8(const struct target *target);

#endif
