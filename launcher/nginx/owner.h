/* Whose a directory is that mkv, started by root, is to serve from as an ordinary user. */
#ifndef MKV_LAUNCHER_OWNER_H
#define MKV_LAUNCHER_OWNER_H

#include "launcher/nginx/account.h"

/* Chooses the account that serves the directory `fd`, whose path is `path`: `user` where given,
 * else its owner, else www-data. Root gives it a directory of root's that is empty, or that is
 * `ours` already; one that holds something else is refused, unless `user` can write it. Sees to it
 * that the account can. For an ordinary user only that. 0, or -errno after one log line that names
 * the mend. Not for when SIGCHLD is watched. */
int owner_settle(const char *path, int fd, const char *user, bool ours, struct account *account);

/* Gives to the account what root made, the open `fd`: a regular file or a directory of root's that
 * nobody else could write, and that has no other name. 0, also for all else, or -errno. */
int owner_give(const struct account *account, int fd);

#endif
