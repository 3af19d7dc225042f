/* What CompleteMultipartUpload is asked for, held against the parts that there are; and what
 * follows of their object: its ETag, checksum, size and the sizes of its parts. */
#ifndef MKV_S3_PARTS_CHECK_H
#define MKV_S3_PARTS_CHECK_H

#include "index/objects/objects.h"
#include "index/s3/body_complete.h"
#include "index/s3/meta.h"
#include "index/s3/multipart.h"

#define PARTS_SIZE_MIN (5 * 1024 * 1024) /* bytes of all parts but the last */

struct parts_check;

/* What parts_check_on() would have returned at once. Fires once, from the loop. */
typedef void (*parts_checked_cb)(struct parts_check *check, enum s3_error error);

struct parts_check {
    void *data; /* the caller's */
    /* What is asked for, set before the start. */
    struct objects *objects;            /* borrowed */
    const struct key *object;           /* "/BUCKET/KEY"; borrowed */
    char id[UPLOAD_ID_SIZE];            /* of the upload */
    const struct complete_part *listed; /* borrowed; n of them, */
    unsigned n;                         /* at least 1 */
    enum checksum_kind kind;            /* that the object is to have; CHECKSUM_NONE: none */
    bool is_composite;
    enum checksum_kind wanted_kind; /* and must have; CHECKSUM_NONE: any */
    unsigned char wanted[CHECKSUM_SIZE_MAX];
    bool has_wanted_size;
    uint64_t wanted_size;
    /* What was found, once all is. */
    uint64_t size;         /* of the object */
    uint64_t *sizes;       /* of the parts, n each; */
    uint64_t *generations; /* and which blobs they were */
    unsigned at;           /* those before were looked at */
    /* The rest is parts_check.c's. */
    struct key key; /* of the part that is looked up */
    struct store_reading reading;
    parts_checked_cb done;
    uint64_t until;
    struct md5 md5s;
    struct checksum composite;
    struct checksum_join join;
};

/* S3_OK, or S3_SERVICE_UNAVAILABLE. Either way parts_check_deinit() frees what there is. */
enum s3_error parts_check_init(struct parts_check *check);
void parts_check_deinit(struct parts_check *check);

/* Looks at some parts, for so many ns. S3_OK, and all is well as far as it was looked at, which is
 * everything once `at` is n; S3_INVALID_PART; S3_ENTITY_TOO_SMALL; S3_BAD_DIGEST and
 * S3_INVALID_REQUEST when the object isn't what is wanted; S3_SERVICE_UNAVAILABLE; or STORE_LATER,
 * and `done` will fire. */
int parts_check_on(struct parts_check *check, uint64_t ns, parts_checked_cb done);

/* Adds to the metadata what an object of these parts has: ETag and checksum; and with `sizes` those
 * of the parts. Once, after the last part. */
void parts_check_add_meta(struct parts_check *check, struct meta *meta);

#endif
