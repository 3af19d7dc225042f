/* The lines of a volume's answer, which comes in pieces. */
#ifndef MKV_CLUSTER_ANSWER_LINES_H
#define MKV_CLUSTER_ANSWER_LINES_H

#include <stdbool.h>

#include "index/base/buf.h"
#include "index/cluster/placement.h"

#define ANSWER_LINE_MAX (PLACEMENT_FULL_PATH_MAX + 512) /* bytes: a path, and something of it */

/* Takes a line, terminated and without its end. False when it makes no sense. */
typedef bool (*answer_lines_cb)(void *arg, const char *line);

/* Embedded; all zero at first. */
struct answer_lines {
    struct buf line; /* the beginning of one whose rest is to come */
    bool is_bad;     /* from some line on the answer makes no sense; nothing more is read */
};

/* Reads on, and gives `take` each line that is whole by now. A line that is too long or has a NUL
 * makes no sense. */
void answer_lines_add(struct answer_lines *lines, const char *bytes, size_t n, answer_lines_cb take,
                      void *arg);

void answer_lines_deinit(struct answer_lines *lines);

#endif
