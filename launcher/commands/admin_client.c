/* HTTP/1.0: the answer comes in one piece, and is over when the connection is. */
#include "launcher/commands/admin_client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "index/admin/admin.h"
#include "index/base/io.h"
#include "index/base/local_socket.h"

#define HEAD_MAX        16384
#define TARGET_MAX      1024
#define BODY_MAX        (16UL << 20)
#define TIMEOUT_SECONDS 60

static int send_request(int socket, const char *method, const char *target)
{
    const struct timeval timeout = {.tv_sec = TIMEOUT_SECONDS};
    char text[TARGET_MAX + 64];
    int n = snprintf(text, sizeof(text), "%s %s HTTP/1.0\r\n\r\n", method, target);

    if (n >= (int)sizeof(text))
        return -EMSGSIZE;
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    return io_write_all(socket, text, (size_t)n);
}

/* The status of "HTTP/1.x NNN", or -EPROTO. */
static int parse_status(const struct buf *in)
{
    static const char version[] = "HTTP/1.";
    const char *digits = buf_bytes(in) + sizeof(version) + 1;
    int status = 0;

    if (buf_size(in) < sizeof(version) + 4 ||
        memcmp(buf_bytes(in), version, sizeof(version) - 1) != 0 || digits[-1] != ' ')
        return -EPROTO;
    for (int i = 0; i < 3; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            return -EPROTO;
        status = status * 10 + (digits[i] - '0');
    }
    return status;
}

/* Reads up to the end of the head, and drops it. The status, or a -errno. */
static int read_head(int socket, struct buf *in)
{
    const char *end;
    ssize_t n;
    int status;

    do {
        n = io_read_some(socket, in);
        if (n < 0)
            return (int)n;
        end = buf_size(in) > 0 ? memmem(buf_bytes(in), buf_size(in), "\r\n\r\n", 4) : NULL;
    } while (end == NULL && n > 0 && buf_size(in) < HEAD_MAX);
    status = end != NULL ? parse_status(in) : -EPROTO;
    if (status >= 0)
        buf_consume(in, (size_t)(end + 4 - buf_bytes(in)));
    return status;
}

int admin_client_open(int directory, const char *method, const char *target, struct buf *in,
                      int *status)
{
    int socket = local_socket_connect(directory, ADMIN_SOCKET);
    int rc;

    if (socket < 0)
        return socket;
    rc = send_request(socket, method, target);
    if (rc == 0)
        rc = read_head(socket, in);
    if (rc < 0) {
        close(socket);
        return rc;
    }
    *status = rc;
    return socket;
}

static int read_body(int socket, struct buf *in, admin_client_data_cb cb, void *arg)
{
    ssize_t n = 1;
    int rc = 0;

    while (rc == 0 && n > 0) {
        if (buf_size(in) > 0)
            rc = cb(buf_bytes(in), buf_size(in), arg);
        buf_clear(in);
        n = rc == 0 ? io_read_some(socket, in) : 0;
        if (n < 0)
            rc = (int)n;
    }
    return rc;
}

int admin_client_get(int directory, const char *target, admin_client_data_cb cb, void *arg)
{
    struct buf in = {0};
    int status;
    int rc = admin_client_open(directory, "GET", target, &in, &status);

    if (rc >= 0) {
        int socket = rc;

        rc = status == 200 ? read_body(socket, &in, cb, arg) : -EPROTO;
        close(socket);
    }
    buf_deinit(&in);
    return rc;
}

static int gather_cb(const char *bytes, size_t len, void *arg)
{
    struct buf *body = arg;

    return buf_size(body) + len > BODY_MAX ? -EPROTO : buf_append(body, bytes, len);
}

int admin_client_ask(int directory, const char *method, const char *target, struct buf *body,
                     int *status)
{
    struct buf in = {0};
    int rc = admin_client_open(directory, method, target, &in, status);

    if (rc >= 0) {
        int socket = rc;

        rc = read_body(socket, &in, gather_cb, body);
        close(socket);
    }
    buf_deinit(&in);
    return rc;
}
