/* Records that take several entries of the table: index/store/split.h. */
#include "tests/unit/test.h"

#include <string.h>

#include "index/base/log.h"
#include "index/store/gdbm/build.h"
#include "index/store/gdbm/internal.h"
#include "tests/support/storebox.h"

#define KEY "/bucket/key"

static int setup(void **state)
{
    static const struct gdbm_engine_options options = {.sync = false};
    struct storebox *box = calloc(1, sizeof(*box));

    if (box == NULL)
        return -1;
    storebox_init(box, NULL, &options);
    *state = box;
    return log_open("/dev/null") < 0 ? -1 : storebox_open(box);
}

static int teardown(void **state)
{
    struct storebox *box = *state;

    storebox_deinit(box);
    free(box);
    return 0;
}

static void reopen(struct storebox *box)
{
    storebox_close(box);
    assert_int_equal(storebox_open(box), 0);
}

/* The record has the same seed for any metadata of a length. */
static struct record *record_of(unsigned meta_len)
{
    static struct record record;

    record = (struct record){.size = meta_len, .generation = 1 + meta_len, .n_places = 1};
    storebox_set_meta(&record, meta_len, meta_len);
    return &record;
}

/* Metadata that makes the record `len` bytes long. */
static unsigned meta_for(size_t len)
{
    unsigned char bytes[RECORD_MAX];
    unsigned n = RECORD_META_MAX;

    while (record_encode(record_of(n), bytes) > len)
        n--;
    return n;
}

static void assert_record(struct storebox *box, const char *key, unsigned meta_len)
{
    struct record seen;

    memset(&seen, 0xa5, sizeof(seen));
    assert_int_equal(gdbm_engine_get(box->store, key, strlen(key), &seen), 0);
    assert_true(record_equal(&seen, record_of(meta_len)));
}

static void put(struct storebox *box, const char *key, unsigned meta_len)
{
    assert_int_equal(storebox_put(box, key, strlen(key), record_of(meta_len)), 0);
    assert_record(box, key, meta_len);
    storebox_check_pieces(box->store);
}

/* Lengths around those that fill 1 to 8 entries. */
#define LENGTHS (3 * (SPLIT_ENTRIES_MAX - 1) + 3)

static void list_lengths(unsigned lengths[LENGTHS])
{
    unsigned n = 0;

    lengths[n++] = 0;
    lengths[n++] = 1;
    for (size_t i = 1; i < SPLIT_ENTRIES_MAX; i++)
        for (size_t len = i * PAGE_VALUE_MAX - 1; len <= i * PAGE_VALUE_MAX + 1; len++)
            lengths[n++] = meta_for(len);
    lengths[n++] = RECORD_META_MAX;
    assert_int_equal(n, LENGTHS);
}

static void test_split_takes_metadata_of_any_length(void **state)
{
    struct storebox *box = *state;
    unsigned lengths[LENGTHS];
    char key[32];

    list_lengths(lengths);
    for (unsigned i = 0; i < LENGTHS; i++) {
        snprintf(key, sizeof(key), "/key%02u", i);
        put(box, key, lengths[i]);
    }
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < LENGTHS; i++) {
            snprintf(key, sizeof(key), "/key%02u", i);
            assert_record(box, key, lengths[i]);
        }
        storebox_check_pieces(box->store);
        if (round == 0)
            assert_int_equal(storebox_checkpoint(box), 0);
        reopen(box);
    }
}

/* From each length to each other one, in memory and in tables. */
static void test_split_replaces_and_removes_all_of_a_record(void **state)
{
    struct storebox *box = *state;
    struct store_stats stats;
    unsigned lengths[LENGTHS];

    list_lengths(lengths);
    for (unsigned i = 0; i < LENGTHS; i++) {
        for (unsigned j = 0; j < LENGTHS; j += 2) {
            put(box, KEY, lengths[i]);
            if (j % 3 == 0)
                assert_int_equal(storebox_checkpoint(box), 0);
            put(box, KEY, lengths[j]);
        }
        if (i % 2 == 0)
            assert_int_equal(storebox_checkpoint(box), 0);
        assert_int_equal(storebox_delete(box, KEY, strlen(KEY)), 0);
        storebox_check_pieces(box->store);
        assert_int_equal(gdbm_engine_get(box->store, KEY, strlen(KEY), record_of(0)), UV_ENOENT);
    }
    reopen(box);
    storebox_check_pieces(box->store);
    store_stats(box->store, &stats);
    assert_int_equal(stats.keys + stats.unlinked + stats.orphans, 0);
    assert_int_equal(store_last_generation(box->store), 1 + RECORD_META_MAX);
}

static void test_split_records_are_counted_once(void **state)
{
    struct storebox *box = *state;
    struct record unlinked = *record_of(RECORD_META_MAX);
    struct store_stats stats;

    unlinked.flags = RECORD_UNLINKED;
    put(box, "/a", RECORD_META_MAX);
    put(box, "/b", RECORD_META_MAX);
    assert_int_equal(storebox_put(box, "/b", 2, &unlinked), 0);
    for (unsigned round = 0; round < 3; round++) {
        store_stats(box->store, &stats);
        assert_int_equal(stats.keys, 1);
        assert_int_equal(stats.unlinked, 1);
        assert_int_equal(stats.orphans, 0);
        if (round == 0)
            assert_int_equal(storebox_checkpoint(box), 0);
        reopen(box);
    }
}

/* --- Expectations ----------------------------------------------------------------------------- */

struct pending {
    struct store_commit commit;
    int rc;
    bool ended;
};

static void pending_cb(struct store_commit *commit, int rc)
{
    struct pending *p = commit->data;

    p->rc = rc;
    p->ended = true;
}

static void begin(struct storebox *box, struct pending *p, const struct record *record,
                  const struct record *was)
{
    struct store_change change = {.space = STORE_KEYS,
                                  .key = KEY,
                                  .len = strlen(KEY),
                                  .record = record,
                                  .expect = was != NULL ? STORE_EXACTLY : STORE_NOTHING,
                                  .was = was};

    *p = (struct pending){.commit = {.data = p}};
    assert_int_equal(store_commit(box->store, &p->commit, &change, 1, pending_cb), 0);
}

/* What is expected is compared to the last byte of metadata, wherever the pieces are: in the batch
 * before, in the one with the worker, in memory, in the table. */
static void test_split_expects_all_of_a_record(void **state)
{
    struct storebox *box = *state;
    struct record is = *record_of(RECORD_META_MAX);
    struct record other = is;
    struct pending pending[4];

    other.meta[RECORD_META_MAX - 1] ^= 1;
    for (unsigned round = 0; round < 4; round++) {
        begin(box, &pending[0], &is, NULL);
        if (round == 1)
            uv_run(&box->loop, UV_RUN_NOWAIT); /* the worker has it, or it has ended */
        if (round >= 2)
            while (!pending[0].ended)
                storebox_turn(box);
        if (round == 3)
            assert_int_equal(storebox_checkpoint(box), 0);
        begin(box, &pending[1], record_of(0), &other);
        begin(box, &pending[2], &other, &is);
        begin(box, &pending[3], NULL, &other);
        while (!pending[3].ended)
            storebox_turn(box);
        assert_int_equal(pending[0].rc, 0);
        assert_int_equal(pending[1].rc, STORE_CONFLICT);
        assert_int_equal(pending[2].rc, 0);
        assert_int_equal(pending[3].rc, 0);
        storebox_check_pieces(box->store);
    }
}

/* --- Listings --------------------------------------------------------------------------------- */

struct listed {
    char text[64];
    unsigned stop_at;
};

static int list_cb(const void *key, size_t len, const struct record *record, void *arg)
{
    struct listed *listed = arg;
    size_t used = strlen(listed->text);

    assert_true(record_equal(record, record_of((unsigned)record->size)));
    snprintf(listed->text + used, sizeof(listed->text) - used, "%.*s ", (int)len,
             (const char *)key);
    return --listed->stop_at == 0 ? 77 : 0;
}

static void assert_list(struct storebox *box, const char *prefix, const char *start,
                        size_t start_len, unsigned stop_at, const char *expected)
{
    struct listed listed = {.stop_at = stop_at};
    int rc =
        gdbm_engine_list(box->store, prefix, strlen(prefix), start, start_len, list_cb, &listed);

    assert_int_equal(rc, stop_at > 0 && listed.stop_at == 0 ? 77 : 0);
    assert_string_equal(listed.text, expected);
}

/* Keys that begin as another one does stand behind that one's pieces. */
static void test_split_records_are_listed_whole_and_in_order(void **state)
{
    struct storebox *box = *state;

    put(box, "/a\1", RECORD_META_MAX);
    put(box, "/b", 3);
    put(box, "/a", RECORD_META_MAX);
    assert_int_equal(storebox_checkpoint(box), 0);
    put(box, "/a/b", RECORD_META_MAX);
    for (unsigned round = 0; round < 2; round++) {
        assert_list(box, "", "", 0, 0, "/a /a\1 /a/b /b ");
        assert_list(box, "/a", "", 0, 0, "/a /a\1 /a/b ");
        assert_list(box, "/a", "/a", 2, 1, "/a ");
        assert_list(box, "/a/", "", 0, 0, "/a/b ");
        assert_list(box, "/a", "/a\0", 3, 0, "/a\1 /a/b "); /* behind "/a" */
        assert_list(box, "", "/a\0\4", 4, 2, "/a\1 /a/b ");
        assert_list(box, "", "/a/b\0\xff", 6, 0, "/b ");
        assert_int_equal(storebox_checkpoint(box), 0);
    }
}

/* --- A table in one go -------------------------------------------------------------------------
 */

static void test_split_records_are_built(void **state)
{
    struct storebox *box = *state;
    const struct orphan orphan = {.n_places = 1};
    unsigned lengths[LENGTHS];
    struct build *build;
    char key[32];

    list_lengths(lengths);
    assert_int_equal(build_start(box->dir, gdbm_engine_last_block(box->store), &build), 0);
    for (unsigned i = 0; i < LENGTHS; i++) {
        int len = snprintf(key, sizeof(key), "/key%02u", i);

        assert_int_equal(build_add_key(build, key, (size_t)len, record_of(lengths[i])), 0);
        assert_int_equal(build_add_key(build, key, (size_t)len, record_of(7)), UV_EEXIST);
        assert_int_equal(build_add_key(build, "/", 1, record_of(7)), UV_EINVAL);
    }
    assert_int_equal(build_add_orphan(build, key, strlen(key), 1, &orphan), 0);
    assert_int_equal(build_finish(build), 0);
    assert_int_equal(gdbm_engine_adopt(box->store), 0);
    reopen(box);
    for (unsigned i = 0; i < LENGTHS; i++) {
        snprintf(key, sizeof(key), "/key%02u", i);
        assert_record(box, key, lengths[i]);
    }
    storebox_check_pieces(box->store);
    put(box, "/key10", 0);
    put(box, "/key00", RECORD_META_MAX);
    assert_int_equal(storebox_checkpoint(box), 0);
    storebox_check_pieces(box->store);
}

/* --- What can't be -----------------------------------------------------------------------------
 */

/* Does one operation on an entry, past the commits. */
static void meddle(struct storebox *box, unsigned piece, const char *value)
{
    unsigned char key[INTERNAL_KEY_MAX];
    struct op op = {.key = key,
                    .value = (const unsigned char *)value,
                    .value_len = value != NULL ? strlen(value) : 0,
                    .was = value != NULL ? OP_ABSENT : OP_PIECE};

    op.key_len = split_key(key, engine_internal_key(KEY, strlen(KEY), key), piece);
    assert_int_equal(memtable_reserve(engine_of(box->store)->active, 1, sizeof(key)), 0);
    engine_apply_cb(&op, box->store);
}

static int never_cb(const void *key, size_t len, const struct record *record, void *arg)
{
    (void)key;
    (void)len;
    (void)record;
    (void)arg;
    fail_msg("what is damaged was listed");
    return 0;
}

/* Nothing is made of half a record. */
static void test_split_without_a_piece_is_damaged(void **state)
{
    struct storebox *box = *state;
    unsigned char bytes[RECORD_MAX];
    size_t entries = split_count(record_encode(record_of(RECORD_META_MAX), bytes));

    for (unsigned piece = 1; piece < entries; piece++) {
        assert_int_equal(storebox_put(box, KEY, strlen(KEY), record_of(RECORD_META_MAX)), 0);
        meddle(box, piece, NULL);
        assert_int_equal(gdbm_engine_get(box->store, KEY, strlen(KEY), record_of(0)), UV_EIO);
        assert_int_equal(gdbm_engine_list(box->store, "", 0, "", 0, never_cb, NULL), UV_EIO);
        assert_int_equal(storebox_put(box, KEY, strlen(KEY), record_of(3)), UV_EIO);
        assert_int_equal(storebox_delete(box, KEY, strlen(KEY)), UV_EIO);
        meddle(box, piece, "");
        assert_int_equal(gdbm_engine_get(box->store, KEY, strlen(KEY), record_of(0)), UV_EIO);
        assert_int_equal(gdbm_engine_list(box->store, "", 0, "", 0, never_cb, NULL), UV_EIO);
        storebox_close(box); /* what was meddled with is in no file */
        assert_int_equal(storebox_open(box), 0);
    }
}

static void test_split_with_a_piece_too_many_is_damaged(void **state)
{
    struct storebox *box = *state;
    struct listed listed = {.stop_at = 0};

    put(box, KEY, 0);
    meddle(box, 1, "more");
    assert_int_equal(gdbm_engine_list(box->store, "", 0, "", 0, list_cb, &listed), UV_EIO);
    assert_string_equal(listed.text, KEY " ");
}

#define SPLIT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SPLIT_TEST(test_split_takes_metadata_of_any_length),
        SPLIT_TEST(test_split_replaces_and_removes_all_of_a_record),
        SPLIT_TEST(test_split_records_are_counted_once),
        SPLIT_TEST(test_split_expects_all_of_a_record),
        SPLIT_TEST(test_split_records_are_listed_whole_and_in_order),
        SPLIT_TEST(test_split_records_are_built),
        SPLIT_TEST(test_split_without_a_piece_is_damaged),
        SPLIT_TEST(test_split_with_a_piece_too_many_is_damaged),
    };

    return cmocka_run_group_tests_name("split", tests, NULL, NULL);
}
