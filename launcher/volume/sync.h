/* Makes stored files durable, many requests by one flush:
 *
 *     submit ──▶ waiting ──▶ running: files, then each directory once, if need be ──▶ callbacks
 *
 * One flush runs at a time. What is submitted meanwhile waits, and goes together in the next one. A
 * request is answered also when the disk hangs: its files are flushed all the same, and nobody is
 * told that they are durable. */
#ifndef MKV_LAUNCHER_SYNC_H
#define MKV_LAUNCHER_SYNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#include "launcher/volume/attribute.h"

#define SYNC_WAITING_MAX 16384 /* paths */

struct sync;
struct sync_request;

/* 0 when all files, their attributes, and the directories that lead to them are durable; -ENOENT
 * when a file is missing; UV_ETIMEDOUT when the disk hangs; UV_ECANCELED after sync_stop(); any
 * other -errno when the disk, or we, failed. `path` is the one that it is about, NULL for success,
 * cancelation and timeout, and expires on return. */
typedef void (*sync_cb)(struct sync_request *request, int status, const char *path);

/* Embedded by value; the first four are the caller's. */
struct sync_request {
    char *paths; /* relative, each with a NUL after it, valid by sync_path_is_valid(); allocated */
    size_t n_paths;                     /* at least 1 */
    const struct attribute *attributes; /* of each path, in the allocation of `paths`, or NULL */
    sync_cb cb;
    size_t first;      /* of the flush's files */
    uint64_t deadline; /* loop time */
    STAILQ_ENTRY(sync_request) link;
};

/* `directory` is the descriptor of what the paths are relative to, borrowed. The disk
 * hangs when a flush gets nowhere for `hang_ms` milliseconds; one that is merely slow does not. 0
 * or UV_ENOMEM. */
int sync_new(uv_loop_t *loop, int directory, unsigned hang_ms, struct sync **sync);

/* On 0 the paths are `sync`'s to free, and the callback fires once, not inside this call. Or
 * UV_ENOMEM, UV_EAGAIN when too much is waiting, or UV_ETIMEDOUT when the disk hangs already; the
 * callback does not fire then. A flush can't be stopped, so there is no cancel. */
int sync_submit(struct sync *sync, struct sync_request *request);

/* For how many milliseconds the running flush has got nowhere; 0 when none runs. */
uint64_t sync_stuck_ms(const struct sync *sync);

/* Whether so many files could not be made durable that no file is called durable any more. */
bool sync_distrusts(const struct sync *sync);

/* Lets the running flush end, cancels what waits behind it, and fires `cb` when `sync` is freed.
 * Nothing may be submitted any more. */
void sync_stop(struct sync *sync, void (*cb)(void *arg), void *arg);

#endif
