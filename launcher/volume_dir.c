#include "launcher/volume_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/base/log.h"
#include "launcher/files.h"
#include "launcher/template.h"
#include "launcher/volume_id.h"

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

static char *prefix_path(const struct volume_dir *dir)
{
    char *path;

    return asprintf(&path, "%s/.mkv", dir->path) < 0 ? NULL : path;
}

/* Was this directory, which is root's, meant to be a volume? Someone's / or /home is not. */
static int is_for_volume(const struct volume_dir *dir, bool *yes)
{
    char *prefix = prefix_path(dir);
    int rc = 0;

    if (prefix == NULL)
        return -ENOMEM;
    if (access(prefix, F_OK) == 0)
        *yes = true;
    else
        rc = files_is_empty(dir->path, yes);
    free(prefix);
    return rc;
}

/* As root: gives a directory of root's to the workers' user, unless it holds something else. */
static int give_to_workers(const struct volume_dir *dir, bool chosen)
{
    const struct account *a = &dir->account;
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
    if (chown(dir->path, a->uid, a->gid) < 0)
        return cannot_use(dir->path, -errno);
    log_info("%s now belongs to %s, the user that nginx workers run as", dir->path, a->user);
    return 0;
}

static int settle_owner(struct volume_dir *dir, const char *user)
{
    struct stat st;
    int rc;

    if (stat(dir->path, &st) < 0)
        return cannot_use(dir->path, -errno);
    rc = account_choose(user, st.st_uid, &dir->account);
    if (rc == 0 && dir->account.privileged && st.st_uid == 0 && dir->account.uid != 0)
        rc = give_to_workers(dir, user != NULL);
    if (rc < 0)
        return rc;
    rc = account_try_directory(&dir->account, dir->path);
    if (rc == 0)
        return 0;
    if (!dir->account.privileged)
        return cannot_use(dir->path, rc);
    log_error("%s, whom nginx workers run as, cannot write %s (%s): give it to that user, and make "
              "every directory above it searchable, or pass --user NAME",
              dir->account.user, dir->path, strerror(-rc));
    return rc;
}

static int open_prefix(struct volume_dir *dir)
{
    char *path = prefix_path(dir);
    int rc;

    if (path == NULL)
        return -ENOMEM;
    rc = prefix_open(path, dir->path, &dir->prefix);
    free(path);
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

int volume_dir_open(const char *path, const char *user, struct volume_dir *dir)
{
    struct volume_dir d = {.prefix = {.fd = -1, .lock = -1}};
    int rc = check_name(path);

    if (rc < 0)
        return rc;
    rc = files_make_directories(path, 0755);
    if (rc < 0)
        return cannot_use(path, rc);
    d.path = realpath(path, NULL);
    if (d.path == NULL)
        return cannot_use(path, -errno);
    rc = check_name(d.path);
    if (rc == 0)
        rc = settle_owner(&d, user);
    if (rc == 0)
        rc = open_prefix(&d);
    if (rc == 0)
        rc = settle_id(&d);
    if (rc < 0) {
        volume_dir_close(&d);
        return rc;
    }
    *dir = d;
    return 0;
}

static void inspect_id(struct volume_dir *dir)
{
    char *path = prefix_path(dir);
    int fd = path != NULL ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    strcpy(dir->id, NO_ID);
    if (fd >= 0) {
        volume_id_read(fd, dir->id);
        close(fd);
    }
    free(path);
}

int volume_dir_inspect(const char *path, const char *user, struct volume_dir *dir)
{
    struct volume_dir d = {.prefix = {.fd = -1, .lock = -1}};
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
    prefix_close(&dir->prefix);
    free(dir->path);
    dir->path = NULL;
}
