/* Jobs of an index, as a command starts, watches and cancels them: those of the index that runs, or
 * of one that runs as long as the command does. */
#ifndef MKV_LAUNCHER_JOB_CLIENT_H
#define MKV_LAUNCHER_JOB_CLIENT_H

#include "index/maintenance/job.h"

struct job_request {
    const char *directory; /* the index's */
    const char *kind;
    struct job_options options; /* jobs and rate 0: not given */
    bool json;
    bool detach; /* don't watch it */
};

/* Starts the job, or finds that it runs, and shows it until it has ended; INT or TERM cancels it.
 * The exit code: 0 when it is done and nothing is left to be mended, or with `detach` when it runs;
 * 1 for any other end; 128 and the signal. */
int job_client_run(const struct job_request *request);

/* Cancels a job of the running index, and waits for its end. The exit code: 0 when it has ended. */
int job_client_cancel(const char *directory, uint64_t id);

#endif
