/* Bytes become requests. Those of a head pass head_scan() and go to llhttp, whose callbacks collect
 * it and hand it to the handler; those of a body go to llhttp too, which counts them, or, where it
 * is chunked, to chunks_take(). A callback that fails leaves the status to answer in conn->refusal.
 */
#include <assert.h>
#include <string.h>

#include "index/http/internal.h"

static struct http_conn *parser_conn(llhttp_t *parser)
{
    return parser->data;
}

static int refuse(struct http_conn *conn, int status)
{
    conn->refusal = status;
    return HPE_USER;
}

static int on_message_begin(llhttp_t *parser)
{
    struct http_conn *conn = parser_conn(parser);
    struct http_request *r = &conn->request;

    if (r->head.capacity > HTTP_BUFFER_KEPT)
        buf_deinit(&r->head);
    buf_clear(&r->head);
    buf_clear(&r->answer_headers);
    r->id[0] = '\0';
    r->target_len = 0;
    r->n_headers = 0;
    r->in_value = false;
    r->reader = NULL;
    r->writer = NULL;
    r->data = NULL;
    r->bad_headers = false;
    meter_begin(r);
    conn->rebalance = false;
    conn->answered = false;
    conn->paused = false;
    conn->undecided = false;
    conn->end_due = false;
    conn->refusal = 0;
    conn_set_state(conn, CONN_HEAD);
    return 0;
}

static int head_append(struct http_conn *conn, const char *at, size_t n)
{
    return buf_append(&conn->request.head, at, n) < 0 ? refuse(conn, 503) : 0;
}

static int on_url(llhttp_t *parser, const char *at, size_t n)
{
    struct http_conn *conn = parser_conn(parser);

    conn->request.target_len += n;
    if (conn->request.target_len > HTTP_TARGET_MAX)
        return refuse(conn, 414);
    return head_append(conn, at, n);
}

static int on_header_field(llhttp_t *parser, const char *at, size_t n)
{
    struct http_conn *conn = parser_conn(parser);
    struct http_request *r = &conn->request;

    if (r->n_headers == 0 || r->in_value) {
        if (r->n_headers == HTTP_HEADERS_MAX + HTTP_FRONT_FIELDS)
            return refuse(conn, 431);
        /* Ends the target or the value before. */
        if (head_append(conn, "", 1) != 0)
            return HPE_USER;
        r->headers[r->n_headers++].name = (uint32_t)buf_size(&r->head);
        r->in_value = false;
    }
    return head_append(conn, at, n);
}

static int on_header_value(llhttp_t *parser, const char *at, size_t n)
{
    struct http_conn *conn = parser_conn(parser);
    struct http_request *r = &conn->request;

    if (!r->in_value) {
        if (head_append(conn, "", 1) != 0)
            return HPE_USER;
        r->headers[r->n_headers - 1].value = (uint32_t)buf_size(&r->head);
        r->in_value = true;
    }
    return head_append(conn, at, n);
}

static enum http_method translate_method(uint8_t method)
{
    switch (method) {
    case HTTP_GET:
        return HTTP_METHOD_GET;
    case HTTP_HEAD:
        return HTTP_METHOD_HEAD;
    case HTTP_PUT:
        return HTTP_METHOD_PUT;
    case HTTP_DELETE:
        return HTTP_METHOD_DELETE;
    case HTTP_UNLINK:
        return HTTP_METHOD_UNLINK;
    case HTTP_POST:
        return HTTP_METHOD_POST;
    default:
        return HTTP_METHOD_OTHER;
    }
}

static int on_headers_complete(llhttp_t *parser)
{
    struct http_conn *conn = parser_conn(parser);
    struct http_request *r = &conn->request;
    bool chunked = parser->flags & F_CHUNKED;
    int status;

    if (head_append(conn, "", 1) != 0)
        return HPE_USER;
    status = head_check(conn);
    if (status == 0 && !chunked && parser->content_length > INT64_MAX)
        status = 413;
    if (status != 0)
        return refuse(conn, status);
    if (parser->upgrade)
        parser->upgrade = 0; /* we speak nothing else: the message is an ordinary one */
    r->method = conn->rebalance ? HTTP_METHOD_REBALANCE : translate_method(parser->method);
    r->content_length = chunked ? -1 : (int64_t)parser->content_length;
    conn->phase = chunked ? PARSE_CHUNKS : PARSE_BODY;
    conn->chunks = (struct chunks){.trailers.state = HEAD_FIELD_FIRST};
    conn->close_after = !llhttp_should_keep_alive(parser);
    conn_set_state(conn, CONN_BODY);
    if (conn->server->meter != NULL)
        r->begun = uv_hrtime();
    conn->server->handler(r, conn->server->arg);
    assert(conn->answered || r->reader != NULL);
    if (conn->state >= CONN_LINGER)
        return HPE_USER;
    return chunked ? 1 : 0; /* 1: to llhttp, the message ends here */
}

static void pass_body(struct http_conn *conn, const char *at, size_t n)
{
    struct http_request *r = &conn->request;

    r->body_read += n;
    if (!conn->answered && r->reader->data != NULL)
        r->reader->data(r, at, n);
}

static int on_body(llhttp_t *parser, const char *at, size_t n)
{
    struct http_conn *conn = parser_conn(parser);

    pass_body(conn, at, n);
    return conn->state >= CONN_LINGER ? HPE_USER : 0;
}

static void end_message(struct http_conn *conn)
{
    struct http_request *r = &conn->request;
    bool done;

    conn->phase = PARSE_START;
    conn->held = 0;
    if (!conn->answered && r->reader->end != NULL)
        r->reader->end(r);
    if (conn->state >= CONN_LINGER)
        return;
    done = conn->answered && r->writer == NULL;
    if (done && !conn->close_after)
        conn_set_state(conn, CONN_IDLE);
    else
        conn_set_state(conn, done ? CONN_ENDING : CONN_ANSWER);
}

static int on_message_complete(llhttp_t *parser)
{
    struct http_conn *conn = parser_conn(parser);

    if (conn->phase != PARSE_CHUNKS)
        end_message(conn);
    return conn->state >= CONN_LINGER ? HPE_USER : HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_message_begin = on_message_begin,
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

void parse_init(struct http_conn *conn)
{
    llhttp_init(&conn->parser, HTTP_REQUEST, &settings);
    conn->parser.data = conn;
}

/* A method that llhttp doesn't know is no malformed request: it is a method we don't serve. */
static int refusal_status(struct http_conn *conn, llhttp_errno_t error)
{
    const char *at = llhttp_get_error_pos(&conn->parser);

    if (conn->refusal != 0)
        return conn->refusal;
    if (error == HPE_INVALID_METHOD && at != NULL && *at >= 'A' && *at <= 'Z')
        return 405;
    if (error == HPE_INVALID_VERSION || error == HPE_PAUSED_H2_UPGRADE)
        return 505;
    return 400;
}

static void fail(struct http_conn *conn, llhttp_errno_t error)
{
    if (conn->state < CONN_LINGER)
        conn_refuse(conn, refusal_status(conn, error));
}

/* Gives bytes to llhttp. Returns how many it took: all, or those up to the end of a message. */
static size_t execute(struct http_conn *conn, const char *bytes, size_t n)
{
    llhttp_errno_t error = llhttp_execute(&conn->parser, bytes, n);

    if (error == HPE_OK)
        return n;
    if (error != HPE_PAUSED || conn->state >= CONN_LINGER) {
        fail(conn, error);
        return n;
    }
    n = (size_t)(llhttp_get_error_pos(&conn->parser) - bytes);
    llhttp_resume(&conn->parser);
    return n;
}

/* llhttp doesn't know REBALANCE: it gets another method in its place, which we don't serve. Takes
 * bytes at the start of a message, until it is clear what they are; those of a beginning that came
 * in pieces are only counted, since they are known. */
static size_t begin_message(struct http_conn *conn, const char *bytes, size_t n)
{
    static const char method[] = "REBALANCE ";
    static const char other[] = "REPORT ";
    const size_t len = sizeof(method) - 1;
    size_t held = conn->held;
    size_t i = 0;

    while (i < n && held == 0 && (bytes[i] == '\r' || bytes[i] == '\n')) /* as llhttp does */
        i++;
    n -= i;
    bytes += i;
    while (conn->held - held < n && conn->held < len &&
           bytes[conn->held - held] == method[conn->held])
        conn->held++;
    if (conn->held - held == n && conn->held < len) { /* more is to come */
        if (conn->held > 0 && conn->state == CONN_IDLE)
            conn_set_state(conn, CONN_HEAD);
        return i + n;
    }
    conn->phase = PARSE_HEAD;
    conn->head = (struct head_scan){.state = HEAD_METHOD};
    if (conn->held == len) {
        conn->head.state = HEAD_TARGET_FIRST;
        execute(conn, other, sizeof(other) - 1);
        conn->rebalance = true;
        return i + len - held;
    }
    if (held > 0) /* it is something else */
        execute(conn, method, held);
    return i;
}

static size_t parse_head(struct http_conn *conn, const char *bytes, size_t n)
{
    size_t good = head_scan(&conn->head, bytes, n);

    bool whole = conn->head.state == HEAD_END;

    if (good > 0 && (execute(conn, bytes, good) < good || whole == (conn->phase == PARSE_HEAD)))
        fail(conn, HPE_INVALID_VERSION); /* llhttp sees another head: HTTP/2's */
    if (conn->head.state > HEAD_END && conn->state < CONN_LINGER)
        conn_refuse(conn, conn->head.state == HEAD_LONG ? 431 : 400);
    return good;
}

static size_t parse_chunks(struct http_conn *conn, const char *bytes, size_t n)
{
    const char *data;
    size_t len;
    size_t taken = chunks_take(&conn->chunks, bytes, n, &data, &len);

    if (len > 0)
        pass_body(conn, data, len);
    if (conn->state >= CONN_LINGER)
        return n;
    if (conn->chunks.state == CHUNK_BAD)
        conn_refuse(conn, 400);
    else if (conn->chunks.state == CHUNK_END)
        end_message(conn);
    return taken;
}

/* A request after another one in the same bytes may have to wait for the loop's next turn. */
static bool may_parse(struct http_conn *conn, bool first)
{
    switch (conn->state) {
    case CONN_IDLE:
        return first || turn_has_time(conn->server);
    case CONN_HEAD:
        return true;
    case CONN_BODY:
        return !conn->undecided;
    default:
        return false;
    }
}

size_t parse_bytes(struct http_conn *conn, const char *bytes, size_t n)
{
    size_t taken = 0;

    conn->gathering = true;
    while (taken < n && may_parse(conn, taken == 0)) {
        const char *at = bytes + taken;
        size_t left = n - taken;

        switch (conn->phase) {
        case PARSE_START:
            taken += begin_message(conn, at, left);
            break;
        case PARSE_HEAD:
            taken += parse_head(conn, at, left);
            break;
        case PARSE_BODY:
            taken += execute(conn, at, left);
            break;
        case PARSE_CHUNKS:
            taken += parse_chunks(conn, at, left);
            break;
        }
    }
    conn->gathering = false;
    return conn->state >= CONN_LINGER ? n : taken;
}
