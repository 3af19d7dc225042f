#include "index/base/lockfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include <uv.h>

#include "index/base/log.h"

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

    /* In this order: on a full disk, what is given back may be gone. */
    if (pwrite(fd, text, (size_t)n, 0) < 0 || ftruncate(fd, n) < 0)
        return -errno;
    return 0;
}

/* Whom the file names; but those who share the lock aren't named. */
static pid_t find_holder(int fd)
{
    return flock(fd, LOCK_SH | LOCK_NB) == 0 ? 0 : read_pid(fd);
}

static int open_locked(const char *path, int flags, int operation, int *fd, pid_t *holder)
{
    int lock = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
    int rc;

    if (lock < 0)
        return -errno;
    if (flock(lock, operation | LOCK_NB) < 0) {
        rc = -errno;
        if (rc == -EWOULDBLOCK)
            *holder = find_holder(lock);
        close(lock);
        return rc;
    }
    *fd = lock;
    return 0;
}

int lockfile_acquire_read_only(const char *path, int *fd, pid_t *holder)
{
    return open_locked(path, O_RDONLY | O_NONBLOCK, LOCK_EX, fd, holder);
}

int lockfile_acquire(const char *path, int *fd, pid_t *holder)
{
    int lock = -1;
    int rc = open_locked(path, O_RDWR | O_CREAT, LOCK_EX, &lock, holder);

    if (rc < 0)
        return rc;
    rc = write_pid(lock);
    if (rc < 0)
        close(lock);
    else
        *fd = lock;
    return rc;
}

int lockfile_share(const char *path, int *fd, pid_t *holder)
{
    return open_locked(path, O_RDONLY, LOCK_SH, fd, holder);
}

void lockfile_release(int fd)
{
    close(fd);
}

/* The file names the last holder that could write: one that has died isn't this one. */
static int index_is_locked(const char *directory, pid_t holder)
{
    char pid[32] = "";

    if (holder > 0 && (kill(holder, 0) == 0 || errno != ESRCH))
        snprintf(pid, sizeof(pid), " (pid %ld)", (long)holder);
    log_error("the index directory %s is in use by another mkv%s: stop it, or give this one "
              "another --index",
              directory, pid);
    return UV_EBUSY;
}

int lockfile_take_index(const char *directory, lockfile_fn lock, int *fd)
{
    char path[PATH_MAX];
    pid_t holder = 0;
    int rc;

    snprintf(path, sizeof(path), "%s/lock", directory);
    rc = lock(path, fd, &holder);
    if (rc == -EWOULDBLOCK)
        return index_is_locked(directory, holder);
    if (rc < 0)
        log_error("cannot lock the index directory %s: %s", directory, strerror(-rc));
    return rc;
}
