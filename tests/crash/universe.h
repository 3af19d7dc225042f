/* What the crash writer and the harness that kills it agree on: which keys and orphans there are,
 * what the record or orphan of a version says, and the notes by which the writer tells what it
 * does. */
#ifndef MKV_TESTS_CRASH_UNIVERSE_H
#define MKV_TESTS_CRASH_UNIVERSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/store/gdbm/gdbm_engine.h"

#ifndef UNIVERSE_KEYS
#define UNIVERSE_KEYS 3000
#endif
#define UNIVERSE_SPACES    2
#define UNIVERSE_IN_FLIGHT 64

struct universe_key {
    unsigned char bytes[STORE_KEY_MAX];
    size_t len;
    uint64_t generation; /* STORE_ORPHANS */
};

struct universe_value {
    struct record record;
    struct orphan orphan;
};

/* Makes the keys and the names of orphans, all different and in order. */
void universe_init(uint64_t seed);
const struct universe_key *universe_key(unsigned space, unsigned i);

/* The record or orphan of a version, 1 or more; ids of its volumes are asked of the store. 0 or
 * what gdbm_engine_volume_id() says. */
int universe_value(struct store *store, unsigned space, uint64_t version,
                   struct universe_value *value);

/* Whether `value` is that of the version, volumes' names included. */
bool universe_matches(const struct store *store, unsigned space, uint64_t version,
                      const struct universe_value *value);

/* Asks the store for a key or an orphan; as gdbm_engine_get(). */
int universe_get(struct store *store, unsigned space, unsigned i, struct universe_value *value);

bool universe_unlinked(uint64_t version);

/* The generation that the store has seen once the key has this version. */
uint64_t universe_generation(unsigned space, unsigned i, uint64_t version);

/* One write(2) each to the harness's pipe, so that a SIGKILL never tears one. */
enum note_kind {
    NOTE_ISSUED = 1, /* a commit is about to start; each of its keys in no other */
    NOTE_WRITTEN,    /* it was announced, and the callback fired: the end of the writer can't undo
                        it, but a power cut can */
    NOTE_ACKED,      /* its callback fired */
    NOTE_GONE,       /* a crash cut it short, and it is known not to be there */
    NOTE_STEP,       /* the writer ends itself at this step */
    NOTE_END         /* the store was closed */
};

struct note_change {
    uint32_t key;
    uint32_t space;
    uint64_t version; /* 0 deletes */
};

/* The change for store_commit(), with `value` made first where it sets. 0 or what
 * gdbm_engine_volume_id() says. */
int universe_change(struct store *store, const struct note_change *note,
                    struct universe_value *value, struct store_change *change);

struct note {
    uint32_t kind;
    uint32_t slot; /* of the commit, less than UNIVERSE_IN_FLIGHT */
    int32_t rc;    /* of what was acknowledged */
    uint32_t n;    /* changes */
    union {
        struct note_change changes[STORE_CHANGES_MAX];
        char step[64];
    };
};

#endif
