#include "launcher/commands/index_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/base/log.h"
#include "launcher/nginx/files.h"

static bool has(int directory, const char *name)
{
    return faccessat(directory, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int refuse_volume(const char *path, int fd)
{
    if (!has(fd, ".mkv/id"))
        return 0;
    log_error("%s is a volume's directory: give the index another --index", path);
    return -EEXIST;
}

int index_dir_make(const char *path, char **real, int *fd)
{
    char *found;
    int directory;
    int rc = files_open_directory(path, 0700, &found, &directory);

    if (rc < 0) {
        log_error("cannot use the index directory %s: %s", path, strerror(-rc));
        return rc;
    }
    rc = refuse_volume(found, directory);
    if (rc < 0) {
        close(directory);
        free(found);
        return rc;
    }
    *real = found;
    *fd = directory;
    return 0;
}

static int refuse_missing(const char *path)
{
    log_error("there is no index in %s; name its directory with --index DIR", path);
    return -ENOENT;
}

int index_dir_prepare(const char *path, char **real)
{
    int fd;
    int rc = index_dir_make(path, real, &fd);

    if (rc < 0)
        return rc;
    rc = index_dir_check_owner(*real, fd);
    close(fd);
    if (rc < 0)
        free(*real);
    return rc;
}

/* Whoever opens an index leaves its lock there. */
static int check_index(const char *path, int fd)
{
    int rc = refuse_volume(path, fd);

    if (rc == 0 && !has(fd, "lock"))
        rc = refuse_missing(path);
    return rc;
}

int index_dir_find(const char *path, int *fd)
{
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc;

    if (directory < 0) {
        rc = -errno;
        if (rc == -ENOENT)
            return refuse_missing(path);
        log_error("cannot open the index directory %s: %s", path, strerror(-rc));
        return rc;
    }
    rc = check_index(path, directory);
    if (rc < 0)
        close(directory);
    else
        *fd = directory;
    return rc;
}

int index_dir_check_owner(const char *path, int fd)
{
    struct stat st;

    if (geteuid() != 0 || fstat(fd, &st) < 0 || st.st_uid == 0)
        return 0;
    log_error("the index in %s is user %u's: do this as that user (sudo -u '#%u' mkv ...)", path,
              (unsigned)st.st_uid, (unsigned)st.st_uid);
    return -EPERM;
}
