/* Which copy of a value a reader is sent to: one whose volume is up, each as often as the others;
 * or one that its volume has said to have, where a reader must not be sent to another. */
#ifndef MKV_OBJECTS_COPY_SEARCH_H
#define MKV_OBJECTS_COPY_SEARCH_H

#include "index/objects/objects.h"

/* A place of the record that can be read now, and none of `tried`, a bit each; -1 when there is
 * none. */
int copy_pick(struct objects *objects, const struct record *record, unsigned tried);

struct copy_search;

/* Fires once, from the loop: `place` of the record has the blob, or none could be found that has
 * it, and it is -1. The search is over, and can be freed. */
typedef void (*copy_search_done_cb)(struct copy_search *search, int place);

/* Embedded in an operation. `data` is its own, the rest this module's; `key` and `record` are for
 * it to read. */
struct copy_search {
    void *data;
    struct objects *objects;
    struct key key;
    struct record record;
    unsigned tried; /* a bit each */
    int place;      /* that is asked */
    bool cancelled;
    copy_search_done_cb done;
    struct transfer transfer;
};

/* Asks volumes for the blob, one after the other, but those of `tried`. Counts in the objects'
 * n_running until `done` has fired. 0, or UV_EAGAIN when none can be asked now; then `done` doesn't
 * fire. */
int copy_search_start(struct copy_search *search, struct objects *objects, const struct key *key,
                      const struct record *record, unsigned tried, copy_search_done_cb done);

/* Nobody cares any more: `done` fires soon. */
void copy_search_cancel(struct copy_search *search);

#endif
