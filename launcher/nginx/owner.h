/* Whose a directory is that mkv, started by root, is to serve from as an ordinary user. */
#ifndef MKV_LAUNCHER_OWNER_H
#define MKV_LAUNCHER_OWNER_H

#include "launcher/nginx/account.h"

/* A directory that was opened. */
struct owner_directory {
    const char *given; /* the path that the user gave */
    const char *path;  /* the same without links */
    int fd;
    bool ours; /* it is a volume or an index already */
};

/* Chooses the account that serves the directory: `user` where given, else its owner, else www-data.
 * Root gives it a directory of root's that is empty, or ours already; one that holds something
 * else is refused, unless `user` can write it, and one to which a link of another user led. Sees to
 * it that the account can write it. For an ordinary user only that. 0, or -errno after one log line
 * that names the mend. Not for when SIGCHLD is watched. */
int owner_settle(const struct owner_directory *directory, const char *user,
                 struct account *account);

/* Gives to the account what root made, the open `fd`: a regular file or a directory of root's that
 * nobody else could write, and that has no other name. 0, also for all else, or -errno. */
int owner_give(const struct account *account, int fd);

#endif
