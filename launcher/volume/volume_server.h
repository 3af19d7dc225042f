/* A volume's own server, to which its nginx passes /_mkv/... on through a Unix socket in .mkv/:
 *
 *     POST /_mkv/sync         sync_server.h         POST /_mkv/hash   hash.h
 *     POST /_mkv/attributes   attribute_server.h    GET /_mkv/list    list.h
 *     POST /_mkv/assemble     assemble.h            GET /_mkv/space   space.h
 */
#ifndef MKV_LAUNCHER_VOLUME_SERVER_H
#define MKV_LAUNCHER_VOLUME_SERVER_H

#include <uv.h>

#include "launcher/nginx/listeners.h"
#include "launcher/nginx/prefix.h"
#include "launcher/volume/volume_dir.h"

#define VOLUME_SOCKET "sync.sock" /* in .mkv, or where that can't hold it */

struct volume_server;

/* Makes the socket, to which our user alone can connect, in place of one that a crash left. 0, or
 * -errno after one log line. */
int volume_server_listen(const struct prefix *prefix, int *fd);

/* Removes the name of the socket. */
void volume_server_unlink(const struct prefix *prefix);

/* Where it serves. */
struct volume_sockets {
    int own; /* listening; of nginx */
    int admin[LISTENERS_MAX];
    size_t n_admin; /* 0: there is no admin port */
};

/* Serves the files in `dir`, which is borrowed, on the sockets, which are the server's on success,
 * and begins to try the disk. 0, or UV_E* after one log line. */
int volume_server_start(uv_loop_t *loop, const struct volume_sockets *sockets,
                        const struct volume_dir *dir, struct volume_server **server);

/* As volume_admin_set_expiry(). */
void volume_server_set_expiry(struct volume_server *server, int64_t expires);

/* Takes no new connections, lets requests end for `drain_ms` milliseconds, cuts off the rest, waits
 * for what is at the disk, frees the server and fires `cb`. Called again, it shortens the deadline;
 * `cb` stays the first. */
void volume_server_stop(struct volume_server *server, unsigned drain_ms, void (*cb)(void *arg),
                        void *arg);

#endif
