/* Removes one object, as long as it is what it was judged by. */
#ifndef MKV_S3_ERASE_H
#define MKV_S3_ERASE_H

#include "index/objects/objects.h"

/* Whether the object, which has this record, may be removed: 0, or a negative error. */
typedef int (*erase_judge_cb)(void *arg, const struct record *record);

/* Fires once, from the loop: 0, there is no such object any more; what the judge said; or as
 * change_done_cb. */
typedef void (*erase_done_cb)(void *arg, int rc);

/* Embedded in an operation. The first five are set before the start, the rest is zero then, and
 * `key` stays as it is. */
struct erase {
    struct objects *objects;
    const struct key *key;
    erase_judge_cb judge; /* asked once the object was looked up, and again when it has changed
                             meanwhile */
    erase_done_cb done;
    void *arg;
    bool was_there; /* there was such an object at first; readable in `done` */
    struct store_reading reading;
};

/* 1, and `done` will fire; 0 when there is no such object; or negative, and it stays. */
int erase_start(struct erase *erase);

#endif
