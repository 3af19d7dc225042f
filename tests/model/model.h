/* What a key may be. An answer that leaves it open what has happened (lost, or an error page of
 * nginx) leaves both: a key has a set of states that it may be in. */
#ifndef MKV_TESTS_MODEL_MODEL_H
#define MKV_TESTS_MODEL_MODEL_H

#include <stdbool.h>
#include <stddef.h>

#define MODEL_VALUE_MAX  400000
#define MODEL_STATES_MAX 16

enum model_kind { ABSENT, PRESENT, UNLINKED };

struct model_state {
    enum model_kind kind;
    unsigned version; /* of the value, unless absent */
};

struct model_key {
    char path[64];
    unsigned number;
    unsigned last; /* version */
    struct model_state states[MODEL_STATES_MAX];
    unsigned n_states;
};

bool model_may_be(const struct model_key *key, enum model_kind kind);
bool model_may_be_gone(const struct model_key *key);

/* It is this, for certain. */
void model_is_now(struct model_key *key, enum model_kind kind, unsigned version);

/* It may be this, too. */
void model_may_now_be(struct model_key *key, enum model_kind kind, unsigned version);

/* Of what it may be only that stays which is present, or which is not. */
void model_keep(struct model_key *key, bool present);

/* How many bytes the value that a version of a key has is long. */
size_t model_size(const struct model_key *key, unsigned version);

/* Writes the value, at most MODEL_VALUE_MAX bytes: how many. */
size_t model_value(const struct model_key *key, unsigned version, char *bytes);

#endif
