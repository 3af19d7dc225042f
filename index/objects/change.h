/* Changes of a key that are one commit: it is removed, or unlinked. */
#ifndef MKV_OBJECTS_CHANGE_H
#define MKV_OBJECTS_CHANGE_H

#include "index/objects/objects.h"

/* Fires once, from the loop, and never inside the call that starts the change. 0: it is durable.
 * STORE_CONFLICT: the key isn't as the record says any more, and nothing has changed; else as
 * store_commit_cb. */
typedef void (*change_done_cb)(void *arg, int rc);

/* Each changes a key that has the view's record, as objects_view() gave it. 0, or a negative UV_E*
 * as store_commit(), and then `done` doesn't fire.
 *
 * Removes the key. Its blob is an orphan then, and the reclaimer's. */
int change_remove(struct objects *objects, const struct key *key, const struct store_view *view,
                  change_done_cb done, void *arg);

/* Marks the key unlinked: it is missing to readers, and its blob stays. */
int change_unlink(struct objects *objects, const struct key *key, const struct store_view *view,
                  change_done_cb done, void *arg);

#endif
