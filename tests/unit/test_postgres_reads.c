/* What is read from a database that others change, lock and take away, and the volumes that its
 * rows name. Each test has a database of its own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/store/postgres/postgres_engine.h"
#include "tests/support/indexes.h"
#include "tests/support/storebox.h"
#include "tests/unit/test.h"

static struct postgres_server *server; /* of all tests; ends with the program */

static int setup(void **state)
{
    *state = indexes_open_two(server);
    return 0;
}

static int teardown(void **state)
{
    indexes_deinit(*state);
    return 0;
}

/* Of another blob each time: one that has no answer may have been announced all the same. */
static int announce(struct indexes *x, unsigned number)
{
    struct put_values values;
    const struct store_change change =
        indexes_announcement(&values, x, "/key", indexes_generation(x));

    return indexes_announce(x, number, &change);
}

/* --- Readings --------------------------------------------------------------------------------- */

struct waiting {
    struct store_reading reading;
    bool ended;
    int rc;
};

static void waited_cb(struct store_reading *reading, int rc, const struct record *record)
{
    struct waiting *w = reading->data;

    (void)record;
    w->ended = true;
    w->rc = rc;
}

/* The database takes no new connection any more, and has none; or takes them again. */
static void set_reachable(struct indexes *x, bool reachable)
{
    char admin[POSTGRES_URI_MAX];
    char sql[128];
    const char *name = strstr(x->uri, "@/") + 2;
    int len = (int)strcspn(name, "?");

    snprintf(admin, sizeof(admin), "%.*spostgres%s", (int)(name - x->uri), x->uri, name + len);
    snprintf(sql, sizeof(sql), "ALTER DATABASE %.*s ALLOW_CONNECTIONS %s", len, name,
             reachable ? "true" : "false");
    free(postgres_sql(admin, sql));
    snprintf(sql, sizeof(sql),
             "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
             "WHERE datname = '%.*s'",
             len, name);
    free(postgres_sql(admin, sql));
}

/* It takes as long as an index has patience. */
static void test_database_that_is_away(void **state)
{
    struct indexes *x = *state;
    struct store_stats stats;

    set_reachable(x, false);
    assert_int_equal(indexes_get(x, 0, "/away"), STORE_AWAY);
    assert_int_equal(announce(x, 0), STORE_AWAY);
    store_stats(x->stores[0], &stats);
    assert_true(stats.is_away);
    set_reachable(x, true);
    INDEXES_WAIT(x, indexes_get(x, 0, "/away") == 0);
    INDEXES_WAIT(x, announce(x, 0) == 0);
    store_stats(x->stores[0], &stats);
    assert_false(stats.is_away);
}

static void test_reading_that_is_cancelled_in_flight(void **state)
{
    struct indexes *x = *state;
    struct waiting waiting[2] = {{.reading.data = &waiting[0]}, {.reading.data = &waiting[1]}};
    struct record record;

    for (unsigned i = 0; i < 2; i++) {
        char *key = strdup("/gone");

        assert_non_null(key);
        assert_int_equal(
            store_get(x->stores[0], &waiting[i].reading, key, strlen(key), &record, waited_cb),
            STORE_LATER);
        if (i == 1) /* it has been sent */
            uv_run(&x->loop, UV_RUN_NOWAIT);
        store_cancel(x->stores[0], &waiting[i].reading);
        free(key);
    }
    assert_int_equal(indexes_get(x, 0, "/there"), 0);
    assert_false(waiting[0].ended);
    assert_false(waiting[1].ended);
}

/* Keeps everybody off a table until mkv.settings says so. */
struct blocker {
    uv_thread_t thread;
    const char *uri;
    const char *table;
};

static void block_thread(void *arg)
{
    const struct blocker *b = arg;
    char sql[512];

    snprintf(sql, sizeof(sql),
             "BEGIN; LOCK TABLE mkv.%s IN ACCESS EXCLUSIVE MODE; DO $$ BEGIN "
             "WHILE NOT EXISTS (SELECT 1 FROM mkv.settings WHERE name = 'go') "
             "LOOP PERFORM pg_sleep(0.01); END LOOP; END $$; COMMIT",
             b->table);
    free(postgres_sql(b->uri, sql));
}

static void block(struct blocker *b, struct indexes *x, const char *table)
{
    char sql[256];

    *b = (struct blocker){.uri = x->uri, .table = table};
    assert_int_equal(uv_thread_create(&b->thread, block_thread, b), 0);
    snprintf(sql, sizeof(sql),
             "SELECT count(*) FROM pg_locks WHERE granted AND mode = 'AccessExclusiveLock' "
             "AND relation = 'mkv.%s'::regclass",
             table);
    INDEXES_WAIT(x, indexes_ask(x, sql) == 1);
}

static void unblock(struct blocker *b, struct indexes *x)
{
    indexes_ask(x, "INSERT INTO mkv.settings VALUES ('go', '')");
    uv_thread_join(&b->thread);
}

/* The statement that reads: what measures the tables waits for the lock, too. */
#define IS_BLOCKED(WHAT)                                                                           \
    "FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%" WHAT "%' AND "        \
    "application_name = 'mkv' AND datname = current_database()"

/* Whoever ended it, it is tried again. */
static void test_reading_whose_statement_was_ended(void **state)
{
    struct indexes *x = *state;
    struct waiting w = {.reading.data = &w};
    struct blocker blocker;
    struct record record;

    block(&blocker, x, "keys");
    assert_int_equal(store_get(x->stores[0], &w.reading, "/key", 4, &record, waited_cb),
                     STORE_LATER);
    INDEXES_WAIT(x, indexes_ask(x, "SELECT count(*) " IS_BLOCKED("JOIN keys k")) == 1);
    assert_int_equal(
        indexes_ask(x, "SELECT count(pg_cancel_backend(pid)) " IS_BLOCKED("JOIN keys k")), 1);
    INDEXES_WAIT(x, w.ended || indexes_ask(x, "SELECT count(*) " IS_BLOCKED("JOIN keys k")) == 1);
    indexes_kill_sessions(x);
    INDEXES_WAIT(x, w.ended || indexes_ask(x, "SELECT count(*) " IS_BLOCKED("JOIN keys k")) == 1);
    assert_false(w.ended);
    unblock(&blocker, x);
    INDEXES_WAIT(x, w.ended);
    assert_int_equal(w.rc, UV_ENOENT);
}

static int unlisted_cb(const void *key, size_t len, uint64_t generation,
                       const struct orphan *orphan, void *arg)
{
    (void)key, (void)len, (void)generation, (void)orphan, (void)arg;
    return 0;
}

static void listed_cb(struct store_reading *reading, int rc)
{
    waited_cb(reading, rc, NULL);
}

/* Pages take long, and keys aren't to wait for them. */
// NOLINTNEXTLINE(readability-function-size): the macro counts
static void test_listings_leave_a_reader_for_keys(void **state)
{
    static struct waiting listings[8];
    const struct store_orphan_range all = {.want = 10};
    struct indexes *x = *state;
    struct blocker blocker;

    block(&blocker, x, "orphans");
    for (unsigned i = 0; i < COUNT_OF(listings); i++) {
        listings[i] = (struct waiting){.reading.data = &listings[i]};
        assert_int_equal(store_list_orphans(x->stores[0], &listings[i].reading, &all, unlisted_cb,
                                            NULL, listed_cb),
                         STORE_LATER);
    }
    INDEXES_WAIT(x, indexes_ask(x, "SELECT count(*) " IS_BLOCKED("FROM orphans")) >= 2);
    assert_int_equal(indexes_get(x, 0, "/key"), 0);
    for (unsigned i = 0; i < COUNT_OF(listings); i++)
        assert_false(listings[i].ended);
    unblock(&blocker, x);
    for (unsigned i = 0; i < COUNT_OF(listings); i++) {
        INDEXES_WAIT(x, listings[i].ended);
        assert_int_equal(listings[i].rc, 0);
    }
}

/* --- Names of volumes ------------------------------------------------------------------------- */

static void named_cb(struct store_reading *reading, int rc, uint32_t id)
{
    assert_int_equal(rc, 0);
    *(int64_t *)reading->data = id;
}

/* The first index does it. */
static struct record put_at_new_volume(struct indexes *x)
{
    int64_t id = -1;
    struct store_reading reading = {.data = &id};
    uint32_t at_once;
    struct record record = indexes_record(x, indexes_generation(x));
    const struct store_change change = {.space = STORE_KEYS,
                                        .key = "/new",
                                        .len = strlen("/new"),
                                        .record = &record,
                                        .expect = STORE_NOTHING};

    assert_int_equal(store_volume_id(x->stores[0], &reading, "localhost:3009", &at_once, named_cb),
                     STORE_LATER);
    INDEXES_WAIT(x, id >= 0);
    record.places[0].volume = (uint32_t)id;
    assert_int_equal(indexes_commit(x, 0, &change, 1), 0);
    assert_null(store_volume_name(x->stores[1], (uint32_t)id));
    return record;
}

static void test_volume_that_another_index_named(void **state)
{
    struct indexes *x = *state;
    const struct record record = put_at_new_volume(x);

    assert_int_equal(indexes_get(x, 1, "/new"), record.generation);
    assert_string_equal(store_volume_name(x->stores[1], record.places[0].volume), "localhost:3009");
}

static void announced_blindly_cb(struct store_commit *commit, int rc)
{
    assert_int_equal(rc, 0);
    assert_null(commit->view);
    *(int64_t *)commit->data = 1;
}

/* An announcement doesn't read the names: its key is to be looked at by itself. */
static void test_announcement_at_a_volume_that_another_index_named(void **state)
{
    struct indexes *x = *state;
    int64_t ended = 0;
    struct store_commit commit = {.data = &ended};
    const uint64_t generation = indexes_generation(x);
    const struct orphan orphan = indexes_orphan(x, generation);
    struct store_change announcement = {.space = STORE_ORPHANS,
                                        .key = "/new",
                                        .len = 4,
                                        .generation = generation,
                                        .orphan = &orphan,
                                        .expect = STORE_NOTHING};

    put_at_new_volume(x);
    assert_int_equal(store_announce(x->stores[1], &commit, &announcement, announced_blindly_cb), 0);
    INDEXES_WAIT(x, ended);
}

/* As if a server had taken over that lacks the last changes of the old one. */
static void change_volumes(struct indexes *x, const char *change)
{
    char sql[512];

    snprintf(sql, sizeof(sql),
             "BEGIN; LOCK TABLE mkv.volumes IN ACCESS EXCLUSIVE MODE; %s; "
             "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
             "WHERE application_name = 'mkv' AND datname = current_database(); COMMIT",
             change);
    free(postgres_sql(x->uri, sql));
}

static void test_volumes_that_the_database_lost_are_told_again(void **state)
{
    struct indexes *x = *state;
    int64_t id = -1;
    struct store_reading reading = {.data = &id};
    uint32_t at_once;

    assert_int_equal(store_volume_id(x->stores[0], &reading, "localhost:3002", &at_once, named_cb),
                     STORE_LATER);
    INDEXES_WAIT(x, id == 1);
    change_volumes(x, "DELETE FROM mkv.volumes");
    INDEXES_WAIT(x, announce(x, 1) == 0);
    INDEXES_WAIT(
        x, indexes_ask(x, "SELECT count(*) FROM mkv.volumes WHERE "
                          "(id, name) IN ((0, 'localhost:3001'), (1, 'localhost:3002'))") == 2);
    assert_int_equal(indexes_ask(x, "SELECT count(*) FROM mkv.volumes"), 2);
}

static void test_volume_whose_id_is_another_ones(void **state)
{
    struct indexes *x = *state;

    change_volumes(x, "UPDATE mkv.volumes SET name = 'localhost:3009'");
    INDEXES_WAIT(x, indexes_get(x, 0, "/key") == STORE_AWAY);
    assert_int_equal(announce(x, 0), STORE_AWAY);
    assert_true(store_is_away(x->stores[0]));
    assert_int_equal(indexes_ask(x, "SELECT count(*) FROM mkv.orphans"), 0);
    indexes_open(x, 2); /* one that starts goes by what there is */
    assert_int_equal(indexes_get(x, 2, "/key"), 0);
}

static void test_volume_that_has_another_id(void **state)
{
    struct indexes *x = *state;

    change_volumes(x, "UPDATE mkv.volumes SET id = 1");
    INDEXES_WAIT(x, indexes_get(x, 0, "/key") == STORE_AWAY);
    change_volumes(x, "UPDATE mkv.volumes SET id = 0"); /* the old server is back */
    INDEXES_WAIT(x, indexes_get(x, 0, "/key") == 0);
    INDEXES_WAIT(x, announce(x, 0) == 0);
}

int main(int argc, char **argv)
{
#define ON_TWO(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        ON_TWO(test_database_that_is_away),
        ON_TWO(test_reading_that_is_cancelled_in_flight),
        ON_TWO(test_reading_whose_statement_was_ended),
        ON_TWO(test_listings_leave_a_reader_for_keys),
        ON_TWO(test_volume_that_another_index_named),
        ON_TWO(test_announcement_at_a_volume_that_another_index_named),
        ON_TWO(test_volumes_that_the_database_lost_are_told_again),
        ON_TWO(test_volume_whose_id_is_another_ones),
        ON_TWO(test_volume_that_has_another_id),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    server = postgres_server_start(NULL);
    return cmocka_run_group_tests_name("postgres_reads", tests, NULL, NULL);
}
