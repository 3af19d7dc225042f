/* A copy that runs: CopyObject and UploadPartCopy wait for it, and answer. */
#ifndef MKV_S3_COPY_OPERATION_H
#define MKV_S3_COPY_OPERATION_H

#include "index/s3/copy.h"
#include "index/s3/meta.h"
#include "index/s3/range.h"

struct copy_options {
    const struct copy *source; /* copied */
    struct range range;        /* of it */
    const struct key *key;     /* what gets them; copied */
    const struct meta *meta;   /* and this; copied */
    bool is_conditional;       /* the request's preconditions are about the key */
    const char *result;        /* the element of the answer; static text */
    bool is_part;              /* as in struct receive_options */
};

/* Copies, and answers later: with ETag, time and checksum of the copy. */
void copy_run(const struct call *call, const struct copy_options *options);

#endif
