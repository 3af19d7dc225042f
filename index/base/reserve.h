/* What a process with a loop can't do without, taken at its start. Else libuv ends the process, at
 * whatever request first finds no memory for its threads or its table of descriptors. */
#ifndef MKV_BASE_RESERVE_H
#define MKV_BASE_RESERVE_H

#include <uv.h>

/* Starts libuv's threads, has `loop` make room for descriptors, and sees to it that some memory is
 * left besides. Before anything else is done with the loop. 0, or a UV_E* after one log line. */
int reserve_take(uv_loop_t *loop);

/* Whether there are `bytes` for a module that will take them later, and still as much memory as
 * reserve_take() wants. 0 or UV_ENOMEM. */
int reserve_check(size_t bytes);

#endif
