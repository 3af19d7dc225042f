/* The index directory, as the subcommands find it. */
#ifndef MKV_LAUNCHER_INDEX_DIR_H
#define MKV_LAUNCHER_INDEX_DIR_H

#include "launcher/options.h"

#define INDEX_DIR_OPTION(type, field)                                                              \
    {                                                                                              \
        "index", "DIR", "./mkv-index", "the index directory", option_set_string,                   \
            offsetof(type, field)                                                                  \
    }

/* Makes the directory at `path` where it is missing, 0700, and opens it; *real is its path without
 * symbolic links, the caller's to free. 0, or -errno after one log line: -EEXIST for a volume's
 * directory. */
int index_dir_make(const char *path, char **real, int *fd);

/* Opens one that holds an index, be it an empty one. 0, or -errno after one log line. */
int index_dir_find(const char *path, int *fd);

/* For those who open the index themselves: as root they would leave files in another user's index
 * that its owner can't open. 0, or -EPERM after one log line. */
int index_dir_check_owner(const char *path, int fd);

/* index_dir_make() and index_dir_check_owner() for those who need the path alone. */
int index_dir_prepare(const char *path, char **real);

#endif
