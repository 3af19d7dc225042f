#include "launcher/volume/volume_trial.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "index/base/disk_error.h"
#include "index/base/local_socket.h"
#include "index/base/log.h"
#include "index/base/shortage.h"

#define TRIAL_NAME "trial" /* in .mkv, where no other user can put anything */
#define LONG_NAME  255     /* bytes; the longest name that a blob's path has */
#define GENERATION 17      /* bytes of ".GGGGGGGGGGGGGGGG", at the end of a blob's name */

const char *volume_condition_name(enum volume_condition condition)
{
    static const char *const names[] = {
        [VOLUME_IS_UP] = "up",
        [VOLUME_IS_READ_ONLY] = "read-only",
        [VOLUME_IS_DOWN] = "down",
    };

    return names[condition];
}

static void __attribute__((format(printf, 3, 4)))
find(struct volume_finding *finding, enum volume_condition condition, const char *format, ...)
{
    va_list args;

    finding->condition = condition;
    va_start(args, format);
    vsnprintf(finding->reason, sizeof(finding->reason), format, args);
    va_end(args);
}

/* --- While it runs --------------------------------------------------------------------------- */

/* Whether it was mkv itself that was short of something, which says nothing of the disk. */
static bool is_our_want(int rc)
{
    if (rc >= 0 || !is_shortage(-rc))
        return false;
    log_limited(LOG_LEVEL_WARN, "the disk can't be tried: %s (here, not there)", strerror(-rc));
    return true;
}

/* 1 when the path leads to what is open, else 0; or -errno when that can't be told. */
static int is_same(int parent, const char *path, int fd)
{
    struct stat there;
    struct stat held;
    int rc;

    if (fstatat(parent, path, &there, AT_SYMLINK_NOFOLLOW) < 0 || fstat(fd, &held) < 0) {
        rc = -errno;
        return is_our_want(rc) ? rc : 0;
    }
    return there.st_dev == held.st_dev && there.st_ino == held.st_ino;
}

/* That nothing at all can be written is told by the next trial; and that something has gone this
 * moment, when nginx isn't running and what it left is being deleted. */
static void mend(const struct volume_dir *dir, struct volume_finding *finding)
{
    int rc = prefix_mend(dir->prefix.fd, &dir->account);

    if (rc < 0 && rc != -EROFS && !disk_is_full(-rc) && rc != -ENOENT && !is_our_want(rc))
        find(finding, VOLUME_IS_READ_ONLY, "the directories in .mkv/tmp can't be made: %s",
             strerror(-rc));
}

/* nginx serves the directory that is held, so what it reads is right wherever the path leads to.
 * But whoever unmounted the disk wants it to be still. A volume that was started on a read-only
 * disk is served by its path, and what is read there now is not its own. */
void volume_trial_look(const struct volume_dir *dir, struct volume_finding *finding)
{
    int by_path = is_same(AT_FDCWD, dir->path, dir->fd);
    int prefix = is_same(dir->fd, VOLUME_DIR_PREFIX, dir->prefix.fd);
    struct statvfs fs;
    int rc = fstatvfs(dir->fd, &fs) < 0 ? -errno : 0;

    if (by_path < 0 || prefix < 0 || is_our_want(rc))
        return;
    *finding = (struct volume_finding){.condition = VOLUME_IS_UP};
    if (rc < 0) {
        find(finding, VOLUME_IS_DOWN, "its disk can't be asked: %s", strerror(-rc));
        return;
    }
    finding->total = (unsigned long long)fs.f_blocks * fs.f_frsize;
    finding->free = (unsigned long long)fs.f_bavail * fs.f_frsize;
    if (fs.f_files > 0 && fs.f_favail == 0) /* who has no fixed number of inodes says 0 of 0 */
        finding->free = 0;
    if (!by_path)
        find(finding, dir->prefix.read_only ? VOLUME_IS_DOWN : VOLUME_IS_READ_ONLY,
             "its directory was moved or unmounted: put it back, or start mkv again");
    else if (!prefix)
        find(finding, VOLUME_IS_READ_ONLY, "the directory .mkv in it was moved or deleted");
    else if (!dir->prefix.read_only)
        mend(dir, finding);
}

static int write_and_sync(int file)
{
    if (write(file, "trial\n", 6) < 0 || fsync(file) < 0)
        return -errno;
    return 0;
}

static int make_file(int directory, const char *name)
{
    int fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

    return fd < 0 ? -errno : fd;
}

static int try_file(int directory)
{
    int file;
    int rc;

    if (unlinkat(directory, TRIAL_NAME, 0) < 0 && errno != ENOENT)
        return -errno;
    file = make_file(directory, TRIAL_NAME);
    if (file < 0)
        return file;
    rc = write_and_sync(file);
    close(file);
    if (unlinkat(directory, TRIAL_NAME, 0) < 0 && rc == 0)
        rc = -errno;
    return rc;
}

void volume_trial_write(const struct volume_dir *dir, struct volume_finding *finding)
{
    int rc = try_file(dir->prefix.fd);

    if (is_our_want(rc))
        return;
    finding->condition = VOLUME_IS_UP;
    finding->reason[0] = '\0';
    if (rc == -EROFS)
        find(finding, VOLUME_IS_READ_ONLY, "its disk is read-only");
    else if (rc < 0 && !disk_is_full(-rc)) /* how much is left is told on its own */
        find(finding, VOLUME_IS_READ_ONLY, "its disk can't be written: %s", strerror(-rc));
    else if (dir->prefix.read_only)
        find(finding, VOLUME_IS_READ_ONLY, "it was started on a read-only disk: start mkv again");
}

/* --- At the start ---------------------------------------------------------------------------- */

/* 0 when a file by a name of so many bytes can be made, -ENAMETOOLONG, or another -errno. */
static int try_name(int directory, size_t len)
{
    char name[LONG_NAME + 1];
    int fd;

    memset(name, 'n', len);
    name[len] = '\0';
    fd = make_file(directory, name);
    if (fd < 0)
        return fd;
    close(fd);
    return unlinkat(directory, name, 0) < 0 ? -errno : 0;
}

/* Bytes of the longest name. */
static unsigned find_longest_name(const struct volume_dir *dir)
{
    unsigned good = 0;
    unsigned bad = LONG_NAME;

    if (try_name(dir->prefix.fd, LONG_NAME) != -ENAMETOOLONG)
        return LONG_NAME;
    while (good + 1 < bad) {
        unsigned middle = (good + bad) / 2;

        if (try_name(dir->prefix.fd, middle) == -ENAMETOOLONG)
            bad = middle;
        else
            good = middle;
    }
    return good;
}

/* A name is the base64 of a key with its slash, and the generation. (A '/' in the base64 ends it,
 * so a longer key may do.) */
static void warn_of_short_names(const struct volume_dir *dir)
{
    unsigned base64 = dir->name_max > GENERATION ? dir->name_max - GENERATION : 0;

    log_warn("the file system of %s has names of %u bytes at most: most keys of more than %u bytes "
             "can't be stored there",
             dir->path, dir->name_max, base64 >= 4 ? base64 / 4 * 3 - 1 : 0);
}

/* -EINVAL when "TRIAL" is found where "trial" was made. */
static int try_case(int directory)
{
    return faccessat(directory, "TRIAL", F_OK, AT_SYMLINK_NOFOLLOW) == 0 ? -EINVAL : 0;
}

static int refuse(const struct volume_dir *dir, int rc)
{
    if (rc == -EINVAL)
        log_error("the file system of %s takes names that differ in case alone for one: values "
                  "would replace each other",
                  dir->path);
    else
        log_error("nothing can be made durable in %s: fsync says %s", dir->path, strerror(-rc));
    return rc;
}

static int try_what_it_can_do(struct volume_dir *dir, int file)
{
    int rc = try_case(dir->prefix.fd);

    if (rc == 0 && (write(file, "trial\n", 6) >= 0 || disk_is_full(errno)) && fsync(file) < 0 &&
        !disk_is_full(errno))
        rc = errno == EINVAL ? -EOPNOTSUPP : -errno;
    if (rc < 0)
        return refuse(dir, rc);
    if (fsetxattr(file, "user.mkv-trial", "", 0, 0) < 0 && errno == EOPNOTSUPP)
        log_warn("the file system of %s has no extended attributes: a rebuild of the index can't "
                 "have MD5s and S3's metadata from the files there, but from a backup alone",
                 dir->path);
    dir->name_max = find_longest_name(dir);
    if (dir->name_max < LONG_NAME)
        warn_of_short_names(dir);
    return 0;
}

bool volume_trial_socket(const struct volume_dir *dir)
{
    int fd = local_socket_bind(dir->prefix.fd, TRIAL_NAME);

    if (fd < 0)
        return false;
    close(fd);
    unlinkat(dir->prefix.fd, TRIAL_NAME, 0);
    return true;
}

int volume_trial_start(struct volume_dir *dir)
{
    int file;
    int rc;

    unlinkat(dir->prefix.fd, TRIAL_NAME, 0); /* what a crash has left there */
    file = make_file(dir->prefix.fd, TRIAL_NAME);
    if (disk_is_full(-file)) /* a full volume is served, too */
        return 0;
    if (file < 0) {
        log_error("cannot make a file in %s: %s", dir->prefix.path, strerror(-file));
        return file;
    }
    rc = try_what_it_can_do(dir, file);
    close(file);
    unlinkat(dir->prefix.fd, TRIAL_NAME, 0);
    return rc;
}
