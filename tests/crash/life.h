/* A short life of a store, in which a call may fail (fault.h): recovery, commits, checkpoints while
 * commits go on, a listing, closing. An operation may fail only if a call failed in it; then the
 * rest of the store must be as it was, and the operation succeed when it is tried again. */
#ifndef MKV_TESTS_CRASH_LIFE_H
#define MKV_TESTS_CRASH_LIFE_H

#include "tests/crash/fault.h"
#include "tests/crash/ledger.h"
#include "tests/support/storebox.h"

#define LIFE_FAILED_SLOT  32
#define LIFE_FAILED_SLOTS (UNIVERSE_IN_FLIGHT - LIFE_FAILED_SLOT)

struct life {
    /* Given. */
    const struct fault_kind *kind; /* of the call that fails */
    unsigned n;                    /* which of the kind */
    struct ledger ledger;          /* what the store holds, kept up to date */
    struct rng rng;
    bool smaller; /* a commit that failed is followed by a smaller one, rather than tried again */
    void (*before_step)(struct life *life); /* around each operation; nothing runs in the store */
    void (*after_step)(struct life *life);
    void (*tell)(const struct note *note); /* of each commit: NOTE_ISSUED, and how it ended. One
                                              that failed is soon issued anew, to slots from
                                              LIFE_FAILED_SLOT on, until it is known to be gone */
    /* Its own. */
    struct storebox box;
    unsigned hits; /* before the step at hand */
    unsigned key;  /* that a commit took last */
    unsigned n_failed;
    struct note failed[LIFE_FAILED_SLOTS]; /* commits since the last one that did not */
};

/* Lives it in `dir`. Ends the program with a line on stderr if anything is wrong. */
void life_run(struct life *life, const char *dir);

#endif
