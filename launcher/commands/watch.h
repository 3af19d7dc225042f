/* How far a command is that does its work itself, shown as a job's progress is. */
#ifndef MKV_LAUNCHER_WATCH_H
#define MKV_LAUNCHER_WATCH_H

#include "launcher/commands/job_view.h"

struct watch {
    struct job_view view;
    uint64_t started; /* ms, of a clock that only goes forward */
};

/* Log lines take the drawn line away from here on. `only_drawn`: show nothing where standard error
 * is no terminal. */
void watch_begin(struct watch *watch, bool only_drawn);

/* Shows `line`, of which the times are filled in; not if one was shown just before. Cheap enough to
 * be called for each key. */
void watch_show(struct watch *watch, struct job_line *line);

/* Takes the drawn line away. */
void watch_end(struct watch *watch);

uint64_t watch_elapsed_ms(const struct watch *watch);

#endif
