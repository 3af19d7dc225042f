/* Jobs of indexes that share a store: what is noted of them, and who goes on with those of an index
 * that is gone. */
#include "tests/unit/objects_fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "index/base/clock.h"
#include "index/maintenance/drain.h"
#include "index/maintenance/handover.h"
#include "index/maintenance/rebalance.h"
#include "index/maintenance/verify.h"
#include "index/objects/making.h"
#include "tests/support/late_engine.h"

#define ME      77
#define OTHER   5
#define SETTLE  10000                         /* ms: all know a note */
#define DRAINED (SETTLE + MAKING_LATE + 3000) /* a drain without keys has ended */
#define LOOKS   (3 * HANDOVER_LOOK_MS)

static struct jobs *jobs;
static bool is_stopped;

static int setup(void **state)
{
    struct fixture *f;

    assert_int_equal(fixture_setup(state), 0);
    f = *state;
    f->objects.directory = f->box.dir; /* where a verify sorts */
    f->objects.store = late_engine_new(&f->box.loop, f->box.store);
    late_engine_share(f->objects.store, ME, SETTLE);
    assert_int_equal(jobs_new(&f->objects, 0, &jobs), 0);
    jobs_open(jobs);
    return 0;
}

/* The store doesn't look along with an announcement. */
static int setup_blind(void **state)
{
    int rc = setup(state);
    struct fixture *f = *state;

    late_engine_set_blind(f->objects.store, true);
    return rc;
}

static void stopped_cb(void *arg)
{
    (void)arg;
    is_stopped = true;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    is_stopped = false;
    jobs_close(jobs);
    jobs_stop(jobs, stopped_cb, NULL);
    WAIT_UNTIL(f, is_stopped);
    f->box.store = f->objects.store;
    return fixture_teardown(state);
}

/* --- The note -------------------------------------------------------------------------------- */

#define TEXT_MAX 512

static void get_note(struct fixture *f, char text[TEXT_MAX])
{
    struct buf note = {0};

    assert_int_equal(store_get_note(f->box.store, HANDOVER_NOTE, &note), 0);
    assert_true(buf_size(&note) < TEXT_MAX);
    if (buf_size(&note) > 0)
        memcpy(text, buf_bytes(&note), buf_size(&note));
    text[buf_size(&note)] = '\0';
    buf_deinit(&note);
}

static bool is_noted(struct fixture *f, const char *wanted)
{
    char text[TEXT_MAX];

    get_note(f, text);
    return strcmp(text, wanted) == 0;
}

/* As another index would. */
static void put_note(struct fixture *f, const char *text)
{
    char was[TEXT_MAX];

    get_note(f, was);
    assert_int_equal(store_put_note(f->box.store, NULL,
                                    &(struct store_note){.name = HANDOVER_NOTE,
                                                         .was = was,
                                                         .was_len = strlen(was),
                                                         .value = text,
                                                         .len = strlen(text)},
                                    NULL),
                     0);
}

/* Of a drain of the first volume. */
static const char *line_of(const struct fixture *f, uint64_t instance)
{
    static char text[TEXT_MAX];

    snprintf(text, sizeof(text), "drain %s %" PRIu64 " 3 500000 -\n", f->servers[0].name, instance);
    return text;
}

static struct job_options options_of(const struct fixture *f)
{
    struct job_options options = {.jobs = 3, .rate = 500000};

    strcpy(options.volume, f->servers[0].name);
    return options;
}

static struct job *start_drain(struct fixture *f)
{
    const struct job_options options = options_of(f);
    char text[JOB_TEXT_MAX] = "";
    struct job *job;

    assert_int_equal(jobs_start(jobs, &drain_type, &options, &job, text), 0);
    return job;
}

static void await_noted(struct fixture *f, const char *wanted)
{
    uint64_t until = fixture_deadline();

    while (!is_noted(f, wanted)) {
        fixture_pass_time(f, HANDOVER_LOOK_MS);
        fixture_turn(f, until, wanted);
    }
}

/* --- One index ------------------------------------------------------------------------------- */

static void test_job_is_noted_while_it_runs(void **state)
{
    struct fixture *f = *state;
    struct job *job = start_drain(f);

    WAIT_UNTIL(f, is_noted(f, line_of(f, ME)));
    fixture_pass_time(f, DRAINED);
    assert_int_equal(job->state, JOB_DONE);
    await_noted(f, "");
    assert_null(jobs_next(jobs, job));
}

/* Another index may place values there until it knows of it. */
static void test_drain_waits_until_all_know(void **state)
{
    struct fixture *f = *state;
    struct job *job = start_drain(f);

    WAIT_UNTIL(f, strcmp(job->phase, "waiting until all indexes know of it") == 0);
    fixture_pass_time(f, SETTLE + MAKING_LATE / 2);
    assert_int_equal(job->state, JOB_RUNNING);
    fixture_pass_time(f, DRAINED - SETTLE);
    assert_int_equal(job->state, JOB_DONE);
    assert_true(job->is_clean);
}

static void test_job_that_only_looks_is_not_noted(void **state)
{
    struct fixture *f = *state;
    const struct job_options options = {.dry_run = true, .jobs = 1};
    char text[JOB_TEXT_MAX] = "";
    struct job *job;

    put_note(f, "rebalance - 5 4 0 -\n");
    late_engine_set_lives(f->objects.store, 0, OTHER);
    assert_int_equal(jobs_start(jobs, &rebalance_type, &options, &job, text), 0);
    fixture_pass_time(f, LOOKS);
    assert_true(is_noted(f, "rebalance - 5 4 0 -\n"));
    assert_int_equal(job->state, JOB_DONE);
}

static void test_job_that_is_cancelled_is_not_noted_any_more(void **state)
{
    struct fixture *f = *state;
    struct job *job = start_drain(f);

    await_noted(f, line_of(f, ME));
    job_cancel(job);
    await_noted(f, "");
    assert_int_equal(job->state, JOB_CANCELED);
}

static void test_job_stays_noted_when_its_index_stops(void **state)
{
    struct fixture *f = *state;
    struct job *job = start_drain(f);

    await_noted(f, line_of(f, ME));
    jobs_close(jobs);
    WAIT_UNTIL(f, job->state == JOB_CANCELED);
    fixture_pass_time(f, LOOKS);
    assert_true(is_noted(f, line_of(f, ME)));
}

/* It counted as dead for a while, and nobody has taken the job over. */
static void test_job_of_an_index_that_is_another_one_now(void **state)
{
    struct fixture *f = *state;
    struct job *job = start_drain(f);

    await_noted(f, line_of(f, ME));
    late_engine_share(f->objects.store, ME + 1, SETTLE);
    await_noted(f, line_of(f, ME + 1));
    assert_int_equal(job->state, JOB_RUNNING);
    assert_null(jobs_next(jobs, job));
}

/* --- Others ---------------------------------------------------------------------------------- */

static void test_job_of_an_index_that_is_gone(void **state)
{
    struct fixture *f = *state;
    struct job *job;

    late_engine_set_leads(f->objects.store, false);
    put_note(f, line_of(f, OTHER));
    fixture_pass_time(f, LOOKS);
    assert_null(jobs_next(jobs, NULL)); /* the one that leads does it */
    assert_true(is_noted(f, line_of(f, OTHER)));
    late_engine_set_leads(f->objects.store, true);
    await_noted(f, line_of(f, ME));
    job = jobs_next(jobs, NULL);
    assert_ptr_equal(job->type, &drain_type);
    assert_string_equal(job->options.volume, f->servers[0].name);
    assert_int_equal(job->options.jobs, 3);
    assert_int_equal(job->options.rate, 500000);
    fixture_pass_time(f, DRAINED);
    assert_int_equal(job->state, JOB_DONE);
    await_noted(f, "");
    assert_null(jobs_next(jobs, job));
}

static void test_options_of_a_job_that_goes_on(void **state)
{
    struct fixture *f = *state;
    struct job *job;

    put_note(f, "verify - 5 2 1000 dr\nrebalance - 5 4 0 -\n");
    WAIT_UNTIL(f, jobs_next(jobs, NULL) != NULL);
    job = jobs_next(jobs, NULL);
    assert_ptr_equal(job->type, &verify_type);
    assert_true(job->options.deep && job->options.repair && !job->options.remove_orphans);
    assert_false(job->options.is_automatic);
    assert_int_equal(job->options.jobs, 2);
    assert_int_equal(job->options.rate, 1000);
    assert_string_equal(job->options.volume, "");
    job = jobs_next(jobs, job);
    assert_ptr_equal(job->type, &rebalance_type);
    await_noted(f, "");
}

static void test_job_that_another_index_runs(void **state)
{
    struct fixture *f = *state;
    struct job_options options = options_of(f);
    char text[JOB_TEXT_MAX] = "";
    struct job *job;

    late_engine_set_lives(f->objects.store, 0, OTHER);
    put_note(f, line_of(f, OTHER));
    fixture_pass_time(f, LOOKS);
    assert_null(jobs_next(jobs, NULL));
    assert_int_equal(jobs_start(jobs, &drain_type, &options, &job, text), UV_EAGAIN);
    assert_string_equal(text, "another index runs it");
    options.undo = true;
    assert_int_equal(jobs_start(jobs, &drain_type, &options, &job, text), UV_EAGAIN);
    options.undo = false;
    strcpy(options.volume, f->servers[1].name);
    assert_int_equal(jobs_start(jobs, &drain_type, &options, &job, text), 0);
}

/* Both were started at once, or it was taken over while this index was out of touch. */
static void test_job_that_another_index_runs_too(void **state)
{
    struct fixture *f = *state;
    struct job *job = start_drain(f);

    await_noted(f, line_of(f, ME));
    late_engine_set_lives(f->objects.store, 0, OTHER);
    put_note(f, line_of(f, OTHER));
    fixture_pass_time(f, LOOKS);
    assert_int_equal(job->state, JOB_CANCELED);
    fixture_pass_time(f, LOOKS);
    assert_true(is_noted(f, line_of(f, OTHER)));
    assert_null(jobs_next(jobs, job));
}

static void test_job_that_cannot_go_on(void **state)
{
    struct fixture *f = *state;

    put_note(f, "drain localhost:1 5 4 0 -\n");
    await_noted(f, "");
    assert_null(jobs_next(jobs, NULL));
}

static void test_lines_that_are_not_known_stay(void **state)
{
    struct fixture *f = *state;
    static const char lines[] = "polish - 5 4 0 -\nverify localhost:1 5 4 0 -\ndrain - 5 4 0 -\n"
                                "rebalance - x 4 0 -\nrebalance - 5 0 0 -\nrebalance - 5 4 0 - 7\n"
                                "rebalance - 5 4 0\n\n";
    char all[2 * TEXT_MAX];

    put_note(f, lines);
    start_drain(f);
    snprintf(all, sizeof(all), "%s%s", lines, line_of(f, ME));
    await_noted(f, all);
    assert_null(jobs_next(jobs, jobs_next(jobs, NULL)));
}

/* --- Values ---------------------------------------------------------------------------------- */

static void drain_by_another(struct fixture *f, const char *key, unsigned rank)
{
    const char *name = fixture_server(f, key, rank)->name;
    struct volume *volume = volumes_find(places_volumes(f->objects.places), name, strlen(name));

    places_drain(f->objects.places, volume, true);
}

/* What another operation commits waits for the disk, and what comes after it for that. */
static void hold_disk(struct fixture *f, struct task *other)
{
    slow_disk_set(true, false);
    task_write(f, other, "/other", "value");
    WAIT_UNTIL(f, slow_disk_waits());
}

/* Its volumes were chosen before; `ms` later it is announced. */
static int write_to_drained(struct fixture *f, unsigned ms)
{
    struct task other;
    struct task task;

    hold_disk(f, &other);
    task_write(f, &task, "/key", "value");
    drain_by_another(f, "/key", 0);
    fixture_pass_time(f, ms);
    slow_disk_set(false, false);
    assert_int_equal(task_wait(&other), 0);
    return task_wait(&task);
}

static void test_write_that_is_announced_late_to_a_drained_volume(void **state)
{
    struct fixture *f = *state;

    fixture_start_reclaimer(f);
    assert_int_equal(write_to_drained(f, MAKING_LATE + 1000), UV_EAGAIN);
    fixture_reclaim(f);
    assert_int_equal(fixture_count(f, VOLUME_PUT), COPIES); /* of the other one */
    assert_int_equal(fixture_count_orphans(f), 0);
}

/* The drain waits for it. */
static void test_write_that_is_announced_soon_to_a_drained_volume(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(write_to_drained(f, MAKING_LATE / 2), 0);
}

static int replace(struct fixture *f, const char *value, struct record *record)
{
    const struct write_options replacing = {.size = -1, .replaces = true};
    struct task task;
    int rc;

    task_begin_write_as(f, &task, "/key", &replacing);
    task_add(&task, value);
    task_end(&task);
    rc = task_wait(&task);
    if (rc == 0)
        record_copy(record, &task.record);
    return rc;
}

/* An index whose clock is ahead has made the value. The blob that is announced first isn't later
 * than that, and nothing is left of it. */
static void test_write_over_a_later_value(void **state)
{
    struct fixture *f = *state;
    struct generations *generations = &f->objects.generations;
    struct record old = {.generation = 0};
    struct record record = {.generation = 0};

    fixture_start_reclaimer(f);
    generations->next = (clock_now_ms() + 60000) << 16;
    assert_int_equal(replace(f, "old", &old), 0);
    generations_init(generations, 0, 0, 1);
    assert_int_equal(replace(f, "new", &record), 0);
    assert_true(record.generation > old.generation);
    assert_true(record.time / 1000 > old.time / 1000);
    assert_value(f, "/key", "new");
    fixture_pass_time(f, 3 * GRACE);
    fixture_reclaim(f);
    assert_int_equal(fixture_count_orphans(f), 0);
    assert_int_equal(fixture_count(f, VOLUME_PUT), 2 * COPIES);
}

/* The name that it gets instead can't be announced: the first one is given up all the same. */
static void test_write_over_a_later_value_that_cannot_be_announced(void **state)
{
    struct fixture *f = *state;
    struct record old;
    struct task task;

    fixture_start_reclaimer(f);
    assert_int_equal(replace(f, "old", &old), 0);
    late_engine_hold(f->objects.store, true);
    task_begin_write_without_waiting(f, &task, "/key",
                                     &(struct write_options){.size = -1, .replaces = true});
    WAIT_UNTIL(f, late_engine_waiting(f->objects.store) >= 1); /* it is announced */
    late_engine_set_away(f->objects.store, true);
    late_engine_hold(f->objects.store, false);
    assert_true(task_wait(&task) < 0);
    late_engine_set_away(f->objects.store, false);
    WAIT_UNTIL(f, f->objects.n_running == 0);
    fixture_pass_time(f, 3 * GRACE);
    fixture_reclaim(f);
    assert_int_equal(fixture_count_orphans(f), 0);
    assert_value(f, "/key", "old");
}

/* Many that are refused use up no seconds of the key's: the time of a value beside them is now. */
static void test_refused_writes_take_no_times(void **state)
{
    static struct task tasks[20];
    struct fixture *f = *state;
    struct task last;

    assert_int_equal(fixture_put(f, "/key", "old"), 0);
    late_engine_hold(f->objects.store, true);
    for (unsigned i = 0; i < COUNT_OF(tasks); i++)
        task_begin_write_without_waiting(f, &tasks[i], "/key", &(struct write_options){.size = 5});
    task_begin_write_without_waiting(f, &last, "/key",
                                     &(struct write_options){.size = 3, .replaces = true});
    task_add(&last, "new");
    task_end(&last);
    WAIT_UNTIL(f, late_engine_waiting(f->objects.store) > COUNT_OF(tasks));
    late_engine_hold(f->objects.store, false);
    for (unsigned i = 0; i < COUNT_OF(tasks); i++)
        assert_int_equal(task_wait(&tasks[i]), UV_EEXIST);
    assert_int_equal(task_wait(&last), 0);
    assert_true(last.record.time < clock_now_ms() + 5000);
}

/* Nor do they keep others from uploading while the store hears what is left of them. */
static void test_refused_write_gives_its_connections_back(void **state)
{
    struct fixture *f = *state;
    struct task task;

    assert_int_equal(fixture_put(f, "/key", "old"), 0);
    late_engine_hold(f->objects.store, true);
    task_begin_write_without_waiting(f, &task, "/key", &(struct write_options){.size = 5});
    WAIT_UNTIL(f, late_engine_waiting(f->objects.store) > 0);
    assert_int_equal(f->objects.budget.connections, COPIES);
    slow_disk_set(true, false);
    late_engine_hold(f->objects.store, false);
    assert_int_equal(task_wait(&task), UV_EEXIST);
    assert_int_equal(f->objects.n_running, 1);
    assert_int_equal(f->objects.budget.connections, 0);
    slow_disk_set(false, false);
    WAIT_UNTIL(f, f->objects.n_running == 0);
}

/* Nor is the store asked for an orphan of theirs, which is none any more. */
static void test_refused_write_leaves_nothing_to_reclaim(void **state)
{
    struct fixture *f = *state;
    struct task task;

    fixture_start_reclaimer(f);
    assert_int_equal(fixture_put(f, "/key", "old"), 0);
    task_begin_write_without_waiting(f, &task, "/key", &(struct write_options){.size = 5});
    assert_int_equal(task_wait(&task), UV_EEXIST);
    late_engine_hold(f->objects.store, true);
    WAIT_UNTIL(f, f->objects.n_running == 0);
    for (unsigned i = 0; i < 10; i++)
        fixture_turn(f, fixture_deadline(), "a turn");
    assert_int_equal(late_engine_waiting(f->objects.store), 0);
    late_engine_hold(f->objects.store, false);
}

/* A value whose body comes after another lease was taken goes to no volume. */
static void test_write_whose_lease_was_lost_before_its_value_came(void **state)
{
    struct fixture *f = *state;
    struct task task;

    task_begin_write(f, &task, "/key", 5);
    late_engine_share(f->objects.store, ME + 1, SETTLE);
    task_add(&task, "value");
    task_end(&task);
    assert_int_equal(task_wait(&task), UV_EAGAIN);
    assert_int_equal(f->servers[0].begun[VOLUME_PUT] + f->servers[1].begun[VOLUME_PUT], 0);
}

static void test_move_to_a_volume_that_is_drained_meanwhile(void **state)
{
    struct fixture *f = *state;
    struct task other;
    struct task task;

    fixture_start_reclaimer(f);
    fixture_list_without(f, "/key", 0);
    task_write(f, &task, "/key", "value");
    assert_int_equal(task_wait(&task), 0);
    fixture_list_all(f);
    fixture_wait_until_up(f);
    hold_disk(f, &other);
    task_move(f, &task, "/key");
    drain_by_another(f, "/key", 0);
    slow_disk_set(false, false);
    assert_int_equal(task_wait(&other), 0);
    assert_int_equal(task_wait(&task), UV_EAGAIN);
    assert_non_null(strstr(task.text, "it is drained"));
    fixture_reclaim(f);
    assert_int_equal(fixture_count_orphans(f), 0);
}

#define HANDOVER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define BLIND_TEST(test)                                                                           \
    {                                                                                              \
#test "_blindly", test, setup_blind, teardown, NULL                                        \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        HANDOVER_TEST(test_job_is_noted_while_it_runs),
        HANDOVER_TEST(test_drain_waits_until_all_know),
        HANDOVER_TEST(test_job_that_only_looks_is_not_noted),
        HANDOVER_TEST(test_job_that_is_cancelled_is_not_noted_any_more),
        HANDOVER_TEST(test_job_stays_noted_when_its_index_stops),
        HANDOVER_TEST(test_job_of_an_index_that_is_another_one_now),
        HANDOVER_TEST(test_job_of_an_index_that_is_gone),
        HANDOVER_TEST(test_options_of_a_job_that_goes_on),
        HANDOVER_TEST(test_job_that_another_index_runs),
        HANDOVER_TEST(test_job_that_another_index_runs_too),
        HANDOVER_TEST(test_job_that_cannot_go_on),
        HANDOVER_TEST(test_lines_that_are_not_known_stay),
        HANDOVER_TEST(test_write_that_is_announced_late_to_a_drained_volume),
        HANDOVER_TEST(test_write_that_is_announced_soon_to_a_drained_volume),
        HANDOVER_TEST(test_write_over_a_later_value),
        BLIND_TEST(test_write_over_a_later_value),
        HANDOVER_TEST(test_refused_writes_take_no_times),
        BLIND_TEST(test_refused_writes_take_no_times),
        HANDOVER_TEST(test_refused_write_gives_its_connections_back),
        HANDOVER_TEST(test_refused_write_leaves_nothing_to_reclaim),
        HANDOVER_TEST(test_write_whose_lease_was_lost_before_its_value_came),
        HANDOVER_TEST(test_write_over_a_later_value_that_cannot_be_announced),
        BLIND_TEST(test_write_over_a_later_value_that_cannot_be_announced),
        HANDOVER_TEST(test_move_to_a_volume_that_is_drained_meanwhile),
    };

    return cmocka_run_group_tests_name("handover", tests, NULL, NULL);
}
