/* One client's connection. Reading, happy path: read_cb feeds the parser, whose callbacks run the
 * handler; answers gather in `out` and conn_continue() writes them in one go. When an exchange
 * waits for its answer, the parser is paused and what was read behind it waits in `in`.
 *
 * Failures: a client that closes or resets in mid-exchange (the reader hears `closed`), that breaks
 * the protocol (4xx and close), that is too slow (408, or just close), that doesn't take its answer
 * (close). All of them end in conn_close(). */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "index/http/internal.h"

static void update_reading(struct http_conn *conn);

static bool in_exchange(const struct http_conn *conn)
{
    return (conn->state == CONN_BODY || conn->state == CONN_ANSWER) && !conn->answered;
}

/* The exchange will have no answer from the handler, or no whole one: tell it. */
static void abandon_exchange(struct http_conn *conn)
{
    struct http_request *r = &conn->request;
    const struct http_writer *writer = r->writer;

    if (writer != NULL) {
        r->writer = NULL;
        writer->closed(r);
    } else if (in_exchange(conn)) {
        conn->answered = true;
        if (r->reader != NULL)
            r->reader->closed(r);
    }
}

static unsigned state_timeout(const struct http_conn *conn)
{
    const struct http_limits *limits = &conn->server->limits;

    if (conn->request.writer != NULL)
        return 0; /* the handler's turn */
    switch (conn->state) {
    case CONN_IDLE:
        return limits->idle_timeout;
    case CONN_HEAD:
        return limits->head_timeout;
    case CONN_BODY:
        return conn->paused && !conn->answered ? 0 : limits->body_timeout;
    case CONN_LINGER:
        return HTTP_LINGER_TIME;
    default:
        return 0;
    }
}

static void renew_deadline(struct http_conn *conn)
{
    unsigned timeout = state_timeout(conn);

    conn->deadline = timeout > 0 ? uv_now(conn->server->loop) + timeout : UINT64_MAX;
}

void conn_set_state(struct http_conn *conn, enum conn_state state)
{
    assert(conn->state != CONN_CLOSED);
    conn->state = state;
    renew_deadline(conn);
}

static void closed_cb(uv_handle_t *handle)
{
    struct http_conn *conn = (struct http_conn *)handle;
    struct http_server *server = conn->server;

    LIST_REMOVE(conn, link);
    server->n_conns--;
    buf_deinit(&conn->request.head);
    buf_deinit(&conn->request.answer_headers);
    buf_deinit(&conn->in);
    buf_deinit(&conn->out);
    buf_deinit(&conn->flight);
    free(conn);
    server_handle_closed(server);
}

void conn_close(struct http_conn *conn)
{
    if (conn->state == CONN_CLOSED)
        return;
    abandon_exchange(conn);
    stream_forget(conn);
    conn_set_state(conn, CONN_CLOSED);
    if (!conn->reset || uv_tcp_close_reset(&conn->socket.tcp, closed_cb) < 0)
        uv_close(&conn->socket.handle, closed_cb);
}

static void write_cb(uv_write_t *write, int status)
{
    struct http_conn *conn = write->data;

    conn->writing = false;
    conn->write_deadline = UINT64_MAX;
    buf_clear(&conn->flight);
    if (status < 0 || conn->broken) {
        conn_close(conn);
        return;
    }
    stream_wake(conn);
    conn_continue(conn);
}

/* A write has failed. A streamed answer's handler can't be told inside its own call: the sweep ends
 * it. */
static void write_failed(struct http_conn *conn)
{
    if (conn->request.writer != NULL)
        conn->broken = true;
    else
        conn_close(conn);
}

/* Hands `out` to the socket; what the socket doesn't take at once goes on as `flight`. All of a
 * streamed answer does: its handler is asked for more when that is written. */
static void flush(struct http_conn *conn)
{
    uv_stream_t *stream = &conn->socket.stream;
    struct buf empty = conn->flight;
    uv_buf_t bytes;
    int n = UV_EAGAIN;

    if (conn->writing || conn->broken || buf_size(&conn->out) == 0)
        return;
    bytes = uv_buf_init((char *)buf_bytes(&conn->out), (unsigned)buf_size(&conn->out));
    if (conn->request.writer == NULL)
        n = uv_try_write(stream, &bytes, 1);
    if (n > 0)
        buf_consume(&conn->out, (size_t)n);
    if (buf_size(&conn->out) == 0)
        return;
    conn->flight = conn->out;
    conn->out = empty;
    bytes = uv_buf_init((char *)buf_bytes(&conn->flight), (unsigned)buf_size(&conn->flight));
    conn->write.data = conn;
    if ((n < 0 && n != UV_EAGAIN) || uv_write(&conn->write, stream, &bytes, 1, write_cb) < 0) {
        write_failed(conn);
        return;
    }
    conn->writing = true;
    conn->write_deadline = uv_now(conn->server->loop) + conn->server->limits.write_timeout;
}

/* Parses what was read behind the exchange that has just ended. */
static void parse_waiting(struct http_conn *conn)
{
    struct buf waiting = conn->in;

    memset(&conn->in, 0, sizeof(conn->in));
    parse_bytes(conn, buf_bytes(&waiting), buf_size(&waiting));
    buf_deinit(&waiting);
}

static void shutdown_cb(uv_shutdown_t *shutdown, int status)
{
    (void)shutdown;
    (void)status;
}

/* RFC 9112, section 9.6: our side first, then, once the client has had its chance to read, the
 * rest. */
static void shut_down(struct http_conn *conn)
{
    if (conn->shut)
        return;
    conn->shut = true;
    conn->reset = false; /* all is written */
    if (uv_shutdown(&conn->shutdown, &conn->socket.stream, shutdown_cb) < 0)
        conn_close(conn);
}

/* With all answers written, a connection that has none to give any more ends. */
static void end_if_done(struct http_conn *conn)
{
    if (conn->writing || conn->request.writer != NULL)
        return;
    if (conn->state == CONN_LINGER) {
        shut_down(conn);
    } else if (conn->state == CONN_ENDING ||
               (conn->state == CONN_IDLE && (conn->eof || conn->server->stopping))) {
        conn->reset = false;
        conn_close(conn);
    }
}

void conn_continue(struct http_conn *conn)
{
    if (conn->parsing || conn->filling || conn->state == CONN_CLOSED)
        return;
    flush(conn);
    while (conn->state == CONN_IDLE && !conn->writing && buf_size(&conn->in) > 0) {
        parse_waiting(conn);
        flush(conn);
    }
    end_if_done(conn);
    update_reading(conn);
}

void conn_refuse(struct http_conn *conn, int status)
{
    abandon_exchange(conn);
    conn->close_after = true;
    buf_clear(&conn->request.answer_headers);
    if (status == 405)
        http_add_header(&conn->request, "Allow", HTTP_ALLOWED);
    response_append(conn, status, NULL, 0);
    if (conn->state == CONN_CLOSED)
        return;
    conn_set_state(conn, CONN_LINGER);
    conn_continue(conn);
}

void conn_expire(struct http_conn *conn)
{
    if (conn->state == CONN_HEAD || in_exchange(conn))
        conn_refuse(conn, 408);
    else
        conn_close(conn);
}

static void alloc_cb(uv_handle_t *handle, size_t suggested, uv_buf_t *bytes)
{
    struct http_conn *conn = (struct http_conn *)handle;

    (void)suggested;
    *bytes = uv_buf_init(conn->server->read_buffer, HTTP_READ_SIZE);
}

static void read_some(struct http_conn *conn, const char *bytes, size_t n)
{
    switch (conn->state) {
    case CONN_LINGER:
        conn->dropped += n;
        if (conn->dropped > HTTP_LINGER_BYTES && conn->request.writer == NULL)
            conn_close(conn);
        break;
    case CONN_ANSWER:
        if (buf_append(&conn->in, bytes, n) < 0)
            conn_close(conn);
        break;
    default:
        parse_bytes(conn, bytes, n);
        if (conn->state == CONN_BODY)
            renew_deadline(conn);
    }
}

static void read_end(struct http_conn *conn)
{
    conn->eof = true;
    /* A client may close its sending side and still wait for the answer; not in mid-message, unless
     * the answer has begun already. */
    if (conn->state != CONN_ANSWER && conn->state != CONN_ENDING && conn->request.writer == NULL)
        conn_close(conn);
    conn->close_after = true;
}

static void read_cb(uv_stream_t *stream, ssize_t n, const uv_buf_t *bytes)
{
    struct http_conn *conn = (struct http_conn *)stream;

    if (n == 0)
        return;
    if (n == UV_EOF)
        read_end(conn);
    else if (n < 0)
        conn_close(conn);
    else
        read_some(conn, bytes->base, (size_t)n);
    conn_continue(conn);
}

static bool wants_bytes(const struct http_conn *conn)
{
    if (conn->eof || conn->writing)
        return false;
    switch (conn->state) {
    case CONN_IDLE:
    case CONN_HEAD:
        return true;
    case CONN_LINGER:
        return conn->request.writer == NULL || conn->dropped <= HTTP_LINGER_BYTES;
    case CONN_BODY:
        return !conn->paused || conn->answered;
    case CONN_ANSWER:
        return buf_size(&conn->in) == 0; /* to see the client go */
    default:
        return false;
    }
}

static void update_reading(struct http_conn *conn)
{
    bool wanted;

    if (conn->state == CONN_CLOSED)
        return;
    wanted = wants_bytes(conn);
    if (wanted == conn->reading)
        return;
    conn->reading = wanted;
    if (!wanted)
        uv_read_stop(&conn->socket.stream);
    else if (uv_read_start(&conn->socket.stream, alloc_cb, read_cb) < 0)
        conn->deadline = 0; /* not here, where no callback may fire: the sweep ends it */
}

void http_pause_body(struct http_request *request)
{
    struct http_conn *conn = request_conn(request);

    conn->paused = true;
    renew_deadline(conn);
    update_reading(conn);
}

void http_resume_body(struct http_request *request)
{
    struct http_conn *conn = request_conn(request);

    conn->paused = false;
    renew_deadline(conn);
    update_reading(conn);
}

static void abort_cb(uv_handle_t *handle)
{
    struct http_server *server = ((struct http_conn *)handle)->server;

    free(handle);
    server_handle_closed(server);
}

bool conn_accept(struct http_server *server, union socket_handle *listener)
{
    bool local = listener->handle.type == UV_NAMED_PIPE;
    struct http_conn *conn = calloc(1, sizeof(*conn));

    if (conn == NULL)
        return false;
    conn->server = server;
    conn->write_deadline = UINT64_MAX;
    conn->answered = true; /* nothing is owed yet */
    server_init_socket(server, &conn->socket, local);
    if (uv_accept(&listener->stream, &conn->socket.stream) < 0) {
        uv_close(&conn->socket.handle, abort_cb);
        return true;
    }
    if (!local)
        uv_tcp_nodelay(&conn->socket.tcp, 1);
    LIST_INSERT_HEAD(&server->conns, conn, link);
    server->n_conns++;
    parse_init(conn);
    conn_set_state(conn, CONN_IDLE);
    if (server->n_conns > server->limits.connections)
        conn_refuse(conn, 503);
    else
        update_reading(conn);
    return true;
}
