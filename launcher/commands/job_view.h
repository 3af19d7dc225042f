/* What a command shows of a job: a line that is redrawn on a terminal, a plain line now and then
 * elsewhere, or the index's own lines for programs. Progress goes to standard error, findings and
 * the end to standard output. */
#ifndef MKV_LAUNCHER_JOB_VIEW_H
#define MKV_LAUNCHER_JOB_VIEW_H

#include "launcher/commands/progress.h"

struct job_view {
    bool json;        /* show the lines as they come, and nothing else */
    bool is_quiet;    /* show the end alone */
    bool is_terminal; /* standard error */
    bool is_drawn;    /* the last line on it is ours */
    bool has_line;
    struct job_line line; /* the last that came */
    struct progress progress;
    uint64_t told_at; /* when the last plain line was written, as elapsed_ms */
};

/* Whether that descriptor is a terminal on which a line can be drawn anew. */
bool job_view_can_redraw(int fd);

void job_view_init(struct job_view *view, bool json);

/* Shows a line of a job's stream, without its end; line and progress are up to date afterwards. 0,
 * or -errno: -EPROTO for what is none. */
int job_view_take(struct job_view *view, const char *bytes, size_t len);

/* The same of a line that is there already. */
void job_view_add(struct job_view *view, const struct job_line *line);

/* No more has come for now: draws how far the job is. 0, or -errno when standard output can't be
 * written. */
int job_view_settle(struct job_view *view);

/* Takes the drawn line away, so that others can write. */
void job_view_clear(struct job_view *view);

/* What does so, for a process that writes to the same terminal; "" where nothing is drawn. */
const char *job_view_clearing(const struct job_view *view);

/* Shows how the job has ended: the last line that came. 0, or -errno when that can't be written. */
int job_view_end(struct job_view *view);

#endif
