#include "tests/crash/universe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/rng.h"
#include "tests/support/storebox.h"

#define VOLUMES 200

static struct universe_key keys[UNIVERSE_KEYS];

const struct universe_key *universe_key(unsigned i)
{
    return &keys[i];
}

static int compare_keys(const void *a, const void *b)
{
    const struct universe_key *left = a;
    const struct universe_key *right = b;

    return storebox_compare(left->bytes, left->len, right->bytes, right->len);
}

/* Begins as an earlier key does, half of the time, and is long in one of 40. */
static void make_key(struct rng *rng, unsigned i)
{
    struct universe_key *key = &keys[i];
    size_t more = 1 + rng_below(rng, rng_one_in(rng, 40) ? STORE_KEY_MAX : 40);

    key->len = 0;
    if (i > 0 && rng_one_in(rng, 2)) {
        const struct universe_key *other = &keys[rng_below(rng, i)];

        key->len = rng_below(rng, other->len + 1);
        memcpy(key->bytes, other->bytes, key->len);
    }
    for (; more > 0 && key->len < STORE_KEY_MAX; more--)
        key->bytes[key->len++] =
            (unsigned char)(rng_one_in(rng, 3) ? rng_below(rng, 256) : 'a' + rng_below(rng, 4));
}

/* Sorts, and makes a key that was there before anew. False if there was one. */
static bool sort_keys(struct rng *rng)
{
    bool different = true;

    qsort(keys, UNIVERSE_KEYS, sizeof(keys[0]), compare_keys);
    for (unsigned i = 1; i < UNIVERSE_KEYS; i++)
        if (compare_keys(&keys[i - 1], &keys[i]) == 0) {
            make_key(rng, i);
            different = false;
        }
    return different;
}

void universe_init(uint64_t seed)
{
    struct rng rng = {.state = seed};

    for (unsigned i = 0; i < UNIVERSE_KEYS; i++)
        make_key(&rng, i);
    while (!sort_keys(&rng))
        continue;
}

bool universe_unlinked(uint64_t version)
{
    return version % 5 == 0;
}

static void volume_of(uint64_t version, unsigned i, char name[32])
{
    snprintf(name, 32, "volume-%u:3001", (unsigned)((version / 16 + i) % VOLUMES));
}

/* All but the ids of the volumes. */
static struct record bare_record(uint64_t version)
{
    struct record record = {.flags = universe_unlinked(version) ? RECORD_UNLINKED : 0,
                            .size = version,
                            .time = version * 1009,
                            .n_replicas = 1 + (unsigned)(version % 3)};

    if (version % 7 != 0) {
        record.flags |= RECORD_MD5;
        memset(record.md5, (int)(version & 0xff), sizeof(record.md5));
    }
    for (unsigned i = 0; i < record.n_replicas; i++) {
        record.replicas[i].has_subvolume = version % 2 == 0;
        record.replicas[i].subvolume = version % 2 == 0 ? (uint32_t)(version % 256) : 0;
    }
    return record;
}

int universe_record(struct store *store, uint64_t version, struct record *record)
{
    char name[32];
    int rc = 0;

    *record = bare_record(version);
    for (unsigned i = 0; i < record->n_replicas && rc == 0; i++) {
        volume_of(version, i, name);
        rc = store_volume_id(store, name, &record->replicas[i].volume);
    }
    return rc;
}

bool universe_matches(const struct store *store, uint64_t version, const struct record *record)
{
    struct record wanted = bare_record(version);
    unsigned char bytes[2][RECORD_MAX];
    char name[32];
    size_t n;

    if (record->n_replicas != wanted.n_replicas)
        return false;
    for (unsigned i = 0; i < wanted.n_replicas; i++) {
        const char *found = store_volume_name(store, record->replicas[i].volume);

        volume_of(version, i, name);
        if (found == NULL || strcmp(found, name) != 0)
            return false;
        wanted.replicas[i].volume = record->replicas[i].volume;
    }
    n = record_encode(&wanted, bytes[0]);
    return record_encode(record, bytes[1]) == n && memcmp(bytes[0], bytes[1], n) == 0;
}
