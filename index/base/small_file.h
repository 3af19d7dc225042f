/* Small files that are read and replaced as a whole. */
#ifndef MKV_BASE_SMALL_FILE_H
#define MKV_BASE_SMALL_FILE_H

#include "index/base/buf.h"

/* Appends what the file holds, `max` bytes at most. 0; -ENOENT, -EFBIG, -ENOMEM or another -errno.
 */
int small_file_read(const char *directory, const char *name, size_t max, struct buf *out);

/* Replaces the file, 0600, by these bytes: at every instant, a crash or power cut leaves the old
 * ones or the new ones. 0, durably, or -errno. Blocks. */
int small_file_replace(const char *directory, const char *name, const void *bytes, size_t n);

#endif
