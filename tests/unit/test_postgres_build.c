/* What becomes of a table that is made in one go when its COMMIT has no answer. */
#include <string.h>

#include "index/store/postgres/build.h"
#include "tests/support/cutproxy.h"
#include "tests/support/indexes.h"
#include "tests/support/storebox.h"
#include "tests/unit/test.h"

static struct postgres_server *server; /* of all tests; ends with the program */

struct making {
    struct indexes x;
    const char *uri;
    uv_thread_t thread;
    int rc;
};

static void add(struct build *build, const char *key)
{
    struct record record = {.size = 1, .time = 1000, .generation = 7, .n_places = 1};

    STOREBOX_CHECK(build_volume_id(build, "localhost:3009", &record.places[0].volume) == 0,
                   "no id");
    STOREBOX_CHECK(build_add_key(build, key, strlen(key), &record) == 0, "not added");
}

static void make_thread(void *arg)
{
    struct making *m = arg;
    struct build *build;

    m->rc = postgres_build_start(m->uri, true, &build);
    if (m->rc < 0)
        return;
    add(build, "/new");
    m->rc = build_finish(build);
}

/* A COMMIT waits until somebody says go. */
static const char hold_commits[] =
    "CREATE FUNCTION mkv.hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "WHILE NOT EXISTS (SELECT 1 FROM pg_catalog.pg_class WHERE relname = 'go') "
    "LOOP PERFORM pg_sleep(0.01); END LOOP; RETURN NULL; END $$;"
    "CREATE CONSTRAINT TRIGGER hold AFTER INSERT ON mkv.sessions DEFERRABLE INITIALLY DEFERRED "
    "FOR EACH ROW EXECUTE FUNCTION mkv.hold()";

#define IS_COMMITTING                                                                              \
    "FROM pg_stat_activity WHERE query = 'COMMIT' AND wait_event = 'PgSleep' AND "                 \
    "datname = current_database()"

/* The database has the key /old, and is about to get the key /new in its place. */
static void begin(struct making *m, const char *uri)
{
    struct build *build;

    m->uri = m->x.uri;
    assert_int_equal(postgres_build_start(m->x.uri, false, &build), 0);
    add(build, "/old");
    assert_int_equal(build_finish(build), 0);
    free(postgres_sql(m->x.uri, hold_commits));
    m->uri = uri;
    assert_int_equal(uv_thread_create(&m->thread, make_thread, m), 0);
    for (unsigned i = 0; indexes_ask(&m->x, "SELECT count(*) " IS_COMMITTING) == 0; i++) {
        assert_in_range(i, 0, 3000);
        uv_sleep(10);
    }
}

static void end(struct making *m, const char *key)
{
    char *found;

    uv_thread_join(&m->thread);
    found = postgres_sql(m->x.uri, "SELECT string_agg(encode(key, 'escape'), ' ') FROM mkv.keys");
    assert_string_equal(found, key);
    free(found);
    assert_int_equal(indexes_ask(&m->x, "SELECT sum(keys) FROM mkv.sessions"), 1);
    indexes_deinit(&m->x);
}

static void test_commit_that_was_done_without_an_answer(void **state)
{
    char via[POSTGRES_URI_MAX];
    struct making m;
    struct cutproxy *proxy;

    (void)state;
    indexes_init(&m.x, server);
    proxy = cutproxy_start(m.x.uri, via, sizeof(via));
    begin(&m, via);
    cutproxy_cut_answers(proxy, 1);
    indexes_ask(&m.x, "CREATE TABLE go ()");
    for (unsigned i = 0; cutproxy_cuts(proxy) == 0; i++) {
        assert_in_range(i, 0, 3000);
        uv_sleep(10);
    }
    cutproxy_cut_answers(proxy, 0);
    end(&m, "/new");
    assert_int_equal(m.rc, 0);
    cutproxy_stop(proxy);
}

static void test_commit_that_was_not_done(void **state)
{
    struct making m;

    (void)state;
    indexes_init(&m.x, server);
    begin(&m, m.x.uri);
    assert_int_equal(indexes_ask(&m.x, "SELECT count(pg_terminate_backend(pid)) " IS_COMMITTING),
                     1);
    end(&m, "/old");
    assert_int_equal(m.rc, STORE_AWAY);
}

/* The client hears that its connection broke while the database still commits. */
static void test_commit_that_goes_on_without_its_client(void **state)
{
    char via[POSTGRES_URI_MAX];
    struct making m;
    struct cutproxy *proxy;

    (void)state;
    indexes_init(&m.x, server);
    proxy = cutproxy_start(m.x.uri, via, sizeof(via));
    begin(&m, via);
    cutproxy_break(proxy);
    for (unsigned i = 0; indexes_ask(&m.x, "SELECT count(*) FROM pg_locks WHERE NOT granted AND "
                                           "relation = 'mkv.indexes'::regclass") == 0;
         i++) {
        assert_in_range(i, 0, 3000);
        uv_sleep(10);
    }
    indexes_ask(&m.x, "CREATE TABLE go ()");
    end(&m, "/new");
    assert_int_equal(m.rc, 0);
    cutproxy_stop(proxy);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commit_that_was_done_without_an_answer),
        cmocka_unit_test(test_commit_that_was_not_done),
        cmocka_unit_test(test_commit_that_goes_on_without_its_client),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    server = postgres_server_start(NULL);
    return cmocka_run_group_tests_name("postgres_build", tests, NULL, NULL);
}
