#include "index/store/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/base/log.h"

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

int directory_make(const char *directory)
{
    if (mkdir(directory, 0700) < 0 && errno != EEXIST) {
        int rc = -errno;

        log_error("cannot make the index directory %s: %s", directory, strerror(-rc));
        return rc;
    }
    return 0;
}
