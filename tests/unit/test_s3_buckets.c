/* Creating and removing buckets, on a store and volumes. */
#include "tests/unit/objects_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "index/s3/bucket_change.h"
#include "index/s3/buckets.h"
#include "index/s3/sweep.h"
#include "index/s3/upload_key.h"
#include "tests/support/late_engine.h"

#define NAME  "bucket"
#define ID    "00112233445566778899aabbccddeeff"
#define OTHER "ffeeddccbbaa99887766554433221100"

struct outcome {
    bool ended;
    int rc;
};

static void done_cb(void *arg, int rc)
{
    struct outcome *outcome = arg;

    assert_false(outcome->ended);
    outcome->ended = true;
    outcome->rc = rc;
}

static int wait_for(struct fixture *f, struct outcome *outcome)
{
    WAIT_UNTIL(f, outcome->ended);
    return outcome->rc;
}

static struct s3 *s3_of(struct fixture *f)
{
    static struct s3 s3;

    s3 = (struct s3){.objects = &f->objects};
    return &s3;
}

static int create(struct fixture *f, const char *name)
{
    struct outcome outcome = {.ended = false};
    struct bucket_change *change;
    int rc = bucket_create(s3_of(f), name, strlen(name), "", done_cb, &outcome, &change);

    return rc < 0 ? rc : wait_for(f, &outcome);
}

static int start_to_remove(struct fixture *f, const char *name, struct outcome *outcome)
{
    struct bucket_change *change;

    *outcome = (struct outcome){.ended = false};
    return bucket_remove(s3_of(f), name, strlen(name), done_cb, outcome, &change);
}

static int remove_bucket(struct fixture *f, const char *name)
{
    struct outcome outcome;
    int rc = start_to_remove(f, name, &outcome);

    return rc < 0 ? rc : wait_for(f, &outcome);
}

static void found_cb(struct bucket_look *look, int rc)
{
    *(int *)look->data = rc;
}

/* 1 or 0. */
static int exists(struct fixture *f, const char *name)
{
    int found;
    struct bucket_look look = {.data = &found};

    found = bucket_find(&look, f->objects.store, name, strlen(name), found_cb);
    WAIT_UNTIL(f, found != STORE_LATER);
    assert_true(found == 0 || found == UV_ENOENT);
    return found == 0;
}

static bool has_record(struct fixture *f, const char *name)
{
    struct record record;
    struct key key;

    bucket_record_key(name, strlen(name), &key);
    return gdbm_engine_get(f->box.store, key.bytes, key.len, &record) == 0;
}

static void put_upload(struct fixture *f, const char *key, const char *id, unsigned parts)
{
    char name[256];

    snprintf(name, sizeof(name), UPLOAD_RECORDS "%s%c%s", key, UPLOAD_SEPARATOR, id);
    assert_int_equal(fixture_put(f, name, "upload"), 0);
    for (unsigned i = 1; i <= parts; i++) {
        snprintf(name, sizeof(name), UPLOAD_PARTS "%s/%05u", id, i);
        assert_int_equal(fixture_put(f, name, "part"), 0);
    }
}

static int count_cb(const void *key, size_t len, const struct record *record, void *arg)
{
    unsigned *n = arg;

    (void)key;
    (void)len;
    (void)record;
    ++*n;
    return 0;
}

static unsigned count_keys(struct fixture *f, const char *prefix)
{
    unsigned n = 0;

    assert_int_equal(gdbm_engine_list(f->box.store, prefix, strlen(prefix), "", 0, count_cb, &n),
                     0);
    return n;
}

/* --- Creating -------------------------------------------------------------------------------- */

static void test_bucket_create_and_remove(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(fixture_put(f, "/" NAME "s/k", "x"), 0);
    assert_int_equal(exists(f, NAME), 0);
    assert_int_equal(remove_bucket(f, NAME), UV_ENOENT);
    assert_int_equal(create(f, NAME), 0);
    assert_int_equal(exists(f, NAME), 1);
    assert_int_equal(exists(f, "bucke"), 0);
    assert_false(has_record(f, NAME "s"));
    assert_value(f, BUCKET_RECORDS NAME, "");
    assert_int_equal(create(f, NAME), f->objects.store->is_prompt ? UV_EEXIST : 0);
    assert_int_equal(count_keys(f, BUCKET_RECORDS), 1);
    assert_int_equal(remove_bucket(f, NAME), 0);
    assert_int_equal(exists(f, NAME), 0);
    assert_clean(f);
}

/* Both are told that it is theirs. */
static void test_bucket_create_twice_at_once(void **state)
{
    struct fixture *f = *state;
    struct outcome outcomes[2] = {{.ended = false}, {.ended = false}};
    struct bucket_change *change;

    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(
            bucket_create(s3_of(f), NAME, strlen(NAME), "", done_cb, &outcomes[i], &change), 0);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(wait_for(f, &outcomes[i]), 0);
    assert_int_equal(exists(f, NAME), 1);
    assert_clean(f);
}

static void test_bucket_change_forget(void **state)
{
    struct fixture *f = *state;
    struct bucket_change *change;

    assert_int_equal(bucket_create(s3_of(f), NAME, strlen(NAME), "", done_cb, NULL, &change), 0);
    bucket_change_forget(change);
    WAIT_UNTIL(f, f->objects.n_running == 0);
    assert_int_equal(exists(f, NAME), 1);
    assert_int_equal(bucket_remove(s3_of(f), NAME, strlen(NAME), done_cb, NULL, &change), 0);
    bucket_change_forget(change);
    WAIT_UNTIL(f, f->objects.n_running == 0);
    assert_int_equal(exists(f, NAME), 0);
}

/* --- Removing -------------------------------------------------------------------------------- */

static void test_bucket_remove_not_with_keys(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(fixture_put(f, "/" NAME "/k", "x"), 0);
    assert_int_equal(exists(f, NAME), 1);
    assert_int_equal(remove_bucket(f, NAME), -ENOTEMPTY);
    assert_int_equal(create(f, NAME), 0);
    assert_int_equal(remove_bucket(f, NAME), -ENOTEMPTY);
    assert_int_equal(fixture_unlink(f, "/" NAME "/k"), 0);
    assert_int_equal(exists(f, NAME), 1);
    assert_int_equal(remove_bucket(f, NAME), 0);
    assert_int_equal(exists(f, NAME), 0);
    assert_int_equal(fixture_put(f, "/" NAME "/", "x"), 0);
    assert_int_equal(exists(f, NAME), 1);
    assert_int_equal(remove_bucket(f, NAME), -ENOTEMPTY);
}

static void test_bucket_remove_aborts_its_uploads(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(create(f, NAME), 0);
    put_upload(f, NAME "/key/with/slashes", ID, SWEEP_BATCH + 3);
    put_upload(f, NAME "/key", OTHER, 0);
    put_upload(f, NAME "s/key", "0000000000000000000000000000000a", 1);
    assert_int_equal(remove_bucket(f, NAME), 0);
    assert_int_equal(exists(f, NAME), 0);
    assert_int_equal(count_keys(f, UPLOAD_RECORDS NAME "/"), 0);
    assert_int_equal(count_keys(f, UPLOAD_RECORDS), 1);
    WAIT_UNTIL(f, count_keys(f, UPLOAD_PARTS) == 1);
    WAIT_UNTIL(f, f->objects.n_running == 0);
    assert_clean(f);
}

static void test_bucket_remove_keeps_uploads_of_one_with_keys(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(fixture_put(f, "/" NAME "/k", "x"), 0);
    put_upload(f, NAME "/key", ID, 1);
    assert_int_equal(remove_bucket(f, NAME), -ENOTEMPTY);
    assert_int_equal(count_keys(f, UPLOAD_RECORDS), 1);
    assert_int_equal(count_keys(f, UPLOAD_PARTS), 1);
}

/* The key is there before the bucket's record would go. */
static void test_bucket_remove_finds_a_key_that_comes_meanwhile(void **state)
{
    struct fixture *f = *state;
    struct outcome outcome;
    char key[] = NAME "/0";

    assert_int_equal(create(f, NAME), 0);
    for (unsigned i = 0; i < 8; i++) {
        key[sizeof(key) - 2] = (char)('0' + i);
        put_upload(f, key, ID, 0);
    }
    assert_int_equal(start_to_remove(f, NAME, &outcome), 0);
    WAIT_UNTIL(f, count_keys(f, UPLOAD_RECORDS) < 8);
    assert_false(outcome.ended);
    assert_int_equal(
        storebox_put(&f->box, "/" NAME "/k", strlen("/" NAME "/k"),
                     &(struct record){.size = 1, .time = 1, .generation = 1, .n_places = 1}),
        0);
    assert_false(outcome.ended);
    assert_int_equal(wait_for(f, &outcome), -ENOTEMPTY);
    assert_true(has_record(f, NAME));
}

/* The objects alone read later; the box is the store within, until it closes both. */
static int setup_late(void **state)
{
    int rc = fixture_setup(state);
    struct fixture *f = *state;

    f->objects.store = late_engine_new(&f->box.loop, f->box.store);
    return rc;
}

static int teardown_late(void **state)
{
    struct fixture *f = *state;

    f->box.store = f->objects.store;
    return fixture_teardown(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, fixture_setup, fixture_teardown)
#define LATE(name) cmocka_unit_test_setup_teardown(test_##name, setup_late, teardown_late)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bucket_create_and_remove),
        TEST(bucket_create_twice_at_once),
        TEST(bucket_change_forget),
        TEST(bucket_remove_not_with_keys),
        TEST(bucket_remove_aborts_its_uploads),
        TEST(bucket_remove_keeps_uploads_of_one_with_keys),
        TEST(bucket_remove_finds_a_key_that_comes_meanwhile),
    };
    const struct CMUnitTest late_tests[] = {
        LATE(bucket_create_and_remove),
        LATE(bucket_create_twice_at_once),
        LATE(bucket_change_forget),
        LATE(bucket_remove_not_with_keys),
        LATE(bucket_remove_aborts_its_uploads),
        LATE(bucket_remove_keeps_uploads_of_one_with_keys),
        LATE(bucket_remove_finds_a_key_that_comes_meanwhile),
    };
    int failed = cmocka_run_group_tests_name("at once", tests, NULL, NULL);

    return failed + cmocka_run_group_tests_name("later", late_tests, NULL, NULL);
}
