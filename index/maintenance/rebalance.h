/* Brings every key's copies to where a PUT would put them today (objects/move.h). */
#ifndef MKV_MAINTENANCE_REBALANCE_H
#define MKV_MAINTENANCE_REBALANCE_H

#include "index/maintenance/job.h"

/* Counts "moved" keys, "failed" ones, those "changed" by clients meanwhile; with dry_run those
 * "to_move" and their "bytes_to_move". */
extern const struct job_type rebalance_type;

#endif
