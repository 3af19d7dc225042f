/* The store against a plain sorted array: random operations, compared after every one, while
 * checkpoints as small as can be run beside them.
 *
 *     MKV_MODEL_SEED      repeats a run; the seed is printed
 *     MKV_MODEL_SECONDS   how long */
#include "tests/unit/test.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "index/base/log.h"
#include "tests/support/array_table.h"
#include "tests/support/rng.h"
#include "tests/support/storebox.h"

#ifdef __SANITIZE_ADDRESS__
#define DEFAULT_SECONDS 6
#else
#define DEFAULT_SECONDS 20
#endif
#define SPACES       2
#define KEYS_TARGET  6000 /* so many keys, then more is deleted than put */
#define BURST        64
#define VOLUMES      20
#define CHECK_ALL_IN 2000 /* steps */

struct model {
    struct storebox box;
    struct rng rng;
    struct array_table tables[SPACES];
    uint32_t volumes[VOLUMES]; /* ids */
    uint64_t steps;
    uint64_t checkpoints; /* of stores that were closed since */
};

struct key {
    unsigned char bytes[STORE_KEY_MAX];
    size_t len;
};

/* --- Random keys and records ----------------------------------------------------------------- */

static unsigned char random_byte(struct rng *rng)
{
    static const unsigned char few[] = {0, '/', 'a', 'b', 0xff};

    return rng_one_in(rng, 4) ? (unsigned char)rng_below(rng, 256) : few[rng_below(rng, 5)];
}

/* A key that often begins as another does, and is seldom long. */
static void random_key(struct model *m, const struct array_table *table, struct key *key)
{
    size_t room = rng_one_in(&m->rng, 20) ? STORE_KEY_MAX : 24;

    key->len = 0;
    if (table->n > 0 && !rng_one_in(&m->rng, 5)) {
        const struct array_entry *entry = table->entries[rng_below(&m->rng, table->n)];

        key->len = rng_below(&m->rng, entry->len + 1);
        memcpy(key->bytes, entry->key, key->len);
    }
    for (size_t n = 1 + rng_below(&m->rng, room); n > 0 && key->len < STORE_KEY_MAX; n--)
        key->bytes[key->len++] = random_byte(&m->rng);
}

static void known_or_random_key(struct model *m, const struct array_table *table, struct key *key)
{
    const struct array_entry *entry;

    if (table->n == 0 || rng_one_in(&m->rng, 4)) {
        random_key(m, table, key);
        return;
    }
    entry = table->entries[rng_below(&m->rng, table->n)];
    memcpy(key->bytes, entry->key, entry->len);
    key->len = entry->len;
}

static void random_record(struct model *m, struct record *record)
{
    *record =
        (struct record){.flags = rng_below(&m->rng, 4),
                        .size = rng_next(&m->rng) >> rng_below(&m->rng, 64),
                        .time = rng_next(&m->rng) >> rng_below(&m->rng, 64),
                        .n_replicas = 1 + rng_below(&m->rng, rng_one_in(&m->rng, 8) ? 16 : 3)};
    for (unsigned i = 0; i < RECORD_MD5_SIZE && (record->flags & RECORD_MD5) != 0; i++)
        record->md5[i] = (unsigned char)rng_below(&m->rng, 256);
    for (unsigned i = 0; i < record->n_replicas; i++) {
        struct replica *replica = &record->replicas[i];

        replica->volume = m->volumes[rng_below(&m->rng, VOLUMES)];
        replica->has_subvolume = rng_one_in(&m->rng, 2);
        if (replica->has_subvolume)
            replica->subvolume = rng_below(&m->rng, 256);
    }
}

/* --- Comparing ------------------------------------------------------------------------------- */

static bool same_record(const struct array_entry *entry, const struct record *record)
{
    unsigned char bytes[RECORD_MAX];
    size_t n = record_encode(record, bytes);

    return n == entry->record_len && memcmp(bytes, entry->record, n) == 0;
}

static void check_key(struct model *m, enum store_space space, const void *key, size_t len)
{
    const struct array_table *table = &m->tables[space];
    struct record record;
    bool found;
    size_t at = array_table_find(table, key, len, &found);
    int rc = store_get(m->box.store, space, key, len, &record);

    assert_int_equal(rc, found ? 0 : UV_ENOENT);
    if (found)
        assert_true(same_record(table->entries[at], &record));
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
    assert_true(same_record(entry, record));
    return --walk->left == 0 ? 77 : 0;
}

static bool begins_with(const struct array_entry *entry, const struct key *prefix)
{
    return entry->len >= prefix->len && memcmp(entry->key, prefix->bytes, prefix->len) == 0;
}

/* Lists at most `limit` keys and compares them with the array. */
static void check_list(struct model *m, enum store_space space, const struct key *prefix,
                       const struct key *start, size_t limit)
{
    const struct array_table *table = &m->tables[space];
    bool prefix_first = storebox_compare(prefix->bytes, prefix->len, start->bytes, start->len) > 0;
    const struct key *first = prefix_first ? prefix : start;
    struct walk walk = {.table = table, .left = limit};
    bool found;
    size_t end;
    int rc;

    walk.at = array_table_find(table, first->bytes, first->len, &found);
    for (end = walk.at; end < table->n && end - walk.at < limit; end++)
        if (!begins_with(table->entries[end], prefix))
            break;
    rc = store_list(m->box.store, space, prefix->bytes, prefix->len, start->bytes, start->len,
                    walk_cb, &walk);
    assert_int_equal(walk.at, end);
    assert_int_equal(rc, walk.left == 0 ? 77 : 0);
}

static void check_random_list(struct model *m)
{
    enum store_space space = rng_below(&m->rng, SPACES);
    struct key prefix;
    struct key start;

    known_or_random_key(m, &m->tables[space], &prefix);
    known_or_random_key(m, &m->tables[space], &start);
    prefix.len = rng_below(&m->rng, prefix.len < 8 ? prefix.len + 1 : 8);
    if (rng_one_in(&m->rng, 3))
        start.len = rng_below(&m->rng, start.len + 1);
    check_list(m, space, &prefix, &start, 1 + rng_below(&m->rng, 300));
}

static void check_all(struct model *m)
{
    const struct key none = {.len = 0};
    const struct array_table *keys = &m->tables[STORE_KEYS];
    struct store_stats stats;
    uint64_t unlinked = 0;

    for (size_t i = 0; i < keys->n; i++)
        unlinked += (keys->entries[i]->record[1] & RECORD_UNLINKED) != 0;
    store_stats(m->box.store, &stats);
    assert_int_equal(stats.unlinked, unlinked);
    assert_int_equal(stats.keys, keys->n - unlinked);
    assert_int_equal(stats.orphans, m->tables[STORE_ORPHANS].n);
    for (unsigned space = 0; space < SPACES; space++) {
        const struct array_table *table = &m->tables[space];

        check_list(m, space, &none, &none, SIZE_MAX);
        for (size_t i = 0; i < table->n; i++)
            check_key(m, space, table->entries[i]->key, table->entries[i]->len);
    }
}

/* --- Steps ----------------------------------------------------------------------------------- */

/* One commit of a few changes of different keys, and all of them looked at. */
struct batch {
    struct store_commit commit;
    unsigned n;
    struct key keys[STORE_CHANGES_MAX];
    struct record records[STORE_CHANGES_MAX];
    struct store_change changes[STORE_CHANGES_MAX];
    unsigned *left; /* commits that are not done */
};

static bool batch_has(const struct batch *batch, const struct key *key)
{
    for (unsigned i = 0; i < batch->n; i++)
        if (storebox_compare(batch->keys[i].bytes, batch->keys[i].len, key->bytes, key->len) == 0)
            return true;
    return false;
}

static bool batch_add(struct model *m, struct batch *batch, bool delete)
{
    enum store_space space = rng_one_in(&m->rng, 4) ? STORE_ORPHANS : STORE_KEYS;
    struct key *key = &batch->keys[batch->n];

    if (delete)
        known_or_random_key(m, &m->tables[space], key);
    else
        random_key(m, &m->tables[space], key);
    if (batch_has(batch, key))
        return false;
    random_record(m, &batch->records[batch->n]);
    batch->changes[batch->n] =
        (struct store_change){.space = space,
                              .key = key->bytes,
                              .len = key->len,
                              .record = delete ? NULL : &batch->records[batch->n]};
    batch->n++;
    return true;
}

static void apply(struct model *m, const struct batch *batch)
{
    for (unsigned i = 0; i < batch->n; i++) {
        const struct store_change *change = &batch->changes[i];
        struct array_table *table = &m->tables[change->space];

        if (change->record != NULL)
            array_table_put(table, change->key, change->len, change->record);
        else
            array_table_delete(table, change->key, change->len);
    }
}

static void check_batch(struct model *m, const struct batch *batch)
{
    for (unsigned i = 0; i < batch->n; i++)
        check_key(m, batch->changes[i].space, batch->keys[i].bytes, batch->keys[i].len);
}

static bool rather_delete(struct model *m)
{
    size_t n = m->tables[0].n + m->tables[1].n;

    return rng_below(&m->rng, 10) < (n > KEYS_TARGET ? 7 : 3);
}

static void step_commit(struct model *m)
{
    struct batch batch = {.n = 0};
    unsigned wanted = rng_one_in(&m->rng, 3) ? 1 + rng_below(&m->rng, STORE_CHANGES_MAX) : 1;

    while (batch.n < wanted)
        batch_add(m, &batch, rather_delete(m));
    assert_int_equal(storebox_commit(&m->box, batch.changes, batch.n), 0);
    apply(m, &batch);
    check_batch(m, &batch);
}

static void burst_cb(struct store_commit *commit, int rc)
{
    struct batch *batch = commit->data;

    assert_int_equal(rc, 0);
    --*batch->left;
}

/* Many commits at once, each of a key that no other of them has. */
static void step_burst(struct model *m)
{
    struct batch *batches = calloc(BURST, sizeof(*batches));
    unsigned started = 0;
    unsigned left = 0;

    assert_non_null(batches);
    for (unsigned i = 0; i < BURST; i++) {
        struct batch *batch = &batches[started];
        bool taken = !batch_add(m, batch, rather_delete(m));

        for (unsigned k = 0; k < started && !taken; k++)
            taken = batch_has(&batches[k], &batch->keys[0]);
        if (taken) {
            batch->n = 0;
            continue;
        }
        batch->commit.data = batch;
        batch->left = &left;
        left++;
        started++;
        assert_int_equal(store_commit(m->box.store, &batch->commit, batch->changes, 1, burst_cb),
                         0);
    }
    while (left > 0)
        storebox_turn(&m->box);
    for (unsigned i = 0; i < started; i++)
        apply(m, &batches[i]);
    for (unsigned i = 0; i < started; i++)
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
        struct key key = {.len = table->entries[at]->len};

        memcpy(key.bytes, table->entries[at]->key, key.len);
        assert_int_equal(storebox_delete(&m->box, space, key.bytes, key.len), 0);
        array_table_delete(table, key.bytes, key.len);
        check_key(m, space, key.bytes, key.len);
    }
}

static void step_reopen(struct model *m)
{
    struct store_stats stats;

    store_stats(m->box.store, &stats);
    m->checkpoints += stats.checkpoints;
    storebox_close(&m->box);
    m->box.options.checkpoint_bytes = 1U << (9 + rng_below(&m->rng, 10));
    assert_int_equal(storebox_open(&m->box), 0);
    check_all(m);
}

static void step(struct model *m)
{
    enum store_space space = rng_below(&m->rng, SPACES);
    unsigned choice = rng_below(&m->rng, 2000);
    struct key key;

    if (choice == 0)
        step_reopen(m);
    else if (choice < 10)
        store_checkpoint(m->box.store);
    else if (choice < 14)
        step_delete_range(m);
    else if (choice < 60)
        step_burst(m);
    else if (choice < 260)
        check_random_list(m);
    else
        step_commit(m);
    known_or_random_key(m, &m->tables[space], &key);
    check_key(m, space, key.bytes, key.len);
    if (++m->steps % CHECK_ALL_IN == 0)
        check_all(m);
}

static void model_start(struct model *m, uint64_t seed)
{
    struct store_options options = {.sync = false, .checkpoint_bytes = 4096};
    char name[32];

    m->rng.state = seed;
    storebox_init(&m->box, NULL, &options);
    assert_int_equal(storebox_open(&m->box), 0);
    for (unsigned i = 0; i < VOLUMES; i++) {
        snprintf(name, sizeof(name), "localhost:%u", 3000 + i);
        assert_int_equal(store_volume_id(m->box.store, name, &m->volumes[i]), 0);
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
    print_message("%llu steps, %llu checkpoints, %zu keys, %zu orphans at the end\n",
                  (unsigned long long)m.steps, (unsigned long long)m.checkpoints, m.tables[0].n,
                  m.tables[1].n);
    assert_true(m.checkpoints > 0);
    model_end(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_does_what_a_sorted_array_does),
    };

    return cmocka_run_group_tests_name("store_model", tests, NULL, NULL);
}
