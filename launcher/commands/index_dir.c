#include "launcher/commands/index_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/base/log.h"
#include "launcher/nginx/files.h"
#include "launcher/nginx/owner.h"

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

static int make(const char *path, char **real, int *fd)
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

int index_dir_claim(const char *path, const char *user, struct account *account, char **real,
                    int *fd)
{
    char *found;
    int directory;
    int rc = make(path, &found, &directory);

    if (rc < 0)
        return rc;
    rc = owner_settle(&(struct owner_directory){.given = path, .path = found, .fd = directory},
                      user, account);
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
    struct account account;
    char *found;
    int fd;
    int rc = index_dir_claim(path, NULL, &account, &found, &fd);

    if (rc < 0)
        return rc;
    close(fd);
    rc = account_become(&account);
    if (rc < 0)
        free(found);
    else
        *real = found;
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

int index_dir_become_owner(int fd)
{
    struct account account;
    struct stat st;
    int rc;

    if (geteuid() != 0 || fstat(fd, &st) < 0 || st.st_uid == 0)
        return 0;
    rc = account_of_owner(st.st_uid, st.st_gid, &account);
    return rc < 0 ? rc : account_become(&account);
}
