/* Operations whose store is away when they end, while other indexes go on: they took the
 * announcement over, found nothing at the volumes yet, and forgot it. */
#include "tests/unit/objects_fixture.h"

#include <string.h>

#include "tests/support/late_engine.h"

#define KEY "/key"

static int setup(void **state)
{
    struct fixture *f;

    fixture_setup(state);
    f = *state;
    f->objects.store = late_engine_new(&f->box.loop, f->box.store);
    f->objects.store->numbers = 2;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    f->box.store = f->objects.store; /* which closes the other one */
    return fixture_teardown(state);
}

static void others_forget(struct fixture *f)
{
    uint64_t generation;

    WAIT_UNTIL(f, fixture_count_orphans(f) == 1); /* a moment after the announcement has ended */
    generation = store_last_generation(f->box.store);
    assert_int_equal(storebox_delete_orphan(&f->box, KEY, strlen(KEY), generation), 0);
}

static void release(struct fixture *f)
{
    for (unsigned i = 0; i < VOLUMES; i++)
        volume_server_release(&f->servers[i], VOLUME_SYNC);
}

/* Until the volumes have the value, or the copy, and are asked to bring it to disk. */
static void wait_for_syncs(struct fixture *f, unsigned n)
{
    WAIT_UNTIL(f, fixture_count(f, VOLUME_SYNC) == n);
}

/* The database goes when all volumes have the value. */
static void begin_write_while_away(struct fixture *f, struct task *task)
{
    fixture_set_fates(f, VOLUME_SYNC, FATE_HOLD);
    task_begin_write(f, task, KEY, 5);
    task_add(task, "value");
    task_end(task);
    wait_for_syncs(f, COPIES);
    late_engine_set_away(f->objects.store, true);
}

static void write_while_away(struct fixture *f)
{
    struct task task;

    begin_write_while_away(f, &task);
    others_forget(f);
    release(f);
    assert_int_equal(task_wait(&task), STORE_AWAY);
    assert_int_equal(fixture_count_orphans(f), 0);
}

/* For much longer than any try takes. */
static void be_away(struct fixture *f)
{
    fixture_pass_time(f, 60000);
    assert_int_equal(f->objects.n_running, 1);
    assert_int_equal(fixture_count_orphans(f), 0);
    late_engine_set_away(f->objects.store, false);
    fixture_pass_time(f, 2000);
    WAIT_UNTIL(f, f->objects.n_running == 0);
}

static void test_write_that_others_have_forgotten(void **state)
{
    struct fixture *f = *state;

    write_while_away(f);
    be_away(f);
    assert_named(f);
    assert_int_equal(fixture_count_orphans(f), 1);
    assert_value(f, KEY, NULL);
    assert_clean(f);
}

static void test_move_that_others_have_forgotten(void **state)
{
    struct fixture *f = *state;
    struct task task;

    fixture_list_without(f, KEY, 0);
    assert_int_equal(fixture_put(f, KEY, "value"), 0);
    fixture_list_all(f);
    fixture_set_fates(f, VOLUME_SYNC, FATE_HOLD);
    task_move(f, &task, KEY);
    wait_for_syncs(f, COPIES + 1);
    late_engine_set_away(f->objects.store, true);
    others_forget(f);
    release(f);
    assert_int_equal(task_wait(&task), STORE_AWAY);
    be_away(f);
    assert_named(f);
    assert_int_equal(fixture_count_orphans(f), 1);
    assert_clean(f);
    assert_value(f, KEY, "value");
}

/* What it has announced may be another one's. */
static void test_write_of_an_index_that_is_another_one_now(void **state)
{
    struct fixture *f = *state;
    struct task task;

    fixture_set_fates(f, VOLUME_SYNC, FATE_HOLD);
    task_begin_write(f, &task, KEY, 5);
    task_add(&task, "value");
    task_end(&task);
    wait_for_syncs(f, COPIES);
    late_engine_share(f->objects.store, 2, 0);
    release(f);
    assert_int_equal(task_wait(&task), UV_EAGAIN);
    assert_value(f, KEY, NULL);
}

/* What it has read may be old. */
static void test_reclaimer_of_an_index_that_was_suspended(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(fixture_put(f, KEY, "value"), 0);
    assert_int_equal(fixture_remove(f, KEY), 0);
    late_engine_set_holds(f->objects.store, false);
    fixture_start_reclaimer(f);
    fixture_pass_time(f, 60000);
    assert_int_equal(fixture_count(f, VOLUME_DELETE), 0);
    assert_int_equal(fixture_count_orphans(f), 1);
    late_engine_set_holds(f->objects.store, true);
    fixture_reclaim(f);
    assert_int_equal(fixture_count_orphans(f), 0);
    assert_clean(f);
}

/* What the store knows all the same stays as it is. */
static void test_write_that_nobody_has_forgotten(void **state)
{
    struct fixture *f = *state;
    struct task task;

    begin_write_while_away(f, &task);
    release(f);
    assert_int_equal(task_wait(&task), STORE_AWAY);
    late_engine_set_away(f->objects.store, false);
    fixture_pass_time(f, 2000);
    WAIT_UNTIL(f, f->objects.n_running == 0);
    assert_named(f);
    assert_int_equal(fixture_count_orphans(f), 1);
    assert_clean(f);
}

static void idle_cb(void *arg)
{
    *(bool *)arg = true;
}

static void test_stop_while_away(void **state)
{
    struct fixture *f = *state;
    bool is_idle = false;

    write_while_away(f);
    f->objects.idle = idle_cb;
    f->objects.idle_arg = &is_idle;
    fixture_pass_time(f, 2000);
    WAIT_UNTIL(f, is_idle);
    assert_int_equal(f->objects.n_running, 0);
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_write_that_others_have_forgotten),
        TEST(test_move_that_others_have_forgotten),
        TEST(test_write_that_nobody_has_forgotten),
        TEST(test_stop_while_away),
        TEST(test_write_of_an_index_that_is_another_one_now),
        TEST(test_reclaimer_of_an_index_that_was_suspended),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("objects_away", tests, NULL, NULL);
}
