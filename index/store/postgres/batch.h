/* Commits that go together, and the statement that makes all of their changes. */
#ifndef MKV_POSTGRES_BATCH_H
#define MKV_POSTGRES_BATCH_H

#include "index/store/postgres/pending.h"

#define BATCH_COMMITS 256

struct row {
    struct pending *pending;
    const struct pending_change *change;
};

struct batch {
    struct pending_queue commits;
    unsigned n;
    unsigned most; /* commits */
    size_t bytes;
    unsigned kinds;
    struct counts delta;
    struct array arrays[CHANGE_KINDS][CHANGE_COLUMNS];
    struct slots rows; /* that it changes, each a struct pending_change */
    struct row sorted[BATCH_COMMITS * STORE_CHANGES_MAX];
    char head[COMMIT_HEAD][8];
    struct parameters parameters;
    uint64_t token; /* that it leaves */
};

/* Whether its statement looks at the keys, too: commit_sql_make_announcement(). */
bool batch_looks(const struct batch *b);
/* Gives each of its commits its row of the result. */
void batch_find_rows(struct batch *b, const PGresult *result);

void batch_clear(struct batch *b);
void batch_deinit(struct batch *b);

/* Takes of what waits, in its order, at most so many that can go together. */
void batch_fill(struct postgres_engine *e, struct batch *b, struct backlog *waiting,
                unsigned share);

/* The statement for b->kinds, or NULL without memory; and its b->parameters, which are the batch's,
 * with the token that it leaves. 0 or UV_ENOMEM. */
const struct statement *batch_statement(const struct batch *b);
int batch_encode(struct batch *b, const struct connection *c);

#endif
