/* The times of a key's values: each has a second that no other one of the key had, as long as
 * anybody may remember that one, and no other key is the worse for it. */
#include "tests/unit/objects_fixture.h"

#include <string.h>

#include "index/base/clock.h"
#include "index/objects/orphans.h"

#define KEY "/key"

static struct record put(struct fixture *f, const char *key)
{
    struct task task;

    task_write(f, &task, key, "value");
    assert_int_equal(task_wait(&task), 0);
    return task.record;
}

/* Puts values that replace each other, each after a DELETE or an UNLINK; the last one stays. */
static struct record put_often(struct fixture *f, const char *key, unsigned times)
{
    struct record last = put(f, key);

    for (unsigned i = 1; i < times; i++) {
        struct record next;

        assert_int_equal(i % 2 == 0 ? fixture_unlink(f, key) : fixture_remove(f, key), 0);
        next = put(f, key);
        assert_true(next.generation > last.generation);
        assert_true(next.time / 1000 > last.time / 1000);
        last = next;
    }
    return last;
}

/* The time is the clock's, of the put that has begun then and is over now. */
static void assert_of(uint64_t time, uint64_t began)
{
    assert_in_range(time, began, clock_now_ms());
}

static void put_of_now(struct fixture *f, const char *key)
{
    uint64_t began = clock_now_ms();
    struct record record = put(f, key);

    assert_of(record.time, began);
    assert_int_equal(record.time, generation_time(record.generation));
}

/* Lets time pass, in which what waits for the disk isn't late. */
static void pass_time(struct fixture *f, unsigned ms)
{
    for (unsigned passed = 0; passed < ms; passed += 200) {
        fixture_pass_time(f, 200);
        assert_int_equal(storebox_delete(&f->box, "/none", 5), 0); /* ends after all before it */
    }
}

static bool has_orphan(struct fixture *f, uint64_t generation)
{
    struct orphan orphan;

    return gdbm_engine_get_orphan(f->box.store, KEY, strlen(KEY), generation, &orphan) == 0;
}

/* --- Values that replace each other ---------------------------------------------------------- */

/* The time of that one key runs ahead, and nothing else does. */
static void test_times_of_a_key_that_is_replaced_often(void **state)
{
    struct fixture *f = *state;
    uint64_t began = clock_now_ms();
    struct record record = put_often(f, KEY, 200);

    assert_true(record.time / 1000 >= began / 1000 + 199);
    assert_of(generation_time(record.generation), began);
    put_of_now(f, "/other");
}

/* Those that run at once know of each other, wherever they are, and whichever is done first. */
static void check_writes_at_once(struct fixture *f, const char *key, bool announced, bool unlinks)
{
    struct task tasks[4];
    struct record records[COUNT_OF(tasks)];
    struct record last;

    for (unsigned i = 0; i < COUNT_OF(tasks); i++) {
        task_begin_write(f, &tasks[i], key, 5);
        if (announced)
            task_add(&tasks[i], "va");
    }
    for (unsigned done = 0; done < COUNT_OF(tasks); done++) {
        unsigned i = unlinks ? done : COUNT_OF(tasks) - 1 - done;

        task_add(&tasks[i], announced ? "lue" : "value");
        task_end(&tasks[i]);
        assert_int_equal(task_wait(&tasks[i]), 0);
        records[done] = tasks[i].record;
        assert_int_equal(unlinks ? fixture_unlink(f, key) : fixture_remove(f, key), 0);
    }
    for (unsigned i = 0; i < COUNT_OF(tasks); i++) {
        for (unsigned j = 0; j < i; j++) {
            assert_true(records[i].time / 1000 != records[j].time / 1000);
            assert_int_equal(records[i].generation > records[j].generation,
                             records[i].time > records[j].time);
        }
    }
    last = put(f, key);
    for (unsigned i = 0; i < COUNT_OF(tasks); i++)
        assert_true(last.time / 1000 > records[i].time / 1000);
}

static void test_times_of_writes_at_once(void **state)
{
    struct fixture *f = *state;
    char key[16];

    for (unsigned i = 0; i < 4; i++) {
        snprintf(key, sizeof(key), "/key-%u", i);
        check_writes_at_once(f, key, i % 2 == 1, i / 2 == 1);
    }
    put_of_now(f, "/key");
    assert_clean(f);
}

/* Others that are written meanwhile, of whatever name, are none of its business. */
static void test_times_of_writes_of_other_keys(void **state)
{
    static const char *const keys[] = {"/a", "/b", "/key-", "/kez", "/ke", "/zzzz"};
    struct task tasks[COUNT_OF(keys)];
    struct fixture *f = *state;
    uint64_t began = clock_now_ms();

    for (unsigned i = 0; i < COUNT_OF(keys); i++)
        task_begin_write(f, &tasks[i], keys[i], 5);
    put_of_now(f, KEY);
    for (unsigned i = 0; i < COUNT_OF(keys); i++) {
        task_add(&tasks[i], "value");
        task_end(&tasks[i]);
        assert_int_equal(task_wait(&tasks[i]), 0);
        assert_of(tasks[i].record.time, began);
    }
}

/* One that was unlinked or restored may have any time. */
static void test_time_after_one_that_a_dump_had(void **state)
{
    static const struct {
        uint64_t time;
        bool counts;
    } cases[] = {{5, true},
                 {(uint64_t)-1, false},
                 {INT64_MAX, false},
                 {CLOCK_MS_MAX, false},
                 {4102444800123, true},
                 {4102444800999, true}}; /* 2100-01-01 */
    struct fixture *f = *state;
    struct record record = put(f, "/other");

    for (unsigned i = 0; i < COUNT_OF(cases); i++) {
        char key[16];

        snprintf(key, sizeof(key), "/key-%u", i);
        record.flags = RECORD_UNLINKED;
        record.time = cases[i].time;
        assert_int_equal(storebox_put(&f->box, key, strlen(key), &record), 0);
        if (cases[i].counts && cases[i].time > clock_now_ms())
            assert_int_equal(put(f, key).time, 4102444801000);
        else
            put_of_now(f, key);
    }
}

/* --- Orphans --------------------------------------------------------------------------------- */

/* An orphan of an earlier version has none; it had that of its generation. */
static void test_time_after_an_orphan_without_a_time(void **state)
{
    struct fixture *f = *state;
    struct orphan orphan = {.n_places = 1};
    uint64_t time = clock_now_ms() + 20000;

    assert_int_equal(storebox_put_orphan(&f->box, KEY, strlen(KEY), time << 16, &orphan), 0);
    assert_int_equal(put(f, KEY).time, (time / 1000 + 1) * 1000);
    orphan.time = time + 30000;
    assert_int_equal(storebox_put_orphan(&f->box, "/b", 2, time << 16, &orphan), 0);
    assert_int_equal(put(f, "/b").time, ((time + 30000) / 1000 + 1) * 1000);
}

/* Whatever makes an orphan of a blob keeps its time. */
static void test_orphans_keep_the_time(void **state)
{
    struct fixture *f = *state;
    struct orphan orphan;
    struct record record;
    struct task task;

    put_often(f, KEY, 4);
    assert_int_equal(fixture_remove(f, KEY), 0);
    fixture_list_without(f, KEY, 0);
    record = put(f, KEY);
    assert_true(record.time > generation_time(record.generation));
    fixture_list_all(f);
    assert_int_equal(fixture_move(f, KEY), 0);
    for (unsigned i = 0; i < 2; i++) { /* of what was moved, and then of what was removed, too */
        assert_int_equal(
            gdbm_engine_get_orphan(f->box.store, KEY, strlen(KEY), record.generation, &orphan), 0);
        assert_int_equal(orphan.time, record.time);
        if (i == 0)
            assert_int_equal(fixture_remove(f, KEY), 0);
    }
    record = put(f, KEY);
    assert_int_equal(fixture_unlink(f, KEY), 0);
    fixture_set_fates(f, VOLUME_PUT, FATE_HOLD);
    task_begin_write(f, &task, KEY, -1);
    task_add(&task, "va");
    WAIT_UNTIL(f, store_last_generation(f->box.store) > record.generation);
    assert_int_equal(gdbm_engine_get_orphan(f->box.store, KEY, strlen(KEY),
                                            store_last_generation(f->box.store), &orphan),
                     0);
    assert_int_equal(orphan.time, record.time + 1000);
    fixture_set_fates(f, VOLUME_PUT, FATE_DO);
    task_add(&task, "lue");
    task_end(&task);
    assert_int_equal(task_wait(&task), 0);
    assert_int_equal(
        gdbm_engine_get_orphan(f->box.store, KEY, strlen(KEY), record.generation, &orphan), 0);
    assert_int_equal(orphan.time, record.time);
}

/* ... as does the reclaimer of what it couldn't remove. */
static void test_orphan_that_is_partly_removed_keeps_the_time(void **state)
{
    struct fixture *f = *state;
    struct record record = put_often(f, KEY, 20);
    struct orphan orphan;

    fixture_server(f, KEY, 0)->fates[VOLUME_DELETE] = FATE_REFUSE;
    fixture_start_reclaimer(f);
    assert_int_equal(fixture_remove(f, KEY), 0);
    WAIT_UNTIL(f, gdbm_engine_get_orphan(f->box.store, KEY, strlen(KEY), record.generation,
                                         &orphan) == 0 &&
                      orphan.n_places == 1);
    assert_int_equal(orphan.time, record.time);
    fixture_set_fates(f, VOLUME_DELETE, FATE_DO);
}

/* --- The reclaimer --------------------------------------------------------------------------- */

/* Of a key without a value, it stays until the clock has passed its time. */
static void test_orphan_is_known_until_its_time_has_passed(void **state)
{
    struct fixture *f = *state;
    struct record record;

    fixture_start_reclaimer(f);
    record = put_often(f, KEY, 12);
    assert_int_equal(fixture_remove(f, KEY), 0);
    assert_true(record.time / 1000 > clock_now_ms() / 1000);
    while (has_orphan(f, record.generation)) {
        assert_in_range(clock_now_ms(), 0, record.time + 20000);
        pass_time(f, 200);
    }
    assert_true(clock_now_ms() / 1000 > record.time / 1000);
    put_of_now(f, KEY);
    assert_clean(f);
}

/* While it is known, another one has a later time. */
static void test_time_after_a_blob_that_is_gone(void **state)
{
    struct fixture *f = *state;
    struct record record;

    fixture_start_reclaimer(f);
    record = put_often(f, KEY, 30);
    assert_int_equal(fixture_remove(f, KEY), 0);
    pass_time(f, 8000);
    assert_int_equal(put(f, KEY).time, (record.time / 1000 + 1) * 1000);
}

/* A value of a later time is as good: nothing piles up. */
static void test_orphans_of_a_key_that_has_a_later_value(void **state)
{
    struct fixture *f = *state;
    struct record record;

    fixture_start_reclaimer(f);
    record = put_often(f, KEY, 60);
    pass_time(f, GRACE + 12000);
    assert_int_equal(fixture_count_orphans(f), 0);
    assert_true(clock_now_ms() + 5000 < record.time);
    assert_int_equal(fixture_remove(f, KEY), 0);
    assert_int_equal(put(f, KEY).time, (record.time / 1000 + 1) * 1000);
}

/* One that is being written isn't: it may come to nothing, and be forgotten at once. */
static void test_orphan_outlives_a_later_write_that_fails(void **state)
{
    struct fixture *f = *state;
    struct record record;
    struct task task;

    record = put_often(f, KEY, 30);
    assert_int_equal(fixture_remove(f, KEY), 0);
    task_begin_write(f, &task, KEY, 5);
    task_add(&task, "val");
    fixture_start_reclaimer(f);
    WAIT_UNTIL(f, fixture_count(f, VOLUME_DELETE) >= COPIES);
    pass_time(f, 8000);
    write_forget(task.write);
    pass_time(f, 4000);
    assert_true(has_orphan(f, record.generation));
    assert_true(put(f, KEY).time / 1000 > record.time / 1000);
}

/* One whose turn hasn't come is in nobody's way. */
static void test_orphan_that_stays_is_in_nobodys_way(void **state)
{
    struct fixture *f = *state;
    struct record record;

    fixture_start_reclaimer(f);
    record = put_often(f, KEY, 30);
    assert_int_equal(fixture_remove(f, KEY), 0);
    pass_time(f, 400);
    put(f, "/other");
    assert_int_equal(fixture_remove(f, "/other"), 0);
    pass_time(f, GRACE + 8000); /* what an UNLINK had left goes as well */
    assert_true(has_orphan(f, record.generation));
    assert_true(clock_now_ms() < record.time);
    {
        const struct key other = {.bytes = "/other", .len = 6};
        struct store_view view;

        assert_int_equal(store_view(f->box.store, NULL, other.bytes, other.len, &view, NULL), 0);
        assert_int_equal(orphans_latest_time(&f->objects, &other, &view), 0);
    }
}

#define TIMES_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TIMES_TEST(test_times_of_a_key_that_is_replaced_often),
        TIMES_TEST(test_times_of_writes_at_once),
        TIMES_TEST(test_times_of_writes_of_other_keys),
        TIMES_TEST(test_time_after_one_that_a_dump_had),
        TIMES_TEST(test_time_after_an_orphan_without_a_time),
        TIMES_TEST(test_orphans_keep_the_time),
        TIMES_TEST(test_orphan_that_is_partly_removed_keeps_the_time),
        TIMES_TEST(test_orphan_is_known_until_its_time_has_passed),
        TIMES_TEST(test_time_after_a_blob_that_is_gone),
        TIMES_TEST(test_orphans_of_a_key_that_has_a_later_value),
        TIMES_TEST(test_orphan_outlives_a_later_write_that_fails),
        TIMES_TEST(test_orphan_that_stays_is_in_nobodys_way),
    };

    return cmocka_run_group_tests_name("objects_times", tests, NULL, NULL);
}
