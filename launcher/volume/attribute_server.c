/* Happy path: a request's lines are read, and it waits; one worker thread sets the attributes of
 * all that wait, and then each is answered. What comes meanwhile waits for the next round. */
#include "launcher/volume/attribute_server.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "index/base/disk_error.h"
#include "launcher/volume/blob_body.h"
#include "launcher/volume/sync_disk.h"
#include "launcher/volume/sync_path.h"

struct exchange {
    struct blob_body body; /* first, so that it is its exchange */
    struct attribute_server *server;
    STAILQ_ENTRY(exchange) link;
    int rc;           /* of the worst line, */
    const char *path; /* and its path */
};

STAILQ_HEAD(exchanges, exchange);

struct attribute_server {
    uv_loop_t *loop;
    int directory;
    uv_work_t work;
    bool working;
    struct exchanges waiting;
    struct exchanges running; /* the worker's, while `working` */
    size_t n_waiting;         /* lines */
    void (*stop_cb)(void *arg);
    void *stop_arg;
};

int attribute_server_new(uv_loop_t *loop, int directory, struct attribute_server **server)
{
    struct attribute_server *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return UV_ENOMEM;
    s->loop = loop;
    s->directory = directory;
    s->work.data = s;
    STAILQ_INIT(&s->waiting);
    STAILQ_INIT(&s->running);
    *server = s;
    return 0;
}

static void end(struct attribute_server *s)
{
    void (*cb)(void *) = s->stop_cb;
    void *arg = s->stop_arg;

    free(s);
    cb(arg);
}

void attribute_server_stop(struct attribute_server *server, void (*cb)(void *arg), void *arg)
{
    server->stop_cb = cb;
    server->stop_arg = arg;
    if (!server->working)
        end(server);
}

/* --- The thread ------------------------------------------------------------------------------ */

/* A disk that fails outweighs a file that is missing. */
static void set_all(int directory, struct exchange *x)
{
    const struct blob_lines *lines = &x->body.lines;
    const char *path = lines->paths;

    for (size_t i = 0; i < lines->n; i++, path += strlen(path) + 1) {
        struct sync_file file = {.path = path, .attribute = &lines->attributes[i]};
        int fd = sync_disk_open_file(directory, &file);

        if (fd >= 0) {
            close(fd);
        } else if (x->rc == 0 || (x->rc == -ENOENT && fd != -ENOENT)) {
            x->rc = fd;
            x->path = path;
        }
    }
}

static void work_cb(uv_work_t *work)
{
    struct attribute_server *s = work->data;
    struct exchange *x;

    STAILQ_FOREACH(x, &s->running, link)
    {
        set_all(s->directory, x);
    }
}

/* --- The loop -------------------------------------------------------------------------------- */

static void exchange_end(struct exchange *x)
{
    struct http_request *http = x->body.http;

    if (http == NULL)
        ;
    else if (x->rc == 0)
        http_respond(http, 204, NULL, 0);
    else if (x->rc == -ENOENT)
        blob_body_respond(http, 404, "there is no file", x->path);
    else
        blob_body_respond(http, disk_is_full(-x->rc) ? 507 : 500, strerror(-x->rc), x->path);
    free(x->body.lines.paths);
    free(x);
}

static void worked_cb(uv_work_t *work, int status);

static void begin(struct attribute_server *s)
{
    int rc;

    STAILQ_CONCAT(&s->running, &s->waiting);
    s->n_waiting = 0;
    s->working = true;
    rc = uv_queue_work(s->loop, &s->work, work_cb, worked_cb);
    assert(rc == 0);
    (void)rc;
}

static void worked_cb(uv_work_t *work, int status)
{
    struct attribute_server *s = work->data;
    struct exchanges done = STAILQ_HEAD_INITIALIZER(done);
    struct exchange *x;

    (void)status;
    attribute_log_refusal();
    STAILQ_CONCAT(&done, &s->running);
    while ((x = STAILQ_FIRST(&done)) != NULL) {
        STAILQ_REMOVE_HEAD(&done, link);
        exchange_end(x);
    }
    s->working = false;
    if (!STAILQ_EMPTY(&s->waiting))
        begin(s);
    else if (s->stop_cb != NULL)
        end(s);
}

static void whole_cb(struct blob_body *body)
{
    struct exchange *x = (struct exchange *)body;
    struct attribute_server *s = x->server;

    if (s->n_waiting > 0 && s->n_waiting + body->lines.n > ATTRIBUTE_WAITING_MAX) {
        struct http_request *http = body->http;

        free(body->lines.paths);
        free(x);
        blob_body_respond(http, 503, "too many are waiting", NULL);
        return;
    }
    STAILQ_INSERT_TAIL(&s->waiting, x, link);
    s->n_waiting += body->lines.n;
    if (!s->working)
        begin(s);
}

static void over_cb(struct blob_body *body)
{
    free((struct exchange *)body);
}

void attribute_server_post(struct attribute_server *server, struct http_request *http)
{
    static const struct blob_body_owner owner = {
        .form = BLOB_LINES_MUST_HAVE, .whole = whole_cb, .over = over_cb};
    struct exchange *x = calloc(1, sizeof(*x));

    if (x == NULL) {
        blob_body_respond(http, 503, "out of memory", NULL);
        return;
    }
    x->server = server;
    blob_body_read(&x->body, http, &owner);
}
