#include "launcher/volume/sync_disk.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "index/base/disk_error.h"
#include "index/base/shortage.h"
#include "launcher/volume/sync_path.h"

/* Bytes of others' that syncfs(2) may write for each file of ours. Measured on ext4: an fsync of a
 * small file and its directories costs what it takes to write 0.4 MiB on an SSD, and more on a
 * disk that seeks. */
#define DIRTY_PER_FILE (1 << 20)

/* One step of the walk below: the next component of *path. The descriptor or a -errno. */
static int open_component(int at, const char **path, int flags)
{
    size_t n = strcspn(*path, "/");
    bool last = (*path)[n] == '\0';
    char name[NAME_MAX + 1];
    int fd;

    if (n > NAME_MAX)
        return -ENAMETOOLONG;
    memcpy(name, *path, n);
    name[n] = '\0';
    if (n == 0 || strcmp(name, "..") == 0)
        return -EXDEV;
    fd = openat(at, name, O_NOFOLLOW | (last ? flags : O_PATH | O_DIRECTORY | O_CLOEXEC));
    *path += last ? n : n + 1;
    return fd < 0 ? -errno : fd;
}

/* What openat2(2) does, component by component: for kernels before 5.6, and for containers whose
 * seccomp filter doesn't know it. */
static int walk_beneath(int directory, const char *path, int flags)
{
    int at = directory;

    do {
        int next = open_component(at, &path, flags);

        if (at != directory)
            close(at);
        if (next < 0)
            return next;
        at = next;
    } while (*path != '\0');
    return at;
}

int sync_disk_open(int directory, const char *path, uint64_t flags)
{
    struct open_how how = {
        .flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | flags,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
    };
    long fd;

    do
        fd = syscall(SYS_openat2, directory, path, &how, sizeof(how));
    while (fd < 0 && (errno == EAGAIN || errno == EINTR));
    if (fd < 0 && (errno == ENOSYS || errno == EPERM))
        return walk_beneath(directory, path, (int)how.flags);
    return fd < 0 ? -errno : (int)fd;
}

/* Notes which file it is. Setting an attribute changes st_ctime, so that alone can't tell. 0, or
 * -ENOENT when it is none. */
static int identify(int fd, struct sync_file *file)
{
    struct statx st;
    struct statx_timestamp born;

    if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &st) < 0)
        return -errno;
    if (!S_ISREG(st.stx_mode))
        return -ENOENT;
    born = (st.stx_mask & STATX_BTIME) != 0 ? st.stx_btime : st.stx_ctime;
    file->device = makedev(st.stx_dev_major, st.stx_dev_minor);
    file->inode = st.stx_ino;
    file->born = (struct timespec){.tv_sec = born.tv_sec, .tv_nsec = born.tv_nsec};
    return 0;
}

int sync_disk_open_file(int directory, struct sync_file *file)
{
    int fd = sync_disk_open(directory, file->path, 0);

    if (fd == -ENOTDIR || fd == -ELOOP)
        fd = -ENOENT;
    if (fd < 0)
        return file->rc = fd;
    file->rc = identify(fd, file);
    if (file->rc == 0 && file->attribute != NULL && file->attribute->bytes != NULL) {
        file->rc = attribute_set(fd, file->attribute);
        if (file->rc == 0)
            file->rc = identify(fd, file);
        else
            file->inode = 0; /* no doubt is cast on its data */
    }
    if (file->rc < 0) {
        close(fd);
        return file->rc;
    }
    return fd;
}

/* Of a call that writes back, which has failed: what it could not write may be lost, also when it
 * was memory that was short. */
static int write_failure(void)
{
    return is_shortage(errno) ? -EIO : -errno;
}

static int sync_and_close(int fd)
{
    int rc = fsync(fd) < 0 ? write_failure() : 0;

    close(fd);
    return rc;
}

static int sync_piece(int fd, off_t at, unsigned how)
{
    if (sync_file_range(fd, at, SYNC_DISK_PIECE, how) == 0)
        return 0;
    return errno == EIO || disk_is_full(errno) ? -errno : 0; /* else fsync will do */
}

int sync_disk_write_piece(int fd, off_t at)
{
    int rc = sync_piece(fd, at, SYNC_FILE_RANGE_WRITE);

    if (rc == 0 && at > 0)
        rc = sync_piece(fd, at - SYNC_DISK_PIECE, SYNC_FILE_RANGE_WAIT_BEFORE);
    return rc;
}

/* Writes a huge file piece by piece: one fsync(2) of all may take minutes on a disk that is merely
 * slow. */
static int write_back(int fd, sync_moved_cb moved, void *arg)
{
    struct stat st;
    int rc = 0;

    if (fstat(fd, &st) < 0 || st.st_size <= SYNC_DISK_PIECE)
        return 0;
    for (off_t at = 0; rc == 0 && at < st.st_size; at += SYNC_DISK_PIECE) {
        rc = sync_disk_write_piece(fd, at);
        moved(arg);
    }
    return rc;
}

void sync_disk_file(int directory, struct sync_file *file, sync_moved_cb moved, void *arg)
{
    int fd = sync_disk_open_file(directory, file);
    int written;

    if (fd < 0)
        return;
    written = write_back(fd, moved, arg);
    file->rc = sync_and_close(fd);
    if (written < 0)
        file->rc = written;
}

int sync_disk_directory(int directory, const char *path, size_t len)
{
    char name[SYNC_PATH_MAX];
    int fd;

    assert(len < sizeof(name));
    memcpy(name, path, len);
    strcpy(name + len, len == 0 ? "." : "");
    fd = sync_disk_open(directory, name, O_DIRECTORY);
    return fd < 0 ? fd : sync_and_close(fd);
}

/* A file on another file system that is mounted below the directory: the way without syncfs(2). */
static int sync_foreign(int directory, const struct sync_file *file, int fd)
{
    int rc = fsync(fd) < 0 ? write_failure() : 0;

    for (size_t len = strlen(file->path); rc == 0 && len > 0; len--) {
        if (file->path[len] == '/')
            rc = sync_disk_directory(directory, file->path, len);
    }
    return rc;
}

/* Did writing this file back fail before or during the syncfs(2)? Kernels before 5.8 don't report
 * it there. Waits for nothing that isn't written already. */
static int written_back(int fd)
{
    return sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE) < 0 ? write_failure() : 0;
}

int sync_disk_group(int directory, struct sync_file *files, size_t n)
{
    int fds[SYNC_DISK_GROUP];
    struct stat st;
    int rc = 0;

    assert(n <= SYNC_DISK_GROUP);
    for (size_t i = 0; i < n; i++)
        fds[i] = sync_disk_open_file(directory, &files[i]);
    if (fstat(directory, &st) < 0 || syncfs(directory) < 0)
        rc = write_failure();
    for (size_t i = 0; i < n; i++) {
        if (fds[i] < 0)
            continue;
        if (rc < 0)
            files[i].rc = rc;
        else if (files[i].device != st.st_dev)
            files[i].rc = sync_foreign(directory, &files[i], fds[i]);
        else
            files[i].rc = written_back(fds[i]);
        close(fds[i]);
    }
    return rc;
}

bool sync_disk_has_syncfs(int directory)
{
    struct statfs fs;

    return fstatfs(directory, &fs) == 0 && fs.f_type == EXT4_SUPER_MAGIC;
}

/* The magic number of ext4 is ext2's too, which has no log; so its name is looked for. */
bool sync_disk_syncs_names(int directory)
{
    char device[48];
    char line[4096];
    bool found = false;
    struct stat st;
    FILE *in = NULL;

    if (fstat(directory, &st) == 0)
        in = fopen("/proc/self/mountinfo", "re");
    if (in == NULL)
        return false;
    snprintf(device, sizeof(device), " %u:%u ", major(st.st_dev), minor(st.st_dev));
    while (!found && fgets(line, sizeof(line), in) != NULL) {
        const char *type = strstr(line, " - ");

        found = strstr(line, device) != NULL && type != NULL &&
                (strncmp(type, " - ext4 ", 8) == 0 || strncmp(type, " - xfs ", 7) == 0);
    }
    fclose(in);
    return found;
}

/* Once a process is locked in, no file but this open one tells. */
static int memory = -1;

static int open_memory(void)
{
    if (memory < 0)
        memory = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
    return memory < 0 ? -errno : 0;
}

void sync_disk_prepare(void)
{
    open_memory();
}

static unsigned long long find_kib(const char *text, const char *name)
{
    const char *at = strstr(text, name);

    return at != NULL ? strtoull(at + strlen(name), NULL, 10) : 0;
}

bool sync_disk_prefers_syncfs(size_t n)
{
    char text[4096];
    ssize_t len;

    if (n < 2 || open_memory() < 0)
        return false;
    len = pread(memory, text, sizeof(text) - 1, 0);
    if (len <= 0)
        return false;
    text[len] = '\0';
    return find_kib(text, "\nDirty:") + find_kib(text, "\nWriteback:") <=
           (unsigned long long)n * DIRTY_PER_FILE / 1024;
}
