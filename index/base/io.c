#include "index/base/io.h"

#include <errno.h>
#include <unistd.h>

int io_write_all(int fd, const char *data, size_t n)
{
    while (n > 0) {
        ssize_t written = write(fd, data, n);

        if (written < 0 && errno != EINTR)
            return -errno;
        if (written > 0) {
            data += written;
            n -= (size_t)written;
        }
    }
    return 0;
}

ssize_t io_read_some(int fd, struct buf *in)
{
    ssize_t n;
    int rc = buf_reserve(in, IO_READ_MAX);

    if (rc < 0)
        return rc;
    do
        n = read(fd, in->data + in->tail, IO_READ_MAX);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    in->tail += (size_t)n;
    return n;
}
