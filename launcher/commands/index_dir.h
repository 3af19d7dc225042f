/* The index directory, as the subcommands find it. */
#ifndef MKV_LAUNCHER_INDEX_DIR_H
#define MKV_LAUNCHER_INDEX_DIR_H

#include "launcher/nginx/account.h"
#include "launcher/options.h"

#define INDEX_DIR_OPTION(type, field)                                                              \
    {                                                                                              \
        "index", "DIR", "./mkv-index", "the index directory", option_set_string,                   \
            offsetof(type, field)                                                                  \
    }

/* Makes the directory at `path` where it is missing, 0700, opens it, and settles whose it is:
 * owner_settle(). *real is its path without symbolic links, the caller's to free. 0, or -errno
 * after one log line: -EEXIST for a volume's directory. */
int index_dir_claim(const char *path, const char *user, struct account *account, char **real,
                    int *fd);

/* Opens one that holds an index, be it an empty one. 0, or -errno after one log line. */
int index_dir_find(const char *path, int *fd);

/* For those who open the index themselves: as root they would leave files in another user's index
 * that its owner can't open, so root becomes that owner, for good. 0, or -errno after one log line.
 */
int index_dir_become_owner(int fd);

/* index_dir_claim(), and becomes that account, for those who need the path alone. */
int index_dir_prepare(const char *path, char **real);

#endif
