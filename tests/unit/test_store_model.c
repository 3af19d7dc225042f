/* The store against plain sorted arrays: random operations, compared after every one, while
 * checkpoints as small as can be run beside them. Orphans are in an array of their own, by a name
 * that is the key, a NUL and the generation, big-endian. Commits expect what may or may not be
 * there, and the arrays tell which of them must meet something else.
 *
 *     MKV_MODEL_SEED      repeats a run; the seed is printed
 *     MKV_MODEL_SECONDS   how long */
#include "tests/unit/test.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "index/base/log.h"
#include "index/store/gdbm/split.h"
#include "tests/support/array_table.h"
#include "tests/support/rng.h"
#include "tests/support/storebox.h"

#ifdef __SANITIZE_ADDRESS__
#define DEFAULT_SECONDS 6
#else
#define DEFAULT_SECONDS 20
#endif
#define SPACES       2
#define SUFFIX       9    /* of the name of an orphan */
#define KEYS_TARGET  6000 /* so many names, then more is deleted than put */
#define BURST        64
#define VOLUMES      20
#define CHECK_ALL_IN 2000 /* steps */

struct model {
    struct storebox box;
    struct rng rng;
    struct array_table tables[SPACES];
    uint64_t last_generation;
    uint32_t volumes[VOLUMES]; /* ids */
    uint64_t steps;
    uint64_t conflicts;
    uint64_t checkpoints; /* of stores that were closed since */
};

/* Of a key, or of an orphan. */
struct name {
    unsigned char bytes[STORE_KEY_MAX + SUFFIX];
    size_t len;
};

/* --- Names ----------------------------------------------------------------------------------- */

static size_t key_len(enum store_space space, size_t len)
{
    return space == STORE_ORPHANS ? len - SUFFIX : len;
}

static uint64_t generation_of(enum store_space space, const unsigned char *bytes, size_t len)
{
    uint64_t generation = 0;

    for (size_t i = len - 8; space == STORE_ORPHANS && i < len; i++)
        generation = generation << 8 | bytes[i];
    return generation;
}

static void add_generation(struct name *name, uint64_t generation)
{
    name->bytes[name->len++] = '\0';
    for (int shift = 56; shift >= 0; shift -= 8)
        name->bytes[name->len++] = (unsigned char)(generation >> shift);
}

static unsigned char random_byte(struct rng *rng)
{
    static const unsigned char few[] = {'/', 'a', 'b', 0xff, 1};

    if (rng_one_in(rng, 4))
        return (unsigned char)(1 + rng_below(rng, 255));
    return few[rng_below(rng, 5)];
}

/* Few, so that keys have several orphans, and random ones. */
static uint64_t random_generation(struct rng *rng)
{
    static const uint64_t few[] = {0, 1, 255, 256, UINT64_MAX};

    return rng_one_in(rng, 2) ? few[rng_below(rng, 5)] : rng_next(rng) >> rng_below(rng, 64);
}

/* A key that often begins as another does, and is seldom long. */
static void random_name(struct model *m, enum store_space space, struct name *name)
{
    const struct array_table *table = &m->tables[space];
    size_t room = rng_one_in(&m->rng, 20) ? STORE_KEY_MAX : 24;

    name->len = 0;
    if (table->n > 0 && !rng_one_in(&m->rng, 5)) {
        const struct array_entry *entry = table->entries[rng_below(&m->rng, table->n)];

        name->len = rng_below(&m->rng, key_len(space, entry->len) + 1);
        memcpy(name->bytes, entry->key, name->len);
    }
    for (size_t n = 1 + rng_below(&m->rng, room); n > 0 && name->len < STORE_KEY_MAX; n--)
        name->bytes[name->len++] = random_byte(&m->rng);
    if (space == STORE_ORPHANS)
        add_generation(name, random_generation(&m->rng));
}

static void known_or_random_name(struct model *m, enum store_space space, struct name *name)
{
    const struct array_table *table = &m->tables[space];
    const struct array_entry *entry;

    if (table->n == 0 || rng_one_in(&m->rng, 4)) {
        random_name(m, space, name);
        return;
    }
    entry = table->entries[rng_below(&m->rng, table->n)];
    memcpy(name->bytes, entry->key, entry->len);
    name->len = entry->len;
}

/* --- Values ---------------------------------------------------------------------------------- */

struct value {
    struct record record;
    struct orphan orphan;
};

static struct place random_place(struct model *m)
{
    struct place place = {.volume = m->volumes[rng_below(&m->rng, VOLUMES)],
                          .has_subvolume = rng_one_in(&m->rng, 2)};

    if (place.has_subvolume)
        place.subvolume = rng_below(&m->rng, 256);
    return place;
}

/* None, little, any amount, or as much as just fills some entries of the table, or doesn't, or is
 * one byte too many. */
static void random_meta(struct model *m, struct record *record)
{
    unsigned char bytes[RECORD_MAX];
    size_t len = 0;

    if (!rng_one_in(&m->rng, 3))
        return;
    switch (rng_below(&m->rng, 4)) {
    case 0:
        len = rng_below(&m->rng, RECORD_META_MAX + 1);
        break;
    case 1:
        len = PAGE_VALUE_MAX * (1 + rng_below(&m->rng, SPLIT_ENTRIES_MAX)) - 3 +
              rng_below(&m->rng, 3) - record_encode(record, bytes);
        break;
    default:
        len = rng_below(&m->rng, 100);
    }
    storebox_set_meta(record, len < RECORD_META_MAX ? (unsigned)len : RECORD_META_MAX,
                      rng_next(&m->rng));
}

static void random_record(struct model *m, struct record *record)
{
    *record = (struct record){.flags = rng_below(&m->rng, 4),
                              .size = rng_next(&m->rng) >> rng_below(&m->rng, 64),
                              .time = rng_next(&m->rng) >> rng_below(&m->rng, 64),
                              .generation = random_generation(&m->rng),
                              .n_places = 1 + rng_below(&m->rng, rng_one_in(&m->rng, 8) ? 16 : 3)};
    if (record->generation > 0)
        record->placed_by = (uint32_t)rng_next(&m->rng);
    for (unsigned i = 0; i < RECORD_MD5_SIZE && (record->flags & RECORD_MD5) != 0; i++)
        record->md5[i] = (unsigned char)rng_below(&m->rng, 256);
    for (unsigned i = 0; i < record->n_places; i++)
        record->places[i] = random_place(m);
    random_meta(m, record);
}

static void random_orphan(struct model *m, struct orphan *orphan)
{
    unsigned max = rng_one_in(&m->rng, 8) ? ORPHAN_PLACES_MAX : 3;

    *orphan = (struct orphan){.until = rng_next(&m->rng) >> rng_below(&m->rng, 64),
                              .time = rng_next(&m->rng) >> rng_below(&m->rng, 64),
                              .n_places = 1 + rng_below(&m->rng, max)};
    for (unsigned i = 0; i < orphan->n_places; i++)
        orphan->places[i] = random_place(m);
}

static void random_value(struct model *m, enum store_space space, struct value *value)
{
    if (space == STORE_KEYS)
        random_record(m, &value->record);
    else
        random_orphan(m, &value->orphan);
}

static size_t encode(enum store_space space, const struct record *record,
                     const struct orphan *orphan, unsigned char bytes[RECORD_MAX])
{
    return space == STORE_KEYS ? record_encode(record, bytes) : orphan_encode(orphan, bytes);
}

static void decode(enum store_space space, const struct array_entry *entry, struct value *value)
{
    int rc = space == STORE_KEYS ? record_decode(entry->value, entry->value_len, &value->record)
                                 : orphan_decode(entry->value, entry->value_len, &value->orphan);

    assert_int_equal(rc, 0);
}

/* --- Comparing ------------------------------------------------------------------------------- */

static bool is_same(const struct array_entry *entry, enum store_space space,
                    const struct record *record, const struct orphan *orphan)
{
    unsigned char bytes[RECORD_MAX];
    size_t n = encode(space, record, orphan, bytes);

    return n == entry->value_len && memcmp(bytes, entry->value, n) == 0;
}

static void check_key(struct model *m, enum store_space space, const unsigned char *name,
                      size_t len)
{
    const struct array_table *table = &m->tables[space];
    struct value value;
    bool found;
    size_t at = array_table_find(table, name, len, &found);
    int rc = space == STORE_KEYS
                 ? gdbm_engine_get(m->box.store, name, len, &value.record)
                 : gdbm_engine_get_orphan(m->box.store, name, key_len(space, len),
                                          generation_of(space, name, len), &value.orphan);

    assert_int_equal(rc, found ? 0 : UV_ENOENT);
    if (found)
        assert_true(is_same(table->entries[at], space, &value.record, &value.orphan));
}

struct walk {
    const struct array_table *table;
    size_t at;
    size_t left; /* entries after which it stops */
};

static int walk_cb(const void *key, size_t len, const struct record *record, void *arg)
{
    struct walk *walk = arg;
    const struct array_entry *entry;

    assert_true(walk->at < walk->table->n);
    entry = walk->table->entries[walk->at++];
    assert_int_equal(storebox_compare(entry->key, entry->len, key, len), 0);
    assert_true(is_same(entry, STORE_KEYS, record, NULL));
    return --walk->left == 0 ? 77 : 0;
}

static int walk_orphan_cb(const void *key, size_t len, uint64_t generation,
                          const struct orphan *orphan, void *arg)
{
    struct walk *walk = arg;
    const struct array_entry *entry;
    struct name name = {.len = len};

    memcpy(name.bytes, key, len);
    add_generation(&name, generation);
    assert_true(walk->at < walk->table->n);
    entry = walk->table->entries[walk->at++];
    assert_int_equal(storebox_compare(entry->key, entry->len, name.bytes, name.len), 0);
    assert_true(is_same(entry, STORE_ORPHANS, NULL, orphan));
    return --walk->left == 0 ? 77 : 0;
}

static bool begins_with(const struct array_entry *entry, const void *prefix, size_t len)
{
    return entry->len >= len && memcmp(entry->key, prefix, len) == 0;
}

/* Where a listing from here must stop: after `limit` names, or at one that doesn't begin so. */
static size_t find_end(const struct walk *walk, const void *prefix, size_t len)
{
    size_t end = walk->at;

    while (end < walk->table->n && end - walk->at < walk->left &&
           begins_with(walk->table->entries[end], prefix, len))
        end++;
    return end;
}

/* Lists at most `limit` keys and compares them with the array. */
static void check_list(struct model *m, const struct name *prefix, const struct name *start,
                       size_t limit)
{
    bool prefix_first = storebox_compare(prefix->bytes, prefix->len, start->bytes, start->len) > 0;
    const struct name *first = prefix_first ? prefix : start;
    struct walk walk = {.table = &m->tables[STORE_KEYS], .left = limit};
    bool found;
    size_t end;
    int rc;

    walk.at = array_table_find(walk.table, first->bytes, first->len, &found);
    end = find_end(&walk, prefix->bytes, prefix->len);
    rc = gdbm_engine_list(m->box.store, prefix->bytes, prefix->len, start->bytes, start->len,
                          walk_cb, &walk);
    assert_int_equal(walk.at, end);
    assert_int_equal(rc, walk.left == 0 ? 77 : 0);
}

/* The same of orphans; of the key of `start` alone with `only`. */
static void check_orphans(struct model *m, const struct name *start, bool only, size_t limit)
{
    size_t len = key_len(STORE_ORPHANS, start->len);
    struct walk walk = {.table = &m->tables[STORE_ORPHANS], .left = limit};
    bool found;
    size_t end;
    int rc;

    walk.at = array_table_find(walk.table, start->bytes, start->len, &found);
    end = find_end(&walk, start->bytes, only ? len + 1 : 0);
    rc = gdbm_engine_list_orphans(m->box.store, start->bytes, len,
                                  generation_of(STORE_ORPHANS, start->bytes, start->len), only,
                                  walk_orphan_cb, &walk);
    assert_int_equal(walk.at, end);
    assert_int_equal(rc, walk.left == 0 ? 77 : 0);
}

static void check_random_list(struct model *m)
{
    size_t limit = 1 + rng_below(&m->rng, 300);
    struct name prefix;
    struct name start;

    if (rng_one_in(&m->rng, 2)) {
        known_or_random_name(m, STORE_ORPHANS, &start);
        if (rng_one_in(&m->rng, 2)) {
            start.len = key_len(STORE_ORPHANS, start.len);
            add_generation(&start, random_generation(&m->rng));
        }
        check_orphans(m, &start, rng_one_in(&m->rng, 2), limit);
        return;
    }
    known_or_random_name(m, STORE_KEYS, &prefix);
    known_or_random_name(m, STORE_KEYS, &start);
    prefix.len = rng_below(&m->rng, prefix.len < 8 ? prefix.len + 1 : 8);
    if (rng_one_in(&m->rng, 3))
        start.len = rng_below(&m->rng, start.len + 1);
    check_list(m, &prefix, &start, limit);
}

static void check_all(struct model *m)
{
    const struct name none = {.len = 0};
    struct name first = {.len = 0};
    const struct array_table *keys = &m->tables[STORE_KEYS];
    struct store_stats stats;
    uint64_t unlinked = 0;

    for (size_t i = 0; i < keys->n; i++)
        unlinked += (keys->entries[i]->value[1] & RECORD_UNLINKED) != 0;
    store_stats(m->box.store, &stats);
    assert_int_equal(stats.unlinked, unlinked);
    assert_int_equal(stats.keys, keys->n - unlinked);
    assert_int_equal(stats.orphans, m->tables[STORE_ORPHANS].n);
    assert_int_equal(store_last_generation(m->box.store), m->last_generation);
    storebox_check_pieces(m->box.store);
    check_list(m, &none, &none, SIZE_MAX);
    add_generation(&first, 0);
    check_orphans(m, &first, false, SIZE_MAX);
    for (unsigned space = 0; space < SPACES; space++) {
        const struct array_table *table = &m->tables[space];

        for (size_t i = 0; i < table->n; i++)
            check_key(m, space, table->entries[i]->key, table->entries[i]->len);
    }
}

/* --- Commits --------------------------------------------------------------------------------- */

/* One commit of a few changes of different names. */
struct batch {
    struct store_commit commit;
    unsigned n;
    int rc; /* that it must end with */
    struct name names[STORE_CHANGES_MAX];
    struct value values[STORE_CHANGES_MAX];
    struct value was[STORE_CHANGES_MAX];
    struct store_change changes[STORE_CHANGES_MAX];
    unsigned number; /* of those that are on their way */
    unsigned *ended;
};

static bool batch_has(const struct batch *batch, enum store_space space, const struct name *name)
{
    for (unsigned i = 0; i < batch->n; i++)
        if (batch->changes[i].space == space &&
            storebox_compare(batch->names[i].bytes, batch->names[i].len, name->bytes, name->len) ==
                0)
            return true;
    return false;
}

/* What is there, or something else, or nothing. */
static void choose_expectation(struct model *m, struct batch *batch)
{
    struct store_change *change = &batch->changes[batch->n];
    const struct name *name = &batch->names[batch->n];
    struct value *was = &batch->was[batch->n];
    bool found;
    size_t at = array_table_find(&m->tables[change->space], name->bytes, name->len, &found);

    if (rng_one_in(&m->rng, 3))
        return; /* anything */
    change->expect = found ? STORE_EXACTLY : STORE_NOTHING;
    if (rng_one_in(&m->rng, 10))
        change->expect = found ? STORE_NOTHING : STORE_EXACTLY;
    if (change->expect != STORE_EXACTLY)
        return;
    if (found && !rng_one_in(&m->rng, 10))
        decode(change->space, m->tables[change->space].entries[at], was);
    else
        random_value(m, change->space, was);
    change->was = &was->record;
    change->orphan_was = &was->orphan;
}

static bool batch_add(struct model *m, struct batch *batch, bool delete)
{
    enum store_space space = rng_one_in(&m->rng, 4) ? STORE_ORPHANS : STORE_KEYS;
    struct name *name = &batch->names[batch->n];
    struct value *value = &batch->values[batch->n];

    if (delete || rng_one_in(&m->rng, 4))
        known_or_random_name(m, space, name);
    else
        random_name(m, space, name);
    if (batch_has(batch, space, name))
        return false;
    random_value(m, space, value);
    batch->changes[batch->n] = (struct store_change){
        .space = space,
        .key = name->bytes,
        .len = key_len(space, name->len),
        .record = space == STORE_KEYS && !delete ? &value->record : NULL,
        .generation = generation_of(space, name->bytes, name->len),
        .orphan = space == STORE_ORPHANS && !delete ? &value->orphan : NULL,
    };
    choose_expectation(m, batch);
    batch->n++;
    return true;
}

static bool must_conflict(const struct model *m, const struct store_change *change,
                          const struct name *name)
{
    const struct array_table *table = &m->tables[change->space];
    bool found;
    size_t at = array_table_find(table, name->bytes, name->len, &found);

    if (change->expect == STORE_NOTHING)
        return found;
    return change->expect == STORE_EXACTLY &&
           (!found || !is_same(table->entries[at], change->space, change->was, change->orphan_was));
}

static void apply_change(struct model *m, const struct store_change *change,
                         const struct name *name)
{
    struct array_table *table = &m->tables[change->space];
    unsigned char bytes[RECORD_MAX];
    uint64_t generation = change->generation;
    size_t n;

    if (change->record == NULL && change->orphan == NULL) {
        array_table_delete(table, name->bytes, name->len);
        return;
    }
    n = encode(change->space, change->record, change->orphan, bytes);
    array_table_put(table, name->bytes, name->len, bytes, n);
    if (change->record != NULL)
        generation = change->record->generation;
    if (generation > m->last_generation)
        m->last_generation = generation;
}

/* Does to the arrays what the commit must do, and knows how it must end. */
static void apply(struct model *m, struct batch *batch)
{
    batch->rc = 0;
    for (unsigned i = 0; i < batch->n; i++)
        if (must_conflict(m, &batch->changes[i], &batch->names[i]))
            batch->rc = STORE_CONFLICT;
    m->conflicts += batch->rc != 0;
    for (unsigned i = 0; i < batch->n && batch->rc == 0; i++)
        apply_change(m, &batch->changes[i], &batch->names[i]);
}

static void check_batch(struct model *m, const struct batch *batch)
{
    for (unsigned i = 0; i < batch->n; i++)
        check_key(m, batch->changes[i].space, batch->names[i].bytes, batch->names[i].len);
}

/* --- Steps ----------------------------------------------------------------------------------- */

static bool rather_delete(struct model *m)
{
    size_t n = m->tables[0].n + m->tables[1].n;

    return rng_below(&m->rng, 10) < (n > KEYS_TARGET ? 7 : 3);
}

static void make_batch(struct model *m, struct batch *batch)
{
    unsigned wanted = rng_one_in(&m->rng, 3) ? 1 + rng_below(&m->rng, STORE_CHANGES_MAX) : 1;

    while (batch->n < wanted)
        batch_add(m, batch, rather_delete(m));
}

static void step_commit(struct model *m)
{
    struct batch batch = {.n = 0};

    make_batch(m, &batch);
    apply(m, &batch);
    assert_int_equal(storebox_commit(&m->box, batch.changes, batch.n), batch.rc);
    check_batch(m, &batch);
}

static void burst_cb(struct store_commit *commit, int rc)
{
    struct batch *batch = commit->data;

    assert_int_equal(rc, batch->rc);
    assert_int_equal(batch->number, (*batch->ended)++);
}

/* Many commits on their way at once, often of the same names: each finds what those before it will
 * leave. Some are with the disk while others begin. */
static void step_burst(struct model *m)
{
    struct batch *batches = calloc(BURST, sizeof(*batches));
    unsigned ended = 0;

    assert_non_null(batches);
    for (unsigned i = 0; i < BURST; i++) {
        struct batch *batch = &batches[i];

        make_batch(m, batch);
        apply(m, batch);
        batch->commit.data = batch;
        batch->number = i;
        batch->ended = &ended;
        assert_int_equal(
            store_commit(m->box.store, &batch->commit, batch->changes, batch->n, burst_cb), 0);
        if (rng_one_in(&m->rng, 16))
            uv_run(&m->box.loop, UV_RUN_NOWAIT);
    }
    while (ended < BURST)
        storebox_turn(&m->box);
    for (unsigned i = 0; i < BURST; i++)
        check_batch(m, &batches[i]);
    free(batches);
}

/* Deletes a run of neighbours, so that whole pages of the catalogue vanish. */
static void step_delete_range(struct model *m)
{
    enum store_space space = rng_below(&m->rng, SPACES);
    struct array_table *table = &m->tables[space];
    size_t at;
    size_t n;

    if (table->n == 0)
        return;
    at = rng_below(&m->rng, table->n);
    n = rng_below(&m->rng, rng_one_in(&m->rng, 10) ? table->n : 500);
    for (; n > 0 && at < table->n; n--) {
        struct name name = {.len = table->entries[at]->len};
        struct store_change change = {.space = space, .key = name.bytes};

        memcpy(name.bytes, table->entries[at]->key, name.len);
        change.len = key_len(space, name.len);
        change.generation = generation_of(space, name.bytes, name.len);
        assert_int_equal(storebox_commit(&m->box, &change, 1), 0);
        array_table_delete(table, name.bytes, name.len);
        check_key(m, space, name.bytes, name.len);
    }
}

static void step_reopen(struct model *m)
{
    struct store_stats stats;

    store_stats(m->box.store, &stats);
    m->checkpoints += stats.checkpoints;
    storebox_close(&m->box);
    m->box.options.checkpoint_bytes = 1U << (10 + rng_below(&m->rng, 10));
    assert_int_equal(storebox_open(&m->box), 0);
    check_all(m);
}

static void step(struct model *m)
{
    enum store_space space = rng_below(&m->rng, SPACES);
    unsigned choice = rng_below(&m->rng, 2000);
    struct name name;

    if (choice == 0)
        step_reopen(m);
    else if (choice < 10)
        gdbm_engine_checkpoint(m->box.store);
    else if (choice < 14)
        step_delete_range(m);
    else if (choice < 60)
        step_burst(m);
    else if (choice < 260)
        check_random_list(m);
    else
        step_commit(m);
    known_or_random_name(m, space, &name);
    check_key(m, space, name.bytes, name.len);
    if (++m->steps % CHECK_ALL_IN == 0)
        check_all(m);
}

static void model_start(struct model *m, uint64_t seed)
{
    struct gdbm_engine_options options = {.sync = false, .checkpoint_bytes = 4096};
    char name[32];

    m->rng.state = seed;
    storebox_init(&m->box, NULL, &options);
    assert_int_equal(storebox_open(&m->box), 0);
    for (unsigned i = 0; i < VOLUMES; i++) {
        snprintf(name, sizeof(name), "localhost:%u", 3000 + i);
        assert_int_equal(gdbm_engine_volume_id(m->box.store, name, &m->volumes[i]), 0);
    }
}

static void model_end(struct model *m)
{
    storebox_deinit(&m->box);
    for (unsigned space = 0; space < SPACES; space++)
        array_table_deinit(&m->tables[space]);
}

static void test_store_does_what_a_sorted_array_does(void **state)
{
    const char *text = getenv("MKV_MODEL_SECONDS");
    time_t end = time(NULL) + (text != NULL ? atoi(text) : DEFAULT_SECONDS); /* NOLINT */
    uint64_t seed = rng_seed("MKV_MODEL_SEED");
    static struct model m;

    (void)state;
    print_message("MKV_MODEL_SEED=%llu\n", (unsigned long long)seed);
    log_set_level(LOG_LEVEL_ERROR);
    model_start(&m, seed);
    while (time(NULL) < end)
        step(&m);
    step_reopen(&m);
    print_message(
        "%llu steps, %llu conflicts, %llu checkpoints, %zu keys, %zu orphans at the end\n",
        (unsigned long long)m.steps, (unsigned long long)m.conflicts,
        (unsigned long long)m.checkpoints, m.tables[0].n, m.tables[1].n);
    assert_true(m.checkpoints > 0 && m.conflicts > 0);
    model_end(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_does_what_a_sorted_array_does),
    };

    return cmocka_run_group_tests_name("store_model", tests, NULL, NULL);
}
