#include "launcher/volume/list_read.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Whether a blob can have this name in the directory on top, or one that goes on from it after its
 * '/'. */
static bool leads_to_blobs(const struct list_reading *r, const char *name, size_t len)
{
    static const char *const tails[] = {"A", "00/A", "00/00/A"};
    char path[sizeof(r->path) + 16];
    size_t n = r->path_len;

    memcpy(path, r->path, n);
    path[n++] = '/';
    memcpy(path + n, name, len);
    n += len;
    if (name[len - 1] != '/')
        return sync_path_is_valid(path, n);
    for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
        strcpy(path + n, tails[i]);
        if (sync_path_is_valid(path, n + strlen(tails[i])))
            return true;
    }
    return false;
}

/* A directory that `bound` leads into has some that come after it. */
static bool is_wanted(const struct list_reading *r, const char *name, size_t len)
{
    if (strcmp(name, r->bound) > 0)
        return true;
    return name[len - 1] == '/' && !r->is_again && strncmp(name, r->bound, len) == 0;
}

/* DT_REG, DT_DIR, or DT_UNKNOWN for anything else. */
static int type_of(int fd, const struct dirent64 *entry)
{
    struct stat st;

    if (entry->d_type == DT_REG || entry->d_type == DT_DIR)
        return entry->d_type;
    if (entry->d_type != DT_UNKNOWN || fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return DT_UNKNOWN;
    return S_ISREG(st.st_mode) ? DT_REG : S_ISDIR(st.st_mode) ? DT_DIR : DT_UNKNOWN;
}

/* The entry's name, with a '/' after a directory's. Its length, or 0 when it can be no blob's. */
static size_t name_of(int fd, const struct dirent64 *entry, char name[LIST_NAME_MAX + 1])
{
    size_t len = strlen(entry->d_name);
    int type = entry->d_name[0] == '.' || len >= LIST_NAME_MAX ? DT_UNKNOWN : type_of(fd, entry);

    if (type == DT_UNKNOWN)
        return 0;
    memcpy(name, entry->d_name, len);
    if (type == DT_DIR)
        name[len++] = '/';
    name[len] = '\0';
    return len;
}

int list_read_some(struct list_reading *reading, int fd, struct list_names *names, size_t limit)
{
    struct list_reading *r = reading;
    char name[LIST_NAME_MAX + 1];
    ssize_t n = getdents64(fd, r->entries, sizeof(r->entries));
    int rc = 0;

    if (n <= 0)
        return n < 0 ? -errno : 0;
    for (ssize_t at = 0; rc == 0 && at < n;) {
        const struct dirent64 *entry = (const struct dirent64 *)(const void *)(r->entries + at);
        size_t len = name_of(fd, entry, name);

        if (len > 0 && is_wanted(r, name, len) && !list_names_refuse(names, name) &&
            leads_to_blobs(r, name, len))
            rc = list_names_add(names, name, len, limit);
        at += entry->d_reclen;
    }
    return rc < 0 ? rc : 1;
}
