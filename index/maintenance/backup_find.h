/* Of the backups of an index that were found on volumes, the newest that is whole. */
#ifndef MKV_MAINTENANCE_BACKUP_FIND_H
#define MKV_MAINTENANCE_BACKUP_FIND_H

#include "index/cluster/transfer.h"
#include "index/maintenance/found.h"
#include "index/maintenance/sort.h"

#define BACKUP_FIND_MAX 64 /* files that are remembered; older ones than so many are not */

struct signer; /* index/cluster/sign.h */

/* Set the first six, and zero the rest. Nothing needs to be freed. */
struct backup_find {
    const char *const *volumes; /* names, by the numbers that places have; borrowed */
    const char (*identities)[TRANSFER_VOLUME_ID_MAX + 1]; /* likewise */
    const struct tls_files *tls; /* what those with TLS are asked with; NULL: nothing */
    const struct signer *signer; /* of the requests; NULL: nothing signs */
    int (*tick_cb)(void *arg); /* called now and then while one is read; its result means nothing */
    void *arg;
    struct backup_file {
        uint64_t time; /* of the backup */
        uint64_t generation;
        struct place place;
    } files[BACKUP_FIND_MAX]; /* the newest first */
    size_t n;
    uint64_t time; /* of the one that was read, ms since 1970; 0: none was whole */
    uint64_t keys; /* of users that it has, unlinked ones too */
};

/* Remembers a file, if it is a backup's. */
void backup_find_add(struct backup_find *find, const struct found *file);

/* Reads backups, the newest first and of one every copy, until one is whole. *known then has what
 * it knows, to be read by sort_next() and found_decode() and freed by sort_free(); it is NULL when
 * none is whole. Those that aren't are named in the log. `dir_fd`, borrowed, is the directory to
 * sort in. Blocks. 0; or UV_ENOMEM, UV_ENOSPC or UV_EIO when this can't go on here. */
int backup_find_read(struct backup_find *find, int dir_fd, struct sort **known);

#endif
