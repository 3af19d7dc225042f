/* Reads a directory for the names in it that lead to blobs, and come after some other one. */
#ifndef MKV_LAUNCHER_LIST_READ_H
#define MKV_LAUNCHER_LIST_READ_H

#include <stdbool.h>

#include "launcher/volume/list_names.h"
#include "launcher/volume/sync_path.h"

#define LIST_PATH_SIZE (SYNC_PATH_MAX + LIST_NAME_MAX + 2)

/* What is read, and from where on. The fields are the caller's. */
struct list_reading {
    char path[LIST_PATH_SIZE]; /* of the directory, with a slash in front and none after: "" for
                                  the volume's own */
    size_t path_len;
    const char *bound; /* names and what is after them are to be greater than this rest of a path */
    bool is_again;     /* a directory that `bound` leads into is done, with all that is in it */
    _Alignas(8) char entries[32768]; /* as the kernel writes them */
};

/* Some of the directory `fd`, which is at reading->path: adds names that `limit` and
 * list_names_add() leave room for. 1 when there is more to read, 0 at the end, -ENOMEM, or what
 * getdents64(2) failed with. */
int list_read_some(struct list_reading *reading, int fd, struct list_names *names, size_t limit);

#endif
