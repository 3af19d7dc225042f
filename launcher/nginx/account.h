/* Whom mkv and nginx run as. mkv started by root becomes that user before it reads a request, and
 * before it touches by name what lies in directories that the user can rearrange. */
#ifndef MKV_LAUNCHER_ACCOUNT_H
#define MKV_LAUNCHER_ACCOUNT_H

#include <stdbool.h>
#include <sys/types.h>

#define ACCOUNT_NAME_MAX   64
#define ACCOUNT_GROUPS_MAX 64

struct account {
    bool privileged; /* mkv still is root, so the rest says who it is to become */
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

/* The owner `uid` and `gid` of a directory, be it one without a name, for root to become. 0, or
 * -errno after one log line. */
int account_of_owner(uid_t uid, gid_t gid, struct account *account);

/* account_assume(), and sees to it that nothing of root's is left. Afterwards the account is an
 * ordinary user's: not privileged. Before there are threads. 0, or -errno after one log line. */
int account_become(struct account *account);

/* Gives the open file to that account; nothing for an ordinary user. 0 or -errno. */
int account_give(const struct account *account, int fd);

#endif
