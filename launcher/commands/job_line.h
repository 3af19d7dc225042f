/* A job's line, as an index writes it (admin_jobs.h), and what else stands in its stream. */
#ifndef MKV_LAUNCHER_JOB_LINE_H
#define MKV_LAUNCHER_JOB_LINE_H

#include <jansson.h>

#include "index/base/buf.h"
#include "index/maintenance/job.h"

#define JOB_LINE_WORD_MAX   48
#define JOB_LINE_COUNTS_MAX 256

/* All texts can be printed. */
struct job_line {
    uint64_t id;
    char kind[JOB_LINE_WORD_MAX];
    char volume[VOLUME_ADDRESS_MAX]; /* or "" */
    char state[JOB_LINE_WORD_MAX];
    char phase[JOB_LINE_WORD_MAX];
    char noun[JOB_LINE_WORD_MAX];
    uint64_t done;
    uint64_t total; /* 0: unknown */
    uint64_t bytes;
    uint64_t started_ms; /* since 1970 */
    uint64_t elapsed_ms;
    uint64_t findings_left_out;
    bool is_running;
    bool is_canceled;
    bool is_failed;
    bool is_clean;
    bool is_automatic;
    bool is_held;                     /* it waits until more volumes are there */
    struct job_options options;       /* without the volume */
    char counts[JOB_LINE_COUNTS_MAX]; /* "moved 3, failed 1"; or "" */
    char text[JOB_TEXT_MAX];
};

/* Reads one; fields that aren't there are 0 or empty. 0, or -EPROTO for what is no job. */
int job_line_read(const json_t *json, struct job_line *line);

/* "rebalance", or "drain host:3001". Returns `text`. */
#define JOB_LINE_NAME_MAX (JOB_LINE_WORD_MAX + VOLUME_ADDRESS_MAX)
const char *job_line_name(const struct job_line *line, char text[JOB_LINE_NAME_MAX]);

/* Appends a finding as text: "missing  /key  on host:3001: made anew" and a line's end. 0; -EPROTO
 * for what is none, -ENOMEM. */
int job_line_append_finding(struct buf *out, const json_t *json);

#endif
