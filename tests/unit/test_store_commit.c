/* Commits that expect something, and those that are on their way at the same time: on a disk whose
 * flushes a test can hold back, and let fail. */
#include "tests/unit/test.h"

#include <sched.h>
#include <string.h>

#include "index/base/log.h"
#include "tests/support/slow_disk.h"
#include "tests/support/storebox.h"

#define DEADLINE 20000000000U /* ns that any one wait may take */

/* --- The fixture ----------------------------------------------------------------------------- */

struct fixture {
    struct storebox box;
    unsigned ended;
};

/* A commit on its way. */
struct
try {
    struct store_commit commit;
    struct fixture *f;
    unsigned place; /* in the order of their ends; 0: it hasn't ended */
    int rc;
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

    slow_disk_set(false, false);
    slow_disk_refuse_writes(false);
    storebox_deinit(&f->box);
    free(f);
    return 0;
}

static void ended_cb(struct store_commit *commit, int rc)
{
    struct try *try = commit->data;

    assert_int_equal(try->place, 0);
    try->place = ++try->f->ended;
    try->rc = rc;
}

static void begin(struct fixture *f, struct try *try, const struct store_change *changes, size_t n)
{
    *try = (struct try){.f = f};
    try->commit.data = try;
    assert_int_equal(store_commit(f->box.store, &try->commit, changes, n, ended_cb), 0);
    assert_int_equal(try->place, 0);
}

static void announce(struct fixture *f, struct try *try, const struct store_change *change)
{
    *try = (struct try){.f = f};
    try->commit.data = try;
    assert_int_equal(store_announce(f->box.store, &try->commit, change, ended_cb), 0);
    assert_int_equal(try->place, 0);
}

static int end(struct try *try)
{
    while (try->place == 0)
        storebox_turn(&try->f->box);
    return try->rc;
}

/* Runs the loop until the condition holds, though nothing may wake the loop. */
#define WAIT_UNTIL(f, condition)                                                                   \
    do {                                                                                           \
        uint64_t until = uv_hrtime() + DEADLINE;                                                   \
                                                                                                   \
        while (!(condition)) {                                                                     \
            uv_run(&(f)->box.loop, UV_RUN_NOWAIT);                                                 \
            sched_yield();                                                                         \
            assert_true(uv_hrtime() < until);                                                      \
        }                                                                                          \
    } while (0)

/* --- Changes --------------------------------------------------------------------------------- */

static const struct record records[] = {
    {.size = 1, .generation = 7, .placed_by = 3, .n_places = 1},
    {.size = 1, .generation = 8, .placed_by = 3, .n_places = 1},
};

static const struct orphan orphans[] = {{.until = 1, .n_places = 1}, {.until = 2, .n_places = 1}};

enum { NONE = -1, A, B };

/* Of the key, or of its orphan. */
static struct store_change change_of(enum store_space space, const char *key, int value,
                                     enum store_expect expect, int was)
{
    struct store_change change = {
        .space = space, .key = key, .len = strlen(key), .expect = expect, .generation = 5};

    if (space == STORE_KEYS) {
        change.record = value != NONE ? &records[value] : NULL;
        change.was = was != NONE ? &records[was] : NULL;
    } else {
        change.orphan = value != NONE ? &orphans[value] : NULL;
        change.orphan_was = was != NONE ? &orphans[was] : NULL;
    }
    return change;
}

static void assert_has(struct fixture *f, enum store_space space, const char *key, int value)
{
    struct record record;
    struct orphan orphan;
    int rc = space == STORE_KEYS
                 ? gdbm_engine_get(f->box.store, key, strlen(key), &record)
                 : gdbm_engine_get_orphan(f->box.store, key, strlen(key), 5, &orphan);

    assert_int_equal(rc, value == NONE ? UV_ENOENT : 0);
    if (rc == 0 && space == STORE_KEYS)
        assert_int_equal(record.generation, records[value].generation);
    else if (rc == 0)
        assert_int_equal(orphan.until, orphans[value].until);
}

static int commit(struct fixture *f, enum store_space space, const char *key, int value,
                  enum store_expect expect, int was)
{
    const struct store_change change = change_of(space, key, value, expect, was);
    struct try try;

    begin(f, &try, &change, 1);
    return end(&try);
}

/* --- What is expected ------------------------------------------------------------------------ */

/* Where what a commit finds is. */
enum where { IN_MEMORY, IN_TABLE, IN_ITS_BATCH, WITH_THE_DISK };

static void arrange(struct fixture *f, enum where where, struct try *before,
                    const struct store_change *change)
{
    if (where == WITH_THE_DISK)
        slow_disk_set(true, false);
    begin(f, before, change, 1);
    if (where == WITH_THE_DISK)
        WAIT_UNTIL(f, slow_disk_waits());
    else if (where != IN_ITS_BATCH)
        assert_int_equal(end(before), 0);
    if (where == IN_TABLE)
        assert_int_equal(storebox_checkpoint(&f->box), 0);
}

/* The key has `value`, once all that is on its way has ended. */
static void check_expectation(struct fixture *f, enum store_space space, enum where where,
                              int value, enum store_expect expect, int was, int rc)
{
    const struct store_change before = change_of(space, "/a", value, STORE_ANYTHING, NONE);
    const struct store_change after = change_of(space, "/a", value == B ? A : B, expect, was);
    struct try tries[2];

    assert_int_equal(commit(f, space, "/a", value == NONE ? A : NONE, STORE_ANYTHING, NONE), 0);
    arrange(f, where, &tries[0], &before);
    begin(f, &tries[1], &after, 1);
    slow_disk_set(false, false);
    assert_int_equal(end(&tries[1]), rc);
    assert_int_equal(end(&tries[0]), 0);
    assert_true(where == IN_MEMORY || tries[0].place < tries[1].place);
    assert_has(f, space, "/a", rc != 0 ? value : value == B ? A : B);
}

static void check_expectations(struct fixture *f, enum store_space space, enum where where)
{
    check_expectation(f, space, where, NONE, STORE_NOTHING, NONE, 0);
    check_expectation(f, space, where, NONE, STORE_EXACTLY, A, STORE_CONFLICT);
    check_expectation(f, space, where, NONE, STORE_ANYTHING, NONE, 0);
    check_expectation(f, space, where, A, STORE_NOTHING, NONE, STORE_CONFLICT);
    check_expectation(f, space, where, A, STORE_EXACTLY, A, 0);
    check_expectation(f, space, where, A, STORE_EXACTLY, B, STORE_CONFLICT);
    check_expectation(f, space, where, A, STORE_ANYTHING, NONE, 0);
}

static void test_commit_expects_what_is_in_memory(void **state)
{
    check_expectations(*state, STORE_KEYS, IN_MEMORY);
    check_expectations(*state, STORE_ORPHANS, IN_MEMORY);
}

static void test_commit_expects_what_is_in_the_table(void **state)
{
    check_expectations(*state, STORE_KEYS, IN_TABLE);
    check_expectations(*state, STORE_ORPHANS, IN_TABLE);
}

static void test_commit_expects_what_is_in_its_own_batch(void **state)
{
    check_expectations(*state, STORE_KEYS, IN_ITS_BATCH);
    check_expectations(*state, STORE_ORPHANS, IN_ITS_BATCH);
}

static void test_commit_expects_what_the_disk_is_just_getting(void **state)
{
    check_expectations(*state, STORE_KEYS, WITH_THE_DISK);
    check_expectations(*state, STORE_ORPHANS, WITH_THE_DISK);
}

/* Records that are equal but for one field are different ones. */
static void test_commit_expects_every_field(void **state)
{
    struct fixture *f = *state;
    struct record was = records[A];
    struct store_change change = change_of(STORE_KEYS, "/a", B, STORE_EXACTLY, A);

    assert_int_equal(commit(f, STORE_KEYS, "/a", A, STORE_NOTHING, NONE), 0);
    change.was = &was;
    was.placed_by++;
    assert_int_equal(storebox_commit(&f->box, &change, 1), STORE_CONFLICT);
    was = records[A];
    was.flags = RECORD_UNLINKED;
    assert_int_equal(storebox_commit(&f->box, &change, 1), STORE_CONFLICT);
    was = records[A];
    was.places[0].volume = 1;
    assert_int_equal(storebox_commit(&f->box, &change, 1), STORE_CONFLICT);
    was = records[A];
    assert_int_equal(storebox_commit(&f->box, &change, 1), 0);
}

static void test_commit_that_meets_something_else_changes_nothing(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(commit(f, STORE_KEYS, "/there", A, STORE_NOTHING, NONE), 0);
    assert_int_equal(commit(f, STORE_KEYS, "/other", A, STORE_NOTHING, NONE), 0);
    for (unsigned which = 0; which < 4; which++) {
        struct store_change changes[] = {
            change_of(STORE_KEYS, "/there", NONE, STORE_EXACTLY, A),
            change_of(STORE_ORPHANS, "/there", A, STORE_NOTHING, NONE),
            change_of(STORE_KEYS, "/new", B, STORE_ANYTHING, NONE),
            change_of(STORE_KEYS, "/other", B, STORE_EXACTLY, A),
        };
        struct store_change none = change_of(STORE_KEYS, "/nowhere", A, STORE_EXACTLY, A);

        changes[which] = none;
        assert_int_equal(storebox_commit(&f->box, changes, 4), STORE_CONFLICT);
        for (unsigned i = 0; i < 2; i++) {
            assert_has(f, STORE_KEYS, "/there", A);
            assert_has(f, STORE_ORPHANS, "/there", NONE);
            assert_has(f, STORE_KEYS, "/new", NONE);
            assert_has(f, STORE_KEYS, "/other", A);
            assert_has(f, STORE_KEYS, "/nowhere", NONE);
            storebox_close(&f->box);
            assert_int_equal(storebox_open(&f->box), 0);
        }
    }
}

/* --- At the same time ------------------------------------------------------------------------ */

/* Each finds what the one before leaves; that they wait for the disk changes nothing. */
static void test_commits_of_one_key_are_ordered(void **state)
{
    static const struct {
        int value;
        enum store_expect expect;
        int was;
        int rc;
    } steps[] = {
        {A, STORE_NOTHING, NONE, 0}, {B, STORE_NOTHING, NONE, STORE_CONFLICT},
        {B, STORE_EXACTLY, A, 0},    {A, STORE_EXACTLY, A, STORE_CONFLICT},
        {NONE, STORE_EXACTLY, B, 0}, {NONE, STORE_EXACTLY, B, STORE_CONFLICT},
        {B, STORE_NOTHING, NONE, 0}, {A, STORE_ANYTHING, NONE, 0},
        {NONE, STORE_EXACTLY, A, 0},
    };
    struct fixture *f = *state;

    for (size_t cut = 0; cut < COUNT_OF(steps); cut++) { /* so many are with the disk */
        struct try tries[COUNT_OF(steps)];

        slow_disk_set(true, false);
        f->ended = 0;
        for (size_t i = 0; i < COUNT_OF(steps); i++) {
            const struct store_change change =
                change_of(STORE_KEYS, "/a", steps[i].value, steps[i].expect, steps[i].was);

            begin(f, &tries[i], &change, 1);
            if (i + 1 == cut)
                WAIT_UNTIL(f, slow_disk_waits());
        }
        slow_disk_set(false, false);
        for (size_t i = 0; i < COUNT_OF(steps); i++) {
            assert_int_equal(end(&tries[i]), steps[i].rc);
            assert_int_equal(tries[i].place, i + 1);
        }
        assert_has(f, STORE_KEYS, "/a", NONE);
    }
}

/* Of many that expect the same, one is the first. */
static void test_commits_that_expect_the_same_have_one_winner(void **state)
{
    const struct store_change change = change_of(STORE_KEYS, "/a", A, STORE_NOTHING, NONE);
    struct fixture *f = *state;
    struct try tries[20];

    slow_disk_set(true, false);
    for (unsigned i = 0; i < COUNT_OF(tries); i++) {
        begin(f, &tries[i], &change, 1);
        if (i == 4)
            WAIT_UNTIL(f, slow_disk_waits());
    }
    slow_disk_set(false, false);
    for (unsigned i = 0; i < COUNT_OF(tries); i++)
        assert_int_equal(end(&tries[i]), i == 0 ? 0 : STORE_CONFLICT);
}

/* --- A disk that fails ----------------------------------------------------------------------- */

/* What has looked into a batch that then fails, fails too, and so does what has looked into that.
 */
static void test_commit_fails_with_the_one_that_it_has_found(void **state)
{
    const struct store_change first = change_of(STORE_KEYS, "/a", A, STORE_NOTHING, NONE);
    const struct store_change next = change_of(STORE_KEYS, "/a", B, STORE_EXACTLY, A);
    const struct store_change last[] = {
        change_of(STORE_KEYS, "/b", A, STORE_NOTHING, NONE),
        change_of(STORE_KEYS, "/a", A, STORE_EXACTLY, B),
    };
    struct fixture *f = *state;
    struct try tries[4];

    slow_disk_set(true, false);
    begin(f, &tries[0], &first, 1);
    WAIT_UNTIL(f, slow_disk_waits());
    begin(f, &tries[1], &next, 1);
    begin(f, &tries[2], last, 2);
    begin(f, &tries[3], &first, 1); /* what it met will not have been there */
    slow_disk_set(false, true);
    assert_int_equal(end(&tries[0]), UV_EIO);
    slow_disk_set(false, false);
    for (unsigned i = 1; i < 4; i++)
        assert_int_equal(end(&tries[i]), UV_EIO);
    for (unsigned i = 0; i < 2; i++) {
        assert_has(f, STORE_KEYS, "/a", NONE);
        assert_has(f, STORE_KEYS, "/b", NONE);
        storebox_close(&f->box);
        assert_int_equal(storebox_open(&f->box), 0);
    }
    assert_int_equal(commit(f, STORE_KEYS, "/a", A, STORE_NOTHING, NONE), 0);
}

/* The disk is well again, and yet a delete that counted on the failed commit can't be done. */
static void test_commit_without_expectation_fails_with_the_one_that_it_has_found(void **state)
{
    const struct store_change set = change_of(STORE_ORPHANS, "/a", A, STORE_ANYTHING, NONE);
    const struct store_change reset = change_of(STORE_ORPHANS, "/a", B, STORE_ANYTHING, NONE);
    struct fixture *f = *state;
    struct store_stats stats;
    struct try tries[2];

    slow_disk_set(true, false);
    begin(f, &tries[0], &set, 1);
    WAIT_UNTIL(f, slow_disk_waits());
    begin(f, &tries[1], &reset, 1);
    slow_disk_set(false, true);
    assert_int_equal(end(&tries[0]), UV_EIO);
    slow_disk_set(false, false);
    assert_int_equal(end(&tries[1]), UV_EIO);
    store_stats(f->box.store, &stats);
    assert_int_equal(stats.orphans, 0);
}

/* What has nothing to do with it, and comes after it, is done. */
static void test_commit_of_another_key_outlives_the_failure(void **state)
{
    const struct store_change first = change_of(STORE_KEYS, "/a", A, STORE_NOTHING, NONE);
    const struct store_change other = change_of(STORE_KEYS, "/b", A, STORE_NOTHING, NONE);
    struct fixture *f = *state;
    struct try tries[2];

    slow_disk_set(true, false);
    begin(f, &tries[0], &first, 1);
    WAIT_UNTIL(f, slow_disk_waits());
    begin(f, &tries[1], &other, 1);
    slow_disk_set(false, true);
    assert_int_equal(end(&tries[0]), UV_EIO);
    slow_disk_set(false, false);
    assert_int_equal(end(&tries[1]), 0);
    storebox_close(&f->box);
    assert_int_equal(storebox_open(&f->box), 0);
    assert_has(f, STORE_KEYS, "/a", NONE);
    assert_has(f, STORE_KEYS, "/b", A);
}

/* --- A disk that hangs ----------------------------------------------------------------------- */

static void set_patience(struct fixture *f, unsigned ms)
{
    storebox_close(&f->box);
    f->box.options.patience_ms = ms;
    assert_int_equal(storebox_open(&f->box), 0);
}

/* What the disk has may be done or not; the rest is not. */
static void test_commit_behind_a_disk_that_hangs(void **state)
{
    const struct store_change a = change_of(STORE_KEYS, "/a", A, STORE_NOTHING, NONE);
    const struct store_change b = change_of(STORE_KEYS, "/b", A, STORE_NOTHING, NONE);
    const struct store_change orphan = change_of(STORE_ORPHANS, "/a", A, STORE_NOTHING, NONE);
    struct fixture *f = *state;
    struct store_stats stats;
    struct try tries[4];

    set_patience(f, 20);
    slow_disk_set(true, false);
    begin(f, &tries[0], &a, 1);
    WAIT_UNTIL(f, slow_disk_waits());
    begin(f, &tries[1], &b, 1);
    announce(f, &tries[2], &orphan);
    assert_int_equal(end(&tries[1]), UV_ETIMEDOUT);
    assert_int_equal(end(&tries[2]), UV_ETIMEDOUT);
    assert_int_equal(store_commit(f->box.store, &tries[3].commit, &b, 1, ended_cb), UV_ETIMEDOUT);
    store_stats(f->box.store, &stats);
    assert_int_equal(stats.journal_error, UV_ETIMEDOUT);
    assert_int_equal(tries[0].place, 0);
    slow_disk_set(false, false);
    assert_int_equal(end(&tries[0]), 0);
    for (unsigned i = 0; i < 2; i++) {
        assert_has(f, STORE_KEYS, "/a", A);
        assert_has(f, STORE_KEYS, "/b", NONE);
        assert_has(f, STORE_ORPHANS, "/a", NONE);
        set_patience(f, 0);
    }
    assert_int_equal(commit(f, STORE_KEYS, "/b", A, STORE_NOTHING, NONE), 0);
    store_stats(f->box.store, &stats);
    assert_int_equal(stats.journal_error, 0);
}

/* --- Announcements --------------------------------------------------------------------------- */

static void test_announcement_ends_before_the_disk_has_it(void **state)
{
    const struct store_change orphan = change_of(STORE_ORPHANS, "/a", A, STORE_NOTHING, NONE);
    const struct store_change key = change_of(STORE_KEYS, "/a", A, STORE_NOTHING, NONE);
    const struct store_change next = change_of(STORE_ORPHANS, "/a", B, STORE_EXACTLY, A);
    struct fixture *f = *state;
    struct try tries[3];

    slow_disk_set(true, false);
    begin(f, &tries[0], &key, 1);
    announce(f, &tries[1], &orphan);
    WAIT_UNTIL(f, tries[1].place != 0);
    assert_int_equal(tries[1].rc, 0);
    assert_true(slow_disk_waits());
    begin(f, &tries[2], &next, 1); /* it finds what was announced */
    uv_run(&f->box.loop, UV_RUN_NOWAIT);
    assert_int_equal(tries[0].place, 0); /* the disk hasn't got this either, which counts here */
    slow_disk_set(false, false);
    assert_int_equal(end(&tries[0]), 0);
    assert_has(f, STORE_ORPHANS, "/a", A);
    assert_int_equal(end(&tries[2]), 0);
    assert_has(f, STORE_ORPHANS, "/a", B);
}

static void test_announcement_that_meets_something_else(void **state)
{
    const struct store_change change = change_of(STORE_ORPHANS, "/a", B, STORE_NOTHING, NONE);
    struct fixture *f = *state;
    struct try try;

    assert_int_equal(commit(f, STORE_ORPHANS, "/a", A, STORE_NOTHING, NONE), 0);
    announce(f, &try, &change);
    assert_int_equal(end(&try), STORE_CONFLICT);
    assert_has(f, STORE_ORPHANS, "/a", A);
}

static void test_announcement_that_cannot_be_written(void **state)
{
    const struct store_change change = change_of(STORE_ORPHANS, "/a", A, STORE_NOTHING, NONE);
    struct fixture *f = *state;
    struct try try;

    assert_int_equal(commit(f, STORE_KEYS, "/begun", A, STORE_NOTHING, NONE), 0);
    slow_disk_refuse_writes(true);
    announce(f, &try, &change);
    assert_int_equal(end(&try), UV_ENOSPC);
    assert_has(f, STORE_ORPHANS, "/a", NONE);
    slow_disk_refuse_writes(false);
    announce(f, &try, &change);
    assert_int_equal(end(&try), 0);
    storebox_close(&f->box);
    assert_int_equal(storebox_open(&f->box), 0);
    assert_has(f, STORE_ORPHANS, "/a", A);
}

#define COMMIT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        COMMIT_TEST(test_commit_expects_what_is_in_memory),
        COMMIT_TEST(test_commit_expects_what_is_in_the_table),
        COMMIT_TEST(test_commit_expects_what_is_in_its_own_batch),
        COMMIT_TEST(test_commit_expects_what_the_disk_is_just_getting),
        COMMIT_TEST(test_commit_expects_every_field),
        COMMIT_TEST(test_commit_that_meets_something_else_changes_nothing),
        COMMIT_TEST(test_commits_of_one_key_are_ordered),
        COMMIT_TEST(test_commits_that_expect_the_same_have_one_winner),
        COMMIT_TEST(test_commit_fails_with_the_one_that_it_has_found),
        COMMIT_TEST(test_commit_without_expectation_fails_with_the_one_that_it_has_found),
        COMMIT_TEST(test_commit_of_another_key_outlives_the_failure),
        COMMIT_TEST(test_commit_behind_a_disk_that_hangs),
        COMMIT_TEST(test_announcement_ends_before_the_disk_has_it),
        COMMIT_TEST(test_announcement_that_meets_something_else),
        COMMIT_TEST(test_announcement_that_cannot_be_written),
    };

    return cmocka_run_group_tests_name("store_commit", tests, NULL, NULL);
}
