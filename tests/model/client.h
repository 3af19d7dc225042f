/* One client of the index, with keys of its own: what it does to them, and how every answer is held
 * against what they may be. Each answer that no state allows is a line "WRONG ..." on stdout. */
#ifndef MKV_TESTS_MODEL_CLIENT_H
#define MKV_TESTS_MODEL_CLIENT_H

#include <stdatomic.h>
#include <stdint.h>

#include "tests/model/model.h"
#include "tests/model/wire.h"
#include "tests/support/rng.h"

#define INDEXES_MAX 16

/* Each request goes to one of them at random. */
struct indexes {
    int ports[INDEXES_MAX];
    unsigned n;
};

struct client {
    struct wire wire;
    struct rng rng;
    const struct indexes *indexes;
    unsigned n_copies; /* that a value should have */
    char *value;       /* MODEL_VALUE_MAX bytes */
};

/* How often what happened, with all clients. */
struct tally {
    atomic_ulong ops, wrong, puts, gets, deletes, unlinks, rebalances;
    atomic_ulong refused, lost, reread, aborted, present, unlinked;
};

extern struct tally tally;

/* Reads PORT[,PORT...], which is changed. */
void client_read_ports(char *text, struct indexes *indexes);

/* The indexes are not copied. */
void client_init(struct client *client, const struct indexes *indexes, uint64_t seed);

/* Does something to the key, at random. */
void client_act(struct client *client, struct model_key *key);

/* When all is well again: the key is what it may be, on as many volumes as it should be. */
void client_look_at(struct client *client, struct model_key *key);

/* Prints "ops N" now and then, of all clients, until there is that file. */
void client_watch(const char *stop_file);

/* --- For what all clients share (shared.h, s3_key.h) ---------------------------------------- */

/* Asks an index; the answer is client->wire.answer. What has no answer has happened by the return,
 * or never does. */
void client_send(struct client *client, const char *method, const char *path, const char *value,
                 size_t n, bool chunked);

/* The same for a key; a value is sent in a chunk or not as its size is even or odd. */
void client_ask(struct client *client, const char *method, const struct model_key *key,
                const char *value, size_t n);

/* The answer says for certain that nothing has changed: it is an error, and the index's own. */
bool client_is_refusal(const struct client *client);

/* What was asked for may have happened, or not. Counts it. */
bool client_has_no_answer(const struct client *client);

/* Follows the answer's redirect: the volume's status, or 0. */
int client_follow(struct client *client);

void client_complain(struct client *client, const struct model_key *key, const char *what);

double client_now(void); /* seconds, of a clock that only goes on */
void client_pause(long ms);

#endif
