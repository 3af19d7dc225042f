/* Blocking input and output. */
#ifndef MKV_BASE_IO_H
#define MKV_BASE_IO_H

#include <stddef.h>
#include <sys/types.h>

#include "index/base/buf.h"

/* Writes all `n` bytes. 0 or -errno, when some may have been written. */
int io_write_all(int fd, const char *data, size_t n);

/* Appends what read(2) has, IO_READ_MAX bytes at most. Their number, 0 at the end, or -errno. */
#define IO_READ_MAX 65536
ssize_t io_read_some(int fd, struct buf *in);

#endif
