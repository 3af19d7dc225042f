/* Commits at random, as many at once as it may: what the crash writer and the power-cut test let a
 * store do. Each key is in one commit at a time; now and then a range of keys is deleted. A commit
 * expects what is there. Some orphans are announced, and followed by another commit, whose end says
 * that the disk has them. */
#ifndef MKV_TESTS_CRASH_WORKLOAD_H
#define MKV_TESTS_CRASH_WORKLOAD_H

#include "tests/crash/universe.h"
#include "tests/support/rng.h"
#include "tests/support/storebox.h"

struct workload;

struct workload_operation {
    struct store_commit commit;
    struct workload *workload;
    struct note note;
    struct universe_value values[STORE_CHANGES_MAX]; /* of its changes */
    struct universe_value was[STORE_CHANGES_MAX];    /* that they expect */
};

struct workload {
    /* Given. */
    struct storebox *box; /* open; borrowed */
    struct rng rng;
    uint64_t version;                             /* the next, which no record has had */
    unsigned width;                               /* commits at once, UNIVERSE_IN_FLIGHT at most */
    uint64_t commits;                             /* to begin */
    uint64_t checkpoints;                         /* begins no commit after so many; 0: no end */
    void (*tell)(const struct note *, void *arg); /* before each commit and in its callback */
    void *arg;
    /* Its own; zero before the first run. */
    unsigned in_flight;
    unsigned range_left; /* keys that are to be deleted one after the other, */
    unsigned range_at;   /* from this on */
    bool busy[UNIVERSE_SPACES][UNIVERSE_KEYS];
    struct workload_operation operations[UNIVERSE_IN_FLIGHT];
};

/* Runs the loop until all that was to be done is done. A commit that can't start ends the program.
 */
void workload_run(struct workload *w);

#endif
