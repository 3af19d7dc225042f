#include "tests/model/model.h"

#include <stdio.h>

#include "tests/support/rng.h"

bool model_may_be(const struct model_key *key, enum model_kind kind)
{
    for (unsigned i = 0; i < key->n_states; i++) {
        if (key->states[i].kind == kind)
            return true;
    }
    return false;
}

bool model_may_be_gone(const struct model_key *key)
{
    return model_may_be(key, ABSENT) || model_may_be(key, UNLINKED);
}

void model_is_now(struct model_key *key, enum model_kind kind, unsigned version)
{
    key->states[0] = (struct model_state){kind, version};
    key->n_states = 1;
}

void model_may_now_be(struct model_key *key, enum model_kind kind, unsigned version)
{
    for (unsigned i = 0; i < key->n_states; i++) {
        if (key->states[i].kind == kind && key->states[i].version == version)
            return;
    }
    if (key->n_states < MODEL_STATES_MAX)
        key->states[key->n_states++] = (struct model_state){kind, version};
    else
        printf("WRONG %s: nothing is known of it any more\n", key->path);
}

void model_keep(struct model_key *key, bool present)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < key->n_states; i++) {
        if ((key->states[i].kind == PRESENT) == present)
            key->states[kept++] = key->states[i];
    }
    key->n_states = kept;
}

static struct rng rng_of(const struct model_key *key, unsigned version)
{
    return (struct rng){.state = (uint64_t)key->number << 32 | version};
}

static size_t draw_size(struct rng *rng)
{
    size_t n = rng_below(rng, 10) < 6 ? 2000 : rng_below(rng, 4) != 0 ? 60000 : MODEL_VALUE_MAX;

    return 1 + rng_below(rng, n);
}

size_t model_size(const struct model_key *key, unsigned version)
{
    struct rng rng = rng_of(key, version);

    return draw_size(&rng);
}

size_t model_value(const struct model_key *key, unsigned version, char *bytes)
{
    struct rng rng = rng_of(key, version);
    size_t n = draw_size(&rng);
    uint64_t word = 0;

    for (size_t i = 0; i < n; i++) {
        if (i % 8 == 0)
            word = rng_next(&rng);
        bytes[i] = (char)(word >> (i % 8 * 8));
    }
    return n;
}
