/* fork(2) and execve(2) for child.c, with all that has to be right between the two. */
#ifndef MKV_LAUNCHER_EXEC_H
#define MKV_LAUNCHER_EXEC_H

#include "launcher/nginx/child.h"

/* Forks and executes. On success the process is the leader of its own group, *errors is the reading
 * end of its stderr, blocking and closed on exec, and the caller reaps it. Else a -errno and
 * nothing is left behind. */
int exec_start(const struct child_options *options, pid_t *pid, int *errors);

#endif
