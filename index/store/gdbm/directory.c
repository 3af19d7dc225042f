#include "index/store/gdbm/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/base/disk_error.h"
#include "index/base/log.h"

int directory_failed(const char *verb, const char *path, int error)
{
    log_error("cannot %s %s: %s", verb, path, strerror(error));
    return disk_error(error);
}

int directory_sync(const char *directory)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = 0;

    if (fd < 0)
        return -errno;
    if (fsync(fd) < 0)
        rc = -errno;
    close(fd);
    return rc;
}

/* Brings the directory's own name to disk; each time, for a crash may have kept the process that
 * made it from doing so. A parent that can't be opened or written isn't ours to sync. */
static int sync_parent(const char *directory)
{
    char path[PATH_MAX];
    int rc;

    snprintf(path, sizeof(path), "%s/..", directory);
    rc = directory_sync(path);
    return rc == -EACCES || rc == -EROFS || rc == -EINVAL ? 0 : rc;
}

int directory_make(const char *directory)
{
    int rc = 0;

    if (mkdir(directory, 0700) < 0 && errno != EEXIST)
        rc = -errno;
    else
        rc = sync_parent(directory);
    if (rc < 0)
        log_error("cannot make the index directory %s: %s", directory, strerror(-rc));
    return rc;
}
