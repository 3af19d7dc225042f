/* One client of the index, with keys of its own: what it does to them, and how every answer is held
 * against what they may be. Each answer that no state allows is a line "WRONG ..." on stdout. */
#ifndef MKV_TESTS_MODEL_CLIENT_H
#define MKV_TESTS_MODEL_CLIENT_H

#include <stdatomic.h>

#include "tests/model/model.h"
#include "tests/model/wire.h"
#include "tests/support/rng.h"

struct client {
    struct wire wire;
    struct rng rng;
    unsigned n_copies; /* that a value should have */
    char *value;       /* MODEL_VALUE_MAX bytes */
};

/* How often what happened, with all clients. */
struct tally {
    atomic_ulong ops, wrong, puts, gets, deletes, unlinks, rebalances;
    atomic_ulong refused, busy, lost, reread, aborted, present, unlinked;
};

extern struct tally tally;

/* Does something to the key, at random. */
void client_act(struct client *client, struct model_key *key);

/* When all is well again: the key is what it may be, on as many volumes as it should be. */
void client_look_at(struct client *client, struct model_key *key);

double client_now(void); /* seconds, of a clock that only goes on */
void client_pause(long ms);

#endif
