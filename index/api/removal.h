/* Removing a blob that no key names any more from its volumes, and what the store remembers of such
 * blobs, its orphans: a record whose replicas may hold one. Without replicas it is none. */
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
    const struct key *key; /* borrowed */
    struct record orphans;
    removal_cb done;
    unsigned n_pending; /* transfers whose end is to come */
    struct record left; /* out: the replicas that may still hold the blob */
    struct transfer transfers[RECORD_REPLICAS_MAX];
};

/* Asks the volumes of the orphans' replicas to delete the key's blob, all at once. A volume that
 * has no such blob counts as done; one that can't be told is left. 0, or UV_EAGAIN when none could
 * be asked, and then `done` never fires. */
int removal_start(struct removal *removal, struct api *api, const struct key *key,
                  const struct record *orphans, removal_cb done);

/* Adds to `orphans` the replicas of `record` that it lacks, as places go: replica_equal(). False
 * when they are too many. */
bool orphans_add(const struct replicas *replicas, struct record *orphans,
                 const struct record *record);

/* To be answered with 503 then. */
#define ORPHANS_TOO_MANY "too many old blobs of the key are still there"

/* Takes those of `record` out of `orphans`, likewise. */
void orphans_subtract(const struct replicas *replicas, struct record *orphans,
                      const struct record *record);

/* Makes `orphans` what is left of it and of `more` once the record is `named`. False when that is
 * too many. */
bool orphans_merge(const struct replicas *replicas, struct record *orphans,
                   const struct record *more, const struct record *named);

/* What the store knows of the key's orphans; none is no error. 0 or UV_EIO. */
int orphans_get(struct api *api, const struct key *key, struct record *orphans);

/* The change of the store that makes `orphans`, borrowed, the key's; none is deleted. */
struct store_change orphans_change(const struct key *key, const struct record *orphans);

#endif
