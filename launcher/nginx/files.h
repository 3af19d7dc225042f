/* What the launcher does to directories. */
#ifndef MKV_LAUNCHER_FILES_H
#define MKV_LAUNCHER_FILES_H

#include <stdbool.h>
#include <sys/types.h>

/* Makes the directory at `path` where it is missing, with `mode`, and those above it, 0755, and
 * brings their names to disk. 0 or -errno. */
int files_make_directories(const char *path, mode_t mode);

/* Deletes everything in the directory `fd` and follows no symbolic link. 0, or -errno of the first
 * thing that stayed. */
int files_clear_directory(int fd);

/* Makes the directory at `path` where it is missing, as above, and opens it. Its *real path has no
 * symbolic link and is the caller's to free; *fd is what stood there, whatever takes that place
 * later. 0 or -errno. */
int files_open_directory(const char *path, mode_t mode, char **real, int *fd);

/* Tells whether the directory `fd` holds nothing but what a fresh file system has. 0 or -errno. */
int files_is_empty(int fd, bool *empty);

/* Opens the file `path` below `directory`, or AT_FDCWD, to read it, with `flags` of open(2)
 * besides. What is no plain file, like a FIFO that nobody writes to, is refused and not waited for.
 * The descriptor or a -errno: -EISDIR, or -EINVAL for anything else that is no file. */
int files_open_plain(int directory, const char *path, int flags);

/* Makes `path` absolute without resolving it; it need not exist. Caller frees; NULL when out of
 * memory or when there is no working directory. */
char *files_make_absolute(const char *path);

/* Finds the program `name`, a path or a name for $PATH and /usr/sbin, where ordinary users don't
 * look. 0 and a *path that the caller frees, or a -errno after one log line. */
int files_find_program(const char *name, char **path);

#endif
