/* Bringing blobs to a volume's disk: POST /_mkv/sync, of which each volume has one at a time. All
 * files that wait meanwhile share the next request, and at the volume one flush. */
#ifndef MKV_CLUSTER_FLUSH_H
#define MKV_CLUSTER_FLUSH_H

#include <sys/queue.h>

#include "index/cluster/placement.h"
#include "index/cluster/volumes.h"

struct flush;

/* Fires once, never inside flush_start(), with what transfer_done_cb has, and the request; with
 * UV_ECANCELED after flush_cancel(); or with UV_ENOMEM or UV_ECANCELED when none could be sent. */
typedef void (*flush_done_cb)(struct flush *flush, const struct transfer *transfer, int rc,
                              int status);

#define FLUSH_NOTE_MAX 3072 /* what a volume takes as a file's attribute */

/* Embedded in an operation, which must keep it until `done` has fired. The first ones are set
 * before the start, the rest is this module's. */
struct flush {
    void *data;
    uint64_t until;   /* loop time; with UV_ETIMEDOUT after that, though the request may go on */
    uint64_t size;    /* of the blob: bytes that are to be on disk */
    const char *note; /* that the file gets as its attribute: FLUSH_NOTE_MAX bytes at most, */
    size_t note_len;  /* or 0 for none; borrowed until `done` */
    flush_done_cb done;
    bool canceled;
    bool alone; /* the request that it shared has failed, perhaps by another's fault */
    STAILQ_ENTRY(flush) link;
    struct place place;
    const char *path;
};

/* Has the volume bring the blob at a path, "/HH/HH/NAME", borrowed until `done`, to disk, with its
 * note. */
void flush_start(struct flush *flush, struct transfers *transfers, struct volume *volume,
                 const struct place *place, const char *path, flush_done_cb done);

/* A PUT, of which the volume owes the answer only, will be flushed after that: a request may wait
 * for it. Whether it was answered or has failed, flush_expect_less() ends this. */
void flush_expect(struct volume *volume);
void flush_expect_less(struct volume *volume);

/* Nobody cares any more: `done` says so once the request has ended that it is part of. */
void flush_cancel(struct flush *flush);

/* What a volume keeps for it. */
struct flusher *flusher_new(struct volume *volume);
void flusher_free(struct flusher *flusher);

#endif
