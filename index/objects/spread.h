/* How many keys have copies that share a zone though there are zones enough: those that were PUT
 * while a zone was away, or before the volumes were in these zones. REBALANCE mends each. */
#ifndef MKV_OBJECTS_SPREAD_H
#define MKV_OBJECTS_SPREAD_H

#include "index/objects/objects.h"

/* Counts them now and then, by a walk through the store that takes a small part of the loop's time.
 * 0 or UV_ENOMEM. */
int spread_start(uv_loop_t *loop, struct objects *objects, struct spread **spread);

/* The list of volumes is another one: what was counted says nothing any more, and is counted anew.
 */
void spread_restart(struct spread *spread);

/* What the last count found: 0, *keys, and *age in ms since its end; or UV_EAGAIN before there is
 * one. Where no copies could share a zone it is 0 without a count, and as of now. */
int spread_get(const struct spread *spread, uint64_t *keys, uint64_t *age);

/* Frees it, then fires `cb`; never inside this call. */
void spread_stop(struct spread *spread, void (*cb)(void *arg), void *arg);

#endif
