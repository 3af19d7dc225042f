/* What must be in the store: for each key the version that was acknowledged last, and what commits
 * in flight would make of it; and the look into a store whether it is so. */
#ifndef MKV_TESTS_CRASH_LEDGER_H
#define MKV_TESTS_CRASH_LEDGER_H

#include "tests/crash/universe.h"
#include "tests/support/rng.h"

struct ledger {
    uint64_t versions[UNIVERSE_SPACES][UNIVERSE_KEYS]; /* 0: absent */
    struct note pending[UNIVERSE_IN_FLIGHT];           /* commits by slot; kind 0: none */
    uint64_t next_version;                             /* which no record has had */
    uint64_t last_generation;                          /* that the store has seen */
    bool survives;   /* what was written: the process may end, but not the machine */
    uint64_t issued; /* commits */
    uint64_t acked;
    uint64_t settled[2]; /* commits in flight at a crash that were gone, and that were there */
};

/* Takes in one note, NOTE_ISSUED, NOTE_WRITTEN, NOTE_ACKED or NOTE_GONE. */
void ledger_note(struct ledger *ledger, const struct note *note);

/* Compares a store with the ledger, in all ways to ask it, and notes how the commits in flight
 * ended. Ends the program with a line on stderr if anything is wrong. */
void ledger_check_store(struct ledger *ledger, struct rng *rng, struct store *store);

/* Opens a store in `dir` for that, and closes it. */
void ledger_check(struct ledger *ledger, struct rng *rng, const char *dir);

/* Whether the ledger is as the commit would have made it. */
bool ledger_has(const struct ledger *ledger, const struct note *note);

#endif
