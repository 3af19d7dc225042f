/* The extended attribute of a blob's file, in which an index keeps what the name doesn't say. Its
 * bytes mean nothing here. */
#ifndef MKV_LAUNCHER_ATTRIBUTE_H
#define MKV_LAUNCHER_ATTRIBUTE_H

#include <stddef.h>

#define ATTRIBUTE_NAME "user.mkv"
#define ATTRIBUTE_MAX  3072 /* bytes that can be set: ext4 has some 4,000 for all of a file's */

struct attribute {
    const unsigned char *bytes; /* NULL: none is to be set */
    size_t len;
};

/* Sets the attribute of an open file, for which it need not be open for writing. 0, also where the
 * file system has none or no room for it, of which attribute_log_refusal() will tell; or -errno.
 * A file that has these very bytes already is not touched. Blocks; for any thread. */
int attribute_set(int fd, const struct attribute *attribute);

/* Says once in the life of the process that attributes could not be set, if that was so. For the
 * main thread. */
void attribute_log_refusal(void);

#endif
