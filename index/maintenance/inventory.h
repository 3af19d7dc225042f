/* What lies on the volumes that are up, in the order of keys, as far as they can be listed: their
 * lists (collect.h), sorted (sort.h) by a thread of its own, which then gives out batches.
 *
 *     inventory_start() ──▶ ready ──▶ inventory_at(), inventory_next() ... to the batch's end
 *     inventory_fetch() ──▶ ready ──▶ the same, until at_end
 *
 * It shows the volumes as they were while they were listed: what was found to be missing, or to be
 * there, has to be looked at again. All calls are the loop thread's. */
#ifndef MKV_MAINTENANCE_INVENTORY_H
#define MKV_MAINTENANCE_INVENTORY_H

#include <stdatomic.h>

#include "index/cluster/sign.h"
#include "index/maintenance/collect.h"
#include "index/maintenance/found.h"
#include "index/objects/objects.h"

struct sort;

/* Embedded in what uses it. Set the first three, and zero the rest. */
struct inventory {
    struct objects *objects;
    void *arg;
    /* The volumes are listed, and a batch is there; or, after inventory_fetch(), another one.
     * Negative: it came to nothing, and only inventory_stop() may follow. Never inside a call. */
    void (*ready)(int rc, void *arg);
    atomic_uint_least64_t files; /* found so far, while volumes are listed; then all */
    uint64_t foreign;            /* files of keys that no request can name; once `ready` */
    uint64_t strangers;          /* files that are no blobs; likewise */
    uint64_t unlisted;           /* volumes that can't be listed; likewise */
    bool at_end;                 /* after this batch comes nothing */
    /* This module's. */
    size_t n_volumes;
    struct volume **volumes; /* that were to be listed */
    const char **names;
    bool *listed;
    struct tls_files tls; /* what those with TLS are asked with: the thread's own copy */
    char (*identities)[TRANSFER_VOLUME_ID_MAX + 1];
    struct signer signer; /* as of the start: the thread's */
    int dir_fd;
    struct sort *sort;
    uv_thread_t thread;
    bool has_thread;
    uv_async_t told; /* by the thread */
    uv_sem_t wanted; /* another batch, or the end */
    atomic_bool stopping;
    atomic_bool ended; /* the thread */
    int rc;
    struct buf batch; /* entries, a length of two bytes before each */
    size_t last;      /* where in it the last one begins */
    bool decoded;     /* the first one is `at` */
    struct found at;
    void (*stop_cb)(void *arg);
};

/* Begins to list, in memory and the index's directory. 0, or a negative UV_E* after a log line. */
int inventory_start(struct inventory *inventory);

/* The file at hand, valid until the next call; NULL when the batch is used up. Its place's volume
 * is volume->number. */
const struct found *inventory_at(struct inventory *inventory);
void inventory_next(struct inventory *inventory);

/* Whether all files of this key are in the batch, if they are in none before it. */
bool inventory_has_all_of(const struct inventory *inventory, const void *key, size_t len);

/* Asks for another batch, with what is left of this one before it. */
void inventory_fetch(struct inventory *inventory);

/* Ends it, at any time after a start that succeeded, and fires `cb`, never inside this call. */
void inventory_stop(struct inventory *inventory, void (*cb)(void *arg));

#endif
