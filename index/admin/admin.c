/* A dump goes as any streamed answer: the client has taken the lines before, so that however long
 * it takes, little of it is in memory. */
#include "index/admin/admin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "index/admin/admin_jobs.h"
#include "index/admin/status.h"
#include "index/base/buf.h"
#include "index/base/local_socket.h"
#include "index/base/log.h"
#include "index/maintenance/backup_key.h"
#include "index/maintenance/dump.h"

#define METHODS "GET, HEAD, POST, DELETE"
#define LOOK_MS 2000 /* what a database says of backups is older by no more */

/* Who reads a dump may have to wait for his own disk or network. */
static const struct http_limits limits = {
    .connections = 64,
    .streams = 64, /* as many as there can be: none has to make room */
    .head_timeout = 30000,
    .body_timeout = 30000,
    .idle_timeout = 75000,
    .write_timeout = 3600000,
};

struct dump_op {
    struct http_request *request;
    struct dump dump;
    struct buf out;
};

static void dump_free(struct dump_op *op)
{
    buf_deinit(&op->out);
    free(op);
}

static void filled(struct dump_op *op, int rc)
{
    struct http_request *request = op->request;

    if (rc >= 0)
        http_write(request, buf_bytes(&op->out), buf_size(&op->out));
    if (rc > 0)
        return;
    dump_free(op);
    if (rc == 0)
        http_finish(request);
    else
        http_fail(request);
}

static void filled_cb(struct dump *dump, int rc)
{
    filled(dump->arg, rc);
}

static void more_cb(struct http_request *request)
{
    struct dump_op *op = http_request_data(request);
    int rc;

    if (op->dump.reading.request != NULL)
        return;
    buf_clear(&op->out);
    rc = dump_fill(&op->dump, &op->out, HTTP_STREAM_BOUND);
    if (rc != STORE_LATER)
        filled(op, rc);
}

static void closed_cb(struct http_request *request)
{
    struct dump_op *op = http_request_data(request);

    dump_cancel(&op->dump);
    dump_free(op);
}

static void respond_dump(const struct admin *admin, struct http_request *request)
{
    static const struct http_writer writer = {.more = more_cb, .closed = closed_cb};
    struct dump_op *op = calloc(1, sizeof(*op));

    if (op == NULL) {
        http_respond_text(request, 503, "out of memory\n");
        return;
    }
    op->request = request;
    op->dump.store = admin->objects->store;
    op->dump.filled_cb = filled_cb;
    op->dump.arg = op;
    http_request_set_data(request, op);
    http_add_header(request, "Content-Type", "application/x-ndjson");
    if (!http_respond_start(request, 200, &writer))
        dump_free(op);
}

void admin_respond_status(const struct admin *admin, struct http_request *request)
{
    struct buf text = {0};

    http_add_header(request, "Content-Type", "application/json");
    if (status_append(&text, admin) == 0)
        http_respond(request, 200, buf_bytes(&text), buf_size(&text));
    else
        http_respond_text(request, 503, "out of memory\n");
    buf_deinit(&text);
}

static void handle_cb(struct http_request *request, void *arg)
{
    static const struct {
        const char *path;
        void (*respond)(const struct admin *admin, struct http_request *request);
    } routes[] = {{"/status", admin_respond_status}, {"/dump", respond_dump}};
    enum http_method method = http_request_method(request);
    size_t len;
    const char *path = http_request_path(request, &len);

    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (strlen(routes[i].path) != len || memcmp(routes[i].path, path, len) != 0)
            continue;
        if (method == HTTP_METHOD_GET || method == HTTP_METHOD_HEAD) {
            routes[i].respond(arg, request);
            return;
        }
        http_add_header(request, "Allow", "GET, HEAD");
        http_respond_text(request, 405, "");
        return;
    }
    if (!admin_jobs_respond(arg, request))
        http_respond_text(request, 404, "only /status, /dump and /jobs are here\n");
}

/* --- Start and stop -------------------------------------------------------------------------- */

/* A status doesn't wait for a database: it tells what was read last, so that is read beforehand. */
static void look_cb(uv_timer_t *timer)
{
    const struct admin *a = timer->data;
    uint64_t hidden;

    backups_watch(a->backups, a->objects->store);
    objects_hidden(a->objects, &hidden); /* counts those that others change, from time to time */
}

void admin_free(struct admin *a)
{
    if (a->fd >= 0)
        close(a->fd);
    if (a->backups != NULL)
        store_cancel(a->objects->store, &a->backups->search.reading);
    free(a->backups);
    free(a->directory);
    free(a);
}

static int listen_in(struct admin *a)
{
    int socket;
    int rc;

    a->fd = open(a->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (a->fd < 0)
        return -errno;
    socket = local_socket_bind(a->fd, ADMIN_SOCKET);
    if (socket < 0)
        return socket;
    rc = http_server_start(a->loop, &socket, 1, &limits, METHODS, handle_cb, a, &a->http);
    if (rc < 0) {
        unlinkat(a->fd, ADMIN_SOCKET, 0);
        close(socket);
    }
    return rc;
}

int admin_start(uv_loop_t *loop, struct objects *objects, struct jobs *jobs, const char *directory,
                const struct admin_certificate *certificate, struct admin **admin)
{
    struct admin *a = calloc(1, sizeof(*a));
    int rc = UV_ENOMEM;

    if (a != NULL) {
        *a = (struct admin){.loop = loop,
                            .objects = objects,
                            .jobs = jobs,
                            .certificate = certificate,
                            .started = uv_hrtime(),
                            .fd = -1};
        a->directory = strdup(directory);
        a->backups = calloc(1, sizeof(*a->backups));
    }
    if (a != NULL && a->directory != NULL && a->backups != NULL)
        rc = listen_in(a);
    if (rc == 0) {
        uv_timer_init(loop, &a->look);
        a->look.data = a;
        if (!objects->store->is_prompt)
            uv_timer_start(&a->look, look_cb, 0, LOOK_MS);
        *admin = a;
        return 0;
    }
    log_error("cannot serve %s/" ADMIN_SOCKET ": %s", directory, uv_strerror(rc));
    if (a != NULL)
        admin_free(a);
    return rc;
}

static void look_closed_cb(uv_handle_t *timer)
{
    struct admin *a = timer->data;

    a->stop_cb(a->stop_arg);
}

static void http_stopped_cb(void *arg)
{
    struct admin *a = arg;

    a->http = NULL;
    uv_close((uv_handle_t *)&a->look, look_closed_cb);
}

void admin_stop(struct admin *a, void (*cb)(void *arg), void *arg)
{
    a->stop_cb = cb;
    a->stop_arg = arg;
    unlinkat(a->fd, ADMIN_SOCKET, 0);
    http_server_stop(a->http, http_stopped_cb, a);
}

void admin_abort(struct admin *a)
{
    if (a->http != NULL)
        http_server_abort(a->http);
}
