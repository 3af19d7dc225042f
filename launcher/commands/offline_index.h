/* An index that runs for one command, since none does on that directory: without nginx and without
 * a public port, in a child of this process. It is asked by its admin socket, as any. */
#ifndef MKV_LAUNCHER_OFFLINE_INDEX_H
#define MKV_LAUNCHER_OFFLINE_INDEX_H

#include <stdbool.h>
#include <sys/types.h>

/* Starts one as the settings in `directory` have it, and waits until it serves. It ends with this
 * process, however that does, and cleanly. With `only_reads` it is for jobs that look, and changes
 * nothing but its socket in `directory`. `lead` is for its log: log_set_lead(). Its pid, or
 * -errno after a log line: -EBUSY when another process has the index, -EINTR when a signal came
 * (interrupts.h), which needs no line. */
pid_t offline_index_start(const char *directory, bool only_reads, const char *lead);

/* Stops it, and waits until it has ended. */
void offline_index_stop(pid_t pid);

#endif
