/* What RFC 9112 asks of a request's head and llhttp doesn't. llhttp takes a line that ends in a
 * bare LF, a field that is folded over two lines, white space before a colon and more: a proxy in
 * front that reads such bytes in another way would see another request in them. So head_scan() sees
 * each byte first, and head_check() then judges what llhttp made of them. */
#include <string.h>
#include <strings.h>

#include "index/http/internal.h"

static bool is_control(unsigned char c)
{
    return c < 0x20 || c == 0x7f;
}

/* The state after one byte of the first line. */
static enum head_state next_in_request_line(struct head_scan *scan, unsigned char c)
{
    static const char version[] = "HTTP/";

    switch (scan->state) {
    case HEAD_METHOD:
        return c == ' ' ? HEAD_TARGET_FIRST : is_control(c) ? HEAD_BAD : HEAD_METHOD;
    case HEAD_TARGET_FIRST:
        return c == ' ' || is_control(c) ? HEAD_BAD : HEAD_TARGET;
    case HEAD_TARGET:
        return c == ' ' ? HEAD_VERSION : is_control(c) ? HEAD_BAD : HEAD_TARGET;
    default: /* HEAD_VERSION: the number is llhttp's to read */
        if (scan->version < sizeof(version) - 1)
            return c == (unsigned char)version[scan->version++] ? HEAD_VERSION : HEAD_BAD;
        return c == '\r' ? HEAD_LINE_LF : c == ' ' || is_control(c) ? HEAD_BAD : HEAD_VERSION;
    }
}

/* And of a field's line. */
static enum head_state next_in_field(struct head_scan *scan, unsigned char c)
{
    switch (scan->state) {
    case HEAD_FIELD_FIRST:
        if (c == '\r')
            return HEAD_END_LF;
        return c == ':' || c == ' ' || is_control(c) ? HEAD_BAD : HEAD_NAME;
    case HEAD_NAME:
        return c == ':' ? HEAD_VALUE : c == ' ' || is_control(c) ? HEAD_BAD : HEAD_NAME;
    default: /* HEAD_VALUE */
        return c == '\r' ? HEAD_LINE_LF : c != '\t' && is_control(c) ? HEAD_BAD : HEAD_VALUE;
    }
}

static enum head_state next_state(struct head_scan *scan, unsigned char c)
{
    if (++scan->total > HTTP_HEAD_MAX + HTTP_FRONT_BYTES)
        return HEAD_LONG;
    switch (scan->state) {
    case HEAD_LINE_LF:
        scan->line = 0;
        return c == '\n' ? HEAD_FIELD_FIRST : HEAD_BAD;
    case HEAD_END_LF:
        return c == '\n' ? HEAD_END : HEAD_BAD;
    default:
        if (++scan->line > HTTP_LINE_MAX)
            return HEAD_LONG;
        return scan->state < HEAD_FIELD_FIRST ? next_in_request_line(scan, c)
                                              : next_in_field(scan, c);
    }
}

size_t head_scan(struct head_scan *scan, const char *bytes, size_t n)
{
    size_t i = 0;

    while (i < n && scan->state < HEAD_END) {
        scan->state = next_state(scan, (unsigned char)bytes[i]);
        i += scan->state <= HEAD_END;
    }
    return i;
}

/* --- What it says ---------------------------------------------------------------------------- */

/* Counts the fields of that name; the last one's value is in *value. */
static unsigned count_fields(const struct http_request *r, const char *name, const char **value)
{
    const char *head = buf_bytes(&r->head);
    unsigned n = 0;

    for (unsigned i = 0; i < r->n_headers; i++) {
        if (strcasecmp(head + r->headers[i].name, name) == 0) {
            *value = head + r->headers[i].value;
            n++;
        }
    }
    return n;
}

/* Whether the bytes may stand in a host with its port (RFC 3986, section 3.2). */
static bool is_host(const char *text, size_t len)
{
    static const char allowed[] = "-._~%!$&'()*+,;=:[]";

    for (size_t i = 0; i < len; i++) {
        char c = text[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            (c == '\0' || strchr(allowed, c) == NULL))
            return false;
    }
    return true;
}

/* Spaces and tabs after a value are not its own. */
static size_t trimmed_length(const char *value)
{
    size_t len = strlen(value);

    while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
        len--;
    return len;
}

static int check_host(struct http_conn *conn)
{
    const char *host = "";
    unsigned n = count_fields(&conn->request, "Host", &host);

    if (n > 1 || (n == 0 && conn->parser.http_minor > 0) || !is_host(host, trimmed_length(host)))
        return 400;
    return 0;
}

/* RFC 9112, section 6.1: of all codings only "chunked" is known here, and HTTP/1.0 has none. What
 * doesn't end in it has no end that could be known, and that is worse than an unknown coding. */
static int check_coding(struct http_conn *conn)
{
    const char *coding = "";
    unsigned n = count_fields(&conn->request, "Transfer-Encoding", &coding);

    if (n == 0)
        return 0;
    if (!(conn->parser.flags & F_CHUNKED) || conn->parser.http_minor == 0)
        return 400;
    if (n > 1 || trimmed_length(coding) != 7 || strncasecmp(coding, "chunked", 7) != 0)
        return 501;
    return 0;
}

/* RFC 9112, section 3.2.2: "http://host/path" must be understood as "/path". */
static int check_target(struct http_request *r)
{
    static const char scheme[] = "http://";
    const size_t n = sizeof(scheme) - 1;
    const char *target = buf_bytes(&r->head);
    const char *end = target + r->target_len;
    const char *path;

    if (target[0] == '/' || memmem(target, r->target_len, "://", 3) == NULL)
        return 0;
    if (r->target_len < n || strncasecmp(target, scheme, n) != 0)
        return 400;
    path = target + n;
    while (path < end && *path != '/' && *path != '?')
        path++;
    if (path == target + n || !is_host(target + n, (size_t)(path - target) - n))
        return 400;
    r->target_len = (size_t)(end - path);
    memmove(r->head.data + r->head.head, path, r->target_len);
    return 0;
}

int head_check(struct http_conn *conn)
{
    int status;

    if (conn->parser.http_major != 1)
        return 505;
    status = check_host(conn);
    if (status == 0)
        status = check_coding(conn);
    return status != 0 ? status : check_target(&conn->request);
}
