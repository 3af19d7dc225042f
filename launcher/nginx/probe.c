/* Happy path: connect, send a request, read a byte: the probe ends with 0. An attempt that fails at
 * any step is closed and made again after RETRY_MS; the deadline and probe_cancel() end the probe
 * between attempts or amid one. The callback fires when the last handle is closed. */
#include "launcher/nginx/probe.h"

#include <netinet/in.h>
#include <string.h>

#define RETRY_MS 15

static const char request[] = "GET /_mkv/health HTTP/1.0\r\n\r\n";

static void attempt(struct probe *probe);

static void maybe_fire(struct probe *probe)
{
    if (probe->ended && !probe->attempting && probe->n_closed == 2)
        probe->cb(probe, probe->status);
}

static void timer_close_cb(uv_handle_t *handle)
{
    struct probe *probe = handle->data;

    probe->n_closed++;
    maybe_fire(probe);
}

static void retry_cb(uv_timer_t *timer)
{
    attempt(timer->data);
}

static void tcp_close_cb(uv_handle_t *handle)
{
    struct probe *probe = handle->data;

    probe->attempting = false;
    if (!probe->ended)
        uv_timer_start(&probe->retry, retry_cb, RETRY_MS, 0);
    maybe_fire(probe);
}

static void close_attempt(struct probe *probe)
{
    if (probe->attempting && !uv_is_closing((uv_handle_t *)&probe->tcp))
        uv_close((uv_handle_t *)&probe->tcp, tcp_close_cb);
}

static void end(struct probe *probe, int status)
{
    if (probe->ended)
        return;
    probe->ended = true;
    probe->status = status;
    close_attempt(probe);
    uv_close((uv_handle_t *)&probe->retry, timer_close_cb);
    uv_close((uv_handle_t *)&probe->deadline, timer_close_cb);
}

static void deadline_cb(uv_timer_t *timer)
{
    end(timer->data, UV_ETIMEDOUT);
}

static void alloc_cb(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct probe *probe = handle->data;

    (void)suggested;
    *buf = uv_buf_init(&probe->byte, 1);
}

static void read_cb(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    (void)buf;
    if (n > 0)
        end(stream->data, 0);
    else if (n < 0)
        close_attempt(stream->data);
}

static void write_cb(uv_write_t *write, int status)
{
    if (status < 0 && status != UV_ECANCELED)
        close_attempt(write->data);
}

static void connect_cb(uv_connect_t *connect, int status)
{
    struct probe *probe = connect->data;
    uv_buf_t buf = uv_buf_init((char *)request, sizeof(request) - 1);

    if (status == UV_ECANCELED)
        return;
    probe->write.data = probe;
    if (status < 0 || uv_write(&probe->write, (uv_stream_t *)&probe->tcp, &buf, 1, write_cb) < 0 ||
        uv_read_start((uv_stream_t *)&probe->tcp, alloc_cb, read_cb) < 0)
        close_attempt(probe);
}

static void attempt(struct probe *probe)
{
    uv_tcp_init(probe->loop, &probe->tcp);
    probe->tcp.data = probe;
    probe->connect.data = probe;
    probe->attempting = true;
    if (uv_tcp_connect(&probe->connect, &probe->tcp, (const struct sockaddr *)&probe->address,
                       connect_cb) < 0)
        close_attempt(probe);
}

/* No socket connects to a wildcard everywhere, so we take its family's loopback. */
static void avoid_wildcard(struct sockaddr_storage *address)
{
    /* By way of copies: what the caller put there may be read as one type alone. */
    struct sockaddr_in in;
    struct sockaddr_in6 in6;

    memcpy(&in, address, sizeof(in));
    memcpy(&in6, address, sizeof(in6));
    if (address->ss_family == AF_INET && in.sin_addr.s_addr == htonl(INADDR_ANY)) {
        in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        memcpy(address, &in, sizeof(in));
    }
    if (address->ss_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&in6.sin6_addr)) {
        in6.sin6_addr = in6addr_loopback;
        memcpy(address, &in6, sizeof(in6));
    }
}

void probe_start(struct probe *probe, uv_loop_t *loop, const struct sockaddr_storage *address,
                 unsigned timeout_ms, probe_cb cb, void *arg)
{
    memset(probe, 0, sizeof(*probe));
    probe->loop = loop;
    memcpy(&probe->address, address, sizeof(*address));
    avoid_wildcard(&probe->address);
    probe->cb = cb;
    probe->arg = arg;
    uv_timer_init(loop, &probe->retry);
    uv_timer_init(loop, &probe->deadline);
    probe->retry.data = probe;
    probe->deadline.data = probe;
    uv_timer_start(&probe->deadline, deadline_cb, timeout_ms, 0);
    attempt(probe);
}

void probe_cancel(struct probe *probe)
{
    end(probe, UV_ECANCELED);
}
