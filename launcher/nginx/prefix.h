/* nginx's prefix directory: its pid file, its temporary files, and a lock that nginx inherits, so
 * that the directory counts as taken until the last worker of an earlier run is gone. */
#ifndef MKV_LAUNCHER_PREFIX_H
#define MKV_LAUNCHER_PREFIX_H

#include "launcher/nginx/account.h"

struct prefix {
    char *path; /* absolute, for messages alone: the parent's owner can turn it elsewhere */
    int fd;     /* the directory */
    int lock;
    bool read_only; /* it is on a file system that can't be written, and was taken as it is */
};

/* Makes the directory `name` in `parent`, whose path is `subject`, where it is missing, takes its
 * lock and deletes what a crash has left in it. To be called as `account`, whose it is. On a file
 * system that can't be written it must be there, as an earlier run left it. 0, or -errno after one
 * log line: -EWOULDBLOCK when another mkv has it.
 */
int prefix_open(int parent, const char *name, const char *subject, const struct account *account,
                struct prefix *prefix);

/* Empties the prefix directory's tmp/, made where it is missing, when no nginx uses it. 0, also
 * where nothing can be written, or -errno. */
int prefix_sweep(int directory, const struct account *account);

/* Makes tmp/ and nginx's directories in it again where they are missing, while nginx runs. 0 or
 * -errno. */
int prefix_mend(int directory, const struct account *account);

/* Lets go of the lock, as far as we hold it. */
void prefix_close(struct prefix *prefix);

#endif
