/* nginx's prefix directory: its pid file, its temporary files, and a lock that nginx inherits, so
 * that the directory counts as taken until the last worker of an earlier run is gone. */
#ifndef MKV_LAUNCHER_PREFIX_H
#define MKV_LAUNCHER_PREFIX_H

#include "launcher/account.h"

struct prefix {
    char *path; /* absolute */
    int fd;     /* the directory */
    int lock;
};

/* Makes the directory `path` where it is missing, takes its lock and deletes what a crash has left
 * in it. Root keeps it to itself but for the way through to tmp/. `subject` is what is locked, for
 * the message. 0, or -errno after one log line: -EWOULDBLOCK when another mkv has it. */
int prefix_open(const char *path, const char *subject, struct prefix *prefix);

/* Lets go of the lock, as far as we hold it. */
void prefix_close(struct prefix *prefix);

#endif
