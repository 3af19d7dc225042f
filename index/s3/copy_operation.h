/* A copy that runs: CopyObject and UploadPartCopy wait for it, and answer. */
#ifndef MKV_S3_COPY_OPERATION_H
#define MKV_S3_COPY_OPERATION_H

#include "index/s3/copy.h"
#include "index/s3/meta.h"
#include "index/s3/range.h"

/* As receive_stored_cb. */
typedef enum s3_error (*copy_stored_cb)(const struct call *call, const struct key *key,
                                        const struct record *record);

struct copy_options {
    const struct copy *source; /* copied */
    struct range range;        /* of it */
    const struct key *key;     /* what gets them; copied */
    const struct meta *meta;   /* and this; copied */
    bool is_conditional;       /* the request's preconditions are about the key */
    const char *result;        /* the element of the answer; static text */
    copy_stored_cb stored;     /* NULL: that it is done */
};

/* Copies, and answers later: with ETag, time and checksum of the copy. */
void copy_run(const struct call *call, const struct copy_options *options);

#endif
