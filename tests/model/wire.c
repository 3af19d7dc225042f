#include "tests/model/wire.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define INDEX_WAIT  60 /* seconds to an answer of the index */
#define VOLUME_WAIT 3  /* seconds to one of a volume, which may be stopped */

static int dial_address(const struct sockaddr_in *address, int wait)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval limit = {.tv_sec = wait};
    int on = 1;

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
        return fd;
    close(fd);
    return -1;
}

int wire_dial(const struct wire *w)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)w->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    return dial_address(&address, INDEX_WAIT);
}

bool wire_send(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);

        if (sent <= 0)
            return false;
        bytes += sent;
        n -= (size_t)sent;
    }
    return true;
}

const char *wire_header(const struct wire_answer *a, const char *name)
{
    size_t n = strlen(name);

    for (const char *line = strchr(a->head, '\n'); line != NULL; line = strchr(line, '\n')) {
        line++;
        if (strncasecmp(line, name, n) == 0 && line[n] == ':')
            return line + n + 1 + strspn(line + n + 1, " ");
    }
    return NULL;
}

static bool receive(int fd, struct wire_answer *a, size_t most)
{
    ssize_t n = recv(fd, a->body + a->n_body, most, 0);

    if (n <= 0)
        return false;
    a->n_body += (size_t)n;
    a->body[a->n_body] = '\0';
    return true;
}

/* Takes the sizes of a body's chunks out of it. False when they can't be. */
static bool join_chunks(struct wire_answer *a)
{
    const char *end = a->body + a->n_body;
    char *from = a->body;
    char *to = a->body;
    size_t n;

    while ((n = strtoul(from, &from, 16)) > 0) {
        if (end - from < 4 || n > (size_t)(end - from) - 4)
            return false;
        memmove(to, from + 2, n);
        to += n;
        from += n + 4;
    }
    *to = '\0';
    a->n_body = (size_t)(to - a->body);
    return true;
}

/* Reads what is missing of a body in chunks, which is a text. */
static bool read_chunked(int fd, struct wire_answer *a)
{
    static const char last[] = "0\r\n\r\n";
    const size_t n_last = sizeof(last) - 1;

    while (a->n_body < n_last || memcmp(a->body + a->n_body - n_last, last, n_last) != 0) {
        if (a->n_body >= MODEL_VALUE_MAX || !receive(fd, a, MODEL_VALUE_MAX - a->n_body))
            return false;
    }
    return join_chunks(a);
}

static bool read_body(int fd, struct wire_answer *a)
{
    const char *length = wire_header(a, "Content-Length");
    size_t body = length != NULL ? strtoul(length, NULL, 10) : 0;

    if (length == NULL && wire_header(a, "Transfer-Encoding") != NULL)
        return read_chunked(fd, a);
    if (body > MODEL_VALUE_MAX)
        return false;
    while (a->n_body < body) {
        if (!receive(fd, a, body - a->n_body))
            return false;
    }
    return true;
}

/* False when the answer is not whole. */
static bool read_answer(int fd, struct wire_answer *a)
{
    size_t have = 0;
    char *end;

    a->status = 0;
    for (;;) {
        ssize_t n = have < WIRE_HEAD_MAX ? recv(fd, a->head + have, WIRE_HEAD_MAX - have, 0) : 0;

        if (n <= 0)
            return false;
        have += (size_t)n;
        a->head[have] = '\0';
        end = strstr(a->head, "\r\n\r\n");
        if (end != NULL)
            break;
    }
    end += 4;
    a->n_body = have - (size_t)(end - a->head);
    memcpy(a->body, end, a->n_body);
    *end = '\0';
    a->body[a->n_body] = '\0';
    if (!read_body(fd, a))
        return false;
    return sscanf(a->head, "HTTP/1.1 %d", &a->status) == 1;
}

void wire_hang_up(struct wire *w)
{
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
}

void wire_ask(struct wire *w, const char *method, const char *path, const char *value, size_t n,
              bool chunked)
{
    const char *headers = w->headers != NULL ? w->headers : "";
    const char *connection;
    char head[1024];
    char tail[] = "\r\n0\r\n\r\n";
    int len;
    bool fresh = w->fd < 0;

    w->answer.head[0] = '\0';
    w->answer.status = 0;
    if (fresh)
        w->fd = wire_dial(w);
    if (w->fd < 0)
        return;
    if (value == NULL)
        len = snprintf(head, sizeof(head), "%s %s HTTP/1.1\r\nHost: x\r\n%s\r\n", method, path,
                       headers);
    else if (chunked)
        len = snprintf(head, sizeof(head),
                       "%s %s HTTP/1.1\r\nHost: x\r\n%sTransfer-Encoding: chunked\r\n\r\n%zx\r\n",
                       method, path, headers, n);
    else
        len = snprintf(head, sizeof(head),
                       "%s %s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %zu\r\n\r\n", method, path,
                       headers, n);
    if (wire_send(w->fd, head, (size_t)len) && value != NULL && wire_send(w->fd, value, n) &&
        chunked)
        wire_send(w->fd, tail, sizeof(tail) - 1);
    /* Whatever was not sent: the answer may be there. */
    if (!read_answer(w->fd, &w->answer))
        w->answer.status = 0;
    connection = wire_header(&w->answer, "Connection");
    if (w->answer.status == 0 || (connection != NULL && strncasecmp(connection, "close", 5) == 0))
        wire_hang_up(w);
}

int wire_fetch(struct wire *w, const char *url)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    static const char http[] = "http://127.0.0.1:";
    char head[1024];
    const char *path;
    int len;
    int fd;

    if (strncmp(url, http, sizeof(http) - 1) != 0)
        return -1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)atoi(url + sizeof(http) - 1));
    path = strchr(url + sizeof(http) - 1, '/');
    fd = dial_address(&address, VOLUME_WAIT);
    if (fd < 0)
        return 0;
    len = snprintf(head, sizeof(head), "GET %.*s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                   (int)strcspn(path, "\r\n"), path);
    if (!wire_send(fd, head, (size_t)len) || !read_answer(fd, &w->answer))
        w->answer.status = 0;
    close(fd);
    return w->answer.status;
}
