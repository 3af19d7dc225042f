/* A listening socket. It isn't libuv's: that accepts as long as there are connections, and when
 * accept(2) fails it tries again at once, for ever. Here a turn of the loop accepts a few, and
 * after a failure the sweep tries again, once a second. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "index/base/log.h"
#include "index/http/internal.h"

#define BACKLOG        4096
#define COMPLAIN_EVERY 60000 /* milliseconds */

static void complain(struct http_server *server, int rc)
{
    uint64_t now = uv_now(server->loop);

    if (server->complained != 0 && now - server->complained < COMPLAIN_EVERY)
        return;
    server->complained = now;
    log_warn("connections can't be accepted, and wait: %s", uv_strerror(rc));
}

/* Errors of the connection that would have been accepted: accept(2) lists them. */
static bool is_client_gone(int rc)
{
    switch (rc) {
    case -ECONNABORTED:
    case -EINTR:
    case -EPROTO:
    case -ENETDOWN:
    case -ENOPROTOOPT:
    case -EHOSTDOWN:
    case -ENONET:
    case -EHOSTUNREACH:
    case -EOPNOTSUPP:
    case -ENETUNREACH:
    case -EPERM: /* a firewall's word */
        return true;
    default:
        return false;
    }
}

static void readable_cb(uv_poll_t *poll, int status, int events)
{
    struct http_listener *listener = (struct http_listener *)poll;
    int rc = status;

    (void)events;
    for (unsigned i = 0; i < HTTP_TURN_ACCEPTS && uv_is_active((uv_handle_t *)poll); i++) {
        rc = conn_accept(listener);
        if (rc == -EAGAIN)
            return;
        if (rc < 0 && !is_client_gone(rc)) {
            complain(listener->server, rc);
            listener->failed = true;
        }
        listener_update(listener);
    }
}

void listener_update(struct http_listener *listener)
{
    const struct http_server *server = listener->server;

    if (uv_is_closing((uv_handle_t *)&listener->poll))
        return;
    if (server->held || listener->failed || listener->n_conns >= server->share + HTTP_REFUSALS)
        uv_poll_stop(&listener->poll);
    else if (!uv_is_active((uv_handle_t *)&listener->poll))
        uv_poll_start(&listener->poll, UV_READABLE, readable_cb);
}

/* Whether it can be closed without its client losing what it has asked for. */
static bool is_idle(const struct http_conn *conn)
{
    return !conn->writing && buf_size(&conn->in) == 0 && buf_size(&conn->out) == 0;
}

/* Slow heads, and clients that keep connections and say nothing, cost others nothing: they wait for
 * no longer than it takes until their places are wanted. */
bool listener_make_room(struct http_listener *listener)
{
    uint64_t now = uv_now(listener->server->loop);
    struct http_conn *conn;

    if (listener->is_proxys)
        return false;
    TAILQ_FOREACH(conn, &listener->quiet, quiet_link)
    {
        if (now - conn->since < HTTP_YOUNG)
            return false;
        if (is_idle(conn)) {
            conn_close(conn);
            return true;
        }
    }
    return false;
}

void listener_conn_closed(struct http_listener *listener)
{
    listener->n_conns--;
    listener_update(listener);
}

int listener_start(struct http_server *server, struct http_listener *listener, int socket)
{
    int domain = AF_UNSPEC;
    socklen_t size = sizeof(domain);
    int rc = uv_poll_init(server->loop, &listener->poll, socket);

    if (rc < 0)
        return rc;
    server->open++;
    server->n_listeners++;
    listener->server = server;
    listener->fd = socket;
    getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &size);
    listener->local = domain == AF_UNIX;
    listener->is_proxys = server->n_listeners <= server->limits.proxies;
    TAILQ_INIT(&listener->quiet);
    if (listen(socket, BACKLOG) < 0)
        return -errno;
    listener_update(listener);
    return 0;
}

static void closed_cb(uv_handle_t *handle)
{
    server_handle_closed(((struct http_listener *)handle)->server);
}

void listener_close(struct http_listener *listener, bool owned)
{
    uv_close((uv_handle_t *)&listener->poll, closed_cb);
    if (owned) /* libuv doesn't watch it any more */
        close(listener->fd);
}
