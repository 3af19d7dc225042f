/* Makes stored files durable, many requests by one flush:
 *
 *     submit ──▶ waiting ──▶ running: files, then each directory once ──▶ callbacks
 *
 * One flush runs at a time. What is submitted meanwhile waits, and goes together in the next one.
 */
#ifndef MKV_LAUNCHER_SYNC_H
#define MKV_LAUNCHER_SYNC_H

#include <stddef.h>
#include <sys/queue.h>
#include <uv.h>

#define SYNC_WAITING_MAX 16384 /* paths */

struct sync;
struct sync_request;

/* 0 when all files, and the directories that lead to them, are durable; -ENOENT when a file is
 * missing; UV_ECANCELED after sync_stop(); any other -errno when the disk, or we, failed. `path` is
 * the one that it is about, NULL for success and cancelation, and expires on return. */
typedef void (*sync_cb)(struct sync_request *request, int status, const char *path);

/* Embedded by value; the first two are the caller's, the paths until the callback. */
struct sync_request {
    const char *paths; /* relative, each with a NUL behind it, valid by sync_path_is_valid() */
    size_t n_paths;    /* at least 1 */
    sync_cb cb;
    size_t first; /* of the flush's files */
    STAILQ_ENTRY(sync_request) link;
};

/* `directory` is the descriptor of what the paths are relative to, borrowed. 0 or UV_ENOMEM. */
int sync_new(uv_loop_t *loop, int directory, struct sync **sync);

/* 0, or UV_ENOMEM, or UV_EAGAIN when too much is waiting; the callback does not fire then. It fires
 * once, not inside this call. A flush can't be stopped, so there is no cancel. */
int sync_submit(struct sync *sync, struct sync_request *request);

/* Lets the running flush end, cancels what waits behind it, and fires `cb` when `sync` is freed.
 * Nothing may be submitted any more. */
void sync_stop(struct sync *sync, void (*cb)(void *arg), void *arg);

#endif
