/* A private directory in $TMPDIR for what can't lie on a volume's own disk: the socket where the
 * disk's file system has none, and nginx's temporary files where it can't be written. */
#ifndef MKV_LAUNCHER_VOLUME_SCRATCH_H
#define MKV_LAUNCHER_VOLUME_SCRATCH_H

#include "launcher/nginx/account.h"

struct volume_scratch {
    char *path; /* absolute, NULL where there is none */
    int fd;
};

/* Makes it, with a tmp/ in it that belongs to `account`; others can't list it. 0, or -errno after
 * one log line. */
int volume_scratch_make(const struct account *account, struct volume_scratch *scratch);

/* Deletes it with all that is in it, if there is one. */
void volume_scratch_remove(struct volume_scratch *scratch);

#endif
