/* How fast a job is and how long it will take, by what its lines say; and that as a line of text.
 */
#ifndef MKV_LAUNCHER_PROGRESS_H
#define MKV_LAUNCHER_PROGRESS_H

#include "launcher/commands/job_line.h"

#define PROGRESS_TEXT_MAX 512

/* All zero before the first line. */
struct progress {
    bool has_line;
    bool has_rate;
    char phase[JOB_LINE_WORD_MAX];
    uint64_t elapsed_ms; /* when the line came that was last reckoned with; and what it said: */
    uint64_t done;
    uint64_t bytes;
    double done_rate; /* a second, a moving average over some seconds */
    double bytes_rate;
};

/* Reckons with one more line. A new phase begins anew. */
void progress_add(struct progress *progress, const struct job_line *line);

/* The same from one line alone: the average since the job's start. */
void progress_guess(struct progress *progress, const struct job_line *line);

/* How long the phase will take, in ms; UINT64_MAX when nobody knows. */
uint64_t progress_left(const struct progress *progress, const struct job_line *line);

/* For a terminal `columns` wide: one column stays free, since some begin a line after the last. No
 * line's end. What has no room is left out, the least needed first. Returns `text`. */
const char *progress_bar(const struct progress *progress, const struct job_line *line,
                         unsigned columns, char text[PROGRESS_TEXT_MAX]);

/* "45% (120 of 300 keys), 12 keys/s, 1.2 MiB/s, 2 min left; moved 100". Returns `text`. */
const char *progress_sentence(const struct progress *progress, const struct job_line *line,
                              char text[PROGRESS_TEXT_MAX]);

#endif
