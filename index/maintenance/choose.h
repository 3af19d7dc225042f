/* Of all files of a key that were found, which are its value: those of the newest generation of
 * which one is whole. Files come in the order of found.h; what a key turns out to be is told once
 * all of its are known, and what is no part of its value, as orphans, before that.
 *
 * A file is whole when it has the size that its note says. Without notes, and where they disagree,
 * the size that most copies have is taken for the right one, and of equals the larger.
 *
 * What a backup of the index knows comes among the files. It tells a generation's size, time, MD5
 * and metadata better than its files do, and that it was unlinked. One that it calls an orphan is
 * never a value. Of what it doesn't know, nothing is held against a file: one may have been PUT
 * since the backup, and even be older than what the key had then, if its PUT took long. */
#ifndef MKV_MAINTENANCE_CHOOSE_H
#define MKV_MAINTENANCE_CHOOSE_H

#include "index/maintenance/found.h"
#include "index/store/orphan.h"
#include "index/store/record.h"

/* Files of one generation of a key. */
struct copies {
    uint64_t generation;
    bool is_orphan;      /* by the backup */
    bool is_known;       /* by the backup, it was the key's value, with this record */
    struct record known; /* but for its places */
    unsigned meta_len;   /* of the metadata that their notes have; 0: none */
    char meta[RECORD_META_MAX];
    unsigned n;
    struct copy {
        struct place place;
        uint64_t size;
        uint64_t time;
        struct note note; /* but for its metadata */
    } list[ORPHAN_PLACES_MAX];
};

struct choose_counts {
    uint64_t keys;
    uint64_t copies;   /* of them */
    uint64_t orphans;  /* generations that are no value */
    uint64_t disagree; /* keys with copies of another size than the right one */
    uint64_t cut;      /* keys of which no copy is whole */
    uint64_t lost;     /* users' values that the backup knows, without a file or a newer value */
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
    bool is_lost;         /* what the backup knows of it has no file, and no newer one is chosen */
    struct record record;
};

/* Takes what is found next; choose_end() after the last. 0, or what a callback returned. */
int choose_add(struct choose *s, const struct found *found);
int choose_end(struct choose *s);

#endif
