/* Gives up what a volume held that is gone for good: keys have no copy there any more, and nobody
 * waits to remove its orphans. A key whose only copy was there keeps it: it is lost, and told. */
#ifndef MKV_MAINTENANCE_FORGET_H
#define MKV_MAINTENANCE_FORGET_H

#include "index/maintenance/job.h"

/* Counts "forgotten" copies, "orphans", and "lost" keys. Refused while the disk is there. */
extern const struct job_type forget_type;

#endif
