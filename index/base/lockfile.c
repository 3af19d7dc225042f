#include "index/base/lockfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

static pid_t read_pid(int fd)
{
    char text[16];
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    long pid;

    if (n <= 0)
        return 0;
    text[n] = '\0';
    pid = strtol(text, NULL, 10);
    return pid > 0 ? (pid_t)pid : 0;
}

static int write_pid(int fd)
{
    char text[16];
    int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

    if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)n, 0) < 0)
        return -errno;
    return 0;
}

/* Opens and locks the file. Its descriptor or a -errno. */
static int lock_file(const char *path, int flags, pid_t *holder)
{
    int lock = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
    int rc;

    if (lock < 0)
        return -errno;
    if (flock(lock, LOCK_EX | LOCK_NB) == 0)
        return lock;
    rc = -errno;
    if (rc == -EWOULDBLOCK)
        *holder = read_pid(lock);
    close(lock);
    return rc;
}

int lockfile_acquire(const char *path, int *fd, pid_t *holder)
{
    int lock = lock_file(path, O_RDWR | O_CREAT, holder);
    int rc;

    if (lock < 0)
        return lock;
    rc = write_pid(lock);
    if (rc < 0) {
        close(lock);
        return rc;
    }
    *fd = lock;
    return 0;
}

int lockfile_acquire_read_only(const char *path, int *fd, pid_t *holder)
{
    int lock = lock_file(path, O_RDONLY | O_NONBLOCK, holder);

    if (lock < 0)
        return lock;
    *fd = lock;
    return 0;
}

void lockfile_release(int fd)
{
    close(fd);
}
