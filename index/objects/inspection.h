/* How the copies of a key are: asked of their volumes, which look or, for a deep check, read. */
#ifndef MKV_OBJECTS_INSPECTION_H
#define MKV_OBJECTS_INSPECTION_H

#include "index/objects/objects.h"

enum copy_state {
    COPY_GOOD,
    COPY_MISSING,    /* the volume has no such file */
    COPY_SHORT,      /* it has another size */
    COPY_ROTTEN,     /* it has other bytes */
    COPY_UNREADABLE, /* the disk doesn't give it back */
    COPY_AWAY,       /* the volume can't be asked: nothing is known of it */
    COPY_DOUBTED     /* copies differ, and nothing says which one is right */
};

struct inspection;
struct inspected_copy;

/* Fires once, never inside inspection_start(): the states of all copies are known. */
typedef void (*inspection_done_cb)(struct inspection *inspection);

/* Embedded in an operation, which must keep it until `done` has fired. The first one is set before
 * the start, the rest is this module's; `states` are for it to read in `done`. */
struct inspection {
    void *data;
    struct objects *objects;
    struct key key;
    struct record record; /* whose places are asked */
    bool deep;
    inspection_done_cb done;
    enum copy_state states[PLACES_MAX]; /* of record.places */
    struct inspected_copy *copies;
    unsigned n_pending;
};

/* Asks for the size of each copy; `deep`: for its MD5 too. 0; or UV_EAGAIN when none can be asked
 * now (all are COPY_AWAY), or UV_ENOMEM. */
int inspection_start(struct inspection *inspection, struct objects *objects, const struct key *key,
                     const struct record *record, bool deep, inspection_done_cb done);

/* Nobody cares any more: `done` fires soon, and what it says of the copies means nothing. */
void inspection_cancel(struct inspection *inspection);

/* The places, as bits, in which no good copy is. */
unsigned inspection_lost(const struct inspection *inspection);

/* How many copies are in that state. */
unsigned inspection_count(const struct inspection *inspection, enum copy_state state);

/* "good", "missing", "of another size", "damaged", "unreadable", "away", "in doubt". */
const char *copy_state_name(enum copy_state state);

#endif
