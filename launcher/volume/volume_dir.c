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

/* Was this directory, which is root's, meant to be a volume? Someone's / or /home is not. */
static int is_for_volume(const struct volume_dir *dir, bool *yes)
{
    if (faccessat(dir->fd, VOLUME_DIR_PREFIX, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
        return files_is_empty(dir->fd, yes);
    *yes = true;
    return 0;
}

/* As root: gives a directory of root's to nginx's user, unless it holds something else. */
static int give_away(const struct volume_dir *dir, bool chosen)
{
    bool yes = false;
    int rc = is_for_volume(dir, &yes);

    if (rc < 0)
        return cannot_use(dir->path, rc);
    if (!yes && chosen)
        return 0;
    if (!yes) {
        log_error("%s belongs to root and holds other files: chown it to the user that nginx is "
                  "to run as, or pass --user NAME",
                  dir->path);
        return -EPERM;
    }
    rc = account_give(&dir->account, dir->fd);
    if (rc < 0)
        return cannot_use(dir->path, rc);
    log_info("%s now belongs to %s, the user that nginx runs as", dir->path, dir->account.user);
    return 0;
}

static int settle_owner(struct volume_dir *dir, const char *user)
{
    struct stat st;
    int rc;

    if (fstat(dir->fd, &st) < 0)
        return cannot_use(dir->path, -errno);
    rc = account_choose(user, st.st_uid, &dir->account);
    if (rc == 0 && dir->account.privileged && st.st_uid == 0 && dir->account.uid != 0)
        rc = give_away(dir, user != NULL);
    if (rc < 0)
        return rc;
    rc = account_try_directory(&dir->account, dir->path);
    if (rc == 0)
        return 0;
    if (!dir->account.privileged)
        return cannot_use(dir->path, rc);
    log_error("%s, whom nginx runs as, cannot write %s (%s): give it to that user, and make every "
              "directory above it searchable, or pass --user NAME",
              dir->account.user, dir->path, strerror(-rc));
    return rc;
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

int volume_dir_open(const char *path, const char *user, struct volume_dir *dir)
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
        rc = settle_owner(&d, user);
    if (rc == 0)
        rc = prefix_open(d.fd, VOLUME_DIR_PREFIX, d.path, &d.account, &d.prefix);
    if (rc == 0)
        rc = settle_id(&d);
    if (rc == 0)
        rc = settle_disk(&d);
    if (rc < 0) {
        volume_dir_close(&d);
        return rc;
    }
    *dir = d;
    return 0;
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
