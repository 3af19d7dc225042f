/* Requests as the handler sees them, and answers. */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "index/base/address.h"
#include "index/http/internal.h"

static const char *status_line(int status)
{
    static const struct {
        int status;
        const char *line;
    } lines[] = {
        {403, "HTTP/1.1 403 Forbidden\r\n"},
        {404, "HTTP/1.1 404 Not Found\r\n"},
        {302, "HTTP/1.1 302 Found\r\n"},
        {200, "HTTP/1.1 200 OK\r\n"},
        {201, "HTTP/1.1 201 Created\r\n"},
        {204, "HTTP/1.1 204 No Content\r\n"},
        {206, "HTTP/1.1 206 Partial Content\r\n"},
        {304, "HTTP/1.1 304 Not Modified\r\n"},
        {307, "HTTP/1.1 307 Temporary Redirect\r\n"},
        {400, "HTTP/1.1 400 Bad Request\r\n"},
        {405, "HTTP/1.1 405 Method Not Allowed\r\n"},
        {408, "HTTP/1.1 408 Request Timeout\r\n"},
        {409, "HTTP/1.1 409 Conflict\r\n"},
        {411, "HTTP/1.1 411 Length Required\r\n"},
        {412, "HTTP/1.1 412 Precondition Failed\r\n"},
        {413, "HTTP/1.1 413 Content Too Large\r\n"},
        {414, "HTTP/1.1 414 URI Too Long\r\n"},
        {415, "HTTP/1.1 415 Unsupported Media Type\r\n"},
        {416, "HTTP/1.1 416 Range Not Satisfiable\r\n"},
        {417, "HTTP/1.1 417 Expectation Failed\r\n"},
        {431, "HTTP/1.1 431 Request Header Fields Too Large\r\n"},
        {500, "HTTP/1.1 500 Internal Server Error\r\n"},
        {501, "HTTP/1.1 501 Not Implemented\r\n"},
        {502, "HTTP/1.1 502 Bad Gateway\r\n"},
        {503, "HTTP/1.1 503 Service Unavailable\r\n"},
        {505, "HTTP/1.1 505 HTTP Version Not Supported\r\n"},
        {507, "HTTP/1.1 507 Insufficient Storage\r\n"},
    };

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        if (lines[i].status == status)
            return lines[i].line;
    }
    return NULL;
}

static int append_status(struct buf *out, int status)
{
    const char *line = status_line(status);

    if (line != NULL)
        return buf_append_string(out, line);
    return buf_append_format(out, "HTTP/1.1 %d \r\n", status); /* RFC 9112, section 4: no reason */
}

enum http_method http_request_method(const struct http_request *request)
{
    return request->method;
}

const char *http_request_path(const struct http_request *request, size_t *len)
{
    const char *target = buf_bytes(&request->head);
    const char *query = memchr(target, '?', request->target_len);

    *len = query != NULL ? (size_t)(query - target) : request->target_len;
    return target;
}

const char *http_request_query(const struct http_request *request, size_t *len)
{
    const char *target = buf_bytes(&request->head);
    const char *mark = memchr(target, '?', request->target_len);

    *len = mark != NULL ? (size_t)(target + request->target_len - mark) - 1 : 0;
    return mark != NULL ? mark + 1 : NULL;
}

const char *http_request_header(const struct http_request *request, const char *name)
{
    const char *head = buf_bytes(&request->head);

    for (unsigned i = 0; i < request->n_headers; i++) {
        if (strcasecmp(head + request->headers[i].name, name) == 0)
            return head + request->headers[i].value;
    }
    return NULL;
}

const char *http_request_header_at(const struct http_request *request, unsigned index,
                                   const char **name)
{
    const char *head = buf_bytes(&request->head);

    if (index >= request->n_headers)
        return NULL;
    *name = head + request->headers[index].name;
    return head + request->headers[index].value;
}

int64_t http_request_content_length(const struct http_request *request)
{
    return request->content_length;
}

bool http_request_is_local(struct http_request *request)
{
    const struct http_conn *conn = request_conn(request);
    struct sockaddr_storage peer;
    int len = sizeof(peer);
    char text[INET6_ADDRSTRLEN];

    if (conn->listener->local)
        return true;
    return uv_tcp_getpeername(&conn->socket.tcp, (struct sockaddr *)&peer, &len) == 0 &&
           uv_ip_name((const struct sockaddr *)&peer, text, sizeof(text)) == 0 &&
           address_is_loopback(text);
}

const char *http_method_name(enum http_method method)
{
    static const char *const names[] = {
        [HTTP_METHOD_GET] = "GET",
        [HTTP_METHOD_HEAD] = "HEAD",
        [HTTP_METHOD_PUT] = "PUT",
        [HTTP_METHOD_DELETE] = "DELETE",
        [HTTP_METHOD_UNLINK] = "UNLINK",
        [HTTP_METHOD_POST] = "POST",
        [HTTP_METHOD_REBALANCE] = "REBALANCE",
        [HTTP_METHOD_OTHER] = "",
    };

    return names[method];
}

void http_request_set_data(struct http_request *request, void *data)
{
    request->data = data;
}

void *http_request_data(const struct http_request *request)
{
    return request->data;
}

/* RFC 9110, section 10.1.1: not in HTTP/1.0. */
static bool expects_continue(struct http_request *request)
{
    const char *expect = http_request_header(request, "Expect");

    return request_conn(request)->parser.http_minor > 0 && expect != NULL &&
           strcasecmp(expect, "100-continue") == 0;
}

void http_read_body(struct http_request *request, const struct http_body_reader *reader)
{
    struct http_conn *conn = request_conn(request);

    assert((request->reader == NULL || conn->undecided) && !conn->answered);
    request->reader = reader;
    request->body_begun = uv_now(conn->server->loop);
    request->body_read = 0;
    if (request->content_length != 0 && expects_continue(request) &&
        buf_append_string(&conn->out, "HTTP/1.1 100 Continue\r\n\r\n") < 0)
        conn->deadline = 0; /* it would wait for ever: the sweep ends it */
    if (conn->undecided)
        conn_decided(conn);
}

void http_request_hold(struct http_request *request, void (*closed)(struct http_request *request))
{
    request->holder = (struct http_body_reader){.closed = closed};
    http_read_body(request, &request->holder);
}

void http_request_wait(struct http_request *request, void (*closed)(struct http_request *request))
{
    struct http_conn *conn = request_conn(request);

    assert(request->reader == NULL && !conn->answered);
    request->holder = (struct http_body_reader){.closed = closed};
    request->reader = &request->holder;
    conn->undecided = true;
}

static bool has_control(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return true;
    }
    return false;
}

void http_add_header(struct http_request *request, const char *name, const char *value)
{
    struct buf *out = &request->answer_headers;

    if (has_control(value) || buf_append_string(out, name) < 0 ||
        buf_append_string(out, ": ") < 0 || buf_append_string(out, value) < 0 ||
        buf_append_string(out, "\r\n") < 0)
        request->bad_headers = true;
}

static const char *connection_line(const struct http_conn *conn)
{
    if (conn->close_after)
        return "Connection: close\r\n";
    return conn->parser.http_minor == 0 ? "Connection: keep-alive\r\n" : "";
}

/* No printf on the common way, here and below: at 100,000 answers a second it shows. */
int response_append_head(struct http_conn *conn, int status, const char *framing)
{
    struct http_request *r = &conn->request;
    struct buf *out = &conn->out;
    int rc = append_status(out, status);

    r->status = status;
    if (rc == 0)
        rc = buf_append_string(out, conn->server->date);
    if (rc == 0)
        rc = buf_append_string(out, connection_line(conn));
    if (rc == 0)
        rc = buf_append_string(out, framing);
    if (rc == 0)
        rc = buf_append(out, buf_bytes(&r->answer_headers), buf_size(&r->answer_headers));
    if (rc == 0)
        rc = buf_append_string(out, "\r\n");
    return rc;
}

void response_append(struct http_conn *conn, int status, const char *body, size_t len)
{
    char text[48];
    const char *framing = "Content-Length: 0\r\n";
    int rc;

    if (status == 204 || status == 304) { /* RFC 9110, section 8.6: without Content-Length */
        framing = "";
    } else if (len > 0) {
        snprintf(text, sizeof(text), "Content-Length: %zu\r\n", len);
        framing = text;
    }
    rc = response_append_head(conn, status, framing);
    if (rc == 0 && conn->request.method != HTTP_METHOD_HEAD) {
        rc = buf_append(&conn->out, body, len);
        conn->request.body_written += len;
    }
    meter_end(conn);
    if (rc < 0)
        conn_close(conn); /* half an answer would be a wrong one */
}

/* Whether so much of the body is still to come that closing is better than dropping it. */
static bool much_to_come(struct http_conn *conn)
{
    struct http_request *r = &conn->request;

    if (conn->phase == PARSE_START || r->content_length == 0)
        return false;
    /* The parser counts content_length down as the body passes. */
    return r->content_length < 0 || conn->parser.content_length > HTTP_DISCARD_MAX ||
           ((r->reader == NULL || conn->undecided) && expects_continue(r));
}

bool response_begin(struct http_conn *conn)
{
    bool linger = much_to_come(conn);

    assert(!conn->answered);
    conn->answered = true;
    conn->undecided = false;
    if (linger || conn->server->stopping || (conn->eof && buf_size(&conn->in) == 0))
        conn->close_after = true;
    return linger;
}

void response_end(struct http_conn *conn, bool linger)
{
    if (conn->phase == PARSE_START || conn->eof)
        conn_set_state(conn, conn->close_after ? CONN_ENDING : CONN_IDLE);
    else
        conn_set_state(conn, linger ? CONN_LINGER : CONN_BODY); /* dropped from here on */
    conn_continue(conn);
}

void http_respond(struct http_request *request, int status, const char *body, size_t len)
{
    struct http_conn *conn = request_conn(request);
    bool linger = response_begin(conn);

    if (request->bad_headers) {
        buf_clear(&request->answer_headers);
        status = 500;
        len = 0;
    }
    response_append(conn, status, body, len);
    if (conn->state != CONN_CLOSED)
        response_end(conn, linger);
}

void http_respond_text(struct http_request *request, int status, const char *text)
{
    if (status == 503)
        http_add_header(request, "Retry-After", "1");
    if (*text != '\0')
        http_add_header(request, "Content-Type", "text/plain; charset=utf-8");
    http_respond(request, status, text, strlen(text));
}
