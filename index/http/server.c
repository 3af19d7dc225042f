#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "index/base/log.h"
#include "index/http/internal.h"

#define SWEEP_INTERVAL 1000 /* milliseconds */
#define BACKLOG        511

const struct http_limits http_default_limits = {
    .connections = 10000,
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
    assert(LIST_EMPTY(&server->conns));
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
}

static void listener_closed_cb(uv_handle_t *handle)
{
    server_handle_closed(((struct http_listener *)handle)->server);
}

static void accept_some(struct http_listener *listener)
{
    listener->waiting = listener->server->held || !conn_accept(listener->server, &listener->socket);
}

static void connection_cb(uv_stream_t *stream, int status)
{
    struct http_listener *listener = (struct http_listener *)stream;
    struct http_server *server = listener->server;

    if (status == 0) {
        accept_some(listener);
        return;
    }
    if (!server->refusing)
        log_warn("a connection can't be accepted: %s", uv_strerror(status));
    server->refusing = true;
}

static void accept_waiting(struct http_server *server)
{
    for (size_t i = 0; i < server->n_listeners; i++) {
        if (server->listeners[i].waiting)
            accept_some(&server->listeners[i]);
    }
}

void http_server_hold(struct http_server *server)
{
    server->held = true;
}

void http_server_release(struct http_server *server)
{
    server->held = false;
    accept_waiting(server);
}

static void update_date(struct http_server *server)
{
    time_t now = time(NULL);
    struct tm utc;

    gmtime_r(&now, &utc);
    strftime(server->date, sizeof(server->date), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &utc);
}

static void sweep_cb(uv_timer_t *timer)
{
    struct http_server *server = timer->data;
    uint64_t now = uv_now(server->loop);
    struct http_conn *conn;

    update_date(server);
    server->refusing = false;
    accept_waiting(server);
    /* Closing a connection takes it off the list later, in its close callback. */
    LIST_FOREACH(conn, &server->conns, link)
    {
        if (conn->broken || now > conn->write_deadline)
            conn_close(conn);
        else if (now > conn->deadline)
            conn_expire(conn);
    }
}

void server_init_socket(struct http_server *server, union socket_handle *socket, bool local)
{
    if (local)
        uv_pipe_init(server->loop, &socket->pipe, 0);
    else
        uv_tcp_init(server->loop, &socket->tcp);
    server->open++;
}

/* Opens `listener` on a duplicate of the socket, so that a failure leaves the original alone. */
static int listener_start(struct http_server *server, struct http_listener *listener, int socket)
{
    int copy = fcntl(socket, F_DUPFD_CLOEXEC, 0);
    int domain = AF_UNSPEC;
    socklen_t size = sizeof(domain);
    int rc;

    getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &size);
    listener->server = server;
    server_init_socket(server, &listener->socket, domain == AF_UNIX);
    if (copy < 0)
        return UV_EMFILE;
    if (domain == AF_UNIX)
        rc = uv_pipe_open(&listener->socket.pipe, copy);
    else
        rc = uv_tcp_open(&listener->socket.tcp, copy);
    if (rc < 0) {
        close(copy);
        return rc;
    }
    return uv_listen(&listener->socket.stream, BACKLOG, connection_cb);
}

void http_server_close_listeners(struct http_server *server, size_t first)
{
    while (server->n_listeners > first)
        uv_close(&server->listeners[--server->n_listeners].socket.handle, listener_closed_cb);
}

int http_server_start(uv_loop_t *loop, const int *sockets, size_t n,
                      const struct http_limits *limits, http_handler_cb handler, void *arg,
                      struct http_server **server)
{
    struct http_server *s = calloc(1, sizeof(*s));
    int rc = 0;

    assert(n > 0);
    if (s == NULL)
        return UV_ENOMEM;
    s->listeners = calloc(n, sizeof(*s->listeners));
    if (s->listeners == NULL) {
        free(s);
        return UV_ENOMEM;
    }
    s->loop = loop;
    s->limits = *limits;
    s->handler = handler;
    s->arg = arg;
    LIST_INIT(&s->conns);
    update_date(s);
    TAILQ_INIT(&s->turns);
    uv_timer_init(loop, &s->sweep);
    uv_idle_init(loop, &s->turn);
    s->sweep.data = s->turn.data = s;
    s->handles = 2;
    for (size_t i = 0; i < n && rc == 0; i++, s->n_listeners++)
        rc = listener_start(s, &s->listeners[i], sockets[i]);
    if (rc < 0) {
        http_server_close_listeners(s, 0); /* the memory goes with the last of them */
        return rc;
    }
    for (size_t i = 0; i < n; i++)
        close(sockets[i]);
    uv_timer_start(&s->sweep, sweep_cb, SWEEP_INTERVAL, SWEEP_INTERVAL);
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
    LIST_FOREACH(conn, &server->conns, link)
    {
        if (conn->state == CONN_IDLE && !conn->writing)
            conn_close(conn);
    }
}

void http_server_abort(struct http_server *server)
{
    struct http_conn *conn;

    assert(server->stopping);
    LIST_FOREACH(conn, &server->conns, link)
    {
        conn_close(conn);
    }
}
