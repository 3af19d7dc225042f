/* A lock that one process holds on a directory: an flock(2) on a file in it that also names the
 * holder's pid. The kernel drops it when the holder dies, however it dies, so it is never stale;
 * the file itself stays behind. */
#ifndef MKV_BASE_LOCKFILE_H
#define MKV_BASE_LOCKFILE_H

#include <sys/types.h>

/* Takes the lock at `path`, creating the file with mode 0600. On success *fd is the lock, closed
 * on exec and owned by the caller. When another process holds or shares it: -EWOULDBLOCK and its
 * pid in *holder, or 0 where the file doesn't tell. Else a -errno. */
int lockfile_acquire(const char *path, int *fd, pid_t *holder);

/* The same without a change, as where the file system can't be written: the file must be there, and
 * goes on to name the last holder that could write. */
int lockfile_acquire_read_only(const char *path, int *fd, pid_t *holder);

/* Takes it together with others who do so, and leaves the file as it is, which must be there. They
 * aren't named in it. Else as lockfile_acquire(). */
int lockfile_share(const char *path, int *fd, pid_t *holder);

/* Takes the lock of an index's directory, DIRECTORY/lock, by one of these. 0 and *fd; or a negative
 * UV_E* after one log line, UV_EBUSY when another process has it. */
typedef int (*lockfile_fn)(const char *path, int *fd, pid_t *holder);
int lockfile_take_index(const char *directory, lockfile_fn lock, int *fd);

/* Lets go of a lock and closes `fd`. */
void lockfile_release(int fd);

#endif
