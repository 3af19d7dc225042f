/* One client's connection. Reading, happy path: read_cb feeds the parser, whose callbacks run the
 * handler; answers gather in `out` and conn_continue() writes them in one go. When an exchange
 * waits for its answer, the parser is paused and what was read after it waits in `in`; so does
 * what the loop's next turn is to parse (turn.c).
 *
 * Failures: a client that closes or resets in mid-exchange (the reader hears `closed`), that breaks
 * the protocol (4xx and close), that is too slow (408, or just close), that doesn't take its answer
 * (close). All of them end in conn_close(). */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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
        stream_end(conn);
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
        return (conn->paused || conn->undecided) && !conn->answered ? 0 : limits->body_timeout;
    case CONN_LINGER:
        return HTTP_LINGER_TIME;
    default:
        return 0;
    }
}

/* Until when the reader's client may take for the body, at most. */
static uint64_t body_deadline(const struct http_conn *conn)
{
    const struct http_request *r = &conn->request;

    if (conn->state != CONN_BODY || conn->answered || r->reader == NULL ||
        r->reader->least_rate == 0)
        return UINT64_MAX;
    return r->body_begun + conn->server->limits.body_timeout +
           r->body_read * 1000 / r->reader->least_rate;
}

static void renew_deadline(struct http_conn *conn)
{
    unsigned timeout = state_timeout(conn);
    uint64_t last = body_deadline(conn);

    conn->deadline = timeout > 0 ? uv_now(conn->server->loop) + timeout : UINT64_MAX;
    if (conn->deadline > last)
        conn->deadline = last;
}

static bool is_quiet(enum conn_state state)
{
    return state == CONN_IDLE || state == CONN_HEAD;
}

void conn_set_state(struct http_conn *conn, enum conn_state state)
{
    assert(conn->state != CONN_CLOSED);
    if (is_quiet(conn->state))
        TAILQ_REMOVE(&conn->listener->quiet, conn, quiet_link);
    if (is_quiet(state))
        TAILQ_INSERT_TAIL(&conn->listener->quiet, conn, quiet_link);
    conn->state = state;
    conn->since = uv_now(conn->server->loop);
    renew_deadline(conn);
}

static void closed_cb(uv_handle_t *handle)
{
    struct http_conn *conn = (struct http_conn *)handle;
    struct http_server *server = conn->server;

    TAILQ_REMOVE(&server->conns, conn, link);
    server->n_conns--;
    listener_conn_closed(conn->listener);
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
    if (in_exchange(conn) || conn->request.writer != NULL)
        meter_end(conn);
    abandon_exchange(conn);
    stream_end(conn);
    turn_remove(conn);
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
    if (status < 0) {
        conn_close(conn);
        return;
    }
    stream_wake(conn);
    conn_continue(conn);
}

static bool is_broken(const struct http_conn *conn)
{
    return conn->request.writer != NULL && conn->stream == STREAM_BROKEN;
}

/* A write has failed. A streamed answer's handler can't be told inside its own call: the next turn
 * ends it. */
static void write_failed(struct http_conn *conn)
{
    if (conn->request.writer == NULL) {
        conn_close(conn);
        return;
    }
    conn->stream = STREAM_BROKEN;
    turn_add(conn);
}

/* Hands `out` to the socket; what the socket doesn't take at once goes on as `flight`. All of a
 * streamed answer does: its handler is asked for more when that is written. */
static void flush(struct http_conn *conn)
{
    uv_stream_t *stream = &conn->socket.stream;
    struct buf empty = conn->flight;
    uv_buf_t bytes;
    int n = UV_EAGAIN;

    if (conn->writing || is_broken(conn) || buf_size(&conn->out) == 0)
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

static void give_up(struct buf *b)
{
    if (buf_size(b) == 0 && b->capacity > HTTP_BUFFER_KEPT)
        buf_deinit(b);
}

/* Parses bytes, and keeps those that have to wait. */
static void parse(struct http_conn *conn, const char *bytes, size_t n)
{
    size_t taken = parse_bytes(conn, bytes, n);

    if (taken < n && buf_append(&conn->in, bytes + taken, n - taken) < 0)
        conn->eof = true; /* the requests behind can't be kept: as if they hadn't been sent */
}

/* A request, or the rest of one whose body was left alone for a while. */
static bool has_waiting_request(const struct http_conn *conn)
{
    return (conn->state == CONN_IDLE || (conn->state == CONN_BODY && !conn->undecided)) &&
           buf_size(&conn->in) > 0;
}

void conn_decided(struct http_conn *conn)
{
    conn->undecided = false;
    conn->end_due = conn->state == CONN_ANSWER && conn->request.reader->end != NULL;
    renew_deadline(conn);
    turn_add(conn);
}

static void end_body(struct http_conn *conn)
{
    conn->end_due = false;
    if (!conn->answered)
        conn->request.reader->end(&conn->request);
}

void conn_turn(struct http_conn *conn)
{
    if (is_broken(conn)) {
        conn_close(conn);
        return;
    }
    if (conn->end_due)
        end_body(conn);
    if (conn->state == CONN_CLOSED)
        return;
    if (conn->request.writer != NULL && conn->stream == STREAM_HUNGRY && !conn->writing)
        stream_fill(conn);
    else if (has_waiting_request(conn) && !conn->writing)
        buf_consume(&conn->in, parse_bytes(conn, buf_bytes(&conn->in), buf_size(&conn->in)));
    conn_continue(conn);
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

/* The client has sent its last byte. It may still wait for answers (RFC 9112, section 9.6), but one
 * in mid-message has gone. */
static void end_input(struct http_conn *conn)
{
    if (!conn->eof || has_waiting_request(conn) || conn->request.writer != NULL)
        return;
    switch (conn->state) {
    case CONN_HEAD:
        conn_close(conn);
        break;
    case CONN_BODY:
        if (conn->undecided)
            break;
        if (!conn->answered) {
            conn_close(conn);
            break;
        }
        /* fall through */
    case CONN_IDLE:
    case CONN_LINGER:
        conn_set_state(conn, CONN_ENDING);
        break;
    default:
        break;
    }
}

/* With all answers written, a connection that has none to give any more ends. */
static void end_if_done(struct http_conn *conn)
{
    if (conn->writing || conn->request.writer != NULL)
        return;
    if (conn->state == CONN_LINGER) {
        shut_down(conn);
    } else if (conn->state == CONN_ENDING || (conn->state == CONN_IDLE && conn->server->stopping)) {
        conn->reset = false;
        conn_close(conn);
    } else if (conn->state == CONN_IDLE) {
        give_up(&conn->in);
        give_up(&conn->out);
        give_up(&conn->flight);
    }
}

void conn_continue(struct http_conn *conn)
{
    if (conn->gathering || conn->state == CONN_CLOSED)
        return;
    flush(conn);
    if (conn->state != CONN_CLOSED)
        end_input(conn);
    if (!has_waiting_request(conn))
        end_if_done(conn);
    else if (!conn->writing)
        turn_add(conn);
    update_reading(conn);
}

void conn_refuse(struct http_conn *conn, int status)
{
    if (is_quiet(conn->state))
        meter_begin(&conn->request);
    else if (conn->request.writer != NULL)
        meter_end(conn);
    abandon_exchange(conn);
    conn->close_after = true;
    buf_clear(&conn->request.answer_headers);
    if (status == 405)
        http_add_header(&conn->request, "Allow", conn->server->methods);
    if (status == 503)
        http_add_header(&conn->request, "Retry-After", "1");
    response_append(conn, status, NULL, 0);
    if (conn->state == CONN_CLOSED)
        return;
    conn_set_state(conn, CONN_LINGER);
    conn_continue(conn);
}

void conn_check_deadlines(struct http_conn *conn, uint64_t now)
{
    if (now <= conn->deadline && now <= conn->write_deadline)
        return;
    if (now > conn->write_deadline)
        conn->reset = conn->socket.handle.type == UV_TCP; /* the kernel, too, gives up what waits */
    else if (conn->state == CONN_HEAD || in_exchange(conn)) {
        conn_refuse(conn, 408);
        return;
    }
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
        parse(conn, bytes, n);
        if (conn->state == CONN_BODY)
            renew_deadline(conn);
    }
}

static void read_cb(uv_stream_t *stream, ssize_t n, const uv_buf_t *bytes)
{
    struct http_conn *conn = (struct http_conn *)stream;

    if (n == 0)
        return;
    if (n == UV_EOF)
        conn->eof = true;
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
    case CONN_ANSWER: /* to see the client go */
        return buf_size(&conn->in) == 0;
    case CONN_LINGER:
        return conn->request.writer == NULL || conn->dropped <= HTTP_LINGER_BYTES;
    case CONN_BODY:
        return buf_size(&conn->in) == 0 && (!conn->paused || conn->answered);
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

static int open_socket(struct http_conn *conn, int fd)
{
    int rc;

    conn->server->open++;
    if (conn->listener->local) {
        uv_pipe_init(conn->server->loop, &conn->socket.pipe, 0);
        return uv_pipe_open(&conn->socket.pipe, fd);
    }
    uv_tcp_init(conn->server->loop, &conn->socket.tcp);
    rc = uv_tcp_open(&conn->socket.tcp, fd);
    if (rc == 0)
        uv_tcp_nodelay(&conn->socket.tcp, 1);
    return rc;
}

int conn_accept(struct http_listener *listener)
{
    struct http_server *server = listener->server;
    struct http_conn *conn = calloc(1, sizeof(*conn));
    int fd;
    int rc;

    if (conn == NULL)
        return -ENOMEM;
    fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        rc = -errno;
        free(conn);
        return rc;
    }
    conn->server = server;
    conn->listener = listener;
    conn->write_deadline = UINT64_MAX;
    conn->answered = true; /* nothing is owed yet */
    rc = open_socket(conn, fd);
    if (rc < 0) {
        close(fd);
        uv_close(&conn->socket.handle, abort_cb);
        return rc;
    }
    TAILQ_INSERT_TAIL(&server->conns, conn, link);
    server->n_conns++;
    listener->n_conns++;
    TAILQ_INSERT_TAIL(&listener->quiet, conn, quiet_link); /* as it is in CONN_IDLE */
    parse_init(conn);
    conn_set_state(conn, CONN_IDLE);
    if (listener->n_conns > server->share && !listener_make_room(listener))
        conn_refuse(conn, 503);
    else
        update_reading(conn);
    return 0;
}
