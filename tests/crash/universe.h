/* What the crash writer and the harness that kills it agree on: which keys there are, what the
 * record of a version says, and the notes by which the writer tells what it does. */
#ifndef MKV_TESTS_CRASH_UNIVERSE_H
#define MKV_TESTS_CRASH_UNIVERSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/store/store.h"

#ifndef UNIVERSE_KEYS
#define UNIVERSE_KEYS 3000
#endif
#define UNIVERSE_SPACES    2
#define UNIVERSE_IN_FLIGHT 64

struct universe_key {
    unsigned char bytes[STORE_KEY_MAX];
    size_t len;
};

/* Makes the keys, all different and in byte order. */
void universe_init(uint64_t seed);
const struct universe_key *universe_key(unsigned i);

/* The record of a version, 1 or more; ids of its volumes are asked of the store. 0 or what
 * store_volume_id() says. */
int universe_record(struct store *store, uint64_t version, struct record *record);

/* Whether `record` is that of the version, volumes' names included. */
bool universe_matches(const struct store *store, uint64_t version, const struct record *record);

bool universe_unlinked(uint64_t version);

/* One write(2) each to the harness's pipe, so that a SIGKILL never tears one. */
enum note_kind {
    NOTE_ISSUED = 1, /* a commit is about to start; each of its keys in no other */
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
