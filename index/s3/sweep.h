/* Removes all keys below a prefix: the parts of an upload, say. */
#ifndef MKV_S3_SWEEP_H
#define MKV_S3_SWEEP_H

#include "index/objects/objects.h"

#define SWEEP_BATCH 32 /* keys that are removed at once */

struct sweep;

/* All is removed, or, with a negative error as change_done_cb has it, some isn't. Fires once, from
 * the loop; the sweep can be freed then. */
typedef void (*sweep_done_cb)(struct sweep *sweep, int rc);

struct sweep_item {
    struct sweep *sweep;
    struct key key;
    struct store_reading reading;
};

/* Embedded in an operation. */
struct sweep {
    void *data; /* the operation's */
    struct objects *objects;
    struct store_reading reading;
    sweep_done_cb done;
    struct key prefix;
    struct key from;    /* keys before it are removed */
    unsigned n_running; /* keys that are looked up or removed; and one more for the list */
    int rc;
    bool again; /* a key has changed meanwhile: `from` stays */
    unsigned n;
    struct sweep_item batch[SWEEP_BATCH];
};

/* Begins; keys that are added meanwhile may be left. Set `data` and zero the rest. 1, and `done`
 * will fire; 0 when there is no such key; or negative, as change_done_cb has it, and some may be
 * removed. */
int sweep_start(struct sweep *sweep, struct objects *objects, const struct key *prefix,
                sweep_done_cb done);

#endif
