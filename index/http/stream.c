/* Streamed answers. Happy path: http_respond_start() appends the head to `out`, which is written as
 * any answer is, but never by uv_try_write(): so write_cb() follows every write, from the loop, and
 * calls stream_wake(). In the loop's next turn the handler is asked for more until the bound is
 * reached or it has no more for now; in that case its next http_write() starts the circle again.
 * http_finish() lets the exchange go where http_respond() would have.
 *
 * Why in the next turn: libuv runs callbacks of finished writes several times before it looks at
 * other sockets, and a client that takes all at once would leave little of the loop to others.
 *
 * Failures: the client goes, is too slow, or the server is aborted (conn_close() says `closed`);
 * the source fails (http_fail()); memory is short (`broken`: what is cut can't be sent whole, and
 * conn_close() follows from write_cb() or the sweep, where callbacks may fire). */
#include <assert.h>

#include "index/base/log.h"
#include "index/http/internal.h"

bool http_respond_start(struct http_request *request, int status, const struct http_writer *writer)
{
    struct http_conn *conn = request_conn(request);
    bool linger;

    assert(status >= 200 && status != 204 && status != 304);
    if (request->bad_headers) {
        http_respond(request, 500, NULL, 0);
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
        response_end(conn, linger);
        return false;
    }
    conn->reset = !conn->chunked && conn->socket.handle.type == UV_TCP;
    conn->hungry = true;
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
    if (len == 0 || conn->broken) /* a chunk of no bytes would be the last */
        return;
    if (append_piece(conn, bytes, len) < 0) {
        log_error("a streamed answer is cut off: out of memory");
        conn->broken = true;
        return;
    }
    conn->hungry = true;
    conn_continue(conn);
}

static void fill(struct http_conn *conn)
{
    struct http_request *request = &conn->request;

    conn->filling = true;
    while (request->writer != NULL && conn->hungry && !conn->broken &&
           buf_size(&conn->out) < HTTP_STREAM_BOUND) {
        conn->hungry = false;
        request->writer->more(request);
    }
    conn->filling = false;
}

void stream_wake(struct http_conn *conn)
{
    struct http_server *server = conn->server;

    if (conn->request.writer == NULL || !conn->hungry || conn->turning)
        return;
    conn->turning = true;
    TAILQ_INSERT_TAIL(&server->turns, conn, turn_link);
    if (server->n_turns++ == 0)
        uv_idle_start(&server->turn, stream_turn_cb);
}

void stream_forget(struct http_conn *conn)
{
    struct http_server *server = conn->server;

    if (!conn->turning)
        return;
    conn->turning = false;
    TAILQ_REMOVE(&server->turns, conn, turn_link);
    if (--server->n_turns == 0)
        uv_idle_stop(&server->turn);
}

void stream_turn_cb(uv_idle_t *turn)
{
    struct http_server *server = turn->data;
    size_t n = server->n_turns;
    struct http_conn *conn;

    while (n-- > 0 && (conn = TAILQ_FIRST(&server->turns)) != NULL) {
        stream_forget(conn);
        fill(conn);
        conn_continue(conn);
    }
}

void http_finish(struct http_request *request)
{
    struct http_conn *conn = request_conn(request);

    assert(request->writer != NULL);
    request->writer = NULL;
    if (conn->broken || (conn->chunked && buf_append_string(&conn->out, "0\r\n\r\n") < 0)) {
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
    assert(request->writer != NULL);
    request->writer = NULL;
    conn_close(request_conn(request));
}
