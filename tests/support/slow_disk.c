#include "tests/support/slow_disk.h"

#include <errno.h>
#include <pthread.h>
#include <sys/uio.h>

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t released;
    bool held;
    bool waits;
    bool fails;
    bool refuses;
} disk = {.mutex = PTHREAD_MUTEX_INITIALIZER, .released = PTHREAD_COND_INITIALIZER};

/* The linker puts these in place of fdatasync() and pwritev(). */
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
ssize_t __real_pwritev(int fd, const struct iovec *iov, int n, off_t at);
ssize_t __wrap_pwritev(int fd, const struct iovec *iov, int n, off_t at);

int __wrap_fdatasync(int fd)
{
    bool fails;

    pthread_mutex_lock(&disk.mutex);
    disk.waits = disk.held;
    while (disk.held)
        pthread_cond_wait(&disk.released, &disk.mutex);
    disk.waits = false;
    fails = disk.fails;
    pthread_mutex_unlock(&disk.mutex);
    if (!fails)
        return __real_fdatasync(fd);
    errno = EIO;
    return -1;
}

ssize_t __wrap_pwritev(int fd, const struct iovec *iov, int n, off_t at)
{
    bool refuses;

    pthread_mutex_lock(&disk.mutex);
    refuses = disk.refuses;
    pthread_mutex_unlock(&disk.mutex);
    if (!refuses)
        return __real_pwritev(fd, iov, n, at);
    errno = ENOSPC;
    return -1;
}

void slow_disk_set(bool held, bool fails)
{
    pthread_mutex_lock(&disk.mutex);
    disk.held = held;
    disk.fails = fails;
    pthread_cond_broadcast(&disk.released);
    pthread_mutex_unlock(&disk.mutex);
}

void slow_disk_refuse_writes(bool refuses)
{
    pthread_mutex_lock(&disk.mutex);
    disk.refuses = refuses;
    pthread_mutex_unlock(&disk.mutex);
}

bool slow_disk_waits(void)
{
    bool waits;

    pthread_mutex_lock(&disk.mutex);
    waits = disk.waits;
    pthread_mutex_unlock(&disk.mutex);
    return waits;
}
