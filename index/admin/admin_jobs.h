/* Jobs, as the admin socket has them:
 *
 *     POST /jobs/KIND?...   starts one (job_request.h): 202 and its line; 409 and the line of the
 *                           one that runs already; 400, 404, 422 or 503 with a line of text: 503
 *                           passes by itself
 *     GET /jobs             all, in one array
 *     GET /jobs/ID          streamed: a line for each finding, from the first one on, among them
 *                           the job's own line, which comes again and again; the last line is that
 *                           of the job when it has ended
 *     DELETE /jobs/ID       cancels it: 202 and its line, or 404
 *
 * A job goes on when those who watch it go. Its line:
 *
 *     {"job":3,"kind":"rebalance","volume":"","state":"running","phase":"moving","noun":"keys",
 *      "done":10,"total":90,"bytes":4096,"started_ms":1763740800123,"elapsed_ms":800,
 *      "automatic":false,"held":false,"options":{"dry_run":false,"undo":false,"deep":false,"repair":false,
 *      "remove_orphans":false,"jobs":4,"rate":0},"counts":{"moved":4},"findings":0,
 *      "findings_left_out":0,"clean":false,"text":""}
 *
 * as struct job has the fields, and those of its options. A finding has no "job"
 * (maintenance/finding.h). */
#ifndef MKV_ADMIN_JOBS_H
#define MKV_ADMIN_JOBS_H

#include "index/admin/admin.h"

/* Answers a request whose path is one of these; false for another, which it leaves alone. */
bool admin_jobs_respond(struct admin *admin, struct http_request *request);

#endif
