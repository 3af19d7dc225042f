#include "index/store/gdbm/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "index/base/codec.h"
#include "index/base/crc32c.h"
#include "index/store/gdbm/directory.h"
#include "index/store/gdbm/step.h"

#define MAGIC_SIZE 8
#define SEAL_SIZE  20

static const char magic[MAGIC_SIZE] = {'m', 'k', 'v', 's', 'e', 'a', 'l', '1'};

int seal_read(const char *directory, uint64_t *block)
{
    unsigned char bytes[SEAL_SIZE];
    char path[PATH_MAX];
    ssize_t n;
    int error;
    int fd;

    *block = 0;
    snprintf(path, sizeof(path), "%s/" SEAL_NAME, directory);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : directory_failed("open", path, errno);
    n = pread(fd, bytes, sizeof(bytes), 0);
    error = errno;
    close(fd);
    if (n < 0)
        return directory_failed("read", path, error);
    if (n == SEAL_SIZE && memcmp(bytes, magic, MAGIC_SIZE) == 0 &&
        load_u32(bytes + 16) == crc32c(0, bytes, 16))
        *block = load_u64(bytes + 8);
    return 0;
}

/* In place: on a full disk too there is room for what was there before. */
int seal_write(const char *directory, uint64_t block)
{
    unsigned char bytes[SEAL_SIZE];
    char path[PATH_MAX];
    int rc = 0;
    int fd;

    memcpy(bytes, magic, MAGIC_SIZE);
    put_u64(bytes + 8, block);
    put_u32(bytes + 16, crc32c(0, bytes, 16));
    snprintf(path, sizeof(path), "%s/" SEAL_NAME, directory);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return directory_failed("open", path, errno);
    engine_step("seal: opened");
    errno = ENOSPC; /* of a write that is short */
    if (pwrite(fd, bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes) || fsync(fd) < 0)
        rc = directory_failed("write", path, errno);
    close(fd);
    engine_step("seal: written");
    if (rc == 0) {
        rc = directory_sync(directory);
        if (rc < 0)
            rc = directory_failed("sync", directory, -rc);
    }
    return rc;
}
