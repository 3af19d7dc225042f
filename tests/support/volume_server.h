/* A volume that is an HTTP server on the test's own loop: it keeps blobs in memory, and does with
 * each kind of request what the test says. */
#ifndef MKV_TESTS_SUPPORT_VOLUME_SERVER_H
#define MKV_TESTS_SUPPORT_VOLUME_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>
#include <uv.h>

#include "index/base/buf.h"
#include "index/cluster/placement.h"
#include "index/http/http.h"

enum volume_request {
    VOLUME_PUT,
    VOLUME_SYNC,     /* POST /_mkv/sync */
    VOLUME_ASSEMBLE, /* POST /_mkv/assemble */
    VOLUME_DELETE,
    VOLUME_READ, /* GET of a blob */
    VOLUME_REQUESTS
};

/* What becomes of a request, once all of it is there. Probes are always answered. */
enum volume_fate {
    FATE_DO,           /* does it, and says so: PUT 201, sync 204, DELETE 204, or 404; assemble 200,
                          and how that ended */
    FATE_REFUSE,       /* nothing is done, and `refusal` is the status */
    FATE_HOLD,         /* nothing, until volume_server_release() */
    FATE_CLOSE,        /* closes the connection in mid-answer, with nothing done */
    FATE_DO_AND_CLOSE, /* does it, and closes so */
    FATE_LIE           /* says that it was done */
};

struct volume_blob {
    char path[PLACEMENT_FULL_PATH_MAX];
    struct buf bytes;
    struct buf note; /* that came with the sync, as it came: base64 */
    bool synced;
    LIST_ENTRY(volume_blob) link;
};

struct volume_exchange;

LIST_HEAD(volume_blobs, volume_blob);
LIST_HEAD(volume_exchanges, volume_exchange);

struct volume_server {
    char name[32];     /* "127.0.0.1:PORT" */
    char identity[16]; /* may be changed: another disk then */
    enum volume_fate fates[VOLUME_REQUESTS];
    int refusal;                     /* 500 at first */
    const char *assembled;           /* how an assembly ends by a lie; "done\n" at first */
    unsigned begun[VOLUME_REQUESTS]; /* requests whose head has come, */
    unsigned whole[VOLUME_REQUESTS]; /* and those that came to their end */
    /* Fires when the head of a PUT has come; may be NULL. */
    void (*put_cb)(struct volume_server *server, const char *path, void *arg);
    void *put_arg;
    struct volume_blobs blobs;
    struct volume_exchanges exchanges;
    struct http_server *http;
};

void volume_server_start(struct volume_server *server, uv_loop_t *loop, const char *identity);

/* Cuts all off, frees the blobs, and fires `cb` from the loop. */
void volume_server_stop(struct volume_server *server, void (*cb)(void *arg), void *arg);

/* Does what was held back, of this kind, and answers; the kind is done from now on. */
void volume_server_release(struct volume_server *server, enum volume_request kind);

/* Breaks its connections before any answer, with nothing done of what is held. */
void volume_server_cut(struct volume_server *server);

/* Whether anything is held back. */
bool volume_server_holds(const struct volume_server *server);

/* The blob at a path, or NULL. */
struct volume_blob *volume_server_find(struct volume_server *server, const char *path);

/* Stores a blob, as a PUT does that comes late. */
void volume_server_store(struct volume_server *server, const char *path, const void *bytes,
                         size_t n);

#endif
