/* What jobs count, find and spend, how they begin and end, and their walk through all keys. */
#include "tests/unit/objects_fixture.h"

#include <stdio.h>
#include <string.h>

#include "index/maintenance/job.h"
#include "index/maintenance/key_walk.h"
#include "tests/support/late_engine.h"

static struct jobs *jobs;
static unsigned n_canceled;
static bool is_stopped;

static int start(struct job *job)
{
    if (job->options.dry_run) {
        strcpy(job->text, "not now");
        return UV_EINVAL;
    }
    return 0;
}

static void cancel(struct job *job)
{
    n_canceled++;
    job_end(job, 0, "it was told to");
}

static const struct job_type type = {
    .name = "task", .noun = "keys", .start = start, .cancel = cancel};

static int setup(void **state)
{
    struct fixture *f;

    assert_int_equal(fixture_setup(state), 0);
    f = *state;
    assert_int_equal(jobs_new(&f->objects, 0, &jobs), 0);
    n_canceled = 0;
    is_stopped = false;
    return 0;
}

/* The objects alone read later; the box is the store within, until it closes both. */
static int setup_late(void **state)
{
    int rc = setup(state);
    struct fixture *f = *state;

    f->objects.store = late_engine_new(&f->box.loop, f->box.store);
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

    jobs_close(jobs);
    jobs_stop(jobs, stopped_cb, NULL);
    assert_false(is_stopped);
    WAIT_UNTIL(f, is_stopped);
    f->box.store = f->objects.store;
    return fixture_teardown(state);
}

static struct job *start_job(const struct job_options *options)
{
    char text[JOB_TEXT_MAX] = "";
    struct job *job;

    assert_int_equal(jobs_start(jobs, &type, options, &job, text), 0);
    return job;
}

/* --- Their lives ----------------------------------------------------------------------------- */

static void test_jobs_begin_and_end(void **state)
{
    static const struct job_options plain;
    static const struct job_options refused = {.dry_run = true};
    static const struct job_options other = {.volume = "a:1"};
    static const struct job_options same = {.volume = "A:1"};
    char text[JOB_TEXT_MAX];
    struct job *job;
    struct job *again;
    struct job *third;

    (void)state;
    assert_int_equal(jobs_start(jobs, &type, &plain, &job, text), UV_EAGAIN);
    jobs_open(jobs);
    assert_int_equal(jobs_start(jobs, &type, &refused, &job, text), UV_EINVAL);
    assert_string_equal(text, "not now");
    job = start_job(&plain);
    assert_int_equal(job->id, 1); /* one that was refused has none */
    assert_int_equal(job->options.jobs, JOB_JOBS_DEFAULT);
    assert_int_equal(jobs_start(jobs, &type, &plain, &again, text), UV_EALREADY);
    assert_ptr_equal(again, job);
    /* Of another volume it is another one. */
    third = start_job(&other);
    assert_ptr_not_equal(third, job);
    assert_int_equal(jobs_start(jobs, &type, &same, &again, text), UV_EALREADY);
    assert_ptr_equal(again, third);
    job->is_clean = true;
    job_end(job, UV_EIO, "it can't be read");
    assert_int_equal(job->state, JOB_FAILED);
    assert_false(job->is_clean);
    third->is_clean = true;
    job_cancel(third);
    job_cancel(third);
    assert_int_equal(n_canceled, 1);
    assert_int_equal(third->state, JOB_CANCELED);
    assert_false(third->is_clean);
    job = start_job(&plain);
    job->is_clean = true;
    job_end(job, 0, "done");
    assert_true(job->is_clean);
    jobs_close(jobs);
    assert_int_equal(jobs_start(jobs, &type, &plain, &job, text), UV_ESHUTDOWN);
}

static bool only_looks(const struct job_options *options)
{
    return options->deep;
}

static void test_jobs_that_only_look(void **state)
{
    static const struct job_type looking = {
        .name = "look", .start = start, .cancel = cancel, .only_looks = only_looks};
    static const struct job_options plain;
    static const struct job_options deep = {.deep = true};
    struct fixture *f = *state;
    char text[JOB_TEXT_MAX];
    struct jobs *other;
    struct job *job;

    assert_false(job_only_looks(&type, &deep));
    assert_int_equal(jobs_new(&f->objects, UV_EAGAIN, &other), 0);
    jobs_open(other);
    assert_int_equal(jobs_start(other, &type, &deep, &job, text), UV_EAGAIN);
    assert_string_equal(text, "another command reads the index's files: wait for its end");
    assert_int_equal(jobs_start(other, &looking, &plain, &job, text), UV_EAGAIN);
    assert_int_equal(jobs_start(other, &looking, &deep, &job, text), 0);
    jobs_close(other);
    jobs_stop(other, stopped_cb, NULL);
    WAIT_UNTIL(f, is_stopped);
    is_stopped = false;
}

/* Those that have ended stay, but for the oldest; those that run do, too. */
static void test_jobs_that_are_kept(void **state)
{
    struct fixture *f = *state;
    static const struct job_options other = {.volume = "a:1"};
    static const struct job_options plain;
    uint64_t first;

    jobs_open(jobs);
    first = start_job(&other)->id;
    for (unsigned i = 0; i < 3 * JOBS_KEPT; i++) {
        struct job *job = start_job(&plain);

        fixture_pass_time(f, 10);
        job_end(job, 0, "done");
        assert_ptr_equal(jobs_find(jobs, job->id), job);
    }
    assert_non_null(jobs_find(jobs, first));
    assert_null(jobs_find(jobs, first + 1));
    assert_non_null(jobs_find(jobs, first + 3 * JOBS_KEPT));
    assert_non_null(jobs_find(jobs, first + 2 * JOBS_KEPT + 1));
    assert_null(jobs_find(jobs, first + 2 * JOBS_KEPT - 1));
}

/* --- What they tell -------------------------------------------------------------------------- */

/* Those that run are among them, and those that nobody can see any more. */
static void test_jobs_total(void **state)
{
    static const struct job_options plain;
    struct job_total total;
    struct job *job;

    (void)state;
    jobs_open(jobs);
    for (unsigned i = 0; i <= JOBS_KEPT + 1; i++) {
        job = start_job(&plain);
        job->type = job_type_at(1);
        job_count(job, "moved", 2);
        job_spend(job, 10);
        jobs_total(jobs, 1, &total);
        assert_int_equal(total.states[JOB_RUNNING], 1);
        assert_int_equal(total.states[JOB_DONE], i);
        assert_int_equal(job_count_of(total.counts, "moved"), 2 * (i + 1));
        assert_int_equal(total.bytes, 10 * (i + 1));
        job_end(job, 0, "done");
    }
    jobs_total(jobs, 1, &total);
    assert_int_equal(total.states[JOB_RUNNING], 0);
    assert_int_equal(job_count_of(total.counts, "moved"), 2 * (JOBS_KEPT + 2));
    jobs_total(jobs, 0, &total);
    assert_int_equal(total.states[JOB_DONE], 0);
    assert_int_equal(job_count_of(total.counts, "moved"), 0);
}

static void test_job_counts_and_findings(void **state)
{
    static const struct job_options plain;
    struct job *job;
    char line[32];

    (void)state;
    jobs_open(jobs);
    job = start_job(&plain);
    assert_int_equal(job_counted(job, "moved"), 0);
    job_count(job, "moved", 0);
    job_count(job, "failed", 2);
    job_count(job, "moved", 3);
    job_count(job, "moved", UINT32_MAX);
    assert_int_equal(job_counted(job, "moved"), 3 + (uint64_t)UINT32_MAX);
    assert_int_equal(job_counted(job, "failed"), 2);
    assert_string_equal(job->counts[0].name, "moved");
    for (unsigned i = 0; i < JOB_FINDINGS_MAX + 5; i++) {
        int n = snprintf(line, sizeof(line), "%u", i);

        job_find(job, line, (size_t)n);
    }
    assert_int_equal(job->n_findings, JOB_FINDINGS_MAX);
    assert_int_equal(job->findings_left_out, 5);
    for (unsigned i = 0; i < JOB_FINDINGS_MAX; i++) {
        int n = snprintf(line, sizeof(line), "%u", i);

        assert_int_equal(job->findings[i].len, n);
        assert_memory_equal(job->findings[i].line, line, (size_t)n);
    }
}

/* Long keys make long lines: it is their bytes that are bounded, too. */
static void test_job_findings_of_many_bytes(void **state)
{
    static const struct job_options plain;
    static char line[6000];
    size_t fit = JOB_FINDINGS_BYTES / sizeof(line);
    struct job *job;

    (void)state;
    memset(line, 'x', sizeof(line));
    jobs_open(jobs);
    job = start_job(&plain);
    for (size_t i = 0; i < fit + 3; i++)
        job_find(job, line, sizeof(line));
    assert_int_equal(job->n_findings, fit);
    assert_int_equal(job->findings_left_out, 3);
    job_find(job, "a short one", 11);
    assert_int_equal(job->n_findings, fit + 1);
}

/* --- What they spend ------------------------------------------------------------------------- */

/* Puts the loop's time forward, by the millisecond, and nothing else. */
static void pass_time(struct fixture *f, uint64_t ms)
{
    f->objects.loop->time += ms;
}

/* Spends as long as it may, for so many ms; how many bytes that was. */
static uint64_t spend_for(struct fixture *f, struct job *job, uint64_t ms, uint64_t piece)
{
    uint64_t until = uv_now(f->objects.loop) + ms;
    uint64_t before = job->bytes;

    while (uv_now(f->objects.loop) < until) {
        while (job_delay(job) == 0)
            job_spend(job, piece);
        pass_time(f, job_delay(job));
    }
    return job->bytes - before;
}

static void test_job_rate(void **state)
{
    static const struct job_options slow = {.rate = 100000};
    static const struct job_options any = {.volume = "a:1"};
    struct fixture *f = *state;
    struct job *job;

    jobs_open(jobs);
    job = start_job(&any);
    for (unsigned i = 0; i < 1000; i++)
        job_spend(job, UINT32_MAX);
    assert_int_equal(job_delay(job), 0);
    assert_int_equal(job->bytes, 1000 * (uint64_t)UINT32_MAX);
    /* Pieces of all sizes: many to a millisecond, one to some seconds. */
    job = start_job(&slow);
    assert_in_range(spend_for(f, job, 10000, 7), 970000, 1030000);
    assert_in_range(spend_for(f, job, 10000, 1000), 970000, 1030000);
    assert_in_range(spend_for(f, job, 20000, 300000), 1700000, 2700000);
    /* What wasn't spent is not made up for. */
    pass_time(f, 60000);
    assert_int_equal(job_delay(job), 0);
    assert_in_range(spend_for(f, job, 1000, 100), 80000, 130000);
    /* One that is far beyond it waits for it: 10 MB at 100 KB a second. */
    job_spend(job, 10000000);
    assert_in_range(job_delay(job), 99000, 101000);
}

/* --- The walk -------------------------------------------------------------------------------- */

#define KEYS 700 /* more than two batches */

struct walk {
    struct key_walk walk;
    bool ended;
    int rc;
    unsigned n_wanted;
    unsigned n_started;
    unsigned n_running;
    unsigned most;
    unsigned refuses; /* every so manyth */
    char last[32];
};

static bool wants(const struct walked_key *key, void *arg)
{
    struct walk *w = arg;

    assert_true(key->key.len > 3);
    w->n_wanted++;
    return key->key.bytes[key->key.len - 1] != '7';
}

static int start_one(const struct walked_key *key, void *arg)
{
    struct walk *w = arg;
    char name[32];

    snprintf(name, sizeof(name), "%.*s", (int)key->key.len, (const char *)key->key.bytes);
    assert_true(strcmp(w->last, name) < 0); /* each once, in order */
    strcpy(w->last, name);
    assert_int_equal(key->record.size, 7);
    w->n_started++;
    if (w->refuses > 0 && w->n_started % w->refuses == 0)
        return UV_EAGAIN;
    w->n_running++;
    w->most = w->n_running > w->most ? w->n_running : w->most;
    return 0;
}

static void ended_cb(int rc, void *arg)
{
    struct walk *w = arg;

    assert_false(w->ended);
    assert_int_equal(w->n_running, 0);
    w->ended = true;
    w->rc = rc;
}

static void begin_walk(struct walk *w, struct job *job, unsigned at_once)
{
    w->walk = (struct key_walk){.job = job,
                                .arg = w,
                                .at_once = at_once,
                                .wants = wants,
                                .start = start_one,
                                .ended = ended_cb};
    assert_int_equal(key_walk_start(&w->walk), 0);
    assert_false(w->ended);
}

static void end_one(struct walk *w)
{
    w->n_running--;
    key_walk_ended(&w->walk);
}

static void put_keys(struct fixture *f)
{
    struct record record = {.size = 7, .generation = 1, .n_places = 1};
    char key[32];

    for (unsigned i = 0; i < KEYS; i++) {
        int n = snprintf(key, sizeof(key), "/k%u", 1000 + i);

        assert_int_equal(storebox_put(&f->box, key, (size_t)n, &record), 0);
    }
}

static void test_key_walk_sees_each_key_once(void **state)
{
    static const unsigned refusals[] = {0, 1, 3};
    static const struct job_options plain;
    struct fixture *f = *state;
    struct job *job;

    put_keys(f);
    jobs_open(jobs);
    job = start_job(&plain);
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        struct walk w = {.refuses = refusals[i]};
        uint64_t done = job->done;

        begin_walk(&w, job, 5);
        while (!w.ended) {
            fixture_turn(f, fixture_deadline(), "the end of a walk");
            if (w.n_running == 5 || w.n_started > KEYS - 100)
                while (w.n_running > 0)
                    end_one(&w);
        }
        assert_int_equal(w.rc, 0);
        assert_int_equal(w.n_wanted, KEYS);
        assert_int_equal(w.n_started, KEYS - KEYS / 10);
        assert_int_equal(job->done - done, KEYS);
        assert_int_equal(w.most, refusals[i] == 1 ? 0 : 5);
    }
    storebox_delete(&f->box, "/k1000", 6);
}

static void test_key_walk_cancel(void **state)
{
    static const struct job_options plain;
    struct fixture *f = *state;
    struct walk w = {.refuses = 0};

    put_keys(f);
    jobs_open(jobs);
    begin_walk(&w, start_job(&plain), 5);
    WAIT_UNTIL(f, w.n_running == 5);
    key_walk_cancel(&w.walk);
    key_walk_cancel(&w.walk);
    for (unsigned i = 0; i < 100; i++)
        fixture_turn(f, fixture_deadline(), "nothing");
    assert_false(w.ended);
    while (w.n_running > 0)
        end_one(&w);
    WAIT_UNTIL(f, w.ended);
    assert_int_equal(w.n_started, 5);
    /* At once, and with nothing to see. */
    w = (struct walk){.refuses = 0};
    begin_walk(&w, jobs_next(jobs, NULL), 5);
    key_walk_cancel(&w.walk);
    WAIT_UNTIL(f, w.ended);
    assert_int_equal(w.n_started, 0);
}

static void test_key_walk_waits_for_a_store_that_is_away(void **state)
{
    static const struct job_options plain;
    struct fixture *f = *state;
    struct walk w = {.refuses = 1}; /* it is at the end of what it has read at once */

    put_keys(f);
    jobs_open(jobs);
    begin_walk(&w, start_job(&plain), 5);
    WAIT_UNTIL(f, w.n_wanted > 0);
    assert_in_range(w.n_wanted, 1, KEYS - 1);
    late_engine_set_away(f->objects.store, true);
    for (unsigned i = 0; i < 100; i++)
        fixture_turn(f, fixture_deadline(), "nothing");
    assert_in_range(w.n_wanted, 1, KEYS - 1);
    assert_false(w.ended);
    late_engine_set_away(f->objects.store, false);
    fixture_pass_time(f, 2000);
    WAIT_UNTIL(f, w.ended);
    assert_int_equal(w.rc, 0);
    assert_int_equal(w.n_wanted, KEYS);
    assert_int_equal(w.n_started, KEYS - KEYS / 10);
}

/* The store still has a page to give. */
static void test_key_walk_cancel_while_it_reads(void **state)
{
    static const struct job_options plain;
    struct fixture *f = *state;
    struct walk w = {.refuses = 0};

    put_keys(f);
    jobs_open(jobs);
    late_engine_hold(f->objects.store, true);
    begin_walk(&w, start_job(&plain), 5);
    WAIT_UNTIL(f, late_engine_waiting(f->objects.store) == 1);
    key_walk_cancel(&w.walk);
    assert_int_equal(late_engine_waiting(f->objects.store), 0);
    WAIT_UNTIL(f, w.ended);
    assert_int_equal(w.n_started, 0);
    late_engine_hold(f->objects.store, false);
}

static void test_key_walk_keeps_the_rate(void **state)
{
    static const struct job_options slow = {.rate = 7000};
    struct fixture *f = *state;
    struct walk w = {.refuses = 0};
    struct job *job;
    unsigned n;

    put_keys(f);
    jobs_open(jobs);
    job = start_job(&slow);
    begin_walk(&w, job, 64);
    WAIT_UNTIL(f, w.n_running == 64);
    job_spend(job, 14000); /* two seconds' worth */
    n = w.n_started;
    while (w.n_running > 0)
        end_one(&w);
    for (unsigned i = 0; i < 100; i++)
        fixture_turn(f, fixture_deadline(), "nothing");
    assert_int_equal(w.n_started, n);
    fixture_pass_time(f, 2000);
    WAIT_UNTIL(f, w.n_started > n);
    while (!w.ended) {
        while (w.n_running > 0)
            end_one(&w);
        fixture_turn(f, fixture_deadline(), "the end of a walk");
    }
}

#define LATE_TEST(name) cmocka_unit_test_setup_teardown(name, setup_late, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_jobs_begin_and_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_jobs_that_only_look, setup, teardown),
        cmocka_unit_test_setup_teardown(test_jobs_that_are_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_job_findings_of_many_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_jobs_total, setup, teardown),
        cmocka_unit_test_setup_teardown(test_job_counts_and_findings, setup, teardown),
        cmocka_unit_test_setup_teardown(test_job_rate, setup, teardown),
        cmocka_unit_test_setup_teardown(test_key_walk_sees_each_key_once, setup, teardown),
        LATE_TEST(test_key_walk_sees_each_key_once),
        cmocka_unit_test_setup_teardown(test_key_walk_cancel, setup, teardown),
        LATE_TEST(test_key_walk_cancel),
        LATE_TEST(test_key_walk_cancel_while_it_reads),
        LATE_TEST(test_key_walk_waits_for_a_store_that_is_away),
        cmocka_unit_test_setup_teardown(test_key_walk_keeps_the_rate, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
