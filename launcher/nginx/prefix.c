#include "launcher/nginx/prefix.h"

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
#include "launcher/nginx/files.h"

#define ORPHAN_WAIT_MS 5000
#define ORPHAN_POLL_MS 20

/* Where nginx's templates put its temporary files, below tmp/. */
static const char *const nginx_directories[] = {"body", "proxy", "fastcgi", "uwsgi", "scgi"};

/* Opens the directory, which is its user's alone. */
static int open_directory(int parent, const char *name, bool *read_only)
{
    int fd;
    int rc = 0;

    if (mkdirat(parent, name, 0700) < 0 && errno != EEXIST)
        return -errno;
    fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (fchmod(fd, 0700) < 0)
        rc = -errno;
    *read_only = rc == -EROFS;
    if (rc == 0 || *read_only)
        return fd;
    close(fd);
    return rc;
}

static bool is_gone(pid_t pid)
{
    return pid > 0 && kill(pid, 0) < 0 && errno == ESRCH;
}

/* Takes the lock. While its holder is dead, the nginx of that mkv still is on its way out. */
static int take_lock(const char *path, bool read_only, int *lock, pid_t *holder)
{
    const struct timespec pause = {.tv_nsec = ORPHAN_POLL_MS * 1000000L};
    int rc;

    for (int waited = 0;; waited += ORPHAN_POLL_MS) {
        *holder = 0;
        rc = read_only ? lockfile_acquire_read_only(path, lock, holder)
                       : lockfile_acquire(path, lock, holder);
        if (rc != -EWOULDBLOCK || !is_gone(*holder) || waited >= ORPHAN_WAIT_MS)
            return rc;
        nanosleep(&pause, NULL);
    }
}

/* A lock file that a former owner of the directory made could be some other file by a second name,
 * and it would be overwritten. */
static void drop_odd_lock(int directory)
{
    struct stat st;

    if (fstatat(directory, "lock", &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        (!S_ISREG(st.st_mode) || st.st_nlink != 1))
        unlinkat(directory, "lock", 0);
}

static int lock_prefix(struct prefix *p, const char *subject)
{
    char path[64];
    pid_t holder;
    int rc;

    drop_odd_lock(p->fd);
    /* By way of the directory that is open, for its name may lead elsewhere by now. */
    snprintf(path, sizeof(path), "/proc/self/fd/%d/lock", p->fd);
    rc = take_lock(path, p->read_only, &p->lock, &holder);
    if (rc == -EWOULDBLOCK && is_gone(holder))
        log_error("%s is in use by nginx processes that mkv %d left behind, or by a mkv in another "
                  "container: end them first",
                  subject, (int)holder);
    else if (rc == -EWOULDBLOCK)
        log_error("%s is in use by another mkv (pid %d)", subject, (int)holder);
    else if (rc < 0)
        log_error("cannot lock %s: %s", p->path, strerror(-rc));
    return rc;
}

/* Opens the directory, made where it is missing and given to the account. Another one that stands
 * there by that name already is whose it is. The descriptor or a -errno. */
static int open_owned(int parent, const char *name, const struct account *account)
{
    bool made = mkdirat(parent, name, 0700) == 0;
    int fd;
    int rc = 0;

    if (!made && errno != EEXIST)
        return -errno;
    fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (made)
        rc = fchmod(fd, 0700) < 0 ? -errno : account_give(account, fd);
    if (rc == 0)
        return fd;
    close(fd);
    return rc;
}

int prefix_sweep(int directory, const struct account *account)
{
    int fd = open_owned(directory, "tmp", account);
    int rc;

    if (fd < 0)
        return fd;
    rc = fchmod(fd, 0700) < 0 ? -errno : 0;
    if (rc == 0)
        rc = account_give(account, fd);
    if (rc == 0)
        rc = files_clear_directory(fd);
    close(fd);
    return rc == -EROFS ? 0 : rc;
}

int prefix_mend(int directory, const struct account *account)
{
    int tmp = open_owned(directory, "tmp", account);
    int rc = tmp < 0 ? tmp : 0;

    for (size_t i = 0; rc == 0 && i < sizeof(nginx_directories) / sizeof(char *); i++) {
        int fd = open_owned(tmp, nginx_directories[i], account);

        rc = fd < 0 ? fd : 0;
        if (fd >= 0)
            close(fd);
    }
    if (tmp >= 0)
        close(tmp);
    return rc;
}

int prefix_open(int parent, const char *name, const char *subject, const struct account *account,
                struct prefix *prefix)
{
    struct prefix p = {.fd = -1, .lock = -1};
    int rc = 0;

    if (asprintf(&p.path, "%s/%s", subject, name) < 0) {
        log_error("cannot use the directory %s: %s", subject, strerror(ENOMEM));
        return -ENOMEM;
    }
    rc = p.fd = open_directory(parent, name, &p.read_only);
    if (rc < 0) {
        log_error("cannot use the directory %s: %s", p.path, strerror(-rc));
        goto fail;
    }
    rc = lock_prefix(&p, subject);
    if (rc < 0)
        goto fail;
    rc = prefix_sweep(p.fd, account);
    if (rc < 0) {
        log_error("cannot empty %s/tmp: %s", p.path, strerror(-rc));
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
