#include "launcher/nginx/owner.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "index/base/log.h"
#include "launcher/nginx/files.h"

static int cannot_use(const char *path, int rc)
{
    log_error("cannot use the directory %s: %s", path, strerror(-rc));
    return rc;
}

/* As root: gives a directory of root's away, unless it holds something else: someone's / or /home
 * is not meant. */
static int give_away(const char *path, int fd, bool ours, bool chosen,
                     const struct account *account)
{
    bool yes = ours;
    int rc = yes ? 0 : files_is_empty(fd, &yes);

    if (rc < 0)
        return cannot_use(path, rc);
    if (!yes && chosen)
        return 0;
    if (!yes) {
        log_error("%s belongs to root and holds files, and mkv does not serve as root: give it to "
                  "the user that mkv and nginx are to run as (chown -R %s %s), or pass --user NAME",
                  path, account->user, path);
        return -EPERM;
    }
    rc = account_give(account, fd);
    if (rc < 0)
        return cannot_use(path, rc);
    log_info("%s now belongs to %s, the user that mkv and nginx run as", path, account->user);
    return 0;
}

int owner_settle(const char *path, int fd, const char *user, bool ours, struct account *account)
{
    struct stat st;
    int rc;

    if (fstat(fd, &st) < 0)
        return cannot_use(path, -errno);
    rc = account_choose(user, st.st_uid, account);
    if (rc == 0 && account->privileged && st.st_uid == 0 && account->uid != 0)
        rc = give_away(path, fd, ours, user != NULL, account);
    if (rc < 0)
        return rc;
    rc = account_try_directory(account, path);
    if (rc == 0)
        return 0;
    if (!account->privileged)
        return cannot_use(path, rc);
    log_error("%s, whom mkv and nginx run as, cannot write %s (%s): give it to that user, and make "
              "every directory above it searchable, or pass --user NAME",
              account->user, path, strerror(-rc));
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
