/* nginx's access log, which nginx opens by name as its own user. */
#ifndef MKV_LAUNCHER_ACCESS_LOG_H
#define MKV_LAUNCHER_ACCESS_LOG_H

#include "launcher/nginx/account.h"

/* Refuses a FIFO or a socket at `path`, where nginx could wait for ever. 0, or -EINVAL after one
 * log line that names the file. */
int access_log_check(const char *path);

/* The same, and sees to it that `account` can append to the file `path`, made where it is missing:
 * root makes it for its user where that user could not, as in /var/log. To be called before nginx
 * opens it, the first time or again. 0, or -errno after one log line that names the file. */
int access_log_prepare(const char *path, const struct account *account);

/* Gives our own log file `path` to `account`, which is to open it again by name, where it is root's
 * in a directory of root's. 0, also where there is nothing to give, or a -errno. */
int access_log_give_own(const char *path, const struct account *account);

#endif
