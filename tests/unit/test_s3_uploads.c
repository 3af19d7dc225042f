/* Uploads that are left alone, parts without one, and the check of many; keys of uploads. */
#include "tests/unit/objects_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/s3/bucket_name.h"
#include "index/s3/copy_source.h"
#include "index/s3/mark.h"
#include "index/s3/parts_check.h"
#include "index/s3/sweep.h"
#include "index/s3/upload_expiry.h"
#include "index/s3/upload_key.h"
#include "tests/support/late_engine.h"

#define OBJECT "/bucket/a/key"
#define ID     "0123456789abcdef0123456789abcdef"
#define HOUR   3600000
#define OTHER  "fedcba9876543210fedcba9876543210"

static const struct key of_parts = {.len = 4, .bytes = "/b/k"};

static struct key key_of(const char *text)
{
    struct key key = {.len = strlen(text)};

    memcpy(key.bytes, text, key.len);
    return key;
}

/* --- Keys ------------------------------------------------------------------------------------ */

static void test_upload_key_there_and_back(void **state)
{
    struct key object = key_of(OBJECT);
    struct key back;
    struct key key;

    (void)state;
    upload_key_of_record(&object, ID, &key);
    assert_int_equal(key.len, strlen("/_mkv/s3/upload/bucket/a/key.") + UPLOAD_ID_LENGTH);
    assert_memory_equal(key.bytes, "/_mkv/s3/upload/bucket/a/key\001" ID, key.len);
    assert_true(upload_key_object(key.bytes, key.len, &back));
    assert_int_equal(back.len, object.len);
    assert_memory_equal(back.bytes, object.bytes, object.len);
    assert_false(upload_key_object(key.bytes, key.len - 1, &back));
    assert_false(upload_key_object(key.bytes + 1, key.len - 1, &back));
    assert_false(upload_key_object(key.bytes, strlen(UPLOAD_RECORDS), &back));
}

static void test_upload_key_of_the_longest_object(void **state)
{
    struct key object = {.len = 1 + BUCKET_NAME_MAX + 1 + S3_KEY_MAX};
    struct key key;

    (void)state;
    memset(object.bytes, 'x', object.len);
    object.bytes[0] = '/';
    upload_key_of_record(&object, ID, &key);
    assert_true(key.len <= KEY_MAX);
}

static void test_upload_key_of_parts(void **state)
{
    static const char *const none[] = {"",          "1/b/k",     "0001/b/k", "000001/b/k",
                                       "0000x/b/k", "0000:/b/k", "00001",    "00001.b/k"};
    struct key parts;
    struct key key;

    (void)state;
    upload_key_of_parts(ID, &parts);
    upload_key_of_part(&of_parts, ID, 10000, &key);
    assert_int_equal(key.len, 14 + UPLOAD_ID_LENGTH + 6 + of_parts.len);
    assert_memory_equal(key.bytes, "/_mkv/s3/part/" ID "/10000/b/k", key.len);
    assert_int_equal(upload_key_part_number(key.bytes, key.len, &parts), 10000);
    upload_key_of_part(&of_parts, ID, 7, &key);
    assert_int_equal(upload_key_part_number(key.bytes, key.len, &parts), 7);
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        memcpy(key.bytes + parts.len, none[i], strlen(none[i]));
        assert_int_equal(upload_key_part_number(key.bytes, parts.len + strlen(none[i]), &parts), 0);
    }
}

static void test_upload_key_of_a_part_leads_to_the_record(void **state)
{
    static const char *const none[] = {"",          "x/00001/b/k",   ID,
                                       ID "/00001", ID "x00001/b/k", ID "/000001/b"};
    struct key wanted;
    struct key record;
    struct key key;

    (void)state;
    upload_key_of_record(&of_parts, ID, &wanted);
    upload_key_of_part(&of_parts, ID, 10000, &key);
    assert_true(upload_key_record_of_part(&key, &record));
    assert_int_equal(record.len, wanted.len);
    assert_memory_equal(record.bytes, wanted.bytes, wanted.len);
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        key.len = strlen(UPLOAD_PARTS) + strlen(none[i]);
        memcpy(key.bytes + strlen(UPLOAD_PARTS), none[i], strlen(none[i]));
        assert_false(upload_key_record_of_part(&key, &record));
    }
}

/* --- Expiry ---------------------------------------------------------------------------------- */

static void done_cb(void *arg, int rc, const char *text, const struct record *record)
{
    int *out = arg;

    (void)text;
    (void)record;
    *out = rc;
}

static void put_record_of(struct fixture *f, const char *id)
{
    struct key object = key_of(OBJECT);
    struct key key;
    int rc = 1;

    upload_key_of_record(&object, id, &key);
    assert_int_equal(
        mark_write(&f->objects, &key, &(struct mark_options){.done = done_cb, .arg = &rc}), 0);
    WAIT_UNTIL(f, rc <= 0);
    assert_int_equal(rc, 0);
}

static void put_part(struct fixture *f, const char *id, unsigned number)
{
    char part[128];

    snprintf(part, sizeof(part), UPLOAD_PARTS "%s/%05u" OBJECT, id, number);
    assert_int_equal(fixture_put(f, part, "part"), 0);
}

static void put_upload(struct fixture *f, const char *id, unsigned parts)
{
    put_record_of(f, id);
    for (unsigned i = 1; i <= parts; i++)
        put_part(f, id, i);
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

static unsigned count(struct fixture *f, const char *prefix)
{
    unsigned n = 0;

    assert_int_equal(gdbm_engine_list(f->box.store, prefix, strlen(prefix), "", 0, count_cb, &n),
                     0);
    return n;
}

static void stopped_cb(void *arg)
{
    bool *stopped = arg;

    *stopped = true;
}

static void stop(struct fixture *f, struct upload_expiry *expiry)
{
    bool stopped = false;

    upload_expiry_stop(expiry, stopped_cb, &stopped);
    WAIT_UNTIL(f, stopped);
    WAIT_UNTIL(f, f->objects.n_running == 0);
}

static void test_upload_expiry_gives_up_what_is_left_alone(void **state)
{
    struct fixture *f = *state;
    struct s3 s3 = {.objects = &f->objects, .upload_expiry_ms = HOUR};
    struct upload_expiry *expiry;

    put_upload(f, ID, 40);
    put_upload(f, OTHER, 0);
    assert_int_equal(upload_expiry_start(f->objects.loop, &s3, &expiry), 0);
    fixture_pass_time(f, HOUR * 3 / 4);
    assert_int_equal(count(f, UPLOAD_RECORDS), 2);
    assert_int_equal(count(f, UPLOAD_PARTS), 40);
    fixture_pass_time(f, HOUR / 2);
    WAIT_UNTIL(f, count(f, UPLOAD_RECORDS) == 0);
    WAIT_UNTIL(f, count(f, UPLOAD_PARTS) == 0);
    stop(f, expiry);
}

static void test_upload_expiry_spares_what_is_added_to(void **state)
{
    struct fixture *f = *state;
    struct s3 s3 = {.objects = &f->objects, .upload_expiry_ms = HOUR};
    struct upload_expiry *expiry;

    put_upload(f, ID, 2);
    put_upload(f, OTHER, 0);
    assert_int_equal(upload_expiry_start(f->objects.loop, &s3, &expiry), 0);
    fixture_pass_time(f, HOUR / 2);
    put_part(f, ID, 3);
    fixture_pass_time(f, HOUR * 3 / 4);
    WAIT_UNTIL(f, count(f, UPLOAD_RECORDS) == 1); /* that has got no part since */
    fixture_pass_time(f, HOUR / 8);
    stop(f, expiry);
    assert_int_equal(count(f, UPLOAD_RECORDS), 1);
    assert_int_equal(count(f, UPLOAD_PARTS ID "/"), 3);
}

/* As one of long ago; with the number in all that tells parts apart. */
static struct record record_of_part(unsigned number)
{
    struct record record = {.flags = RECORD_MD5,
                            .size = PARTS_SIZE_MIN + number,
                            .time = 1,
                            .generation = number,
                            .n_places = 1};

    memcpy(record.md5, &number, sizeof(number));
    return record;
}

/* Some commits' worth of parts with numbers from 1 on. */
static void put_old_parts(struct fixture *f, unsigned commits)
{
    const struct key object = key_of(OBJECT);
    struct store_change changes[STORE_CHANGES_MAX];
    struct record records[STORE_CHANGES_MAX];
    struct key keys[STORE_CHANGES_MAX];
    unsigned number = 0;

    for (unsigned i = 0; i < commits; i++) {
        for (unsigned j = 0; j < STORE_CHANGES_MAX; j++) {
            upload_key_of_part(&object, ID, ++number, &keys[j]);
            records[j] = record_of_part(number);
            changes[j] = (struct store_change){.space = STORE_KEYS,
                                               .key = keys[j].bytes,
                                               .len = keys[j].len,
                                               .record = &records[j]};
        }
        assert_int_equal(storebox_commit(&f->box, changes, STORE_CHANGES_MAX), 0);
    }
}

/* More of them than one slice has time for, or than are fetched at once; only the last one isn't
 * old. */
static void test_upload_expiry_looks_at_all_parts(void **state)
{
    struct fixture *f = *state;
    unsigned commits = f->objects.store->is_prompt ? 1200 : 120;
    struct s3 s3 = {.objects = &f->objects, .upload_expiry_ms = HOUR};
    struct upload_expiry *expiry;

    put_upload(f, ID, 0);
    put_upload(f, OTHER, 0);
    put_old_parts(f, commits);
    fixture_pass_time(f, 2 * HOUR);
    put_part(f, ID, PART_NUMBER_MAX);
    assert_int_equal(upload_expiry_start(f->objects.loop, &s3, &expiry), 0);
    WAIT_UNTIL(f, count(f, UPLOAD_RECORDS) == 1);
    stop(f, expiry);
    assert_int_equal(count(f, UPLOAD_RECORDS "bucket/a/key\001" ID), 1);
    assert_int_equal(count(f, UPLOAD_PARTS ID "/"), commits * STORE_CHANGES_MAX + 1);
}

/* As a crash leaves them: they go at once, and all others stay. One upload's after the other's. */
static void test_upload_expiry_finds_parts_without_an_upload(void **state)
{
    struct fixture *f = *state;
    struct s3 s3 = {.objects = &f->objects, .upload_expiry_ms = HOUR};
    struct upload_expiry *expiry;
    char id[UPLOAD_ID_SIZE];
    uint64_t until;

    put_upload(f, ID, 2);
    put_upload(f, OTHER, 1);
    for (unsigned i = 1; i <= 40; i++)
        put_part(f, "00000000000000000000000000000000", i);
    for (unsigned i = 1; i <= 40; i++) {
        snprintf(id, sizeof(id), "f%031x", i);
        put_part(f, id, 7);
    }
    assert_int_equal(fixture_put(f, UPLOAD_PARTS "f/1", "of no upload"), 0);
    assert_int_equal(upload_expiry_start(f->objects.loop, &s3, &expiry), 0);
    until = fixture_deadline();
    while (count(f, UPLOAD_PARTS) > 4) {
        fixture_turn(f, until, "parts go");
        assert_true(f->objects.n_running <= SWEEP_BATCH);
    }
    stop(f, expiry);
    assert_int_equal(count(f, UPLOAD_PARTS ID "/"), 2);
    assert_int_equal(count(f, UPLOAD_PARTS OTHER "/"), 1);
    assert_int_equal(count(f, UPLOAD_RECORDS), 2);
}

static void test_upload_expiry_of_0_is_never(void **state)
{
    struct fixture *f = *state;
    struct s3 s3 = {.objects = &f->objects};
    struct upload_expiry *expiry;

    put_upload(f, ID, 3);
    assert_int_equal(fixture_put(f, UPLOAD_PARTS OTHER "/00001", "x"), 0);
    assert_int_equal(upload_expiry_start(f->objects.loop, &s3, &expiry), 0);
    fixture_pass_time(f, 2 * HOUR);
    stop(f, expiry);
    assert_int_equal(count(f, UPLOAD_RECORDS), 1);
    assert_int_equal(count(f, UPLOAD_PARTS), 4);
}

/* --- More parts than a page of any list has (scality/cloudserver#444) ---------------------------
 */

static void put_record(struct fixture *f, unsigned number)
{
    struct record record = record_of_part(number);
    struct key key;

    upload_key_of_part(&of_parts, ID, number, &key);
    assert_int_equal(storebox_put(&f->box, key.bytes, key.len, &record), 0);
}

static void checked_cb(struct parts_check *check, enum s3_error error)
{
    *(int *)check->data = (int)error;
}

/* Some of them. */
static int check_on(struct fixture *f, struct parts_check *check, uint64_t ns)
{
    int error;

    check->data = &error; // cppcheck-suppress autoVariables
    error = parts_check_on(check, ns, checked_cb);
    WAIT_UNTIL(f, error != STORE_LATER);
    return error;
}

static void test_parts_check_of_many_parts(void **state)
{
    struct fixture *f = *state;
    unsigned n = f->objects.store->is_prompt ? 1100 : 110;
    struct complete_part *listed = calloc(n, sizeof(*listed));
    struct parts_check check = {
        .objects = &f->objects, .object = &of_parts, .id = ID, .listed = listed, .n = n};
    struct meta meta = {.len = 0};
    struct meta_line line;
    const char *dash;

    assert_non_null(listed);
    for (unsigned i = 0; i < n; i++) {
        put_record(f, i + 1);
        listed[i].number = i + 1;
        listed[i].has_md5 = true;
        memcpy(listed[i].md5, &listed[i].number, sizeof(listed[i].number));
    }
    assert_int_equal(parts_check_init(&check), S3_OK);
    while (check.at < check.n)
        assert_int_equal(check_on(f, &check, 0), S3_OK);
    assert_true(check.size == (uint64_t)n * PARTS_SIZE_MIN + n * (n + 1) / 2);
    assert_int_equal(check.generations[n - 1], n);
    parts_check_add_meta(&check, &meta);
    assert_true(meta_find(meta.bytes, meta.len, "etag", &line));
    dash = memchr(line.value, '-', line.value_len);
    assert_non_null(dash);
    assert_int_equal(strtoul(dash + 1, NULL, 10), n);
    parts_check_deinit(&check);
    listed[n - 2].md5[0]++;
    check = (struct parts_check){
        .objects = &f->objects, .object = &of_parts, .id = ID, .listed = listed, .n = n};
    assert_int_equal(parts_check_init(&check), S3_OK);
    assert_int_equal(check_on(f, &check, 3600000000000), S3_INVALID_PART);
    parts_check_deinit(&check);
    free(listed);
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
        cmocka_unit_test(test_upload_key_there_and_back),
        cmocka_unit_test(test_upload_key_of_the_longest_object),
        cmocka_unit_test(test_upload_key_of_parts),
        cmocka_unit_test(test_upload_key_of_a_part_leads_to_the_record),
        TEST(upload_expiry_gives_up_what_is_left_alone),
        TEST(upload_expiry_spares_what_is_added_to),
        TEST(upload_expiry_looks_at_all_parts),
        TEST(upload_expiry_finds_parts_without_an_upload),
        TEST(upload_expiry_of_0_is_never),
        TEST(parts_check_of_many_parts),
    };
    const struct CMUnitTest late_tests[] = {
        LATE(upload_expiry_gives_up_what_is_left_alone),
        LATE(upload_expiry_spares_what_is_added_to),
        LATE(upload_expiry_looks_at_all_parts),
        LATE(upload_expiry_finds_parts_without_an_upload),
        LATE(upload_expiry_of_0_is_never),
        LATE(parts_check_of_many_parts),
    };
    int failed = cmocka_run_group_tests_name("at once", tests, NULL, NULL);

    return failed + cmocka_run_group_tests_name("later", late_tests, NULL, NULL);
}
