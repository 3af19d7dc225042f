/* Empties a volume: it takes no new values from now on, also after a restart, and all that it has
 * gets copies on others. It ends when no key and no orphan names the volume any more: then it can
 * be unplugged. */
#ifndef MKV_MAINTENANCE_DRAIN_H
#define MKV_MAINTENANCE_DRAIN_H

#include "index/maintenance/job.h"

/* Counts as moves.h. With options.undo the volume takes new values again, and that is all. */
extern const struct job_type drain_type;

#endif
