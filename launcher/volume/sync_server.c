/* Happy path: the handler asks for the body, end_cb() splits it into paths and submits them, and
 * synced_cb() answers. A client that is gone by then gets no answer, and its files are made durable
 * all the same.
 *
 * Stop order: HTTP, whose exchanges wait for the flushes; then the trials; then the flush that
 * nobody waits for any more; then the deadline's timer. */
#include "launcher/volume/sync_server.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "index/base/buf.h"
#include "index/base/disk_error.h"
#include "index/base/local_socket.h"
#include "index/base/log.h"
#include "index/http/http.h"
#include "launcher/volume/space.h"
#include "launcher/volume/sync.h"
#include "launcher/volume/sync_path.h"
#include "launcher/volume/volume_health.h"

#define TARGET   "/_mkv/sync"
#define BODY_MAX 65536
#define BACKLOG  511
#define HANG_MS  18000 /* less than the 30 s that an index waits for any answer */

struct sync_server {
    uv_loop_t *loop;
    struct sync *sync;
    struct volume_health *health;
    struct http_server *http; /* NULL once it has stopped */
    uv_timer_t deadline;      /* of the drain */
    uint64_t stop_until;      /* loop time of that */
    bool stopping;
    void (*stop_cb)(void *arg);
    void *stop_arg;
};

struct exchange {
    struct sync_request request; /* first, so that it is its exchange */
    struct sync_server *server;
    struct http_request *http; /* NULL when the client is gone */
    struct buf body;
    char *paths; /* the body's lines, each a relative path with a NUL behind it */
};

/* --- The socket ------------------------------------------------------------------------------ */

int sync_server_listen(const struct prefix *prefix, const struct account *account, int *fd)
{
    int s = local_socket_bind(prefix->fd, SYNC_SOCKET);
    int rc = s < 0 ? s : 0;

    if (rc == 0 && account->privileged &&
        fchownat(prefix->fd, SYNC_SOCKET, account->uid, account->gid, AT_SYMLINK_NOFOLLOW) < 0)
        rc = -errno;
    if (rc == 0 && listen(s, BACKLOG) < 0)
        rc = -errno;
    if (rc == 0) {
        *fd = s;
        return 0;
    }
    log_error("cannot make the socket %s/%s: %s", prefix->path, SYNC_SOCKET, strerror(-rc));
    if (s >= 0)
        close(s);
    return rc;
}

void sync_server_unlink(const struct prefix *prefix)
{
    unlinkat(prefix->fd, SYNC_SOCKET, 0);
}

/* --- Requests -------------------------------------------------------------------------------- */

/* Answers with a line of text, and `path` in it where that is not NULL. */
static void respond(struct http_request *http, int status, const char *text, const char *path)
{
    char line[SYNC_PATH_MAX + 128];
    int n = snprintf(line, sizeof(line), "%s%s%s\n", text, path != NULL ? ": /" : "",
                     path != NULL ? path : "");

    if (status == 405)
        http_add_header(http, "Allow", "POST");
    http_add_header(http, "Content-Type", "text/plain");
    http_respond(http, status, line, n < (int)sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

static void exchange_free(struct exchange *x)
{
    buf_deinit(&x->body);
    free(x->paths);
    free(x);
}

/* Answers and is done, unless the client is. */
static void exchange_end(struct exchange *x, int status, const char *text, const char *path)
{
    struct http_request *http = x->http;
    char copy[SYNC_PATH_MAX];

    if (path != NULL)
        path = strcpy(copy, path);
    exchange_free(x);
    if (http != NULL && status == 204)
        http_respond(http, 204, NULL, 0);
    else if (http != NULL)
        respond(http, status, text, path);
}

static void synced_cb(struct sync_request *request, int status, const char *path)
{
    struct exchange *x = (struct exchange *)request;

    if (status == 0)
        exchange_end(x, 204, NULL, NULL);
    else if (status == -ENOENT)
        exchange_end(x, 404, "there is no file", path);
    else if (disk_is_full(-status))
        exchange_end(x, 507, strerror(-status), path);
    else if (status == UV_ETIMEDOUT)
        exchange_end(x, 503, "the disk hangs", NULL);
    else
        exchange_end(x, status == UV_ECANCELED ? 503 : 500, strerror(-status), path);
}

/* Makes lines paths. False when one of them is none; the last may lack its end. */
static bool split(struct exchange *x)
{
    const char *line = buf_bytes(&x->body);
    size_t left = buf_size(&x->body);
    char *out = x->paths;

    while (left > 0) {
        const char *end = memchr(line, '\n', left);
        size_t n = end != NULL ? (size_t)(end - line) : left;

        if (!sync_path_is_valid(line, n))
            return false;
        memcpy(out, line + 1, n - 1);
        out[n - 1] = '\0';
        out += n;
        x->request.n_paths++;
        left -= end != NULL ? n + 1 : n;
        line += n + 1;
    }
    return x->request.n_paths > 0;
}

static void end_cb(struct http_request *http)
{
    struct exchange *x = http_request_data(http);
    char text[64];
    int rc;

    x->paths = malloc(buf_size(&x->body) + 1);
    if (x->paths == NULL) {
        exchange_end(x, 503, "out of memory", NULL);
        return;
    }
    if (!split(x)) {
        snprintf(text, sizeof(text), "line %zu is no blob's path", x->request.n_paths + 1);
        exchange_end(x, 400, text, NULL);
        return;
    }
    buf_deinit(&x->body);
    x->request.paths = x->paths;
    x->request.cb = synced_cb;
    rc = sync_submit(x->server->sync, &x->request);
    if (rc == 0)
        x->paths = NULL;
    else if (rc == UV_ETIMEDOUT)
        exchange_end(x, 503, "the disk hangs", NULL);
    else
        exchange_end(x, 503, rc == UV_EAGAIN ? "too many are waiting" : "out of memory", NULL);
}

static void data_cb(struct http_request *http, const char *bytes, size_t len)
{
    struct exchange *x = http_request_data(http);

    if (buf_size(&x->body) + len > BODY_MAX)
        exchange_end(x, 413, "the body is over 64 KiB", NULL);
    else if (buf_append(&x->body, bytes, len) < 0)
        exchange_end(x, 503, "out of memory", NULL);
}

static void closed_cb(struct http_request *http)
{
    struct exchange *x = http_request_data(http);

    x->http = NULL;
    if (x->request.cb == NULL)
        exchange_free(x);
}

static bool is_target(const char *path, size_t len, const char *target)
{
    return len == strlen(target) && memcmp(path, target, len) == 0;
}

static void sync_handler_cb(struct http_request *http, void *arg)
{
    static const struct http_body_reader reader = {
        .data = data_cb, .end = end_cb, .closed = closed_cb};
    struct sync_server *server = arg;
    struct volume_finding finding;
    struct exchange *x;
    size_t len;
    const char *path = http_request_path(http, &len);

    if (is_target(path, len, SPACE_TARGET) && http_request_method(http) == HTTP_METHOD_GET) {
        volume_health_get(server->health, &finding);
        space_answer(http, &finding);
        return;
    }
    if (!is_target(path, len, TARGET)) {
        respond(http, 404, "only " TARGET " and " SPACE_TARGET " are here", NULL);
        return;
    }
    if (http_request_method(http) != HTTP_METHOD_POST) {
        respond(http, 405, "only POST", NULL);
        return;
    }
    if (http_request_content_length(http) > BODY_MAX) {
        respond(http, 413, "the body is over 64 KiB", NULL);
        return;
    }
    x = calloc(1, sizeof(*x));
    if (x == NULL) {
        respond(http, 503, "out of memory", NULL);
        return;
    }
    x->server = server;
    x->http = http;
    http_request_set_data(http, x);
    http_read_body(http, &reader);
}

/* --- Start and stop -------------------------------------------------------------------------- */

static void nothing_cb(void *arg)
{
    (void)arg;
}

int sync_server_start(uv_loop_t *loop, int socket, const struct volume_dir *dir,
                      struct sync_server **server)
{
    struct sync_server *s = calloc(1, sizeof(*s));
    int rc = s == NULL ? UV_ENOMEM : 0;

    if (rc == 0)
        rc = sync_new(loop, dir->fd, HANG_MS, &s->sync);
    if (rc < 0)
        goto fail;
    s->loop = loop;
    rc = volume_health_start(loop, dir, s->sync, &s->health);
    if (rc < 0)
        goto fail_sync;
    rc = http_server_start(loop, &socket, 1, &http_default_limits, "GET, HEAD, POST",
                           sync_handler_cb, s, &s->http);
    if (rc < 0)
        goto fail_health;
    *server = s;
    return 0;

fail_health:
    volume_health_stop(s->health, nothing_cb, NULL);
fail_sync:
    sync_stop(s->sync, nothing_cb, NULL);
fail:
    free(s);
    log_error("cannot serve %s: %s", TARGET, uv_strerror(rc));
    return rc;
}

static void timer_closed_cb(uv_handle_t *handle)
{
    struct sync_server *s = handle->data;
    void (*cb)(void *) = s->stop_cb;
    void *arg = s->stop_arg;

    free(s);
    cb(arg);
}

static void sync_stopped_cb(void *arg)
{
    struct sync_server *s = arg;

    uv_close((uv_handle_t *)&s->deadline, timer_closed_cb);
}

static void tried_cb(void *arg)
{
    struct sync_server *s = arg;

    sync_stop(s->sync, sync_stopped_cb, s);
}

static void http_stopped_cb(void *arg)
{
    struct sync_server *s = arg;

    s->http = NULL;
    uv_timer_stop(&s->deadline);
    volume_health_stop(s->health, tried_cb, s);
}

static void deadline_cb(uv_timer_t *timer)
{
    struct sync_server *s = timer->data;

    if (s->http != NULL)
        http_server_abort(s->http);
}

void sync_server_stop(struct sync_server *server, unsigned drain_ms, void (*cb)(void *arg),
                      void *arg)
{
    struct sync_server *s = server;
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
