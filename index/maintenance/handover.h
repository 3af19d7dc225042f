/* Jobs that outlive the index that runs them, where several share a store: the note "jobs" has a
 * line for each that somebody has started and that changes something. When its index has died, or
 * has stopped, the one that leads begins it anew: what was done so far stays done (job.h). So no
 * two indexes run the same job at once.
 *
 *     KIND HOST:PORT INSTANCE JOBS RATE FLAGS
 *
 * with "-" for no volume and no flags; flags are d, r and o, for deep, repair and remove_orphans.
 */
#ifndef MKV_MAINTENANCE_HANDOVER_H
#define MKV_MAINTENANCE_HANDOVER_H

#include "index/maintenance/job.h"

#define HANDOVER_NOTE    "jobs"
#define HANDOVER_LOOK_MS 1000 /* between two looks */

/* Embedded in struct jobs. */
struct handover {
    struct jobs *jobs;
    struct objects *objects;
    struct store_reading putting;
};

void handover_init(struct handover *handover, struct jobs *jobs, struct objects *objects);

/* Brings the note up to date with the jobs of this index, and begins those of indexes that are gone
 * if this one leads. May start jobs and cancel them. */
void handover_look(struct handover *handover);

/* Whether another index that lives runs a job of that kind, and of that volume, as far as this one
 * knows. */
bool handover_is_elsewhere(const struct objects *objects, const struct job_type *type,
                           const char *volume);

/* Ends it; the lines of jobs that still run stay, for others. */
void handover_stop(struct handover *handover);

#endif
