/* Makes files durable, by names below a directory, without following a link or leaving it. All of
 * this blocks, and is for worker threads. */
#ifndef MKV_LAUNCHER_SYNC_DISK_H
#define MKV_LAUNCHER_SYNC_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "launcher/volume/attribute.h"

struct sync_file {
    const char *path; /* relative, as sync_path_is_valid() has it but for the leading slash */
    const struct attribute *attribute; /* to be set before, where it has bytes; or NULL */
    int rc;                            /* 0, -ENOENT where no plain file is, or what went wrong */
    dev_t device;                      /* which file stood there; */
    ino_t inode;                       /* 0 while that isn't known */
    struct timespec born; /* where the file system knows; else when it was changed last */
};

/* Called now and then while much is written. */
typedef void (*sync_moved_cb)(void *arg);

/* Opens what is at the relative path, to be read, with `flags` of open(2) besides. The descriptor
 * or a -errno: -ENOENT, -ENOTDIR or -ELOOP when it has gone or links are in the way. */
int sync_disk_open(int directory, const char *path, uint64_t flags);

/* Opens the file, sets its attribute, and notes which it is. The descriptor, or a negative that is
 * in file->rc too: -ENOENT where no plain file is. */
int sync_disk_open_file(int directory, struct sync_file *file);

/* fsync(2) of the file alone, and not of its directories. */
void sync_disk_file(int directory, struct sync_file *file, sync_moved_cb moved, void *arg);

/* fsync(2) of the directory at the relative path of `len` bytes, 0 for `directory` itself. 0 or
 * -errno. */
int sync_disk_directory(int directory, const char *path, size_t len);

#define SYNC_DISK_PIECE (32LL << 20) /* bytes of a file that are written before it gets on */

/* Begins to write the SYNC_DISK_PIECE bytes from `at` on to disk, and waits for the piece before
 * it, so that an fsync(2) at the end has little to do. 0, or the -errno of a disk that fails or is
 * full, which fsync(2) may not tell again. */
int sync_disk_write_piece(int fd, off_t at);

#define SYNC_DISK_GROUP 128 /* files that are held open at once */

/* Makes `n` files, SYNC_DISK_GROUP at most, and all their directories durable, by one syncfs(2).
 * 0, or the -errno of that, which casts doubt on every file that others do in the same way. */
int sync_disk_group(int directory, struct sync_file *files, size_t n);

/* Does syncfs(2) do on this file system what we need? Not on each: FUSE may ignore it. */
bool sync_disk_has_syncfs(int directory);

/* Does an fsync(2) of a new file bring the directories that lead to it to disk as well? POSIX
 * doesn't say so, but ext4 and XFS do it: their logs are in order, and the rename that gave the
 * file its name changed the file too. */
bool sync_disk_syncs_names(int directory);

/* Is one syncfs(2) likely to be faster than an fsync(2) of each of `n` files and their directories?
 * It is, by far, unless it has to write what others left in memory: a huge upload, for one. */
bool sync_disk_prefers_syncfs(size_t n);

/* Opens what sync_disk_prefers_syncfs() reads, for a process that is about to lose the right to. */
void sync_disk_prepare(void);

#endif
