#include "launcher/volume/volume_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/base/log.h"
#include "launcher/nginx/files.h"
#include "launcher/nginx/owner.h"
#include "launcher/nginx/template.h"
#include "launcher/volume/volume_id.h"
#include "launcher/volume/volume_trial.h"

#define NO_ID "00000000000000000000000000000000"

static int check_name(const char *path)
{
    const char *refusal = template_check_string(path);

    if (refusal == NULL)
        return 0;
    log_error("the directory %s cannot be served: %s", path, refusal);
    return -EINVAL;
}

static int cannot_use(const char *path, int rc)
{
    log_error("cannot use the directory %s: %s", path, strerror(-rc));
    return rc;
}

/* A directory of root's that is a volume already was meant to be one. */
static int settle_owner(struct volume_dir *dir, const char *given, const char *user)
{
    const struct owner_directory directory = {
        .given = given,
        .path = dir->path,
        .fd = dir->fd,
        .ours = faccessat(dir->fd, VOLUME_DIR_PREFIX, F_OK, AT_SYMLINK_NOFOLLOW) == 0,
    };

    return owner_settle(&directory, user, &dir->account);
}

/* Files of root's in .mkv, from when mkv stayed root. While .mkv is root's alone, nobody else put
 * them there. */
static int give_prefix(const struct volume_dir *dir, int prefix)
{
    static const char *const names[] = {"lock", "id"};
    struct stat st;
    int rc = fstat(prefix, &st) < 0 ? -errno : 0;

    if (rc < 0 || st.st_uid != 0 || (st.st_mode & 0022) != 0)
        return rc;
    for (size_t i = 0; rc == 0 && i < sizeof(names) / sizeof(names[0]); i++) {
        int fd = files_open_plain(prefix, names[i], O_NOFOLLOW);

        if (fd >= 0)
            rc = owner_give(&dir->account, fd);
        if (fd >= 0)
            close(fd);
    }
    return rc == 0 ? owner_give(&dir->account, prefix) : rc;
}

/* An mkv that stayed root kept .mkv to itself. */
static int adopt_prefix(const struct volume_dir *dir)
{
    int prefix;
    int rc;

    if (!dir->account.privileged)
        return 0;
    prefix = openat(dir->fd, VOLUME_DIR_PREFIX, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (prefix < 0)
        return 0;
    rc = give_prefix(dir, prefix);
    close(prefix);
    return rc < 0 && rc != -EROFS ? cannot_use(dir->path, rc) : 0;
}

static int settle_id(struct volume_dir *dir)
{
    int rc = volume_id_read(dir->prefix.fd, dir->id);

    if (rc == -ENOENT)
        rc = volume_id_make(dir->prefix.fd, dir->id);
    if (rc == -EILSEQ)
        log_error("%s/id is damaged: put its 32 hex digits back, or delete it, and the volume gets "
                  "a new identity",
                  dir->prefix.path);
    else if (rc < 0)
        log_error("cannot read or write %s/id: %s", dir->prefix.path, strerror(-rc));
    return rc;
}

/* An index's database must not be served as if it were a blob. */
static int refuse_index(const struct volume_dir *dir)
{
    if (faccessat(dir->fd, "index.gdbm", F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
        faccessat(dir->fd, "lock", F_OK, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    log_error("%s is an index's directory: give the volume another", dir->path);
    return -EEXIST;
}

/* Tries the disk, and makes room elsewhere for what can't be on it. */
static int settle_disk(struct volume_dir *dir)
{
    int rc = dir->prefix.read_only ? 0 : volume_trial_start(dir);

    if (rc < 0)
        return rc;
    if (dir->prefix.read_only)
        log_warn("%s is on a read-only disk: what is there is read, and nothing new is stored "
                 "until mkv is started again on one that can be written",
                 dir->path);
    else if (volume_trial_socket(dir))
        return 0;
    rc = volume_scratch_make(&dir->account, &dir->scratch);
    if (rc == 0 && !dir->prefix.read_only)
        log_info("no socket can be made in %s: it is in %s", dir->prefix.path, dir->scratch.path);
    return rc;
}

int volume_dir_claim(const char *path, const char *user, struct volume_dir *dir)
{
    struct volume_dir d = {.fd = -1, .prefix = {.fd = -1, .lock = -1}, .scratch = {.fd = -1}};
    int rc = check_name(path);

    if (rc < 0)
        return rc;
    rc = files_open_directory(path, 0755, &d.path, &d.fd);
    if (rc < 0)
        return cannot_use(path, rc);
    rc = check_name(d.path);
    if (rc == 0)
        rc = refuse_index(&d);
    if (rc == 0)
        rc = settle_owner(&d, path, user);
    if (rc == 0)
        rc = adopt_prefix(&d);
    if (rc < 0) {
        volume_dir_close(&d);
        return rc;
    }
    *dir = d;
    return 0;
}

int volume_dir_open(struct volume_dir *dir)
{
    int rc = prefix_open(dir->fd, VOLUME_DIR_PREFIX, dir->path, &dir->account, &dir->prefix);

    if (rc == 0)
        rc = settle_id(dir);
    return rc == 0 ? settle_disk(dir) : rc;
}

static void inspect_id(struct volume_dir *dir)
{
    int at = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = at >= 0
                 ? openat(at, VOLUME_DIR_PREFIX, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                 : -1;

    strcpy(dir->id, NO_ID);
    if (fd >= 0) {
        volume_id_read(fd, dir->id);
        close(fd);
    }
    if (at >= 0)
        close(at);
}

int volume_dir_inspect(const char *path, const char *user, struct volume_dir *dir)
{
    struct volume_dir d = {.fd = -1, .prefix = {.fd = -1, .lock = -1}, .scratch = {.fd = -1}};
    struct stat st = {.st_uid = 0};
    int rc;

    d.path = realpath(path, NULL);
    if (d.path == NULL)
        d.path = files_make_absolute(path);
    if (d.path == NULL)
        return cannot_use(path, -ENOMEM);
    stat(d.path, &st);
    rc = check_name(d.path);
    if (rc == 0)
        rc = account_choose(user, st.st_uid, &d.account);
    if (rc < 0) {
        volume_dir_close(&d);
        return rc;
    }
    inspect_id(&d);
    *dir = d;
    return 0;
}

void volume_dir_close(struct volume_dir *dir)
{
    volume_scratch_remove(&dir->scratch);
    prefix_close(&dir->prefix);
    if (dir->fd >= 0)
        close(dir->fd);
    free(dir->path);
    dir->fd = -1;
    dir->path = NULL;
}
