#include "launcher/nginx/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "index/base/log.h"
#include "launcher/nginx/files.h"

#define LINKS_MAX 8 /* that a path of root's may lead through, one after the other */

static int cannot_use(const char *path, int rc)
{
    log_error("cannot use the directory %s: %s", path, strerror(-rc));
    return rc;
}

/* Whether `given` leads to the open directory by no link at all. Nobody can move a directory of
 * root's there. */
static bool is_without_links(const struct owner_directory *d)
{
    struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                           .resolve = RESOLVE_NO_SYMLINKS};
    int fd = (int)syscall(SYS_openat2, AT_FDCWD, d->given, &how, sizeof(how));
    struct stat there;
    struct stat held;
    bool same;

    if (fd < 0)
        return false;
    same = fstat(fd, &there) == 0 && fstat(d->fd, &held) == 0 && there.st_dev == held.st_dev &&
           there.st_ino == held.st_ino;
    close(fd);
    return same;
}

/* Root's, and in the place of which nobody else can put something. */
static bool is_roots(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 && st.st_uid == 0 &&
           (S_ISLNK(st.st_mode) || (st.st_mode & 0022) == 0 || (st.st_mode & S_ISVTX) != 0);
}

static bool is_roots_way(const char *given, unsigned links);

/* Where the link leads; true also where the path is no link. */
static bool is_roots_target(const char *path, unsigned links) /* NOLINT(misc-no-recursion) */
{
    char target[PATH_MAX];
    ssize_t n = readlink(path, target, sizeof(target) - 1);
    char *whole;
    bool yes;

    if (n < 0)
        return true;
    target[n] = '\0';
    if (asprintf(&whole, "%.*s%s", target[0] == '/' ? 0 : (int)(strrchr(path, '/') + 1 - path),
                 path, target) < 0)
        return false;
    yes = links > 0 && is_roots_way(whole, links - 1);
    free(whole);
    return yes;
}

/* Whether all that the path leads through is root's, links too, and what these lead through. At
 * most so many links are followed. */
static bool is_roots_way(const char *given, unsigned links) /* NOLINT(misc-no-recursion) */
{
    char *copy = files_make_absolute(given);
    bool yes = copy != NULL;

    for (char *at = copy; yes && (at = strchr(at + 1, '/')) != NULL;) {
        *at = '\0';
        yes = is_roots(copy) && is_roots_target(copy, links);
        *at = '/';
    }
    yes = yes && is_roots(copy) && is_roots_target(copy, links);
    free(copy);
    return yes;
}

static int refuse_link(const struct owner_directory *d, const struct account *account)
{
    log_error("%s belongs to root, and %s leads there by a link that others can change: give it to "
              "the user that mkv and nginx are to run as (chown %s %s)",
              d->path, d->given, account->user, d->path);
    return -EPERM;
}

static int refuse_files(const struct owner_directory *d, const struct account *account)
{
    log_error("%s belongs to root and holds files, and mkv does not serve as root: give it to the "
              "user that mkv and nginx are to run as (chown -R %s %s), or pass --user NAME",
              d->path, account->user, d->path);
    return -EPERM;
}

/* As root: gives a directory of root's away, unless it holds something else: someone's / or /home
 * is not meant. */
static int give_away(const struct owner_directory *d, bool chosen, const struct account *account)
{
    bool yes = d->ours;
    int rc = yes ? 0 : files_is_empty(d->fd, &yes);

    if (rc < 0)
        return cannot_use(d->path, rc);
    if (!yes)
        return chosen ? 0 : refuse_files(d, account);
    if (!is_without_links(d) && !is_roots_way(d->given, LINKS_MAX))
        return refuse_link(d, account);
    rc = account_give(account, d->fd);
    if (rc < 0)
        return cannot_use(d->path, rc);
    log_info("%s now belongs to %s, the user that mkv and nginx run as", d->path, account->user);
    return 0;
}

int owner_settle(const struct owner_directory *directory, const char *user, struct account *account)
{
    const struct owner_directory *d = directory;
    struct stat st;
    int rc;

    if (fstat(d->fd, &st) < 0)
        return cannot_use(d->path, -errno);
    rc = account_choose(user, st.st_uid, account);
    if (rc == 0 && account->privileged && st.st_uid == 0 && account->uid != 0)
        rc = give_away(d, user != NULL, account);
    if (rc < 0)
        return rc;
    rc = account_try_directory(account, d->path);
    if (rc == 0)
        return 0;
    if (!account->privileged)
        return cannot_use(d->path, rc);
    log_error("%s, whom mkv and nginx run as, cannot write %s (%s): give it to that user, and make "
              "every directory above it searchable, or pass --user NAME",
              account->user, d->path, strerror(-rc));
    return rc;
}

int owner_give(const struct account *account, int fd)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (st.st_uid != 0 || (st.st_mode & 0022) != 0 ||
        (!S_ISDIR(st.st_mode) && (!S_ISREG(st.st_mode) || st.st_nlink != 1)))
        return 0;
    return account_give(account, fd);
}
