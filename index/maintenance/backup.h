/* Keeps a dump of the index on its own volumes, so that who lost the index can make it anew and
 * have all that files don't tell: what was unlinked, and what was deleted while its volume was
 * away (rebuild.h).
 *
 * A backup is the gzip of a dump, the value of an ordinary key (backup_key.h), with as many copies
 * as any. The last BACKUPS_KEPT are kept. Orphans of PUTs on their way are left out: they may be
 * values by the time that the backup is needed. So are copies of a key's present blob that are to
 * go: they do no harm. */
#ifndef MKV_MAINTENANCE_BACKUP_H
#define MKV_MAINTENANCE_BACKUP_H

#include "index/objects/objects.h"

#define BACKUPS_KEPT 3

struct backup;

/* From now on makes one every `interval` ms, counted from the last that is there, also of an
 * earlier run, if keys have changed; where there is none, the first comes 10 minutes after the
 * start, or after the interval. One that fails is tried again later. 0 ms: never. 0 and *backup, or
 * UV_ENOMEM or UV_EIO. */
int backup_start(struct objects *objects, uint64_t interval, struct backup **backup);

/* Waits for one that is being made; makes another where many keys have changed since; then frees,
 * and fires `cb`, never inside this call. */
void backup_stop(struct backup *backup, void (*cb)(void *arg), void *arg);

/* Says that time is up: none begins any more, and one that is being made ends with the transfers,
 * which the caller aborts. */
void backup_abort(struct backup *backup);

#endif
