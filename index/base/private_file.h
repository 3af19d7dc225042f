/* Small files that are read as a whole: those that hold secrets, and nobody else may use; those
 * that anybody may read; and those that say what mkv is to do. */
#ifndef MKV_BASE_PRIVATE_FILE_H
#define MKV_BASE_PRIVATE_FILE_H

#include <stddef.h>

#include "index/base/buf.h"

/* Reads a file that holds a secret into `text`, which is empty; a NUL that doesn't count stands
 * after its last byte. Refuses what is no regular file, what has more than `max` bytes, and what
 * its group or others may use: that is asked of the file that was opened, not of the name. One of
 * root's that root and its group alone may read, 0440, counts as private: a credential of systemd.
 *
 * 0, and the caller wipes `text` (private_file_wipe()); it is in memory once. Or -EPERM (its mode),
 * -EFBIG, -EINVAL (no regular file), -EAGAIN (it changed meanwhile), -ENOMEM, or what opening and
 * reading it failed with. Then `why` is one line that names the file, and `text` is empty. Blocks.
 */
int private_file_read(const char *path, size_t max, struct buf *text, char *why, size_t why_size);

/* The same of a file that anybody may read. */
int public_file_read(const char *path, size_t max, struct buf *text, char *why, size_t why_size);

/* The same of a file that anybody may read, and not everybody may write: it is root's or ours. */
int trusted_file_read(const char *path, size_t max, struct buf *text, char *why, size_t why_size);

/* Overwrites all memory of `text`, and frees it. */
void private_file_wipe(struct buf *text);

#endif
