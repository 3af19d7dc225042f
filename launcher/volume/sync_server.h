/* Answers POST /_mkv/sync, which a volume's nginx passes on to a Unix socket in .mkv/. The body is
 * one path a line, as placement_path() makes them, with "/svXX" in front or not:
 *
 *     204   all these files, and the directories that lead to them, are durable
 *     400   a line is no such path     404   a file is missing     413   over 64 KiB
 *     500, 507   the disk failed, or is full     503   too much is waiting, or the disk hangs
 *
 * All but 204 carry a line of text, those about a file with its path. GET /_mkv/space: see space.h.
 */
#ifndef MKV_LAUNCHER_SYNC_SERVER_H
#define MKV_LAUNCHER_SYNC_SERVER_H

#include <uv.h>

#include "launcher/nginx/prefix.h"
#include "launcher/volume/volume_dir.h"

#define SYNC_SOCKET "sync.sock" /* in .mkv, or where that can't hold it */

struct sync_server;

/* Makes the socket, in place of one that a crash left, and lets `account` alone connect to it. 0,
 * or -errno after one log line. */
int sync_server_listen(const struct prefix *prefix, const struct account *account, int *fd);

/* Removes the name of the socket. */
void sync_server_unlink(const struct prefix *prefix);

/* Serves the files in `dir`, which is borrowed, on `socket`, which is the server's on success, and
 * begins to try the disk. 0, or UV_E* after one log line. */
int sync_server_start(uv_loop_t *loop, int socket, const struct volume_dir *dir,
                      struct sync_server **server);

/* Takes no new connections, lets requests end for `drain_ms` milliseconds, cuts off the rest, waits
 * for the flush that is running, frees the server and fires `cb`. Called again, it shortens the
 * deadline; `cb` stays the first. */
void sync_server_stop(struct sync_server *server, unsigned drain_ms, void (*cb)(void *arg),
                      void *arg);

#endif
