/* Makes the copies anew, on other volumes, that are on volumes which are away for too long
 * (healer.h), and those of keys that have too few places. When such a volume comes back, what it
 * has is too many, and the reclaimer removes it. */
#ifndef MKV_MAINTENANCE_HEAL_H
#define MKV_MAINTENANCE_HEAL_H

#include "index/maintenance/job.h"

struct healer;

/* Counts as moves.h, and keys that are "unreachable": no copy can be read now. job->objects is of
 * an index that has a healer. */
extern const struct job_type heal_type;

#endif
