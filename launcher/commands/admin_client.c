/* HTTP/1.0: the answer comes in one piece, and is over when the connection is. */
#include "launcher/commands/admin_client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "index/admin/admin.h"
#include "index/base/buf.h"
#include "index/base/io.h"
#include "index/base/local_socket.h"

#define HEAD_MAX        16384
#define TIMEOUT_SECONDS 60

static int send_request(int socket, const char *target)
{
    const struct timeval timeout = {.tv_sec = TIMEOUT_SECONDS};
    char text[256];
    int n = snprintf(text, sizeof(text), "GET %s HTTP/1.0\r\n\r\n", target);

    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    return io_write_all(socket, text, (size_t)n);
}

/* Reads up to the end of the head, and drops it. */
static int read_head(int socket, struct buf *in)
{
    static const char version[] = "HTTP/1.";
    const char *end;
    ssize_t n;

    do {
        n = io_read_some(socket, in);
        if (n < 0)
            return (int)n;
        end = buf_size(in) > 0 ? memmem(buf_bytes(in), buf_size(in), "\r\n\r\n", 4) : NULL;
    } while (end == NULL && n > 0 && buf_size(in) < HEAD_MAX);
    if (end == NULL || memcmp(buf_bytes(in), version, sizeof(version) - 1) != 0 ||
        memcmp(buf_bytes(in) + sizeof(version), " 200", 4) != 0)
        return -EPROTO;
    buf_consume(in, (size_t)(end + 4 - buf_bytes(in)));
    return 0;
}

static int exchange(int socket, const char *target, struct buf *in, admin_client_data_cb cb,
                    void *arg)
{
    ssize_t n = 1;
    int rc = send_request(socket, target);

    if (rc == 0)
        rc = read_head(socket, in);
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
    int socket = local_socket_connect(directory, ADMIN_SOCKET);
    int rc;

    if (socket < 0)
        return socket;
    rc = exchange(socket, target, &in, cb, arg);
    close(socket);
    buf_deinit(&in);
    return rc;
}
