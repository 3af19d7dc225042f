#include "launcher/nginx/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/base/log.h"
#include "index/store/gdbm/directory.h"

/* Brings the name of a new directory to disk: what will be durable in it must not be lost with it.
 * Where the one above can't be opened, that is not for us to do. */
static int sync_name(const char *path)
{
    char above[PATH_MAX];
    int rc;

    if (snprintf(above, sizeof(above), "%s/..", path) >= (int)sizeof(above))
        return -ENAMETOOLONG;
    rc = directory_sync(above);
    return rc == -EACCES ? 0 : rc;
}

/* mkdir(2) that is content with a directory that is there already. */
static int make_directory(const char *path, mode_t mode)
{
    struct stat st;

    if (mkdir(path, mode) == 0)
        return sync_name(path);
    if (errno != EEXIST)
        return -errno;
    if (stat(path, &st) < 0)
        return -errno;
    return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int files_make_directories(const char *path, mode_t mode)
{
    char *copy = strdup(path);
    int rc = 0;

    if (copy == NULL)
        return -ENOMEM;
    for (char *at = copy + 1; rc == 0 && *at != '\0'; at++) {
        if (*at != '/' || at[-1] == '/')
            continue;
        *at = '\0';
        rc = make_directory(copy, 0755);
        *at = '/';
    }
    if (rc == 0)
        rc = make_directory(copy, mode);
    free(copy);
    return rc;
}

static bool is_self_or_parent(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int delete_entry(int fd, const char *name)
{
    int child;
    int rc;

    if (unlinkat(fd, name, 0) == 0)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return -errno;
    child = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (child < 0)
        return -errno;
    rc = files_clear_directory(child);
    close(child);
    if (rc == 0 && unlinkat(fd, name, AT_REMOVEDIR) < 0)
        rc = -errno;
    return rc;
}

/* Reads the entries from the first on, whatever was read from `fd` before. NULL and errno. */
static DIR *open_stream(int fd)
{
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = copy >= 0 ? fdopendir(copy) : NULL;

    if (stream == NULL && copy >= 0)
        close(copy);
    return stream;
}

int files_clear_directory(int fd)
{
    DIR *stream = open_stream(fd);
    const struct dirent *entry;
    int rc = 0;

    if (stream == NULL)
        return -errno;
    while ((entry = readdir(stream)) != NULL) {
        int failed = is_self_or_parent(entry->d_name) ? 0 : delete_entry(fd, entry->d_name);

        if (rc == 0)
            rc = failed;
    }
    closedir(stream);
    return rc;
}

int files_open_directory(const char *path, mode_t mode, char **real, int *fd)
{
    int rc = files_make_directories(path, mode);
    char *found;

    if (rc < 0)
        return rc;
    found = realpath(path, NULL);
    if (found == NULL)
        return -errno;
    rc = open(found, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (rc < 0) {
        rc = -errno;
        free(found);
        return rc;
    }
    *real = found;
    *fd = rc;
    return 0;
}

int files_is_empty(int fd, bool *empty)
{
    DIR *stream = open_stream(fd);
    const struct dirent *entry;
    bool found = false;

    if (stream == NULL)
        return -errno;
    while ((entry = readdir(stream)) != NULL && !found)
        found = !is_self_or_parent(entry->d_name) && strcmp(entry->d_name, "lost+found") != 0;
    closedir(stream);
    *empty = !found;
    return 0;
}

int files_open_plain(int directory, const char *path, int flags)
{
    int fd = openat(directory, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | flags);
    struct stat st;
    int rc = 0;

    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) < 0)
        rc = -errno;
    else if (S_ISDIR(st.st_mode))
        rc = -EISDIR;
    else if (!S_ISREG(st.st_mode))
        rc = -EINVAL;
    if (rc == 0)
        return fd;
    close(fd);
    return rc;
}

char *files_make_absolute(const char *path)
{
    char *directory;
    char *made;

    if (path[0] == '/')
        return strdup(path);
    directory = getcwd(NULL, 0);
    if (directory == NULL)
        return NULL;
    if (asprintf(&made, "%s/%s", directory, path) < 0)
        made = NULL;
    free(directory);
    return made;
}

/* Searches a list of directories with colons between. */
static char *search(const char *list, const char *name)
{
    while (*list != '\0') {
        size_t n = strcspn(list, ":");
        char *path;

        if (asprintf(&path, "%.*s/%s", (int)n, list, name) < 0)
            return NULL;
        if (n > 0 && access(path, X_OK) == 0)
            return path;
        free(path);
        list += n + (list[n] == ':');
    }
    return NULL;
}

int files_find_program(const char *name, char **path)
{
    const char *list = getenv("PATH");
    char *found;

    if (strchr(name, '/') != NULL) {
        if (access(name, X_OK) < 0) {
            int rc = -errno;

            log_error("cannot run %s: %s; pass --nginx PATH", name, strerror(-rc));
            return rc;
        }
        found = files_make_absolute(name);
    } else {
        found = search(list != NULL ? list : "", name);
        if (found == NULL)
            found = search("/usr/local/sbin:/usr/sbin:/sbin", name);
    }
    if (found == NULL) {
        log_error("cannot find %s in $PATH or /usr/sbin: install it, or pass --nginx PATH", name);
        return -ENOENT;
    }
    *path = found;
    return 0;
}
