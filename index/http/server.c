#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "index/base/clock.h"
#include "index/base/http_date.h"
#include "index/http/internal.h"

#define SWEEP_INTERVAL 1000 /* milliseconds */

const struct http_limits http_default_limits = {
    .connections = 10000,
    .streams = 64,
    .head_timeout = 30000,
    .body_timeout = 60000,
    .idle_timeout = 75000,
    .write_timeout = 60000,
};

static void handle_closed_cb(uv_handle_t *handle)
{
    struct http_server *server = handle->data;
    void (*cb)(void *) = server->stop_cb;
    void *arg = server->stop_arg;

    if (--server->handles > 0)
        return;
    assert(TAILQ_EMPTY(&server->conns));
    free(server->listeners);
    free(server);
    if (cb != NULL)
        cb(arg);
}

void server_handle_closed(struct http_server *server)
{
    assert(server->open > 0);
    if (--server->open > 0)
        return;
    uv_close((uv_handle_t *)&server->sweep, handle_closed_cb);
    uv_close((uv_handle_t *)&server->turn, handle_closed_cb);
    uv_close((uv_handle_t *)&server->turned, handle_closed_cb);
}

static void update_listeners(struct http_server *server)
{
    for (size_t i = 0; i < server->n_listeners; i++)
        listener_update(&server->listeners[i]);
}

void http_server_hold(struct http_server *server)
{
    server->held = true;
    update_listeners(server);
}

void http_server_release(struct http_server *server)
{
    server->held = false;
    update_listeners(server);
}

static void update_date(struct http_server *server)
{
    char date[HTTP_DATE_SIZE];

    http_date_format(clock_now_ms() / 1000, date);
    snprintf(server->date, sizeof(server->date), "Date: %s\r\n", date);
}

static void sweep_cb(uv_timer_t *timer)
{
    struct http_server *server = timer->data;

    update_date(server);
    for (size_t i = 0; i < server->n_listeners; i++)
        server->listeners[i].failed = false;
    update_listeners(server);
    stream_make_room(server);
    turn_sweep(server);
}

void http_server_close_listeners(struct http_server *server, size_t first)
{
    while (server->n_listeners > first)
        listener_close(&server->listeners[--server->n_listeners], true);
}

size_t http_connections_max(size_t wanted)
{
    struct rlimit files;
    size_t half;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur == RLIM_INFINITY)
        return wanted;
    half = (size_t)files.rlim_cur / 2;
    return wanted < half ? wanted : half;
}

static struct http_server *server_new(uv_loop_t *loop, size_t n_listeners,
                                      const struct http_limits *limits)
{
    struct http_server *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    s->listeners = calloc(n_listeners, sizeof(*s->listeners));
    if (s->listeners == NULL) {
        free(s);
        return NULL;
    }
    s->loop = loop;
    s->limits = *limits;
    s->share = limits->connections / n_listeners;
    TAILQ_INIT(&s->conns);
    TAILQ_INIT(&s->turns);
    LIST_INIT(&s->streams);
    TAILQ_INIT(&s->waiting);
    update_date(s);
    uv_timer_init(loop, &s->sweep);
    uv_idle_init(loop, &s->turn);
    uv_check_init(loop, &s->turned);
    s->sweep.data = s->turn.data = s->turned.data = s;
    s->handles = 3;
    return s;
}

int http_server_start(uv_loop_t *loop, const int *sockets, size_t n,
                      const struct http_limits *limits, const char *methods,
                      http_handler_cb handler, void *arg, struct http_server **server)
{
    struct http_server *s = server_new(loop, n, limits);
    int rc = 0;

    assert(n > 0);
    if (s == NULL)
        return UV_ENOMEM;
    s->methods = methods;
    s->handler = handler;
    s->arg = arg;
    s->open = 1; /* this call */
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = listener_start(s, &s->listeners[i], sockets[i]);
    if (rc < 0) {
        while (s->n_listeners > 0)
            listener_close(&s->listeners[--s->n_listeners], false);
        server_handle_closed(s); /* the memory goes with the last of them */
        return rc;
    }
    s->open--;
    uv_timer_start(&s->sweep, sweep_cb, SWEEP_INTERVAL, SWEEP_INTERVAL);
    uv_check_start(&s->turned, turned_cb);
    *server = s;
    return 0;
}

void http_server_stop(struct http_server *server, void (*cb)(void *arg), void *arg)
{
    struct http_conn *conn;

    assert(!server->stopping);
    server->stopping = true;
    server->stop_cb = cb;
    server->stop_arg = arg;
    http_server_close_listeners(server, 0);
    /* The sweep goes on, for the deadlines of those that stay. */
    TAILQ_FOREACH(conn, &server->conns, link)
    {
        if (conn->state == CONN_IDLE && !conn->writing)
            conn_close(conn);
    }
}

void http_server_abort(struct http_server *server)
{
    struct http_conn *conn;

    assert(server->stopping);
    TAILQ_FOREACH(conn, &server->conns, link)
    {
        conn_close(conn);
    }
}
