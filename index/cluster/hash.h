/* What blobs hold, as their volume reads it: POST /_mkv/hash (launcher/volume/hash.h), of which
 * each volume has two at a time. What is asked for meanwhile shares the next one. */
#ifndef MKV_CLUSTER_HASH_H
#define MKV_CLUSTER_HASH_H

#include <sys/queue.h>

#include "index/base/md5.h"
#include "index/cluster/placement.h"
#include "index/cluster/volumes.h"

struct hash;

enum hash_found {
    HASH_READ,      /* size and MD5 are those of what is in the file */
    HASH_MISSING,   /* no plain file is there */
    HASH_UNREADABLE /* the disk doesn't give it back */
};

/* Fires once, never inside a call of this module. 0, and `found` says what is there; or negative:
 * the volume could not be asked; UV_EPROTO: its answer makes no sense; UV_ENOTSUP: it reads no
 * blobs itself. */
typedef void (*hash_done_cb)(struct hash *hash, int rc);

/* Embedded in an operation, which must keep it until `done` has fired. The first two are set before
 * the start, the rest is this module's. */
struct hash {
    void *data;
    uint64_t bytes; /* that are about to be read, as far as is known */
    hash_done_cb done;
    bool canceled;
    bool is_found; /* the next ones hold */
    enum hash_found found;
    uint64_t size;
    unsigned char md5[MD5_SIZE];
    struct volume *volume;
    struct hash_request *request; /* that it is part of; NULL: it waits */
    STAILQ_ENTRY(hash) link;
    char *line;
};

/* Asks for the blob at a path, "/HH/HH/NAME". 0, or UV_ENOMEM or UV_ECANCELED. */
int hash_start(struct hash *hash, struct transfers *transfers, struct volume *volume,
               const struct place *place, const char *path, hash_done_cb done);

/* Nobody cares any more: `done` fires with UV_ECANCELED soon, unless it is about to tell more. */
void hash_cancel(struct hash *hash);

/* What a volume keeps for it. */
struct hasher *hasher_new(struct volume *volume);
void hasher_free(struct hasher *hasher);

#endif
