/* The directory of a volume: blobs, and in .mkv/ what the volume knows of itself:
 *
 *     lock       held by mkv and its nginx
 *     id         who the volume is: 128 random bits as 32 hex digits, made once
 *     sync.sock  where nginx asks mkv itself: volume_server.h
 *     tmp/       nginx's own: its pid file and bodies of PUTs in flight; emptied at start
 *
 * On a file system that can't be written, sync.sock and tmp/ are in a directory in $TMPDIR; on one
 * without sockets, sync.sock is. */
#ifndef MKV_LAUNCHER_VOLUME_DIR_H
#define MKV_LAUNCHER_VOLUME_DIR_H

#include "launcher/nginx/account.h"
#include "launcher/nginx/prefix.h"
#include "launcher/volume/volume_scratch.h"

#define VOLUME_DIR_PREFIX ".mkv"
#define VOLUME_ID_SIZE    32

struct volume_dir {
    char *path; /* absolute */
    int fd;     /* the directory, when opened */
    char id[VOLUME_ID_SIZE + 1];
    struct account account;        /* whom mkv and nginx run as */
    struct prefix prefix;          /* .mkv, when opened */
    struct volume_scratch scratch; /* where .mkv is read-only, or has no sockets */
    unsigned name_max;             /* bytes of the longest name on its disk; 0: not tried */
};

/* Makes the directory where it is missing, and settles whose it is: what root has to do. `user` is
 * from --user or NULL. 0, or -errno after one log line. On 0 volume_dir_close() is due. */
int volume_dir_claim(const char *path, const char *user, struct volume_dir *dir);

/* Locks a claimed directory, reads or makes its identity, and tries what its file system can do. A
 * read-only one is taken where all that is there already. To be called as the account: what is in
 * the directory may have been put there by others. 0, or -errno after one log line. */
int volume_dir_open(struct volume_dir *dir);

/* Fills in what can be known without changing anything; a missing identity is all zeros. 0, or
 * -errno after one log line. */
int volume_dir_inspect(const char *path, const char *user, struct volume_dir *dir);

void volume_dir_close(struct volume_dir *dir);

#endif
