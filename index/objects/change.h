/* Changes of a key that are one commit: it is removed, or unlinked. */
#ifndef MKV_OBJECTS_CHANGE_H
#define MKV_OBJECTS_CHANGE_H

#include "index/objects/objects.h"

/* Fires once, from the loop, and never inside the call that starts the change. 0: it is durable.
 * STORE_CONFLICT: the key isn't as the record says any more, and nothing has changed; else as
 * store_commit_cb. */
typedef void (*change_done_cb)(void *arg, int rc);

/* Each changes a key that has this record, as objects_look_up() gave it. 0, or UV_EIO, UV_ENOMEM or
 * UV_ENOBUFS, and then `done` doesn't fire.
 *
 * Removes the key. Its blob is an orphan then, and the reclaimer's. */
int change_remove(struct objects *objects, const struct key *key, const struct record *record,
                  change_done_cb done, void *arg);

/* Marks the key unlinked: it is missing to readers, and its blob stays. */
int change_unlink(struct objects *objects, const struct key *key, const struct record *record,
                  change_done_cb done, void *arg);

#endif
