/* The body of CompleteMultipartUpload: the parts that the object is made of. */
#ifndef MKV_S3_BODY_COMPLETE_H
#define MKV_S3_BODY_COMPLETE_H

#include <stdbool.h>
#include <stddef.h>

#include "index/base/md5.h"
#include "index/s3/checksum.h"
#include "index/s3/error.h"
#include "index/s3/parts.h"

struct complete_part {
    unsigned number; /* 1 to PART_NUMBER_MAX */
    bool has_md5;    /* the ETag is one that a part can have; else this is no part's */
    unsigned char md5[MD5_SIZE];
    enum checksum_kind checksum_kind; /* CHECKSUM_NONE: none was given */
    unsigned char checksum[CHECKSUM_SIZE_MAX];
};

struct body_complete;

/* NULL when memory is short. */
struct body_complete *body_complete_new(void);

/* Reads some bytes of the body, and its end. S3_OK, or what is wrong, and the same from then on:
 *   S3_MALFORMED_XML       it isn't that, or has no part;
 *   S3_INVALID_ARGUMENT    a part number is out of bounds;
 *   S3_INVALID_PART_ORDER  they don't ascend. Of one that is listed twice in a row the last counts;
 *   S3_INTERNAL_ERROR      memory is short. */
enum s3_error body_complete_add(struct body_complete *body, const char *bytes, size_t n);
enum s3_error body_complete_end(struct body_complete *body);

/* The parts, *n of them, one at least, by ascending numbers; after body_complete_end() said S3_OK.
 * They live as long as `body`. */
const struct complete_part *body_complete_parts(const struct body_complete *body, unsigned *n);

/* NULL does nothing. */
void body_complete_free(struct body_complete *body);

#endif
