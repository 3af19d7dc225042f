/* Each target has its own file; here is the table that leads to them.
 *
 * Stop order: HTTP, whose exchanges wait for what is at the disk; the admin port; then, one after
 * the other, what nobody waits for any more: listings, hashes, assemblies, attributes, the trials,
 * the flush; then the deadline's timer. */
#include "launcher/volume/volume_server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "index/base/local_socket.h"
#include "index/base/log.h"
#include "index/http/http.h"
#include "launcher/volume/assemble.h"
#include "launcher/volume/attribute_server.h"
#include "launcher/volume/blob_body.h"
#include "launcher/volume/hash.h"
#include "launcher/volume/list.h"
#include "launcher/volume/space.h"
#include "launcher/volume/sync.h"
#include "launcher/volume/sync_server.h"
#include "launcher/volume/volume_admin.h"
#include "launcher/volume/volume_health.h"

#define BACKLOG 511
#define HANG_MS 18000 /* less than the 30 s that an index waits for any answer */

struct volume_server {
    uv_loop_t *loop;
    int directory;
    unsigned name_max; /* as in struct volume_dir */
    struct sync *sync;
    struct attribute_server *attributes;
    struct pieces *lists;
    struct pieces *hashes;
    struct assembler *assembler;
    struct volume_health *health;
    struct http_server *http;   /* NULL once it has stopped */
    struct meter meter;         /* of `http` */
    struct volume_admin *admin; /* NULL without one, and once it has stopped */
    uv_timer_t deadline;        /* of the drain */
    uint64_t stop_until;        /* loop time of that */
    bool stopping;
    void (*stop_cb)(void *arg);
    void *stop_arg;
};

/* --- The socket ------------------------------------------------------------------------------ */

int volume_server_listen(const struct prefix *prefix, int *fd)
{
    int s = local_socket_bind(prefix->fd, VOLUME_SOCKET);
    int rc = s < 0 ? s : 0;

    if (rc == 0 && listen(s, BACKLOG) < 0)
        rc = -errno;
    if (rc == 0) {
        *fd = s;
        return 0;
    }
    log_error("cannot make the socket %s/%s: %s", prefix->path, VOLUME_SOCKET, strerror(-rc));
    if (s >= 0)
        close(s);
    return rc;
}

void volume_server_unlink(const struct prefix *prefix)
{
    unlinkat(prefix->fd, VOLUME_SOCKET, 0);
}

/* --- Requests -------------------------------------------------------------------------------- */

static void answer_sync(struct volume_server *server, struct http_request *http)
{
    sync_server_post(server->sync, http);
}

static void answer_space(struct volume_server *server, struct http_request *http)
{
    struct volume_finding finding;

    volume_health_get(server->health, &finding);
    space_answer(http, &finding, server->name_max);
}

static void answer_attributes(struct volume_server *server, struct http_request *http)
{
    attribute_server_post(server->attributes, http);
}

static void answer_list(struct volume_server *server, struct http_request *http)
{
    list_get(server->lists, server->directory, http);
}

static void answer_hash(struct volume_server *server, struct http_request *http)
{
    hash_post(server->hashes, server->directory, http);
}

static void answer_assemble(struct volume_server *server, struct http_request *http)
{
    assembler_post(server->assembler, http);
}

struct target {
    const char *path;
    enum http_method method;
    const char *method_name;
    void (*answer)(struct volume_server *server, struct http_request *http);
    enum volume_operation operation; /* by which it is counted */
};

static const struct target targets[] = {
    {SPACE_TARGET, HTTP_METHOD_GET, "GET", answer_space, VOLUME_OPERATION_SPACE},
    {"/_mkv/sync", HTTP_METHOD_POST, "POST", answer_sync, VOLUME_OPERATION_SYNC},
    {"/_mkv/attributes", HTTP_METHOD_POST, "POST", answer_attributes, VOLUME_OPERATION_ATTRIBUTES},
    {"/_mkv/list", HTTP_METHOD_GET, "GET", answer_list, VOLUME_OPERATION_LIST},
    {"/_mkv/hash", HTTP_METHOD_POST, "POST", answer_hash, VOLUME_OPERATION_HASH},
    {"/_mkv/assemble", HTTP_METHOD_POST, "POST", answer_assemble, VOLUME_OPERATION_ASSEMBLE},
};

#define N_TARGETS (sizeof(targets) / sizeof(targets[0]))

static void handler_cb(struct http_request *http, void *arg)
{
    struct volume_server *server = arg;
    size_t len;
    const char *path = http_request_path(http, &len);
    const struct target *target = targets;

    while (target < targets + N_TARGETS &&
           (len != strlen(target->path) || memcmp(path, target->path, len) != 0))
        target++;
    if (target < targets + N_TARGETS)
        http_request_set_kind(http, target->operation);
    if (target == targets + N_TARGETS) {
        blob_body_respond(http, 404, "there is nothing here", NULL);
    } else if (http_request_method(http) != target->method) {
        http_add_header(http, "Allow", target->method_name);
        blob_body_respond(http, 405, "another method is wanted", NULL);
    } else {
        target->answer(server, http);
    }
}

/* --- Start and stop -------------------------------------------------------------------------- */

static void nothing_cb(void *arg)
{
    (void)arg;
}

/* What works at the disk when it is asked to. */
static int make_workers(struct volume_server *s, const struct volume_dir *dir)
{
    int rc = attribute_server_new(s->loop, s->directory, &s->attributes);

    if (rc == 0)
        rc = pieces_new(s->loop, LIST_PLACES, LIST_THREADS, &s->lists);
    if (rc == 0)
        rc = pieces_new(s->loop, HASH_PLACES, HASH_THREADS, &s->hashes);
    if (rc == 0)
        rc = assembler_new(s->loop, dir, &s->assembler);
    if (rc == 0)
        rc = sync_new(s->loop, s->directory, HANG_MS, &s->sync);
    return rc;
}

/* Those that were made, before anything was asked of them. */
static void drop_workers(struct volume_server *s)
{
    if (s->sync != NULL)
        sync_stop(s->sync, nothing_cb, NULL);
    if (s->assembler != NULL)
        assembler_stop(s->assembler, nothing_cb, NULL);
    if (s->hashes != NULL)
        pieces_stop(s->hashes, nothing_cb, NULL);
    if (s->lists != NULL)
        pieces_stop(s->lists, nothing_cb, NULL);
    if (s->attributes != NULL)
        attribute_server_stop(s->attributes, nothing_cb, NULL);
}

/* What `health` tells is of the whole time that it serves. */
static int start_http(struct volume_server *s, const struct volume_sockets *sockets)
{
    int rc = 0;

    if (sockets->n_admin > 0)
        rc = volume_admin_start(s->loop, sockets->admin, sockets->n_admin, &s->meter, s->health,
                                &s->admin);
    if (rc == 0)
        rc = http_server_start(s->loop, &sockets->own, 1, &http_default_limits, "GET, HEAD, POST",
                               handler_cb, s, &s->http);
    if (rc == 0)
        http_server_set_meter(s->http, &s->meter);
    else if (s->admin != NULL)
        volume_admin_stop(s->admin, nothing_cb, NULL);
    return rc;
}

int volume_server_start(uv_loop_t *loop, const struct volume_sockets *sockets,
                        const struct volume_dir *dir, struct volume_server **server)
{
    struct volume_server *s = calloc(1, sizeof(*s));
    int rc = s == NULL ? UV_ENOMEM : 0;

    if (rc < 0)
        goto fail;
    s->loop = loop;
    s->directory = dir->fd;
    s->name_max = dir->name_max;
    rc = make_workers(s, dir);
    if (rc < 0)
        goto fail_workers;
    rc = volume_health_start(loop, dir, s->sync, &s->health);
    if (rc < 0)
        goto fail_workers;
    rc = start_http(s, sockets);
    if (rc < 0)
        goto fail_health;
    *server = s;
    return 0;

fail_health:
    volume_health_stop(s->health, nothing_cb, NULL);
fail_workers:
    drop_workers(s);
fail:
    free(s);
    log_error("cannot serve /_mkv/: %s", uv_strerror(rc));
    return rc;
}

void volume_server_set_expiry(struct volume_server *server, int64_t expires)
{
    if (server->admin != NULL)
        volume_admin_set_expiry(server->admin, expires);
}

static void timer_closed_cb(uv_handle_t *handle)
{
    struct volume_server *s = handle->data;
    void (*cb)(void *) = s->stop_cb;
    void *arg = s->stop_arg;

    free(s);
    cb(arg);
}

static void sync_stopped_cb(void *arg)
{
    struct volume_server *s = arg;

    uv_close((uv_handle_t *)&s->deadline, timer_closed_cb);
}

static void tried_cb(void *arg)
{
    struct volume_server *s = arg;

    sync_stop(s->sync, sync_stopped_cb, s);
}

static void attributes_stopped_cb(void *arg)
{
    struct volume_server *s = arg;

    volume_health_stop(s->health, tried_cb, s);
}

static void assembler_stopped_cb(void *arg)
{
    struct volume_server *s = arg;

    attribute_server_stop(s->attributes, attributes_stopped_cb, s);
}

static void hashes_stopped_cb(void *arg)
{
    struct volume_server *s = arg;

    assembler_stop(s->assembler, assembler_stopped_cb, s);
}

static void lists_stopped_cb(void *arg)
{
    struct volume_server *s = arg;

    pieces_stop(s->hashes, hashes_stopped_cb, s);
}

static void admin_stopped_cb(void *arg)
{
    struct volume_server *s = arg;

    s->admin = NULL;
    pieces_stop(s->lists, lists_stopped_cb, s);
}

static void http_stopped_cb(void *arg)
{
    struct volume_server *s = arg;

    s->http = NULL;
    uv_timer_stop(&s->deadline);
    if (s->admin != NULL)
        volume_admin_stop(s->admin, admin_stopped_cb, s);
    else
        admin_stopped_cb(s);
}

static void deadline_cb(uv_timer_t *timer)
{
    struct volume_server *s = timer->data;

    if (s->http != NULL)
        http_server_abort(s->http);
}

void volume_server_stop(struct volume_server *server, unsigned drain_ms, void (*cb)(void *arg),
                        void *arg)
{
    struct volume_server *s = server;
    uint64_t until = uv_now(s->loop) + drain_ms;

    if (!s->stopping) {
        s->stopping = true;
        s->stop_cb = cb;
        s->stop_arg = arg;
        s->stop_until = UINT64_MAX;
        uv_timer_init(s->loop, &s->deadline);
        s->deadline.data = s;
        http_server_stop(s->http, http_stopped_cb, s);
    }
    if (s->http == NULL || until >= s->stop_until)
        return;
    s->stop_until = until;
    uv_timer_start(&s->deadline, deadline_cb, drain_ms, 0);
}
