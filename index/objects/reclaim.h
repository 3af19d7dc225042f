/* Removes orphans: blobs that the store knows to be without a key, since they were replaced,
 * removed or moved, or mkv died between writing a blob and recording it. Nobody else removes a
 * blob. */
#ifndef MKV_OBJECTS_RECLAIM_H
#define MKV_OBJECTS_RECLAIM_H

#include "index/objects/objects.h"

/* Goes through the store's orphans now and then every few seconds: those whose time has come, that
 * nobody holds, and whose volumes are up are removed there, and forgotten once no new blob of the
 * key can have their second, two seconds later at the earliest. One that a volume doesn't remove is
 * tried again. Each orphan in hand counts in n_running. 0 or
 * UV_ENOMEM. */
int reclaimer_start(uv_loop_t *loop, struct objects *objects, struct reclaimer **reclaimer);

/* Says that this blob may be an orphan now: it is looked at soon, not only in the next round. Where
 * too many wait already, that does. `reclaimer` may be NULL: mkv stops. */
void reclaimer_add(struct reclaimer *reclaimer, const struct key *key, uint64_t generation);

/* Begins nothing more, and fires `cb` from the loop once what was begun has ended; `reclaimer` is
 * freed just before. */
void reclaimer_stop(struct reclaimer *reclaimer, void (*cb)(void *arg), void *arg);

#endif
