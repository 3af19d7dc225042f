#include "tests/unit/test.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "index/base/log.h"
#include "tests/support/storebox.h"

struct fixture {
    struct storebox box;
};

static int setup(void **state)
{
    static const struct gdbm_engine_options options = {.sync = true};
    struct fixture *f = calloc(1, sizeof(*f));

    if (f == NULL)
        return -1;
    storebox_init(&f->box, NULL, &options);
    *state = f;
    return log_open("/dev/null") < 0 ? -1 : storebox_open(&f->box);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    storebox_deinit(&f->box);
    free(f);
    return 0;
}

static void reopen(struct fixture *f)
{
    storebox_close(&f->box);
    assert_int_equal(storebox_open(&f->box), 0);
}

static int put(struct fixture *f, const char *key, uint64_t size)
{
    struct record record = {.size = size, .n_places = 1};

    return storebox_put(&f->box, key, strlen(key), &record);
}

/* The size that a key's record says, or a negative UV_E*. */
static int get(struct fixture *f, const char *key)
{
    struct record record;
    int rc = gdbm_engine_get(f->box.store, key, strlen(key), &record);

    return rc < 0 ? rc : (int)record.size;
}

/* --- Keys ------------------------------------------------------------------------------------ */

static void test_store_put_get_delete(void **state)
{
    struct fixture *f = *state;
    struct record record = {.size = 8, .n_places = 1};

    assert_int_equal(get(f, "/a"), UV_ENOENT);
    assert_int_equal(put(f, "/a", 7), 0);
    assert_int_equal(storebox_put(&f->box, "/a\1b", 4, &record), 0);
    assert_int_equal(get(f, "/a"), 7);
    assert_int_equal(put(f, "/a", 9), 0);
    reopen(f);
    assert_int_equal(get(f, "/a"), 9);
    assert_int_equal(storebox_delete(&f->box, "/a", 2), 0);
    assert_int_equal(get(f, "/a"), UV_ENOENT);
    assert_int_equal(gdbm_engine_get(f->box.store, "/a\1b", 4, &record), 0);
    assert_int_equal(record.size, 8);
    assert_int_equal(gdbm_engine_get(f->box.store, "/a\1c", 4, &record), UV_ENOENT);
}

static void test_store_delete_of_a_missing_key_harms_nothing(void **state)
{
    struct fixture *f = *state;

    for (unsigned sync = 0; sync < 2; sync++) {
        storebox_close(&f->box);
        f->box.options.sync = sync;
        assert_int_equal(storebox_open(&f->box), 0);
        assert_int_equal(storebox_delete(&f->box, "/missing", 8), 0);
        assert_int_equal(put(f, "/a", 7 + sync), 0);
        reopen(f);
        assert_int_equal(get(f, "/a"), 7 + sync);
    }
}

static void test_store_splits_of_neighbouring_pages_keep_all(void **state)
{
    struct fixture *f = *state;
    char key[64];

    for (unsigned odd = 0; odd < 2; odd++) {
        for (unsigned i = odd; i < 1000; i += 2) {
            snprintf(key, sizeof(key), "/a-key-of-which-there-are-many/%04u", i);
            assert_int_equal(put(f, key, i), 0);
        }
        assert_int_equal(storebox_checkpoint(&f->box), 0);
    }
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "/a-key-of-which-there-are-many/%04u", i);
        assert_int_equal(get(f, key), i);
    }
}

static void test_store_takes_the_longest_key(void **state)
{
    struct fixture *f = *state;
    struct record record = {.size = 1, .n_places = PLACES_MAX};
    unsigned char key[STORE_KEY_MAX];

    memset(key, 0xff, sizeof(key));
    for (unsigned i = 0; i < 20; i++) {
        key[STORE_KEY_MAX - 1] = (unsigned char)(1 + i);
        assert_int_equal(storebox_put(&f->box, key, sizeof(key), &record), 0);
    }
    assert_int_equal(storebox_checkpoint(&f->box), 0);
    reopen(f);
    for (unsigned i = 0; i < 20; i++) {
        key[STORE_KEY_MAX - 1] = (unsigned char)(1 + i);
        assert_int_equal(gdbm_engine_get(f->box.store, key, sizeof(key), &record), 0);
    }
    assert_int_equal(gdbm_engine_get(f->box.store, key, sizeof(key) - 1, &record), UV_ENOENT);
}

static void test_store_takes_the_longest_orphan(void **state)
{
    struct fixture *f = *state;
    struct orphan orphan = {.until = UINT64_MAX, .n_places = ORPHAN_PLACES_MAX};
    unsigned char key[STORE_KEY_MAX];

    memset(key, 0xff, sizeof(key));
    for (unsigned i = 0; i < ORPHAN_PLACES_MAX; i++)
        orphan.places[i] =
            (struct place){.volume = UINT32_MAX, .has_subvolume = true, .subvolume = UINT32_MAX};
    for (uint64_t i = 0; i < 20; i++)
        assert_int_equal(storebox_put_orphan(&f->box, key, sizeof(key), UINT64_MAX - i, &orphan),
                         0);
    assert_int_equal(storebox_checkpoint(&f->box), 0);
    reopen(f);
    for (uint64_t i = 0; i < 20; i++) {
        struct orphan seen = {.until = 0};

        assert_int_equal(
            gdbm_engine_get_orphan(f->box.store, key, sizeof(key), UINT64_MAX - i, &seen), 0);
        assert_int_equal(seen.n_places, ORPHAN_PLACES_MAX);
        assert_int_equal(seen.until, UINT64_MAX);
    }
}

/* --- Commits --------------------------------------------------------------------------------- */

static void test_store_commit_changes_both_spaces_at_once(void **state)
{
    struct fixture *f = *state;
    struct record record = {.size = 3, .n_places = 1};
    struct orphan orphan = {.until = 5, .n_places = 1};
    struct store_change changes[] = {
        {.space = STORE_KEYS, .key = "/new", .len = 4, .record = &record},
        {.space = STORE_ORPHANS, .key = "/old", .len = 4, .generation = 9, .orphan = &orphan},
        {.space = STORE_KEYS, .key = "/gone", .len = 5}};

    assert_int_equal(put(f, "/gone", 1), 0);
    assert_int_equal(storebox_commit(&f->box, changes, COUNT_OF(changes)), 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(get(f, "/new"), 3);
        assert_int_equal(get(f, "/gone"), UV_ENOENT);
        assert_int_equal(get(f, "/old"), UV_ENOENT);
        orphan.until = 0;
        assert_int_equal(gdbm_engine_get_orphan(f->box.store, "/old", 4, 9, &orphan), 0);
        assert_int_equal(orphan.until, 5);
        assert_int_equal(gdbm_engine_get_orphan(f->box.store, "/old", 4, 8, &orphan), UV_ENOENT);
        assert_int_equal(gdbm_engine_get_orphan(f->box.store, "/new", 4, 9, &orphan), UV_ENOENT);
        if (i == 0)
            reopen(f);
        else
            assert_int_equal(storebox_checkpoint(&f->box), 0);
    }
}

struct ordered {
    struct store_commit commit;
    unsigned number;
    unsigned *done;
};

static void ordered_cb(struct store_commit *commit, int rc)
{
    struct ordered *ordered = commit->data;

    assert_int_equal(rc, 0);
    assert_int_equal(ordered->number, (*ordered->done)++);
}

static void test_store_commits_end_in_order_and_close_waits_for_them(void **state)
{
    struct fixture *f = *state;
    static struct ordered commits[500];
    struct record record = {.n_places = 1};
    unsigned done = 0;
    char key[16];

    for (unsigned i = 0; i < COUNT_OF(commits); i++) {
        struct store_change change = {.key = key, .record = &record};

        change.len = (size_t)snprintf(key, sizeof(key), "/%u", i);
        record.size = i;
        commits[i] = (struct ordered){.number = i, .done = &done};
        commits[i].commit.data = &commits[i];
        assert_int_equal(store_commit(f->box.store, &commits[i].commit, &change, 1, ordered_cb), 0);
        assert_int_equal(get(f, key), UV_ENOENT);
    }
    assert_int_equal(done, 0);
    reopen(f);
    assert_int_equal(done, COUNT_OF(commits));
    assert_int_equal(get(f, "/499"), 499);
}

struct chain {
    struct store_commit commit;
    struct store *store;
    unsigned left; /* commits that are still to be started */
};

static void delete_missing_cb(struct store_commit *commit, int rc)
{
    struct chain *chain = commit->data;
    struct store_change change = {.space = STORE_KEYS, .key = "/missing", .len = 8};

    assert_int_equal(rc, 0);
    if (chain->left-- > 0)
        assert_int_equal(store_commit(chain->store, commit, &change, 1, delete_missing_cb), 0);
}

static void late_cb(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

/* Nothing but the store may wake the loop: it slept over the second commit once. */
static void test_store_commit_from_the_callback_of_an_empty_one(void **state)
{
    struct fixture *f = *state;
    struct chain chain = {.store = f->box.store, .left = 3};
    bool late = false;
    uv_timer_t deadline;

    chain.commit.data = &chain;
    uv_timer_init(&f->box.loop, &deadline);
    deadline.data = &late;
    uv_timer_start(&deadline, late_cb, 10000, 0);
    delete_missing_cb(&chain.commit, 0);
    while (chain.left != UINT_MAX && !late)
        storebox_turn(&f->box);
    uv_close((uv_handle_t *)&deadline, NULL);
    uv_run(&f->box.loop, UV_RUN_NOWAIT);
    while (chain.left != UINT_MAX)
        storebox_turn(&f->box);
    assert_false(late);
}

static void test_store_stats_count_exactly(void **state)
{
    struct fixture *f = *state;
    struct record unlinked = {.flags = RECORD_UNLINKED, .n_places = 1};
    struct record linked = {.n_places = 1};
    struct orphan orphan = {.n_places = 1};
    struct store_stats stats;

    assert_int_equal(storebox_put(&f->box, "/a", 2, &linked), 0);
    assert_int_equal(storebox_put(&f->box, "/b", 2, &linked), 0);
    assert_int_equal(storebox_put(&f->box, "/b", 2, &unlinked), 0);
    assert_int_equal(storebox_put(&f->box, "/c", 2, &linked), 0);
    assert_int_equal(storebox_put(&f->box, "/c", 2, &linked), 0);
    assert_int_equal(storebox_delete(&f->box, "/nothing", 8), 0);
    assert_int_equal(storebox_put_orphan(&f->box, "/b", 2, 1, &orphan), 0);
    assert_int_equal(storebox_put_orphan(&f->box, "/b", 2, 2, &orphan), 0);
    assert_int_equal(storebox_put_orphan(&f->box, "/b", 2, 2, &orphan), 0);
    assert_int_equal(storebox_put_orphan(&f->box, "/c", 2, 1, &orphan), 0);
    assert_int_equal(storebox_delete_orphan(&f->box, "/c", 2, 1), 0);
    assert_int_equal(storebox_delete_orphan(&f->box, "/c", 2, 3), 0);
    for (unsigned i = 0; i < 4; i++) {
        store_stats(f->box.store, &stats);
        assert_int_equal(stats.keys, 2);
        assert_int_equal(stats.unlinked, 1);
        assert_int_equal(stats.orphans, 2);
        if (i == 1)
            assert_int_equal(storebox_checkpoint(&f->box), 0);
        else
            reopen(f);
    }
}

/* --- Listings -------------------------------------------------------------------------------- */

struct listed {
    char text[256];
    unsigned stop_at;
    unsigned n;
};

static int list_cb(const void *key, size_t len, const struct record *record, void *arg)
{
    struct listed *listed = arg;
    size_t used = strlen(listed->text);

    assert_int_equal(record->n_places, 1);
    snprintf(listed->text + used, sizeof(listed->text) - used, "%.*s ", (int)len,
             (const char *)key);
    return ++listed->n == listed->stop_at ? 77 : 0;
}

static void assert_list(struct fixture *f, const char *prefix, const char *start, unsigned stop_at,
                        const char *expected)
{
    struct listed listed = {.stop_at = stop_at};
    int rc = gdbm_engine_list(f->box.store, prefix, strlen(prefix), start, strlen(start), list_cb,
                              &listed);

    assert_int_equal(rc, stop_at != 0 && listed.n == stop_at ? 77 : 0);
    assert_string_equal(listed.text, expected);
}

static void test_store_list_is_in_byte_order_from_start_and_below_prefix(void **state)
{
    struct fixture *f = *state;
    static const char *const keys[] = {"/b", "/a/2", "/\xff", "/a", "/a/10", "/c/x", "/a/1"};

    for (unsigned i = 0; i < COUNT_OF(keys); i++) {
        assert_int_equal(put(f, keys[i], i), 0);
        if (i == 3) /* the rest stays in memory */
            assert_int_equal(storebox_checkpoint(&f->box), 0);
    }
    assert_int_equal(storebox_delete(&f->box, "/b", 2), 0);
    for (unsigned i = 0; i < 2; i++) {
        assert_list(f, "", "", 0, "/a /a/1 /a/10 /a/2 /c/x /\xff ");
        assert_list(f, "/a/", "", 0, "/a/1 /a/10 /a/2 ");
        assert_list(f, "/a/", "/a/10", 0, "/a/10 /a/2 ");
        assert_list(f, "/a/", "/a/100", 0, "/a/2 ");
        assert_list(f, "/a", "/b", 0, "");
        assert_list(f, "/b", "", 0, "");
        assert_list(f, "/\xff", "", 0, "/\xff ");
        assert_list(f, "", "/a/1", 2, "/a/1 /a/10 ");
        assert_int_equal(storebox_checkpoint(&f->box), 0);
    }
}

static int list_orphan_cb(const void *key, size_t len, uint64_t generation,
                          const struct orphan *orphan, void *arg)
{
    struct listed *listed = arg;
    size_t used = strlen(listed->text);

    assert_int_equal(orphan->n_places, 1);
    snprintf(listed->text + used, sizeof(listed->text) - used, "%.*s.%llx ", (int)len,
             (const char *)key, (unsigned long long)generation);
    return ++listed->n == listed->stop_at ? 77 : 0;
}

static void assert_orphans(struct fixture *f, const char *key, uint64_t generation, bool only,
                           unsigned stop_at, const char *expected)
{
    struct listed listed = {.stop_at = stop_at};
    int rc = gdbm_engine_list_orphans(f->box.store, key, strlen(key), generation, only,
                                      list_orphan_cb, &listed);

    assert_int_equal(rc, stop_at != 0 && listed.n == stop_at ? 77 : 0);
    assert_string_equal(listed.text, expected);
}

/* "/a" comes before "/a\1", with all of its generations. */
static void test_store_list_orphans_is_by_key_and_then_by_generation(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *key;
        uint64_t generation;
    } orphans[] = {{"/a\1", 0},  {"/b", 1},   {"/a", UINT64_MAX}, {"/a", 0x100},
                   {"/a", 0xff}, {"/a\1", 7}, {"/a", 0}};
    struct orphan orphan = {.n_places = 1};

    assert_int_equal(put(f, "/a", 1), 0);
    assert_int_equal(put(f, "/zz", 1), 0);
    for (unsigned i = 0; i < COUNT_OF(orphans); i++) {
        assert_int_equal(storebox_put_orphan(&f->box, orphans[i].key, strlen(orphans[i].key),
                                             orphans[i].generation, &orphan),
                         0);
        if (i == 3) /* the rest stays in memory */
            assert_int_equal(storebox_checkpoint(&f->box), 0);
    }
    for (unsigned i = 0; i < 2; i++) {
        assert_orphans(f, "", 0, false, 0,
                       "/a.0 /a.ff /a.100 /a.ffffffffffffffff /a\1.0 /a\1.7 /b.1 ");
        assert_orphans(f, "/a", 0, true, 0, "/a.0 /a.ff /a.100 /a.ffffffffffffffff ");
        assert_orphans(f, "/a", 0x100, true, 0, "/a.100 /a.ffffffffffffffff ");
        assert_orphans(f, "/a", 0x101, false, 2, "/a.ffffffffffffffff /a\1.0 ");
        assert_orphans(f, "/b", 2, false, 0, "");
        assert_orphans(f, "/", 0, true, 0, "");
        assert_orphans(f, "/zz", 0, true, 0, "");
        assert_list(f, "", "", 0, "/a /zz ");
        assert_int_equal(storebox_checkpoint(&f->box), 0);
    }
}

static void test_store_last_generation_stays(void **state)
{
    struct fixture *f = *state;
    struct record record = {.generation = 5000, .n_places = 1};
    struct orphan orphan = {.n_places = 1};
    uint64_t expected = 5000;

    assert_int_equal(store_last_generation(f->box.store), 0);
    assert_int_equal(put(f, "/plain", 1), 0);
    assert_int_equal(store_last_generation(f->box.store), 0);
    assert_int_equal(storebox_put(&f->box, "/a", 2, &record), 0);
    assert_int_equal(storebox_delete(&f->box, "/a", 2), 0);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(store_last_generation(f->box.store), expected);
        if (i == 2) { /* a lesser one changes nothing, that of an orphan does */
            record.generation = 4000;
            assert_int_equal(storebox_put(&f->box, "/a", 2, &record), 0);
            assert_int_equal(storebox_put_orphan(&f->box, "/b", 2, 7000, &orphan), 0);
            assert_int_equal(storebox_delete_orphan(&f->box, "/b", 2, 7000), 0);
            expected = 7000;
        } else if (i % 2 == 0) {
            reopen(f);
        } else {
            assert_int_equal(storebox_checkpoint(&f->box), 0);
        }
    }
}

/* --- Volumes --------------------------------------------------------------------------------- */

static void test_store_volume_ids_stay(void **state)
{
    struct fixture *f = *state;
    char name[257];
    uint32_t again;
    uint32_t a;
    uint32_t b;
    uint32_t id = 77;

    memset(name, 'v', sizeof(name));
    name[256] = '\0';
    assert_int_equal(gdbm_engine_volume_id(f->box.store, name, &id), UV_ENAMETOOLONG);
    assert_int_equal(gdbm_engine_volume_id(f->box.store, "", &id), UV_ENAMETOOLONG);
    assert_int_equal(id, 77);
    name[255] = '\0';
    assert_int_equal(gdbm_engine_volume_id(f->box.store, "localhost:3001", &a), 0);
    assert_int_equal(gdbm_engine_volume_id(f->box.store, name, &b), 0);
    assert_int_not_equal(a, b);
    assert_null(store_volume_name(f->box.store, a + b + 1000));
    assert_int_equal(put(f, "/a", 1), 0);
    for (unsigned i = 0; i < 3; i++) {
        if (i == 1)
            assert_int_equal(storebox_checkpoint(&f->box), 0);
        reopen(f);
        assert_string_equal(store_volume_name(f->box.store, a), "localhost:3001");
        assert_int_equal(gdbm_engine_volume_id(f->box.store, name, &again), 0);
        assert_int_equal(again, b);
    }
}

/* --- The directory --------------------------------------------------------------------------- */

static void test_store_open_twice_is_refused(void **state)
{
    struct fixture *f = *state;
    struct storebox second;

    storebox_init(&second, f->box.dir, &f->box.options);
    assert_int_equal(storebox_open(&second), UV_EBUSY);
    assert_null(second.store);
    storebox_close(&f->box);
    assert_int_equal(storebox_open(&second), 0);
    storebox_deinit(&second);
}

static void test_store_open_without_a_parent_directory(void **state)
{
    struct fixture *f = *state;
    struct storebox missing;

    storebox_init(&missing, "/tmp/mkv-test-missing/x", &f->box.options);
    assert_int_equal(storebox_open(&missing), UV_ENOENT);
    assert_null(missing.store);
    storebox_deinit(&missing);
}

static void test_store_files_are_private(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"index.gdbm", "journal.2", "lock"};
    struct stat st;
    char path[200];

    assert_int_equal(put(f, "/a", 1), 0);
    assert_int_equal(storebox_checkpoint(&f->box), 0);
    assert_int_equal(put(f, "/b", 1), 0);
    for (unsigned i = 0; i < COUNT_OF(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", f->box.dir, names[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 077, 0);
    }
}

#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_store_put_get_delete),
        STORE_TEST(test_store_delete_of_a_missing_key_harms_nothing),
        STORE_TEST(test_store_splits_of_neighbouring_pages_keep_all),
        STORE_TEST(test_store_takes_the_longest_key),
        STORE_TEST(test_store_takes_the_longest_orphan),
        STORE_TEST(test_store_commit_changes_both_spaces_at_once),
        STORE_TEST(test_store_commits_end_in_order_and_close_waits_for_them),
        STORE_TEST(test_store_commit_from_the_callback_of_an_empty_one),
        STORE_TEST(test_store_stats_count_exactly),
        STORE_TEST(test_store_list_is_in_byte_order_from_start_and_below_prefix),
        STORE_TEST(test_store_list_orphans_is_by_key_and_then_by_generation),
        STORE_TEST(test_store_last_generation_stays),
        STORE_TEST(test_store_volume_ids_stay),
        STORE_TEST(test_store_open_twice_is_refused),
        STORE_TEST(test_store_open_without_a_parent_directory),
        STORE_TEST(test_store_files_are_private),
    };

    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
