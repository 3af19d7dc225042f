#include "tests/crash/universe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/rng.h"
#include "tests/support/storebox.h"

#define VOLUMES 200

static struct universe_key keys[UNIVERSE_SPACES][UNIVERSE_KEYS];

const struct universe_key *universe_key(unsigned space, unsigned i)
{
    return &keys[space][i];
}

static int compare_keys(const void *a, const void *b)
{
    const struct universe_key *left = a;
    const struct universe_key *right = b;
    int order = storebox_compare(left->bytes, left->len, right->bytes, right->len);

    if (order != 0)
        return order;
    return (left->generation > right->generation) - (left->generation < right->generation);
}

static unsigned char random_byte(struct rng *rng)
{
    if (!rng_one_in(rng, 3))
        return (unsigned char)('a' + rng_below(rng, 4));
    return (unsigned char)(1 + rng_below(rng, 255));
}

/* Begins as an earlier key does, half of the time, and is long in one of 40. One in three orphans
 * has the key of another one. */
static void make_key(struct rng *rng, unsigned space, unsigned i)
{
    struct universe_key *key = &keys[space][i];
    size_t more = 1 + rng_below(rng, rng_one_in(rng, 40) ? STORE_KEY_MAX : 40);

    key->len = 0;
    key->generation = space == STORE_KEYS ? 0 : rng_next(rng) >> rng_below(rng, 64);
    if (i > 0 && rng_one_in(rng, 2)) {
        const struct universe_key *other = &keys[space][rng_below(rng, i)];
        bool same = space == STORE_ORPHANS && !rng_one_in(rng, 3);

        key->len = same ? other->len : rng_below(rng, other->len + 1);
        memcpy(key->bytes, other->bytes, key->len);
        more = same ? 0 : more;
    }
    for (; more > 0 && key->len < STORE_KEY_MAX; more--)
        key->bytes[key->len++] = random_byte(rng);
}

/* Sorts, and makes a key that was there before anew. False if there was one. */
static bool sort_keys(struct rng *rng, unsigned space)
{
    bool different = true;

    qsort(keys[space], UNIVERSE_KEYS, sizeof(keys[space][0]), compare_keys);
    for (unsigned i = 1; i < UNIVERSE_KEYS; i++)
        if (compare_keys(&keys[space][i - 1], &keys[space][i]) == 0) {
            make_key(rng, space, i);
            different = false;
        }
    return different;
}

void universe_init(uint64_t seed)
{
    struct rng rng = {.state = seed};

    for (unsigned space = 0; space < UNIVERSE_SPACES; space++) {
        for (unsigned i = 0; i < UNIVERSE_KEYS; i++)
            make_key(&rng, space, i);
        while (!sort_keys(&rng, space))
            continue;
    }
}

bool universe_unlinked(uint64_t version)
{
    return version % 5 == 0;
}

/* Every third record is of the originals' form. */
static uint64_t record_generation(uint64_t version)
{
    return version % 3 == 0 ? 0 : version << 8 | 1;
}

uint64_t universe_generation(unsigned space, unsigned i, uint64_t version)
{
    if (version == 0)
        return 0;
    return space == STORE_KEYS ? record_generation(version) : keys[space][i].generation;
}

/* --- Values ---------------------------------------------------------------------------------- */

static void volume_of(uint64_t version, unsigned i, char name[32])
{
    snprintf(name, 32, "volume-%u:3001", (unsigned)((version / 16 + i) % VOLUMES));
}

static struct place *places_of(struct universe_value *value, unsigned space, unsigned *n)
{
    *n = space == STORE_KEYS ? value->record.n_places : value->orphan.n_places;
    return space == STORE_KEYS ? value->record.places : value->orphan.places;
}

/* All but the ids of the volumes. */
static void make_bare(unsigned space, uint64_t version, struct universe_value *value)
{
    struct record *record = &value->record;
    struct place *places;
    unsigned n;

    memset(value, 0, sizeof(*value));
    *record = (struct record){.flags = universe_unlinked(version) ? RECORD_UNLINKED : 0,
                              .size = version,
                              .time = version * 1009,
                              .generation = record_generation(version),
                              .n_places = 1 + (unsigned)(version % 3)};
    if (record->generation > 0)
        record->placed_by = (uint32_t)(version * 31);
    if (version % 7 != 0) {
        record->flags |= RECORD_MD5;
        memset(record->md5, (int)(version & 0xff), sizeof(record->md5));
    }
    if (version % 4 == 1) /* from nothing to more than fits in eight entries of the table */
        storebox_set_meta(record, (unsigned)(version * 37 % (RECORD_META_MAX + 1)), version);
    value->orphan.until = version % 4 == 0 ? 0 : version * 1013;
    value->orphan.time = version % 3 == 0 ? 0 : version * 1019;
    value->orphan.n_places = 1 + (unsigned)(version % 5);
    places = places_of(value, space, &n);
    for (unsigned i = 0; i < n; i++) {
        places[i].has_subvolume = version % 2 == 0;
        places[i].subvolume = version % 2 == 0 ? (uint32_t)(version % 256) : 0;
    }
}

int universe_value(struct store *store, unsigned space, uint64_t version,
                   struct universe_value *value)
{
    struct place *places;
    char name[32];
    unsigned n;
    int rc = 0;

    make_bare(space, version, value);
    places = places_of(value, space, &n);
    for (unsigned i = 0; i < n && rc == 0; i++) {
        volume_of(version, i, name);
        rc = gdbm_engine_volume_id(store, name, &places[i].volume);
    }
    return rc;
}

static size_t encode(unsigned space, const struct universe_value *value,
                     unsigned char bytes[RECORD_MAX])
{
    return space == STORE_KEYS ? record_encode(&value->record, bytes)
                               : orphan_encode(&value->orphan, bytes);
}

bool universe_matches(const struct store *store, unsigned space, uint64_t version,
                      const struct universe_value *value)
{
    struct universe_value seen = *value;
    struct universe_value wanted;
    unsigned char bytes[2][RECORD_MAX];
    unsigned n_seen;
    unsigned n_wanted;
    struct place *seen_places = places_of(&seen, space, &n_seen);
    struct place *places;
    char name[32];
    size_t n;

    make_bare(space, version, &wanted);
    places = places_of(&wanted, space, &n_wanted);
    if (n_seen != n_wanted)
        return false;
    for (unsigned i = 0; i < n_wanted; i++) {
        const char *found = store_volume_name(store, seen_places[i].volume);

        volume_of(version, i, name);
        if (found == NULL || strcmp(found, name) != 0)
            return false;
        places[i].volume = seen_places[i].volume;
    }
    n = encode(space, &wanted, bytes[0]);
    return encode(space, &seen, bytes[1]) == n && memcmp(bytes[0], bytes[1], n) == 0;
}

int universe_get(struct store *store, unsigned space, unsigned i, struct universe_value *value)
{
    const struct universe_key *key = &keys[space][i];

    memset(value, 0, sizeof(*value));
    if (space == STORE_KEYS)
        return gdbm_engine_get(store, key->bytes, key->len, &value->record);
    return gdbm_engine_get_orphan(store, key->bytes, key->len, key->generation, &value->orphan);
}

int universe_change(struct store *store, const struct note_change *note,
                    struct universe_value *value, struct store_change *change)
{
    const struct universe_key *key = &keys[note->space][note->key];
    bool sets = note->version != 0;

    *change = (struct store_change){
        .space = note->space,
        .key = key->bytes,
        .len = key->len,
        .record = sets && note->space == STORE_KEYS ? &value->record : NULL,
        .generation = key->generation,
        .orphan = sets && note->space == STORE_ORPHANS ? &value->orphan : NULL,
    };
    return sets ? universe_value(store, note->space, note->version, value) : 0;
}
