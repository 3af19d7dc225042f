#include "tests/crash/ledger.h"

#include <string.h>

#include "tests/support/storebox.h"

#define RANDOM_LISTS 20

static uint64_t *version_of(struct ledger *ledger, const struct note_change *change)
{
    return &ledger->versions[change->space][change->key];
}

static void apply(struct ledger *ledger, struct note *note)
{
    for (unsigned i = 0; i < note->n; i++) {
        const struct note_change *change = &note->changes[i];
        uint64_t generation = universe_generation(change->space, change->key, change->version);

        *version_of(ledger, change) = change->version;
        if (generation > ledger->last_generation)
            ledger->last_generation = generation;
    }
    note->kind = 0;
}

void ledger_note(struct ledger *ledger, const struct note *note)
{
    struct note *pending;

    STOREBOX_CHECK(note->slot < UNIVERSE_IN_FLIGHT, "slot %u", note->slot);
    pending = &ledger->pending[note->slot];
    if (note->kind == NOTE_ISSUED) {
        STOREBOX_CHECK(pending->kind == 0, "slot %u is taken", note->slot);
        *pending = *note;
        ledger->issued++;
        for (unsigned i = 0; i < note->n; i++)
            if (note->changes[i].version >= ledger->next_version)
                ledger->next_version = note->changes[i].version + 1;
        return;
    }
    STOREBOX_CHECK(pending->kind != 0, "slot %u", note->slot);
    if (note->kind == NOTE_WRITTEN) {
        STOREBOX_CHECK(note->rc == 0, "an announcement failed: %s", uv_strerror(note->rc));
        pending->kind = NOTE_WRITTEN;
        return;
    }
    if (note->kind == NOTE_GONE) {
        pending->kind = 0;
        return;
    }
    STOREBOX_CHECK(note->kind == NOTE_ACKED, "slot %u", note->slot);
    STOREBOX_CHECK(note->rc == 0, "a commit failed: %s", uv_strerror(note->rc));
    apply(ledger, pending);
    ledger->acked++;
}

bool ledger_has(const struct ledger *ledger, const struct note *note)
{
    for (unsigned i = 0; i < note->n; i++)
        if (ledger->versions[note->changes[i].space][note->changes[i].key] !=
            note->changes[i].version)
            return false;
    return true;
}

/* --- Gets ------------------------------------------------------------------------------------ */

/* Whether the store has this version of the key, 0 being none. */
static bool holds(struct store *store, unsigned space, unsigned key, uint64_t version)
{
    struct universe_value value;
    int rc = universe_get(store, space, key, &value);

    STOREBOX_CHECK(rc == 0 || rc == UV_ENOENT, "get: %s", uv_strerror(rc));
    if (rc == UV_ENOENT)
        return version == 0;
    return version != 0 && universe_matches(store, space, version, &value);
}

/* A commit in flight: either all of it is there, or nothing; all of it, where it was written and
 * only the process has ended. */
static void settle(struct ledger *ledger, struct store *store, struct note *note)
{
    unsigned after = 0;
    unsigned before = 0;

    for (unsigned i = 0; i < note->n; i++) {
        const struct note_change *change = &note->changes[i];
        uint64_t old = *version_of(ledger, change);
        bool is_new = holds(store, change->space, change->key, change->version);
        bool is_old = holds(store, change->space, change->key, old);

        STOREBOX_CHECK(is_new || is_old,
                       "space %u key %u: neither version %llu, acknowledged, nor %llu, in flight",
                       change->space, change->key, (unsigned long long)old,
                       (unsigned long long)change->version);
        after += is_new;
        before += is_old;
    }
    STOREBOX_CHECK(after == note->n || before == note->n,
                   "half of a commit is there: %u of %u changes, first key %u", after, note->n,
                   note->changes[0].key);
    STOREBOX_CHECK(after == note->n || note->kind != NOTE_WRITTEN || !ledger->survives,
                   "what was announced, and written, is gone: key %u", note->changes[0].key);
    ledger->settled[after == note->n]++;
    if (after == note->n)
        apply(ledger, note);
    note->kind = 0;
}

static void check_gets(const struct ledger *ledger, struct store *store)
{
    for (unsigned space = 0; space < UNIVERSE_SPACES; space++)
        for (unsigned key = 0; key < UNIVERSE_KEYS; key++) {
            uint64_t version = ledger->versions[space][key];
            struct universe_value value;

            if (holds(store, space, key, version))
                continue;
            universe_get(store, space, key, &value);
            STOREBOX_CHECK(false,
                           "space %u key %u: version %llu was acknowledged, there is size %llu, "
                           "until %llu",
                           space, key, (unsigned long long)version,
                           (unsigned long long)value.record.size,
                           (unsigned long long)value.orphan.until);
        }
}

/* --- Listings -------------------------------------------------------------------------------- */

struct walk {
    const struct ledger *ledger;
    struct store *store;
    unsigned space;
    unsigned at; /* the key that may come next */
    const void *prefix;
    size_t prefix_len;
    const struct universe_key *only; /* orphans of this key alone, or NULL */
};

static bool is_listed(const struct walk *walk, unsigned i)
{
    const struct universe_key *key = universe_key(walk->space, i);

    if (walk->ledger->versions[walk->space][i] == 0)
        return false;
    if (walk->only != NULL)
        return storebox_compare(key->bytes, key->len, walk->only->bytes, walk->only->len) == 0;
    return key->len >= walk->prefix_len && memcmp(key->bytes, walk->prefix, walk->prefix_len) == 0;
}

/* The next key of the ledger that the listing must show, or UNIVERSE_KEYS. */
static unsigned next_key(const struct walk *walk)
{
    unsigned i = walk->at;

    while (i < UNIVERSE_KEYS && !is_listed(walk, i))
        i++;
    return i;
}

static void take(struct walk *walk, const void *key, size_t len, uint64_t generation,
                 const struct universe_value *value)
{
    unsigned i = next_key(walk);
    const struct universe_key *wanted;

    STOREBOX_CHECK(i < UNIVERSE_KEYS, "space %u lists a key too many", walk->space);
    wanted = universe_key(walk->space, i);
    STOREBOX_CHECK(storebox_compare(wanted->bytes, wanted->len, key, len) == 0 &&
                       wanted->generation == generation,
                   "space %u lists another key than %u", walk->space, i);
    STOREBOX_CHECK(
        universe_matches(walk->store, walk->space, walk->ledger->versions[walk->space][i], value),
        "space %u lists another version of key %u", walk->space, i);
    walk->at = i + 1;
}

static int walk_cb(const void *key, size_t len, const struct record *record, void *arg)
{
    const struct universe_value value = {.record = *record};

    take(arg, key, len, 0, &value);
    return 0;
}

static int walk_orphan_cb(const void *key, size_t len, uint64_t generation,
                          const struct orphan *orphan, void *arg)
{
    const struct universe_value value = {.orphan = *orphan};

    take(arg, key, len, generation, &value);
    return 0;
}

static bool is_before(const struct universe_key *key, const void *start, size_t start_len,
                      uint64_t generation)
{
    int order = storebox_compare(key->bytes, key->len, start, start_len);

    return order < 0 || (order == 0 && key->generation < generation);
}

static void check_list(struct walk walk, const void *start, size_t start_len, uint64_t generation)
{
    int rc;

    while (walk.at < UNIVERSE_KEYS &&
           is_before(universe_key(walk.space, walk.at), start, start_len, generation))
        walk.at++;
    if (walk.space == STORE_KEYS)
        rc = gdbm_engine_list(walk.store, walk.prefix, walk.prefix_len, start, start_len, walk_cb,
                              &walk);
    else
        rc = gdbm_engine_list_orphans(walk.store, start, start_len, generation, walk.only != NULL,
                                      walk_orphan_cb, &walk);
    STOREBOX_CHECK(rc == 0, "list: %s", uv_strerror(rc));
    STOREBOX_CHECK(next_key(&walk) == UNIVERSE_KEYS, "space %u doesn't list key %u", walk.space,
                   next_key(&walk));
}

static void check_lists_of_keys(struct walk walk, struct rng *rng)
{
    for (unsigned i = 0; i < RANDOM_LISTS; i++) {
        const struct universe_key *prefix = universe_key(STORE_KEYS, rng_below(rng, UNIVERSE_KEYS));
        const struct universe_key *start = universe_key(STORE_KEYS, rng_below(rng, UNIVERSE_KEYS));

        walk.prefix = prefix->bytes;
        walk.prefix_len = rng_below(rng, prefix->len < 4 ? prefix->len + 1 : 4);
        check_list(walk, start->bytes, rng_below(rng, start->len + 1), 0);
    }
}

static void check_lists_of_orphans(struct walk walk, struct rng *rng)
{
    for (unsigned i = 0; i < RANDOM_LISTS; i++) {
        const struct universe_key *start =
            universe_key(STORE_ORPHANS, rng_below(rng, UNIVERSE_KEYS));
        uint64_t generation = rng_one_in(rng, 2) ? start->generation : 0;
        bool only = rng_one_in(rng, 2);

        walk.only = only ? start : NULL;
        if (only)
            check_list(walk, start->bytes, start->len, generation);
        else
            check_list(walk, start->bytes, rng_below(rng, start->len + 1), generation);
    }
}

static void check_lists(const struct ledger *ledger, struct rng *rng, struct store *store)
{
    struct walk keys = {.ledger = ledger, .store = store, .space = STORE_KEYS, .prefix = ""};
    struct walk orphans = keys;

    orphans.space = STORE_ORPHANS;
    check_list(keys, "", 0, 0);
    check_list(orphans, "", 0, 0);
    check_lists_of_keys(keys, rng);
    check_lists_of_orphans(orphans, rng);
}

static void check_stats(const struct ledger *ledger, const struct store *store)
{
    struct store_stats stats;
    uint64_t keys = 0;
    uint64_t unlinked = 0;
    uint64_t orphans = 0;

    for (unsigned i = 0; i < UNIVERSE_KEYS; i++) {
        uint64_t version = ledger->versions[STORE_KEYS][i];

        keys += version != 0 && !universe_unlinked(version);
        unlinked += version != 0 && universe_unlinked(version);
        orphans += ledger->versions[STORE_ORPHANS][i] != 0;
    }
    store_stats(store, &stats);
    STOREBOX_CHECK(stats.keys == keys && stats.unlinked == unlinked && stats.orphans == orphans,
                   "the store counts %llu keys, %llu unlinked, %llu orphans; it has %llu, %llu, "
                   "%llu",
                   (unsigned long long)stats.keys, (unsigned long long)stats.unlinked,
                   (unsigned long long)stats.orphans, (unsigned long long)keys,
                   (unsigned long long)unlinked, (unsigned long long)orphans);
    STOREBOX_CHECK(store_last_generation(store) == ledger->last_generation,
                   "the store's last generation is %llx, not %llx",
                   (unsigned long long)store_last_generation(store),
                   (unsigned long long)ledger->last_generation);
}

void ledger_check_store(struct ledger *ledger, struct rng *rng, struct store *store)
{
    for (unsigned i = 0; i < UNIVERSE_IN_FLIGHT; i++)
        if (ledger->pending[i].kind != 0)
            settle(ledger, store, &ledger->pending[i]);
    storebox_check_pieces(store);
    check_gets(ledger, store);
    check_lists(ledger, rng, store);
    check_stats(ledger, store);
}

void ledger_check(struct ledger *ledger, struct rng *rng, const char *dir)
{
    static const struct gdbm_engine_options options = {.sync = false};
    struct storebox box;
    int rc;

    storebox_init(&box, dir, &options);
    rc = storebox_open(&box);
    STOREBOX_CHECK(rc == 0, "can't open %s: %s", dir, uv_strerror(rc));
    ledger_check_store(ledger, rng, box.store);
    storebox_deinit(&box);
}
