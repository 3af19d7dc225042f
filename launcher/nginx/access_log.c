#include "launcher/nginx/access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/base/log.h"
#include "launcher/nginx/files.h"
#include "launcher/nginx/owner.h"

/* May someone else than root plant a link in that directory, for root to follow or give away? Then
 * it is also one in which nginx's user can be left to make the file. */
static bool is_roots_own(int directory)
{
    struct stat st;

    return fstat(directory, &st) == 0 && st.st_uid == 0 && (st.st_mode & 0022) == 0;
}

/* A FIFO that nobody reads must not hold us up, hence O_NONBLOCK. */
static int open_file(int directory, const char *name, int flags)
{
    int fd =
        openat(directory, name,
               O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY | O_NONBLOCK | O_CLOEXEC | flags, 0644);

    return fd < 0 ? -errno : fd;
}

static int prepare_in(int directory, const char *name, const struct account *account)
{
    int file;
    int rc;

    if (!account->privileged) {
        file = open_file(directory, name, 0);
        rc = file < 0 ? file : 0;
    } else if (is_roots_own(directory)) {
        file = open_file(directory, name, O_NOFOLLOW);
        rc = file < 0 ? file : owner_give(account, file);
    } else {
        return 0;
    }
    if (file >= 0)
        close(file);
    return rc;
}

/* The directory of the absolute `path`, opened. */
static int open_parent(const char *path)
{
    size_t n = (size_t)(strrchr(path, '/') - path);
    char *parent = strndup(path, n > 0 ? n : 1);
    int fd;

    if (parent == NULL)
        return -ENOMEM;
    fd = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        fd = -errno;
    free(parent);
    return fd;
}

static int refuse(const char *path, int rc)
{
    log_error("cannot open the access log %s: %s", path, log_open_failure(rc));
    return rc;
}

int access_log_check(const char *path)
{
    struct stat st;

    if (stat(path, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)))
        return refuse(path, -EINVAL);
    return 0;
}

int access_log_give_own(const char *path, const struct account *account)
{
    char *absolute;
    int directory;
    int rc = 0;

    if (!account->privileged)
        return 0;
    absolute = files_make_absolute(path);
    if (absolute == NULL)
        return -errno;
    directory = open_parent(absolute);
    if (directory < 0)
        rc = directory;
    if (rc == 0)
        rc = prepare_in(directory, strrchr(absolute, '/') + 1, account);
    if (directory >= 0)
        close(directory);
    free(absolute);
    return rc;
}

int access_log_prepare(const char *path, const struct account *account)
{
    int rc = access_log_check(path);
    int directory;

    if (rc < 0)
        return rc;
    directory = rc = open_parent(path);
    if (directory >= 0) {
        rc = prepare_in(directory, strrchr(path, '/') + 1, account);
        close(directory);
    }
    return rc < 0 ? refuse(path, rc) : 0;
}
