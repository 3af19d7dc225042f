/* What keeps a process that serves one directory from reaching anything else, even when a fault in
 * it is somebody's way in: Landlock (Linux 5.19 and later) and a seccomp filter. */
#ifndef MKV_LAUNCHER_SANDBOX_H
#define MKV_LAUNCHER_SANDBOX_H

#include <stdbool.h>

/* From now on this thread, and those that it starts, can open, make, rename and remove nothing but
 * regular files and directories beneath the open `directory`; and can't execute, fork, make or
 * connect sockets, change ids, trace, signal others, change by a name what belongs to a file (its
 * mode, owner, times, attributes), or talk to the kernel's less common parts. It can still look at
 * names outside: stat(2), readlink(2). What is open stays open. *landlocked tells whether the
 * kernel could do the first. Before there are threads. 0, or -errno where the kernel refused what
 * it has; -ENOSYS where it has no seccomp filters. */
int sandbox_enter(int directory, bool *landlocked);

#endif
