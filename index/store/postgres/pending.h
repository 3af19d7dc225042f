/* A commit on its way, as what its changes do (commit_sql.h). */
#ifndef MKV_POSTGRES_PENDING_H
#define MKV_POSTGRES_PENDING_H

#include "index/store/postgres/commit_sql.h"
#include "index/store/postgres/internal.h"

/* A piece of a pending's bytes. */
struct span {
    uint32_t at;
    uint32_t len;
};

struct pending_change {
    enum change_kind kind;
    struct span columns[CHANGE_COLUMNS]; /* of key, was and is */
    uint64_t generation;
    uint64_t was_generation;
    uint64_t time;
    struct counts delta;
};

struct pending {
    STAILQ_ENTRY(pending) link;
    struct store_commit *commit;
    bool is_announcement;
    int row;       /* of the batch's result, with what its key had; negative: there is none */
    unsigned most; /* commits that its batch may have; 0: it doesn't matter */
    unsigned tries;
    uint64_t not_before; /* loop time */
    uint64_t until;      /* loop time at which it is given up, unless it is on its way */
    struct buf bytes;
    size_t n;
    struct pending_change changes[STORE_CHANGES_MAX];
};

/* Copies the commit; NULL without memory. To be freed. */
struct pending *pending_new(struct postgres_engine *e, struct store_commit *commit,
                            const struct store_change *changes, size_t n);
void pending_free(struct pending *p);

static inline const char *pending_bytes(const struct pending *p, struct span span)
{
    return buf_bytes(&p->bytes) + span.at;
}

#endif
