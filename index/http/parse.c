/* llhttp's callbacks: they collect the head of a request, hand it to the handler, and pass the body
 * on. A callback that fails leaves the status to answer in conn->refusal. */
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

    buf_clear(&r->head);
    buf_clear(&r->answer_headers);
    r->target_len = 0;
    r->n_headers = 0;
    r->in_value = false;
    r->reader = NULL;
    r->writer = NULL;
    r->data = NULL;
    r->bad_headers = false;
    conn->rebalance = false;
    conn->head_read = false;
    conn->message_read = false;
    conn->answered = false;
    conn->paused = false;
    conn->refusal = 0;
    conn_set_state(conn, CONN_HEAD);
    return 0;
}

static int head_append(struct http_conn *conn, const char *at, size_t n)
{
    if (buf_size(&conn->request.head) + n > HTTP_HEAD_MAX)
        return refuse(conn, 431);
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

    if (conn->head_read)
        return 0; /* a trailer of a chunked body: nobody asks for those */
    if (r->n_headers == 0 || r->in_value) {
        if (r->n_headers == HTTP_HEADERS_MAX)
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

    if (conn->head_read)
        return 0;
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

/* RFC 9112, section 3.2.2: "http://host/path" must be understood as "/path". */
static void strip_authority(struct http_request *r)
{
    const char *target = buf_bytes(&r->head);
    const char *authority;
    const char *path;

    if (r->target_len == 0 || target[0] == '/')
        return;
    authority = memmem(target, r->target_len, "://", 3);
    if (authority == NULL)
        return;
    authority += 3;
    path = authority;
    while (path < target + r->target_len && *path != '/' && *path != '?')
        path++;
    r->target_len -= (size_t)(path - target);
    memmove(r->head.data + r->head.head, path, r->target_len);
}

static int on_headers_complete(llhttp_t *parser)
{
    struct http_conn *conn = parser_conn(parser);
    struct http_request *r = &conn->request;

    if (head_append(conn, "", 1) != 0)
        return HPE_USER;
    /* RFC 9112, section 6.3: such a length can't be known. llhttp says so too, but only behind the
     * handler's back. */
    if ((parser->flags & F_TRANSFER_ENCODING) && !(parser->flags & F_CHUNKED))
        return refuse(conn, 400);
    if (parser->upgrade)
        parser->upgrade = 0; /* we speak nothing else: the message is an ordinary one */
    r->method = conn->rebalance ? HTTP_METHOD_REBALANCE : translate_method(parser->method);
    r->content_length = parser->flags & F_CHUNKED            ? -1
                        : parser->content_length > INT64_MAX ? INT64_MAX
                                                             : (int64_t)parser->content_length;
    strip_authority(r);
    conn->head_read = true;
    conn->close_after = !llhttp_should_keep_alive(parser);
    conn_set_state(conn, CONN_BODY);
    conn->server->handler(r, conn->server->arg);
    assert(conn->answered || r->reader != NULL);
    return conn->state >= CONN_LINGER ? HPE_USER : 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t n)
{
    struct http_conn *conn = parser_conn(parser);
    struct http_request *r = &conn->request;

    if (!conn->answered && r->reader->data != NULL)
        r->reader->data(r, at, n);
    return conn->state >= CONN_LINGER ? HPE_USER : 0;
}

static int on_message_complete(llhttp_t *parser)
{
    struct http_conn *conn = parser_conn(parser);
    struct http_request *r = &conn->request;
    bool done;

    conn->message_read = true;
    conn->begun = false;
    conn->held = 0;
    if (!conn->answered && r->reader->end != NULL)
        r->reader->end(r);
    if (conn->state >= CONN_LINGER)
        return HPE_USER;
    done = conn->answered && r->writer == NULL;
    if (done && !conn->close_after)
        conn_set_state(conn, CONN_IDLE);
    else
        conn_set_state(conn, done ? CONN_ENDING : CONN_ANSWER);
    return HPE_PAUSED; /* parse_bytes() goes on with the next message, if it may */
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
    if (error == HPE_INVALID_VERSION)
        return 505;
    return 400;
}

static llhttp_errno_t execute(struct http_conn *conn, const char *bytes, size_t n)
{
    llhttp_errno_t error;

    conn->parsing = true;
    error = llhttp_execute(&conn->parser, bytes, n);
    conn->parsing = false;
    return error;
}

/* llhttp doesn't know REBALANCE: it gets another method in its place, which we don't serve. Takes
 * bytes at the start of a message, as many as *n says, off `bytes` once it is clear what they are;
 * those of a beginning that came in pieces are only counted, since they are known. */
static llhttp_errno_t begin_message(struct http_conn *conn, const char **bytes, size_t *n)
{
    static const char method[] = "REBALANCE ";
    static const char other[] = "REPORT ";
    const size_t len = sizeof(method) - 1;
    size_t held = conn->held;
    llhttp_errno_t error;

    while (*n > 0 && held == 0 && (**bytes == '\r' || **bytes == '\n')) { /* as llhttp does */
        (*bytes)++;
        (*n)--;
    }
    while (*n > 0 && conn->held < len && **bytes == method[conn->held]) {
        conn->held++;
        (*bytes)++;
        (*n)--;
    }
    if (*n == 0 && conn->held < len) { /* more is to come */
        if (conn->held > 0 && conn->state == CONN_IDLE)
            conn_set_state(conn, CONN_HEAD);
        return HPE_OK;
    }
    conn->begun = true;
    if (conn->held == len) {
        error = execute(conn, other, sizeof(other) - 1);
        conn->rebalance = true;
        return error;
    }
    /* It is something else: back to the first byte of this piece. */
    *bytes -= conn->held - held;
    *n += conn->held - held;
    return held > 0 ? execute(conn, method, held) : HPE_OK;
}

static void parse_failed(struct http_conn *conn, llhttp_errno_t error)
{
    if (conn->state < CONN_LINGER)
        conn_refuse(conn, refusal_status(conn, error));
}

void parse_bytes(struct http_conn *conn, const char *bytes, size_t n)
{
    llhttp_errno_t error;

    while (n > 0) {
        const char *stop;

        error = conn->begun ? HPE_OK : begin_message(conn, &bytes, &n);
        if (error == HPE_OK)
            error = execute(conn, bytes, n);
        if (error == HPE_OK)
            return;
        if (error != HPE_PAUSED || conn->state >= CONN_LINGER) {
            parse_failed(conn, error);
            return;
        }
        stop = llhttp_get_error_pos(&conn->parser);
        llhttp_resume(&conn->parser);
        n -= (size_t)(stop - bytes);
        bytes = stop;
        if (conn->state != CONN_IDLE)
            break;
    }
    if (n > 0 && buf_append(&conn->in, bytes, n) < 0)
        conn->close_after = true; /* the requests behind this one can't be kept */
}
