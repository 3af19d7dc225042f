/* build.h, and the store that adopts what was built. */
#include "tests/unit/test.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "index/store/gdbm/build.h"
#include "tests/support/storebox.h"

#define MANY    100000
#define ORPHANS 5000
#define VOLUMES 300

static int setup(void **state)
{
    struct storebox *box = calloc(1, sizeof(*box));

    storebox_init(box, NULL, &(struct gdbm_engine_options){.sync = false});
    assert_int_equal(storebox_open(box), 0);
    *state = box;
    return 0;
}

static int teardown(void **state)
{
    struct storebox *box = *state;

    storebox_deinit(box);
    free(box);
    return 0;
}

static struct build *start(struct storebox *box)
{
    struct build *build = NULL;

    assert_int_equal(build_start(box->dir, gdbm_engine_last_block(box->store), &build), 0);
    return build;
}

/* Finishes, adopts and opens the index anew. */
static void finish(struct storebox *box, struct build *build)
{
    assert_int_equal(build_finish(build), 0);
    assert_int_equal(gdbm_engine_adopt(box->store), 0);
    storebox_close(box);
    assert_int_equal(storebox_open(box), 0);
}

static size_t key_of(unsigned i, char key[32])
{
    return (size_t)snprintf(key, 32, "/some/key-%08u", i);
}

static struct record record_of(unsigned i, uint32_t volume)
{
    return (struct record){
        .flags = i % 3 == 0 ? RECORD_UNLINKED : 0,
        .size = i,
        .generation = i + 1,
        .n_places = 1,
        .places = {{.volume = volume}},
    };
}

static void name_of(unsigned i, char name[32])
{
    snprintf(name, 32, "disk%u.lan:3001", i % VOLUMES);
}

static void add_many(struct build *build)
{
    struct orphan orphan = {.n_places = 1};
    uint32_t volume;
    char name[32];
    char key[32];

    for (unsigned i = 0; i < MANY; i++) {
        struct record record;

        name_of(i, name);
        assert_int_equal(build_volume_id(build, name, &volume), 0);
        assert_int_equal(volume, i % VOLUMES);
        record = record_of(i, volume);
        assert_int_equal(build_add_key(build, key, key_of(i, key), &record), 0);
    }
    for (unsigned i = 0; i < ORPHANS; i++) {
        orphan.until = i;
        assert_int_equal(build_add_orphan(build, key, key_of(i / 2, key), i, &orphan), 0);
    }
}

static int count_cb(const void *key, size_t len, const struct record *record, void *arg)
{
    unsigned *n = arg;
    char wanted[32];

    assert_int_equal(len, key_of(*n, wanted));
    assert_memory_equal(key, wanted, len);
    assert_int_equal(record->size, *n);
    (*n)++;
    return 0;
}

static int count_orphan_cb(const void *key, size_t len, uint64_t generation,
                           const struct orphan *orphan, void *arg)
{
    unsigned *n = arg;
    char wanted[32];

    assert_int_equal(len, key_of(*n / 2, wanted));
    assert_memory_equal(key, wanted, len);
    assert_int_equal(generation, *n);
    assert_int_equal(orphan->until, *n);
    (*n)++;
    return 0;
}

static void check_many(struct storebox *box)
{
    struct store_stats stats;
    unsigned keys = 0;
    unsigned orphans = 0;

    store_stats(box->store, &stats);
    assert_int_equal(stats.unlinked, (MANY + 2) / 3);
    assert_int_equal(stats.keys, MANY - (MANY + 2) / 3);
    assert_int_equal(stats.orphans, ORPHANS);
    assert_int_equal(store_last_generation(box->store), MANY);
    assert_int_equal(gdbm_engine_list(box->store, "", 0, "", 0, count_cb, &keys), 0);
    assert_int_equal(keys, MANY);
    assert_int_equal(
        gdbm_engine_list_orphans(box->store, "", 0, 0, false, count_orphan_cb, &orphans), 0);
    assert_int_equal(orphans, ORPHANS);
}

static void check_gets(struct storebox *box)
{
    struct record record;
    char name[32];
    char key[32];

    for (unsigned i = 0; i < MANY; i += 7) {
        assert_int_equal(gdbm_engine_get(box->store, key, key_of(i, key), &record), 0);
        assert_int_equal(record.size, i);
        assert_int_equal(record.generation, i + 1);
        assert_int_equal(record.places[0].volume, i % VOLUMES);
        name_of(i, name);
        assert_string_equal(store_volume_name(box->store, record.places[0].volume), name);
    }
    assert_int_equal(gdbm_engine_get(box->store, key, key_of(MANY, key), &record), UV_ENOENT);
}

static void test_build_makes_what_commits_would(void **state)
{
    struct storebox *box = *state;
    struct build *build;
    const struct record before = {.n_places = 1};
    char path[256];

    assert_int_equal(storebox_put(box, "/before", 7, &before), 0);
    build = start(box);
    add_many(build);
    finish(box, build);
    check_many(box);
    check_gets(box);
    snprintf(path, sizeof(path), "%s/" GDBM_ENGINE_STAGE, box->dir);
    assert_int_not_equal(access(path, F_OK), 0);
}

/* Commits and checkpoints take the table as any other; ids of volumes go on. */
static void test_build_is_followed_by_commits(void **state)
{
    struct storebox *box = *state;
    struct build *build = start(box);
    struct record record = record_of(7, 0);
    uint32_t id;
    char key[32];

    add_many(build);
    finish(box, build);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(gdbm_engine_volume_id(box->store, "disk3.lan:3001", &id), 0);
        assert_int_equal(id, 3);
        assert_int_equal(gdbm_engine_volume_id(box->store, "new:1", &id), 0);
        assert_int_equal(id, VOLUMES);
        assert_int_equal(storebox_delete(box, key, key_of(7, key)), 0);
        assert_int_equal(storebox_checkpoint(box), 0);
        assert_int_equal(storebox_put(box, key, key_of(7, key), &record), 0);
        assert_int_equal(storebox_checkpoint(box), 0);
        storebox_close(box);
        assert_int_equal(storebox_open(box), 0);
    }
    record.places[0].volume = 7;
    assert_int_equal(storebox_put(box, key, key_of(7, key), &record), 0);
    check_many(box);
    check_gets(box);
}

static void test_build_fills_its_pages(void **state)
{
    struct storebox *box = *state;
    struct build *build = start(box);
    struct store_stats stats;
    uint64_t bytes = 0;

    for (unsigned i = 0; i < MANY; i++) {
        struct record record = record_of(i, 0);
        unsigned char value[RECORD_MAX];
        char key[32];

        bytes += 3 + 3 + record_encode(&record, value);
        assert_int_equal(build_add_key(build, key, key_of(i, key), &record), 0);
    }
    finish(box, build);
    store_stats(box->store, &stats);
    assert_in_range(stats.table_bytes, bytes / 2, bytes + bytes / 4 + 200000);
}

static void test_build_of_nothing(void **state)
{
    struct storebox *box = *state;
    const struct record record = {.n_places = 1};
    struct store_stats stats;

    assert_int_equal(storebox_put(box, "/before", 7, &record), 0);
    finish(box, start(box));
    store_stats(box->store, &stats);
    assert_int_equal(stats.keys + stats.unlinked + stats.orphans, 0);
    assert_int_equal(storebox_put(box, "/after", 6, &record), 0);
    assert_int_equal(storebox_checkpoint(box), 0);
    store_stats(box->store, &stats);
    assert_int_equal(stats.keys, 1);
}

static void test_build_of_the_longest(void **state)
{
    struct storebox *box = *state;
    struct build *build = start(box);
    struct record record = {.n_places = PLACES_MAX, .size = UINT64_MAX, .time = UINT64_MAX};
    struct orphan orphan = {.n_places = ORPHAN_PLACES_MAX, .until = UINT64_MAX};
    char name[256] = {0};
    char key[STORE_KEY_MAX];
    uint32_t id;

    record.flags = RECORD_MD5;
    record.generation = UINT64_MAX;
    for (unsigned i = 0; i < PLACES_MAX; i++)
        record.places[i] = orphan.places[i] = orphan.places[i + PLACES_MAX] =
            (struct place){UINT32_MAX, true, 255};
    memset(key, '\xff', sizeof(key));
    memset(name, 'n', sizeof(name) - 1);
    assert_int_equal(build_volume_id(build, "", &id), UV_ENAMETOOLONG);
    assert_int_equal(build_volume_id(build, name, &id), 0);
    for (size_t len = 1; len <= STORE_KEY_MAX; len++)
        assert_int_equal(build_add_key(build, key, len, &record), 0);
    for (size_t len = 1; len <= STORE_KEY_MAX; len++)
        assert_int_equal(build_add_orphan(build, key, len, UINT64_MAX, &orphan), 0);
    finish(box, build);
    for (size_t len = 1; len <= STORE_KEY_MAX; len++) {
        assert_int_equal(gdbm_engine_get(box->store, key, len, &record), 0);
        assert_int_equal(gdbm_engine_get_orphan(box->store, key, len, UINT64_MAX, &orphan), 0);
    }
    assert_string_equal(store_volume_name(box->store, 0), name);
}

static void test_build_refuses_what_is_out_of_order(void **state)
{
    struct storebox *box = *state;
    struct build *build = start(box);
    const struct record record = {.n_places = 1};
    const struct orphan orphan = {.n_places = 1};
    struct store_stats stats;

    assert_int_equal(build_add_key(build, "/b", 2, &record), 0);
    assert_int_equal(build_add_key(build, "/b", 2, &record), UV_EEXIST);
    assert_int_equal(build_add_key(build, "/a", 2, &record), UV_EINVAL);
    assert_int_equal(build_add_key(build, "/", 1, &record), UV_EINVAL);
    assert_int_equal(build_add_key(build, "/ba", 3, &record), 0);
    assert_int_equal(build_add_orphan(build, "/a", 2, 7, &orphan), 0);
    assert_int_equal(build_add_orphan(build, "/a", 2, 7, &orphan), UV_EEXIST);
    assert_int_equal(build_add_orphan(build, "/a", 2, 6, &orphan), UV_EINVAL);
    assert_int_equal(build_skip_orphan(build, "/a", 2, 7), UV_EEXIST);
    assert_int_equal(build_skip_orphan(build, "/a", 2, 256), 0);
    assert_int_equal(build_add_orphan(build, "/a", 2, 255, &orphan), UV_EINVAL);
    assert_int_equal(build_add_orphan(build, "/a!", 3, 0, &orphan), 0);
    assert_int_equal(build_add_key(build, "/c", 2, &record), UV_EINVAL);
    finish(box, build);
    store_stats(box->store, &stats);
    assert_int_equal(stats.keys, 2);
    assert_int_equal(stats.orphans, 2);
    assert_int_equal(store_last_generation(box->store), 7);
}

/* An unfinished table is none, and what was built before a commit lacks that. */
static void test_store_adopt_refuses_what_is_not_finished_or_old(void **state)
{
    struct storebox *box = *state;
    const struct record record = {.n_places = 1};
    struct build *build = start(box);
    char key[32];

    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(build_add_key(build, key, key_of(i, key), &record), 0);
    build_cancel(build);
    assert_int_equal(gdbm_engine_adopt(box->store), UV_EILSEQ);
    build = start(box);
    assert_int_equal(storebox_put(box, "/new", 4, &record), 0);
    assert_int_equal(build_finish(build), 0);
    assert_int_equal(gdbm_engine_adopt(box->store), UV_EINVAL);
    assert_int_equal(gdbm_engine_remove_stage(box->dir), 0);
    storebox_close(box);
    assert_int_equal(storebox_open(box), 0);
    assert_int_equal(gdbm_engine_get(box->store, "/new", 4, &(struct record){0}), 0);
}

static void test_build_start_fails_where_it_cannot_write(void **state)
{
    struct storebox *box = *state;
    struct build *build = NULL;

    assert_true(build_start("/proc/no/such", 0, &build) < 0);
    assert_null(build);
    build_cancel(build);
    assert_int_equal(gdbm_engine_remove_stage(box->dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_build_makes_what_commits_would, setup, teardown),
        cmocka_unit_test_setup_teardown(test_build_is_followed_by_commits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_build_fills_its_pages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_build_of_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_build_of_the_longest, setup, teardown),
        cmocka_unit_test_setup_teardown(test_build_refuses_what_is_out_of_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_store_adopt_refuses_what_is_not_finished_or_old, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_build_start_fails_where_it_cannot_write, setup,
                                        teardown),
    };

    return cmocka_run_group_tests_name("build", tests, NULL, NULL);
}
