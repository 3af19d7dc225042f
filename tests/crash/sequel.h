/* What comes after a crash: a store that was recovered must be as good as any. */
#ifndef MKV_TESTS_CRASH_SEQUEL_H
#define MKV_TESTS_CRASH_SEQUEL_H

#include "tests/crash/ledger.h"

/* Opens the store in `dir`, which is as the ledger says, commits, makes a checkpoint, closes, and
 * compares again. Ends the program with a line on stderr if anything is wrong. */
void sequel_run(struct ledger *ledger, struct rng *rng, const char *dir);

#endif
