#include "index/base/small_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "index/base/io.h"

static int read_all(int fd, size_t max, struct buf *out)
{
    size_t before = buf_size(out);
    ssize_t n;

    while ((n = io_read_some(fd, out)) > 0) {
        if (buf_size(out) - before > max)
            return -EFBIG;
    }
    return (int)n;
}

int small_file_read(const char *directory, const char *name, size_t max, struct buf *out)
{
    char path[PATH_MAX];
    int fd;
    int rc;

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    rc = read_all(fd, max, out);
    close(fd);
    return rc;
}

static int write_new(int directory, const char *name, const void *bytes, size_t n)
{
    int fd = openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    int rc;

    if (fd < 0)
        return -errno;
    rc = io_write_all(fd, bytes, n);
    if (rc == 0 && fsync(fd) < 0)
        rc = -errno;
    close(fd);
    return rc;
}

int small_file_replace(const char *directory, const char *name, const void *bytes, size_t n)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char new[NAME_MAX + 1];
    int rc;

    if (fd < 0)
        return -errno;
    snprintf(new, sizeof(new), "%s.new", name);
    rc = write_new(fd, new, bytes, n);
    if (rc == 0 && (renameat(fd, new, fd, name) < 0 || fsync(fd) < 0))
        rc = -errno;
    if (rc < 0)
        unlinkat(fd, new, 0);
    close(fd);
    return rc;
}
