/* Whom nginx runs as, master and workers. mkv started by root gives nginx none of root's rights:
 * what it touches by name lies in directories that its own user can rearrange. */
#ifndef MKV_LAUNCHER_ACCOUNT_H
#define MKV_LAUNCHER_ACCOUNT_H

#include <stdbool.h>
#include <sys/types.h>

#define ACCOUNT_NAME_MAX   64
#define ACCOUNT_GROUPS_MAX 64

struct account {
    bool privileged; /* mkv runs as root, so the rest says who nginx is */
    uid_t uid;
    gid_t gid;
    gid_t groups[ACCOUNT_GROUPS_MAX]; /* all that the user is in */
    size_t n_groups;
    char user[ACCOUNT_NAME_MAX];
};

/* Chooses: `user` where given, else `owner` where that isn't root, else www-data, else nobody. For
 * an ordinary user there is no choice. 0, or -errno after one log line. */
int account_choose(const char *user, uid_t owner, struct account *account);

/* Tells whether that account could read, write and enter the directory `path`, by trying it in a
 * child; on a file system that nobody can write, read and enter. 0 or -errno. Not for when SIGCHLD
 * is watched. */
int account_try_directory(const struct account *account, const char *path);

/* Becomes that account, for good; nothing for an ordinary user. Async-signal-safe, for a forked
 * child. 0 or -errno. */
int account_assume(const struct account *account);

/* Gives the open file to that account; nothing for an ordinary user. 0 or -errno. */
int account_give(const struct account *account, int fd);

#endif
