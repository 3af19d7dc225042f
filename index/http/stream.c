/* Streamed answers. Happy path: http_respond_start() appends the head to `out`, which is written as
 * any answer is, but never by uv_try_write(): so write_cb() follows every write, from the loop, and
 * calls stream_wake(). In one of the loop's next turns (turn.c) the handler is asked for more until
 * the bound is reached, the turn is over, or it has no more for now; in that last case its next
 * http_write() starts the circle again. http_finish() lets the exchange go where http_respond()
 * would have.
 *
 * There may be so many of them at once (http_limits.streams). When there are, and one more comes,
 * the one whose client has taken nothing for the longest time is cut off, if that is a second or
 * more; else the new one is answered 503, or waits for a place if its writer says so: its head is
 * sent, and nobody asks for more. So clients that don't read keep nobody out for long. A small
 * answer takes no place: what it waits for may take long.
 *
 * Failures: the client goes, is too slow, or the server is aborted (conn_close() says `closed`);
 * the source fails (http_fail()); memory is short or its place is needed (STREAM_BROKEN: what is
 * cut can't be sent whole, and conn_close() follows in the next turn, where callbacks may fire). */
#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "index/base/log.h"
#include "index/http/internal.h"

static void break_off(struct http_conn *conn)
{
    conn->stream = STREAM_BROKEN;
    conn->reset = !conn->listener->local; /* the kernel, too, gives up what waits */
    turn_add(conn);
}

static void enter_place(struct http_conn *conn)
{
    conn->streaming = true;
    LIST_INSERT_HEAD(&conn->server->streams, conn, stream_link);
    conn->server->n_streams++;
}

static void stop_waiting(struct http_conn *conn)
{
    conn->waiting = false;
    TAILQ_REMOVE(&conn->server->waiting, conn, wait_link);
}

/* The first that waits takes it. */
static void leave_place(struct http_conn *conn)
{
    struct http_conn *next = TAILQ_FIRST(&conn->server->waiting);

    if (!conn->streaming)
        return;
    conn->streaming = false;
    LIST_REMOVE(conn, stream_link);
    conn->server->n_streams--;
    if (next == NULL)
        return;
    stop_waiting(next);
    enter_place(next);
    stream_wake(next);
}

/* The one whose client has taken nothing for the longest time, if that is long; or NULL. */
static struct http_conn *find_stalled(struct http_server *server)
{
    uint64_t long_ago = uv_now(server->loop) + server->limits.write_timeout - HTTP_STALL_TIME;
    struct http_conn *stalled = NULL;
    struct http_conn *conn;

    LIST_FOREACH(conn, &server->streams, stream_link)
    {
        if (conn->writing && conn->write_deadline <= long_ago &&
            (stalled == NULL || conn->write_deadline < stalled->write_deadline))
            stalled = conn;
    }
    return stalled;
}

/* Whether one has made room for another. */
static bool evict_stalled(struct http_server *server)
{
    struct http_conn *stalled = find_stalled(server);

    if (stalled == NULL)
        return false;
    leave_place(stalled);
    break_off(stalled);
    return true;
}

void stream_make_room(struct http_server *server)
{
    while (!TAILQ_EMPTY(&server->waiting) && evict_stalled(server))
        ;
}

/* False: there is none, and it doesn't wait for one either. */
static bool take_place(struct http_conn *conn, const struct http_writer *writer)
{
    struct http_server *server = conn->server;

    if (writer->is_small)
        return true;
    if (server->n_streams < server->limits.streams || evict_stalled(server)) {
        enter_place(conn);
        return true;
    }
    if (!writer->waits)
        return false;
    conn->waiting = true;
    TAILQ_INSERT_TAIL(&server->waiting, conn, wait_link);
    return true;
}

static void respond_busy(struct http_request *request)
{
    static const char text[] = "too many listings at once\n";

    buf_clear(&request->answer_headers);
    http_add_header(request, "Retry-After", "1");
    http_respond(request, 503, text, sizeof(text) - 1);
}

/* Else the kernel takes megabytes from us for a client that doesn't read. (It may not know how.) */
static void bound_send_buffer(struct http_conn *conn)
{
    int bytes = HTTP_SEND_BUFFER;
    uv_os_fd_t fd;

    if (!conn->listener->local && uv_fileno(&conn->socket.handle, &fd) == 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof(bytes));
}

bool http_respond_start(struct http_request *request, int status, const struct http_writer *writer)
{
    struct http_conn *conn = request_conn(request);
    bool linger;

    assert(status >= 200 && status != 204 && status != 304);
    if (request->bad_headers) {
        http_respond(request, 500, NULL, 0);
        return false;
    }
    if (request->method != HTTP_METHOD_HEAD && !take_place(conn, writer)) {
        respond_busy(request);
        return false;
    }
    conn->chunked = conn->parser.http_minor > 0;
    if (!conn->chunked)
        conn->close_after = true;
    linger = response_begin(conn);
    if (response_append_head(conn, status, conn->chunked ? "Transfer-Encoding: chunked\r\n" : "") <
        0) {
        conn_close(conn);
        return false;
    }
    if (request->method == HTTP_METHOD_HEAD) {
        meter_end(conn);
        response_end(conn, linger);
        return false;
    }
    bound_send_buffer(conn);
    conn->reset = !conn->chunked && !conn->listener->local;
    conn->stream = STREAM_HUNGRY;
    request->writer = writer;
    conn_set_state(conn, linger ? CONN_LINGER : conn->state);
    conn_continue(conn);
    return true;
}

static int append_piece(struct http_conn *conn, const char *bytes, size_t len)
{
    struct buf *out = &conn->out;
    int rc = buf_reserve(out, len + 32); /* all or nothing */

    if (rc == 0 && conn->chunked)
        rc = buf_append_format(out, "%zx\r\n", len);
    if (rc == 0)
        rc = buf_append(out, bytes, len);
    if (rc == 0 && conn->chunked)
        rc = buf_append_string(out, "\r\n");
    return rc;
}

void http_write(struct http_request *request, const char *bytes, size_t len)
{
    struct http_conn *conn = request_conn(request);

    assert(request->writer != NULL);
    if (len == 0 || conn->stream == STREAM_BROKEN) /* a chunk of no bytes would be the last */
        return;
    if (append_piece(conn, bytes, len) < 0) {
        log_limited(LOG_LEVEL_ERROR, "a streamed answer is cut off: out of memory");
        break_off(conn);
        return;
    }
    request->body_written += len;
    conn->stream = STREAM_HUNGRY;
    conn_continue(conn);
}

void stream_fill(struct http_conn *conn)
{
    struct http_request *request = &conn->request;

    conn->gathering = true;
    do {
        conn->stream = STREAM_QUIET;
        request->writer->more(request);
    } while (request->writer != NULL && conn->stream == STREAM_HUNGRY &&
             buf_size(&conn->out) < HTTP_STREAM_BOUND && turn_has_time(conn->server));
    conn->gathering = false;
}

void stream_wake(struct http_conn *conn)
{
    if (conn->request.writer != NULL && conn->stream == STREAM_HUNGRY && !conn->waiting)
        turn_add(conn);
}

void stream_end(struct http_conn *conn)
{
    if (conn->waiting)
        stop_waiting(conn);
    leave_place(conn);
    conn->request.writer = NULL;
}

void http_finish(struct http_request *request)
{
    struct http_conn *conn = request_conn(request);

    assert(request->writer != NULL);
    stream_end(conn);
    meter_end(conn);
    if (conn->stream == STREAM_BROKEN ||
        (conn->chunked && buf_append_string(&conn->out, "0\r\n\r\n") < 0)) {
        conn_close(conn);
        return;
    }
    if (conn->server->stopping)
        conn->close_after = true;
    conn->dropped = 0;
    response_end(conn, conn->state == CONN_LINGER);
}

void http_fail(struct http_request *request)
{
    struct http_conn *conn = request_conn(request);

    assert(request->writer != NULL);
    stream_end(conn);
    meter_end(conn);
    conn_close(conn);
}
