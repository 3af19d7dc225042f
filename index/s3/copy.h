/* The source of CopyObject and UploadPartCopy: x-amz-copy-source and the headers that go with it.
 */
#ifndef MKV_S3_COPY_H
#define MKV_S3_COPY_H

#include "index/s3/call.h"
#include "index/s3/copy_source.h"

struct copy {
    struct key key;       /* of the object that is copied, */
    struct record record; /* as it was found */
};

/* Whether the request is a copy. */
bool copy_is_wanted(const struct http_request *request);

/* Finds the source, which the caller must be allowed to read, and which x-amz-copy-source-if-* must
 * hold for. S3_OK and *copy; or what is wrong, and *message, static text or NULL. */
enum s3_error copy_find(const struct call *call, struct copy *copy, const char **message);

#endif
