/* Whom nginx workers run as. mkv started by root never lets root serve requests unless told so. */
#ifndef MKV_LAUNCHER_ACCOUNT_H
#define MKV_LAUNCHER_ACCOUNT_H

#include <stdbool.h>
#include <sys/types.h>

#include "index/base/buf.h"

#define ACCOUNT_NAME_MAX 64

struct account {
    bool privileged; /* mkv runs as root, so the rest says who the workers are */
    uid_t uid;
    gid_t gid;
    char user[ACCOUNT_NAME_MAX];
    char group[ACCOUNT_NAME_MAX];
};

/* Chooses: `user` where given, else `owner` where that isn't root, else www-data, else nobody. For
 * an ordinary user there is no choice. 0, or -errno after one log line. */
int account_choose(const char *user, uid_t owner, struct account *account);

/* Tells whether that account could read, write and enter the directory `path`, by trying it in a
 * child. 0 or -errno. Not for when SIGCHLD is watched. */
int account_try_directory(const struct account *account, const char *path);

/* Appends nginx's `user` directive, or nothing for an ordinary user, of whom nginx would warn. */
int account_append_directive(const struct account *account, struct buf *out);

#endif
