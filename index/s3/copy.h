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

/* Looks up the source, which the caller must be allowed to read, and goes on with its record. What
 * is wrong is answered. */
void copy_find(const struct call *call, call_found_cb found);

/* The source of that record, which x-amz-copy-source-if-* must hold for, after copy_find(). False,
 * and it is answered: they don't. */
bool copy_read(const struct call *call, const struct record *record, struct copy *copy);

#endif
