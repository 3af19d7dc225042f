/* Removing a blob from its volumes, for a DELETE and for a PUT that failed half-way. */
#ifndef MKV_API_REMOVAL_H
#define MKV_API_REMOVAL_H

#include "index/api/api.h"

struct removal;

/* Fires once, never inside removal_start(), when every volume has answered or failed to. */
typedef void (*removal_cb)(struct removal *removal);

/* Embedded in an operation, which must keep it until the callback has fired. */
struct removal {
    void *data; /* the caller's */
    struct api *api;
    const struct key *key;          /* borrowed */
    const struct replica *replicas; /* borrowed */
    removal_cb done;
    unsigned n_pending; /* transfers whose end is to come */
    struct transfer transfers[RECORD_REPLICAS_MAX];
};

/* Asks the volumes of `n` replicas to delete the key's blob, all at once. A volume that has no such
 * blob counts as done; one that can't be told keeps an orphan, which is logged by its URL. 0, or
 * UV_ENOMEM when nothing could be started, and then `done` never fires. */
int removal_start(struct removal *removal, struct api *api, const struct key *key,
                  const struct replica *replicas, unsigned n, removal_cb done);

#endif
