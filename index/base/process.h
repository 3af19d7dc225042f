/* What this process takes of the machine, by the names that Prometheus's own clients give it. */
#ifndef MKV_BASE_PROCESS_H
#define MKV_BASE_PROCESS_H

#include "index/base/exposition.h"

/* Notes when the process began, and opens what tells how much memory it has: once, before the
 * process may open nothing any more. What can't be opened is left out later. */
void process_begin(void);

/* Appends process_cpu_seconds_total and its like, and mkv_memory_anonymous_bytes. */
void process_expose(struct exposition *e);

#endif
