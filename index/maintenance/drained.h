/* Which volumes are drained: a text file in the index directory with a "HOST:PORT" a line. They
 * take no new values, across restarts, until they are taken out of it. */
#ifndef MKV_MAINTENANCE_DRAINED_H
#define MKV_MAINTENANCE_DRAINED_H

#include "index/objects/objects.h"

#define DRAINED_FILE "drained" /* in the index directory */

/* Reads the file, at the index's start; without one, no volume is drained. 0, or a negative UV_E*
 * after a log line. Blocks. */
int drained_load(struct objects *objects);

/* Makes a volume drained, or takes it up again, durably. 0, or a negative UV_E* after a log line,
 * with nothing changed. Blocks. */
int drained_set(struct objects *objects, struct volume *volume, bool drained);

#endif
