/* The headers x-amz-copy-source and x-amz-copy-source-range of CopyObject and UploadPartCopy. */
#ifndef MKV_S3_COPY_SOURCE_H
#define MKV_S3_COPY_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "index/s3/bucket_name.h"
#include "index/s3/error.h"
#include "index/s3/range.h"

#define S3_KEY_MAX 1024 /* bytes of an object's key, without its bucket */

struct copy_source {
    size_t bucket_len;            /* 1 to BUCKET_NAME_MAX */
    size_t key_len;               /* 1 to S3_KEY_MAX */
    char bucket[BUCKET_NAME_MAX]; /* usable; not terminated */
    char key[S3_KEY_MAX];         /* any byte but NUL; not terminated */
};

/* Reads "BUCKET/KEY" or "/BUCKET/KEY", percent-encoded, perhaps with "?versionId=null" at its end.
 * It is decoded once, and a '+' is a plus. S3_OK; S3_INVALID_ARGUMENT; S3_KEY_TOO_LONG; or
 * S3_NO_SUCH_VERSION for another version than "null". *source is undefined on failure. */
enum s3_error copy_source_parse(const char *header, struct copy_source *source);

/* Reads "bytes=FIRST-LAST" of a source of `size` bytes; the whole for NULL. S3_OK;
 * S3_INVALID_ARGUMENT for what isn't that; S3_INVALID_RANGE where it goes beyond the end. *range is
 * untouched on failure. */
enum s3_error copy_source_range(const char *header, uint64_t size, struct range *range);

#endif
