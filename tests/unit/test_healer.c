/* While more than half of the volumes are away, what mkv has begun by itself is held: a scrub, and
 * a heal. */
#include "tests/unit/objects_fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "index/maintenance/heal.h"
#include "index/maintenance/healer.h"
#include "index/maintenance/scrub.h"
#include "tests/support/late_engine.h"

#define KEYS    60
#define A_KEY   10000 /* ms that a scrub takes for one */
#define DEAD    4     /* volumes: more than there are others */
#define LOOKS   11000 /* ms: the healer has looked twice */
#define MINUTES 100000

static struct jobs *jobs;
static bool is_stopped;

static int setup(void **state)
{
    struct fixture *f;
    char key[16];

    assert_int_equal(fixture_setup(state), 0);
    f = *state;
    assert_int_equal(jobs_new(&f->objects, 0, &jobs), 0);
    jobs_open(jobs);
    for (unsigned i = 0; i < KEYS; i++) {
        snprintf(key, sizeof(key), "/key/%u", i);
        assert_int_equal(fixture_put(f, key, "value"), 0);
    }
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

    is_stopped = false;
    jobs_close(jobs);
    jobs_stop(jobs, stopped_cb, NULL);
    WAIT_UNTIL(f, is_stopped);
    is_stopped = false;
    healer_stop(f->objects.healer, stopped_cb, NULL);
    WAIT_UNTIL(f, is_stopped);
    f->box.store = f->objects.store;
    return fixture_teardown(state);
}

static void start_healer(struct fixture *f, uint64_t repair_after, uint64_t verify_every)
{
    const struct healer_options options = {.repair_after = repair_after,
                                           .verify_every = verify_every};

    assert_int_equal(healer_start(&f->objects, jobs, &options, &f->objects.healer), 0);
}

static struct job *find(const struct job_type *type)
{
    struct job *job = jobs_next(jobs, NULL);

    while (job != NULL && job->type != type)
        job = jobs_next(jobs, job);
    return job;
}

/* Waits until there is one, while time passes. */
static struct job *await(struct fixture *f, const struct job_type *type)
{
    uint64_t until = fixture_deadline();

    while (find(type) == NULL) {
        fixture_pass_time(f, 1000);
        fixture_turn(f, until, "a job");
    }
    return find(type);
}

/* Lists the volumes, and so many that nobody can reach. */
static void list_with_dead(struct fixture *f, unsigned dead)
{
    struct volume_entry entries[VOLUMES + DEAD];

    assert_true(dead <= DEAD);
    for (unsigned i = 0; i < VOLUMES + dead; i++) {
        entries[i] = (struct volume_entry){.weight = VOLUME_WEIGHT};
        if (i < VOLUMES)
            strcpy(entries[i].name, f->servers[i].name);
        else
            snprintf(entries[i].name, sizeof(entries[i].name), "127.0.0.1:%u", i - VOLUMES + 1);
    }
    assert_int_equal(places_list(f->objects.places, entries, VOLUMES + dead), 0);
}

static bool is_held(const struct fixture *f)
{
    struct healer_state state;

    healer_state(f->objects.healer, &state);
    return state.held;
}

static void test_healer_holds_a_scrub(void **state)
{
    struct fixture *f = *state;
    struct job *job;
    uint64_t done;

    start_healer(f, 0, (uint64_t)KEYS * A_KEY);
    job = await(f, &scrub_type);
    fixture_pass_time(f, MINUTES);
    assert_in_range(job->done, MINUTES / A_KEY - 3, MINUTES / A_KEY + 3);
    list_with_dead(f, VOLUMES); /* half of them */
    fixture_pass_time(f, LOOKS);
    assert_false(is_held(f) || job->is_held);
    list_with_dead(f, DEAD);
    fixture_pass_time(f, LOOKS);
    assert_true(is_held(f) && job->is_held);
    done = job->done;
    fixture_pass_time(f, MINUTES);
    assert_int_equal(job->done, done);
    fixture_list_all(f);
    fixture_pass_time(f, LOOKS + MINUTES);
    assert_false(is_held(f) || job->is_held);
    assert_in_range(job->done, done + MINUTES / A_KEY - 3, done + MINUTES / A_KEY + 3);
    assert_ptr_equal(find(&scrub_type), job);
    assert_int_equal(job->state, JOB_RUNNING);
}

/* Of several indexes one begins such jobs, and goes on with them. */
static void test_healer_holds_a_scrub_while_another_leads(void **state)
{
    struct fixture *f = *state;
    struct job *job;
    uint64_t done;

    late_engine_set_leads(f->objects.store, false);
    start_healer(f, 0, (uint64_t)KEYS * A_KEY);
    fixture_pass_time(f, MINUTES);
    assert_null(find(&scrub_type));
    late_engine_set_leads(f->objects.store, true);
    job = await(f, &scrub_type);
    fixture_pass_time(f, MINUTES);
    assert_true(job->done > 0);
    late_engine_set_leads(f->objects.store, false);
    fixture_pass_time(f, LOOKS);
    assert_true(!is_held(f) && job->is_held);
    done = job->done;
    fixture_pass_time(f, MINUTES);
    assert_int_equal(job->done, done);
    late_engine_set_leads(f->objects.store, true);
    fixture_pass_time(f, LOOKS + MINUTES);
    assert_false(job->is_held);
    assert_true(job->done > done);
}

/* As another index would note it. */
static void note_scrub(struct fixture *f, uint64_t begun, uint64_t done)
{
    struct buf was = {0};
    char text[128];
    int n = snprintf(text, sizeof(text), "begun %" PRIu64 "\nverified 0\ndone %" PRIu64 "\nnext \n",
                     begun, done);

    assert_int_equal(store_get_note(f->box.store, SCRUB_NOTE, &was), 0);
    assert_int_equal(store_put_note(f->box.store, NULL,
                                    &(struct store_note){.name = SCRUB_NOTE,
                                                         .was = buf_bytes(&was),
                                                         .was_len = buf_size(&was),
                                                         .value = text,
                                                         .len = (size_t)n},
                                    NULL),
                     0);
    buf_deinit(&was);
}

static void test_scrub_goes_on_where_another_index_was(void **state)
{
    struct fixture *f = *state;
    struct scrub_state noted;
    struct job *job;

    start_healer(f, 0, (uint64_t)KEYS * A_KEY);
    job = await(f, &scrub_type);
    fixture_pass_time(f, MINUTES);
    scrub_load(&f->objects, &noted);
    assert_in_range(noted.done, 1, job->done);
    late_engine_set_leads(f->objects.store, false);
    fixture_pass_time(f, LOOKS);
    note_scrub(f, noted.begun, 1000);
    late_engine_set_leads(f->objects.store, true);
    fixture_pass_time(f, LOOKS + MINUTES);
    assert_int_equal(job->state, JOB_DONE);
    job = jobs_next(jobs, job);
    assert_ptr_equal(job->type, &scrub_type);
    assert_int_equal(job->state, JOB_RUNNING);
    assert_in_range(job->done, 1001, 1000 + MINUTES / A_KEY + 3);
    scrub_load(&f->objects, &noted);
    assert_in_range(noted.done, 1001, job->done);
}

static unsigned puts_begun(const struct fixture *f)
{
    unsigned n = 0;

    for (unsigned i = 0; i < VOLUMES; i++)
        n += f->servers[i].begun[VOLUME_PUT];
    return n;
}

/* Another disk stands where the first one was. The moves that are under way end; no other begins.
 */
static void test_healer_holds_a_heal(void **state)
{
    struct fixture *f = *state;
    uint64_t deadline = fixture_deadline();
    unsigned before = puts_begun(f);
    struct job *job;

    start_healer(f, 10000, 0);
    fixture_set_fates(f, VOLUME_PUT, FATE_HOLD);
    strcpy(f->servers[0].identity, "another");
    job = await(f, &heal_type);
    WAIT_UNTIL(f, puts_begun(f) == before + 2);
    list_with_dead(f, DEAD);
    fixture_pass_time(f, 2500);
    assert_true(is_held(f) && job->is_held);
    for (unsigned i = 0; i < VOLUMES; i++)
        volume_server_release(&f->servers[i], VOLUME_PUT);
    fixture_pass_time(f, MINUTES);
    assert_int_equal(job->state, JOB_RUNNING);
    assert_int_equal(job_counted(job, "moved"), 2);
    fixture_list_all(f);
    while (job->state == JOB_RUNNING) {
        fixture_pass_time(f, 1000);
        fixture_turn(f, deadline, "the end of the heal");
    }
    assert_int_equal(job->state, JOB_DONE);
    assert_true(job->is_clean && job_counted(job, "moved") > KEYS / 3);
}

/* Nothing begins meanwhile, either. */
static void test_healer_begins_nothing_while_it_holds(void **state)
{
    struct fixture *f = *state;

    list_with_dead(f, DEAD);
    start_healer(f, 10000, (uint64_t)KEYS * A_KEY);
    strcpy(f->servers[0].identity, "another");
    fixture_pass_time(f, MINUTES);
    assert_null(jobs_next(jobs, NULL));
    fixture_list_all(f);
    await(f, &heal_type);
    await(f, &scrub_type);
}

#define LATE_TEST(name)   cmocka_unit_test_setup_teardown(name, setup_late, teardown)
#define HEALER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HEALER_TEST(test_healer_holds_a_scrub),
        LATE_TEST(test_healer_holds_a_scrub),
        LATE_TEST(test_healer_holds_a_scrub_while_another_leads),
        LATE_TEST(test_scrub_goes_on_where_another_index_was),
        HEALER_TEST(test_healer_holds_a_heal),
        LATE_TEST(test_healer_holds_a_heal),
        HEALER_TEST(test_healer_begins_nothing_while_it_holds),
    };

    return cmocka_run_group_tests_name("healer", tests, NULL, NULL);
}
