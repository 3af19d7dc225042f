/* Keys that all clients change at once. Nobody knows what such a key must be; what everybody has
 * seen of it is kept, to be checked at the end (history.h). */
#ifndef MKV_TESTS_MODEL_SHARED_H
#define MKV_TESTS_MODEL_SHARED_H

#include "tests/model/client.h"
#include "tests/model/history.h"

struct shared_key {
    struct model_key key; /* its path and number only */
    atomic_uint last;     /* version */
    struct history history;
};

void shared_init(struct shared_key *shared, unsigned number);

/* How many bytes the value that a version has is long. */
size_t shared_size(const struct shared_key *shared, unsigned version);

/* Writes the value, at most MODEL_VALUE_MAX bytes: how many. */
size_t shared_value(const struct shared_key *shared, unsigned version, char *bytes);

/* The version whose value the answer's body is, all of it; 0 for none. */
unsigned shared_version(struct client *client, const struct shared_key *shared);

/* Does something to the key, at random. */
void shared_act(struct client *client, struct shared_key *shared);

/* When all is well again: GETs it, which must be possible. */
void shared_look_at(struct client *client, struct shared_key *shared);

#endif
