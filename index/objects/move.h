/* Brings a key's copies to where a write would put them today. */
#ifndef MKV_OBJECTS_MOVE_H
#define MKV_OBJECTS_MOVE_H

#include "index/objects/objects.h"

#define MOVE_TEXT_MAX (VOLUME_ADDRESS_MAX + 64)

/* Fires once, from the loop, and never inside move_start(). 0: the copies are there. Else nothing
 * has changed, and `text` has a line that says why: UV_EREMOTEIO (a volume is down or full, or a
 * copy failed), UV_EAGAIN (it can't be done now), STORE_CONFLICT (the key isn't as the record says
 * any more), or as store_commit_cb. */
typedef void (*move_done_cb)(void *arg, int rc, const char *text);

/* Moves a key that has this record. 0, or negative with `text`, and then `done` doesn't fire;
 * UV_EALREADY: the copies are there already. */
int move_start(struct objects *objects, const struct key *key, const struct record *record,
               move_done_cb done, void *arg, char text[MOVE_TEXT_MAX]);

#endif
