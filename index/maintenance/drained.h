/* Which volumes are drained: a note of the store (store.h) with a "HOST:PORT" a line. They take no
 * new values, by any of the indexes that share it, across restarts, until they are taken out. */
#ifndef MKV_MAINTENANCE_DRAINED_H
#define MKV_MAINTENANCE_DRAINED_H

#include "index/objects/objects.h"

#define DRAINED_NOTE "drained"

/* Makes volumes drained, or takes them up again, as the note says: at the index's start, and when
 * the note or the list of volumes has changed. 0, or a negative UV_E* after a log line, with
 * nothing changed. */
int drained_load(struct objects *objects);

/* Has the note say that a volume is drained, or isn't; drained_load() takes it from there. 0,
 * STORE_LATER, or a negative error, as store_put_note() has them. */
int drained_put(struct objects *objects, struct store_reading *reading, const struct volume *volume,
                bool drained, store_put_note_cb done);

#endif
