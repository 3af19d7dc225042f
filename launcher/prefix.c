#include "launcher/prefix.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "index/base/lockfile.h"
#include "index/base/log.h"
#include "launcher/files.h"

#define ORPHAN_WAIT_MS 5000
#define ORPHAN_POLL_MS 20

/* Opens the directory. One that workers could write in might hold links set up for root to follow,
 * so root makes it its own. */
static int open_directory(const char *path)
{
    bool root = geteuid() == 0;
    mode_t mode = root ? 0711 : 0700;
    int fd;
    int rc = 0;

    if (mkdir(path, mode) < 0 && errno != EEXIST)
        return -errno;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if ((root && fchown(fd, 0, 0) < 0) || fchmod(fd, mode) < 0)
        rc = -errno;
    if (rc < 0)
        close(fd);
    return rc < 0 ? rc : fd;
}

static bool is_gone(pid_t pid)
{
    return pid > 0 && kill(pid, 0) < 0 && errno == ESRCH;
}

/* Takes the lock. While its holder is dead, the nginx of that mkv still is on its way out. */
static int take_lock(const char *path, int *lock, pid_t *holder)
{
    const struct timespec pause = {.tv_nsec = ORPHAN_POLL_MS * 1000000L};
    int rc;

    for (int waited = 0;; waited += ORPHAN_POLL_MS) {
        *holder = 0;
        rc = lockfile_acquire(path, lock, holder);
        if (rc != -EWOULDBLOCK || !is_gone(*holder) || waited >= ORPHAN_WAIT_MS)
            return rc;
        nanosleep(&pause, NULL);
    }
}

static int lock_prefix(struct prefix *p, const char *subject)
{
    char *path;
    pid_t holder;
    int rc;

    if (asprintf(&path, "%s/lock", p->path) < 0)
        return -ENOMEM;
    rc = take_lock(path, &p->lock, &holder);
    if (rc == -EWOULDBLOCK && is_gone(holder))
        log_error("%s is in use by nginx processes that mkv %d left behind: end them first",
                  subject, (int)holder);
    else if (rc == -EWOULDBLOCK)
        log_error("%s is in use by another mkv (pid %d)", subject, (int)holder);
    else if (rc < 0)
        log_error("cannot lock %s: %s", path, strerror(-rc));
    free(path);
    return rc;
}

/* Empties tmp/ and forgets the pid file of an nginx that was killed. */
static int sweep(const struct prefix *p)
{
    mode_t mode = geteuid() == 0 ? 0711 : 0700;
    int fd;
    int rc;

    unlinkat(p->fd, "nginx.pid", 0);
    if (mkdirat(p->fd, "tmp", mode) < 0 && errno != EEXIST)
        return -errno;
    fd = openat(p->fd, "tmp", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    rc = fchmod(fd, mode) < 0 ? -errno : 0;
    if (rc == 0)
        rc = files_clear_directory(fd);
    close(fd);
    return rc;
}

int prefix_open(const char *path, const char *subject, struct prefix *prefix)
{
    struct prefix p = {.path = strdup(path), .fd = -1, .lock = -1};
    int rc = p.path == NULL ? -ENOMEM : 0;

    if (rc == 0)
        rc = p.fd = open_directory(path);
    if (rc < 0) {
        log_error("cannot use the directory %s: %s", path, strerror(-rc));
        goto fail;
    }
    rc = lock_prefix(&p, subject);
    if (rc < 0)
        goto fail;
    rc = sweep(&p);
    if (rc < 0) {
        log_error("cannot empty %s/tmp: %s", path, strerror(-rc));
        goto fail;
    }
    *prefix = p;
    return 0;
fail:
    prefix_close(&p);
    return rc;
}

void prefix_close(struct prefix *prefix)
{
    if (prefix->lock >= 0)
        lockfile_release(prefix->lock);
    if (prefix->fd >= 0)
        close(prefix->fd);
    free(prefix->path);
    *prefix = (struct prefix){.fd = -1, .lock = -1};
}
