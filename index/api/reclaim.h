/* Reclaiming orphans: blobs that the store knows to be without a key, since a volume was down when
 * they were to go, or mkv died between writing a blob and recording it. */
#ifndef MKV_API_RECLAIM_H
#define MKV_API_RECLAIM_H

#include "index/api/api.h"

struct reclaim;

/* Goes through the store's orphans now and then every few seconds: asks their volumes to delete
 * them, and forgets those that are gone. A volume that fails is left alone until the next round.
 * Each orphan in hand is one of api->n_operations and holds its key. 0 or UV_ENOMEM. */
int reclaim_start(uv_loop_t *loop, struct api *api, struct reclaim **reclaim);

/* Begins nothing more, and fires `cb` from the loop once what was begun has ended; `reclaim` is
 * freed just before. */
void reclaim_stop(struct reclaim *reclaim, void (*cb)(void *arg), void *arg);

#endif
