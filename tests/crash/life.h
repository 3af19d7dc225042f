/* A short life of a store, in which a call may fail (fault.h): recovery, commits, checkpoints while
 * commits go on, a listing, closing. An operation may fail only if a call failed in it; then the
 * rest of the store must be as it was, and the operation succeed when it is tried again. */
#ifndef MKV_TESTS_CRASH_LIFE_H
#define MKV_TESTS_CRASH_LIFE_H

#include "tests/crash/fault.h"
#include "tests/crash/ledger.h"
#include "tests/support/storebox.h"

struct life {
    /* Given. */
    const struct fault_kind *kind; /* of the call that fails */
    unsigned n;                    /* which of the kind */
    struct ledger ledger;          /* what the store holds, kept up to date */
    struct rng rng;
    bool smaller; /* a commit that failed is followed by a smaller one, rather than tried again */
    void (*before_step)(struct life *life); /* around each operation; nothing runs in the store */
    void (*after_step)(struct life *life);
    /* Its own. */
    struct storebox box;
    unsigned hits;                          /* before the step at hand */
    unsigned key;                           /* that a commit took last */
    struct note failed[UNIVERSE_IN_FLIGHT]; /* commits since the last one that did not */
    unsigned n_failed;
};

/* Lives it in `dir`. Ends the program with a line on stderr if anything is wrong. */
void life_run(struct life *life, const char *dir);

/* The last commits that failed may be in the store after all, when it is opened again: nothing was
 * written behind them. Adds them to a ledger as in flight. */
void life_add_failed(const struct life *life, struct ledger *ledger);

#endif
