/* Of all files of a key that were found, which are its value: those of the newest generation of
 * which one is whole. Files come in the order of found.h; what a key turns out to be is told once
 * all of its are known, and what is no part of its value, as orphans, before that.
 *
 * A file is whole when it has the size that its note says. Without notes, and where they disagree,
 * the size that most copies have is taken for the right one, and of equals the larger. */
#ifndef MKV_MAINTENANCE_CHOOSE_H
#define MKV_MAINTENANCE_CHOOSE_H

#include "index/maintenance/found.h"
#include "index/store/orphan.h"
#include "index/store/record.h"

/* Files of one generation of a key. */
struct copies {
    uint64_t generation;
    unsigned n;
    struct copy {
        struct place place;
        uint64_t size;
        uint64_t time;
        struct note note;
    } list[ORPHAN_PLACES_MAX];
};

struct choose_counts {
    uint64_t keys;
    uint64_t copies;   /* of them */
    uint64_t orphans;  /* generations that are no value */
    uint64_t disagree; /* keys with copies of another size than the right one */
    uint64_t cut;      /* keys of which no copy is whole */
    uint64_t too_many; /* files over what a key can have; they are left alone */
};

/* Set the first three, and zero the rest. Each callback returns 0, or negative to end all. */
struct choose {
    int (*key_cb)(const struct key *key, const struct record *record, void *arg);
    int (*orphan_cb)(const struct key *key, uint64_t generation, const struct orphan *orphan,
                     void *arg);
    void *arg;
    struct choose_counts counts;
    struct key key;       /* at hand; len 0: none */
    struct copies copies; /* of the generation at hand */
    struct copies newest; /* without a whole copy, while none has one; n 0: none */
    bool chosen;          /* the key has its value; older ones are orphans */
    struct record record;
};

/* Takes the next file; choose_end() after the last. 0, or what a callback returned. */
int choose_add(struct choose *s, const struct found *found);
int choose_end(struct choose *s);

#endif
