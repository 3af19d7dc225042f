/* A part that was stored. Its upload may be gone by then, aborted or completed: what was stored
 * belongs to nobody, and goes, whether its client is still there or not. */
#ifndef MKV_S3_STORED_PART_H
#define MKV_S3_STORED_PART_H

#include "index/objects/objects.h"
#include "index/s3/error.h"

struct stored_part;

/* What stored_part_check() would have returned at once. Fires once, from the loop. */
typedef void (*stored_part_cb)(struct stored_part *part, enum s3_error error);

/* Embedded in an operation. */
struct stored_part {
    void *data; /* the operation's */
    /* The rest is stored_part.c's. */
    struct objects *objects;
    const struct key *key;
    struct key upload; /* of its record */
    struct store_reading reading;
    stored_part_cb done;
};

/* Looks for the upload of the part at that key, borrowed until the end. S3_OK; S3_NO_SUCH_UPLOAD,
 * and the part is about to go; another error; or STORE_LATER, and `done` will fire. The objects
 * count it until then. */
int stored_part_check(struct stored_part *part, struct objects *objects, const struct key *key,
                      stored_part_cb done);

#endif
