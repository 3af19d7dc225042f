/* What jobs tell of single keys and blobs, as lines of JSON:
 *
 *     {"finding":"missing","key":"/a","place":"host:3001/sv0A","detail":"made anew"}
 *
 * The key is written as in a dump (dump_line.h). `place` and `detail` stand only where there is
 * something to say. */
#ifndef MKV_MAINTENANCE_FINDING_H
#define MKV_MAINTENANCE_FINDING_H

#include "index/maintenance/job.h"

/* `place`, as place_text() has it, and `detail`, which may end with a line's end, may be NULL.
 * Where memory is short it is only counted as left out. */
void finding_tell(struct job *job, const char *finding, const struct key *key, const char *place,
                  const char *detail);

#endif
