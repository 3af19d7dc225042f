/* What Prometheus reads of an index: every family that the launcher's dashboard and alert rules
 * (templates/monitoring) speak of, and more. No label has a key, a bucket or a client in it. */
#ifndef MKV_ADMIN_METRICS_H
#define MKV_ADMIN_METRICS_H

#include "index/admin/admin.h"
#include "index/base/exposition.h"

/* Where a rendering is. */
struct metrics {
    const struct admin *admin; /* borrowed */
    size_t family;             /* the next one; 0 stands for all that aren't of single volumes */
    size_t volume;             /* the next one in that */
};

/* Appends what comes next, until `out` has `bound` bytes or a little more. 1; 0 when that was all;
 * or -ENOMEM. */
int metrics_fill(struct metrics *metrics, struct buf *out, size_t bound);

/* Answers with all of them, streamed. */
void metrics_respond(const struct admin *admin, struct http_request *request);

/* --- For metrics.c ---------------------------------------------------------------------------- */

/* Of the index as a whole: metrics_index.c. */
void metrics_of_index(const struct admin *admin, struct exposition *e);

/* Of its volumes, a family of all of them each, i < METRICS_VOLUME_FAMILIES; one that has been
 * begun by an exposition before this one goes on. */
#define METRICS_VOLUME_FAMILIES 7
void metrics_begin_volumes(size_t i, bool goes_on, struct exposition *e);
void metrics_of_volume(size_t i, const struct volume *volume, struct exposition *e);

#endif
