/* What a request asks a job to do: the path after "/jobs/" and the parameters. */
#ifndef MKV_ADMIN_JOB_REQUEST_H
#define MKV_ADMIN_JOB_REQUEST_H

#include "index/maintenance/job.h"

#define JOB_REQUEST_TEXT_MAX 128

/* Reads the `len` bytes of `query` (NULL for none) for a job of that kind:
 *
 *     volume=HOST:PORT   where the kind needs one, and only there
 *     dry_run=1 deep=1 repair=1 remove_orphans=1 undo=1   those that the kind knows
 *     jobs=N rate=N      as struct job_options has them
 *
 * 0, or -EINVAL with a line in `text`. */
int job_request_parse(const struct job_type *type, const char *query, size_t len,
                      struct job_options *options, char text[JOB_REQUEST_TEXT_MAX]);

/* Reads a job's id. 0, or -EINVAL. */
int job_request_id(const char *digits, size_t len, uint64_t *id);

#endif
