/* What the engine's statements read of the tables: rows of the keys that they are about, however
 * many others there are, and whatever was known of the tables when their plans were made. Each
 * round does all that can be done with a key of its own; then the database says how many rows it
 * has read for that. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/engine_box.h"
#include "tests/support/postgres.h"
#include "tests/support/storebox.h"
#include "tests/unit/test.h"

#define ROWS     100000 /* of each table, of which nothing is read */
#define TRIALS   20     /* rounds that make the plans: PostgreSQL's own way is to think for five */
#define ROUNDS   100
#define PAGE     10
#define PATIENCE 30 /* seconds */

/* Rows of a round: three pages of keys, two of orphans, and what some 30 changes and looks at one
 * key and its two orphans find, each of which may see what is dead of them, too. */
#define ROUND_ROWS 300

struct plans {
    struct engine_box box;
    uint32_t volume;
    uint64_t generation; /* the last one that was made */
};

static const char *uri_of(const struct plans *p)
{
    return p->box.place;
}

static int setup(void **state)
{
    static struct plans p;

    engine_box_init(&p.box, engine_kind_named("postgres"));
    assert_int_equal(engine_box_volume_id(&p.box, "v", &p.volume), 0);
    p.generation = UINT64_C(1) << 40;
    /* What looks at a table has the plans made anew. */
    free(postgres_sql(uri_of(&p), "ALTER TABLE mkv.keys SET (autovacuum_enabled = false);"
                                  "ALTER TABLE mkv.orphans SET (autovacuum_enabled = false)"));
    *state = &p;
    return 0;
}

static int teardown(void **state)
{
    struct plans *p = *state;

    engine_box_deinit(&p->box);
    return 0;
}

/* --- What is done ---------------------------------------------------------------------------- */

static struct record make_record(struct plans *p)
{
    return (struct record){
        .size = 1, .generation = ++p->generation, .n_places = 1, .places = {{.volume = p->volume}}};
}

static struct orphan make_orphan(const struct plans *p, uint64_t time)
{
    return (struct orphan){
        .until = time, .time = time, .n_places = 1, .places = {{.volume = p->volume}}};
}

static struct store_change key_change(const char *key, enum store_expect expect,
                                      const struct record *was, const struct record *is)
{
    return (struct store_change){.space = STORE_KEYS,
                                 .key = key,
                                 .len = strlen(key),
                                 .expect = expect,
                                 .was = was,
                                 .record = is};
}

static struct store_change orphan_change(const char *key, uint64_t generation,
                                         enum store_expect expect, const struct orphan *was,
                                         const struct orphan *is)
{
    return (struct store_change){.space = STORE_ORPHANS,
                                 .key = key,
                                 .len = strlen(key),
                                 .generation = generation,
                                 .expect = expect,
                                 .orphan_was = was,
                                 .orphan = is};
}

static void commit(struct plans *p, const struct store_change *changes, size_t n)
{
    assert_int_equal(engine_box_commit(&p->box, changes, n), 0);
}

static void commit_one(struct plans *p, struct store_change change)
{
    commit(p, &change, 1);
}

/* What PUTs, overwrites and DELETEs do. */
static void put_and_delete(struct plans *p, const char *key)
{
    struct record one = make_record(p);
    struct record two = make_record(p);
    struct orphan orphan = make_orphan(p, 1);
    struct store_change changes[3];

    changes[0] = orphan_change(key, one.generation, STORE_NOTHING, NULL, &orphan);
    assert_int_equal(engine_box_announce(&p->box, &changes[0]), 0);
    changes[0] = key_change(key, STORE_NOTHING, NULL, &one);
    changes[1] = orphan_change(key, one.generation, STORE_OWN, NULL, NULL);
    commit(p, changes, 2);

    commit_one(p, orphan_change(key, two.generation, STORE_NOTHING, NULL, &orphan));
    changes[0] = key_change(key, STORE_EXACTLY, &one, &two);
    changes[1] = orphan_change(key, two.generation, STORE_OWN, NULL, NULL);
    changes[2] = orphan_change(key, one.generation, STORE_NOTHING, NULL, &orphan);
    commit(p, changes, 3);

    changes[0] = key_change(key, STORE_EXACTLY, &two, NULL);
    changes[1] = orphan_change(key, two.generation, STORE_NOTHING, NULL, &orphan);
    commit(p, changes, 2);
    commit_one(p, orphan_change(key, two.generation, STORE_OWN, NULL, NULL));
    commit_one(p, orphan_change(key, one.generation, STORE_EXACTLY, &orphan, NULL));
}

/* Each change of a key that there is, one at a time. */
static void change_key(struct plans *p, const char *key)
{
    struct record one = make_record(p);
    struct record two = make_record(p);

    commit_one(p, key_change(key, STORE_NOTHING, NULL, NULL));
    commit_one(p, key_change(key, STORE_ANYTHING, NULL, &one));
    commit_one(p, key_change(key, STORE_ANYTHING, NULL, &two));
    commit_one(p, key_change(key, STORE_EXACTLY, &two, &one));
    commit_one(p, key_change(key, STORE_ANYTHING, NULL, NULL));
    commit_one(p, key_change(key, STORE_NOTHING, NULL, &two));
    commit_one(p, key_change(key, STORE_EXACTLY, &two, NULL));
}

static void change_orphan(struct plans *p, const char *key)
{
    struct orphan one = make_orphan(p, 1);
    struct orphan two = make_orphan(p, 2);
    uint64_t generation = ++p->generation;

    commit_one(p, orphan_change(key, generation, STORE_NOTHING, NULL, NULL));
    commit_one(p, orphan_change(key, generation, STORE_ANYTHING, NULL, &one));
    commit_one(p, orphan_change(key, generation, STORE_ANYTHING, NULL, &two));
    commit_one(p, orphan_change(key, generation, STORE_EXACTLY, &two, &one));
    commit_one(p, orphan_change(key, generation, STORE_OWN, NULL, &two));
    commit_one(p, orphan_change(key, generation, STORE_EXACTLY, &two, NULL));
    commit_one(p, orphan_change(key, generation, STORE_ANYTHING, NULL, &one));
    commit_one(p, orphan_change(key, generation, STORE_ANYTHING, NULL, NULL));
}

/* What is there, and what isn't. */
static void look(struct plans *p, const char *key)
{
    struct record record = make_record(p);
    struct orphan orphan = make_orphan(p, 1);
    struct store_view view;
    const struct store_change changes[] = {
        key_change(key, STORE_NOTHING, NULL, &record),
        orphan_change(key, record.generation, STORE_NOTHING, NULL, &orphan),
    };
    size_t len = strlen(key);

    assert_int_equal(engine_box_get(&p->box, key, len, &record), UV_ENOENT);
    commit(p, changes, 2);
    assert_int_equal(engine_box_get(&p->box, key, len, &record), 0);
    assert_int_equal(engine_box_get_orphan(&p->box, key, len, record.generation, &orphan), 0);
    assert_int_equal(engine_box_get_orphan(&p->box, key, len, 1, &orphan), UV_ENOENT);
    assert_int_equal(engine_box_view(&p->box, key, len, &view), 0);
    assert_true(view.exists);
}

static int key_cb(const void *key, size_t len, const struct record *record, void *arg)
{
    (void)key;
    (void)len;
    (void)record;
    return ++*(unsigned *)arg == PAGE; /* and the list ends */
}

static int orphan_cb(const void *key, size_t len, uint64_t generation, const struct orphan *orphan,
                     void *arg)
{
    (void)generation;
    (void)orphan;
    return key_cb(key, len, NULL, arg);
}

static void list_keys(struct plans *p, const struct store_range *range)
{
    unsigned n = 0;

    assert_true(engine_box_list(&p->box, range, key_cb, &n) >= 0);
    assert_in_range(n, 1, PAGE);
}

static void list_orphans(struct plans *p, const struct store_orphan_range *range)
{
    unsigned n = 0;

    assert_true(engine_box_list_orphans(&p->box, range, orphan_cb, &n) >= 0);
    assert_in_range(n, 1, PAGE);
}

static void list(struct plans *p, const char *key)
{
    struct store_range range = {.start = key, .start_len = strlen(key), .want = PAGE};
    struct store_orphan_range orphans = {.key = key, .len = strlen(key), .want = PAGE};

    list_keys(p, &range);
    range.prefix = key;
    range.prefix_len = 2;
    list_keys(p, &range);
    list_orphans(p, &orphans);
    orphans.mine = true;
    list_orphans(p, &orphans);
    orphans.only = true;
    list_orphans(p, &orphans);
}

/* All that can be done with a key, which goes between the others of the table. */
static void work(struct plans *p, unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++) {
        char key[32];

        snprintf(key, sizeof(key), "/%06u/mine", i * (ROWS / ROUNDS));
        change_key(p, key);
        change_orphan(p, key);
        put_and_delete(p, key);
        look(p, key);
        list(p, key);
        commit_one(p, key_change(key, STORE_ANYTHING, NULL, NULL));
        commit_one(p, orphan_change(key, p->generation, STORE_ANYTHING, NULL, NULL));
    }
}

/* --- What it has read ------------------------------------------------------------------------ */

static long ask(const struct plans *p, const char *sql)
{
    char *text = postgres_sql(uri_of(p), sql);
    long number = strtol(text, NULL, 10);

    free(text);
    return number;
}

/* Of keys and orphans, so far. A connection tells it at the latest as it ends. */
static long rows_read(const struct plans *p)
{
    uint64_t until = uv_hrtime() + PATIENCE * 1000000000ULL;

    while (ask(p, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                  "AND backend_type = 'client backend' AND pid <> pg_backend_pid()") > 0)
        STOREBOX_CHECK(uv_hrtime() < until, "connections don't end");
    return ask(p, "SELECT (SELECT sum(seq_tup_read) FROM pg_stat_user_tables "
                  "WHERE relname IN ('keys', 'orphans')) + "
                  "(SELECT sum(idx_tup_read) FROM pg_stat_user_indexes "
                  "WHERE relname IN ('keys', 'orphans'))");
}

#define KEY "convert_to('/' || lpad(n::text, 6, '0'), 'UTF8')"

/* A key and an orphan of this index, which others are made of. */
static void put_first(struct plans *p)
{
    struct record record = make_record(p);
    struct orphan orphan = make_orphan(p, 1);
    const struct store_change changes[] = {
        key_change("/", STORE_NOTHING, NULL, &record),
        orphan_change("/", record.generation, STORE_NOTHING, NULL, &orphan),
    };

    commit(p, changes, 2);
}

/* The orphans are another index's, which doesn't die, or this one's. */
static void fill(const struct plans *p, bool of_another)
{
    char sql[800];

    snprintf(sql, sizeof(sql),
             "INSERT INTO mkv.keys (gen, key, rec) SELECT k.gen, " KEY ", k.rec "
             "FROM mkv.keys k, generate_series(1, %d) n WHERE k.key = '/';"
             "INSERT INTO mkv.orphans (gen, owner, time, key, orphan) "
             "SELECT o.gen, %s, o.time, " KEY ", o.orphan "
             "FROM mkv.orphans o, generate_series(1, %d) n WHERE o.key = '/';"
             "INSERT INTO mkv.indexes VALUES (9, 9, '', 'infinity', 0)",
             ROWS, of_another ? "9" : "o.owner", ROWS);
    free(postgres_sql(uri_of(p), sql));
}

/* Has the database look at the tables as they are, and all plans made anew. */
static void have_looked_at(const struct plans *p)
{
    free(postgres_sql(uri_of(p), "VACUUM ANALYZE mkv.keys"));
    free(postgres_sql(uri_of(p), "VACUUM ANALYZE mkv.orphans"));
}

static void assert_has_read_little(struct plans *p)
{
    long n;

    engine_box_close(&p->box);
    n = rows_read(p);
    print_message("%ld rows a round\n", n / ROUNDS);
    assert_in_range(n, ROUNDS, (long)ROUNDS * ROUND_ROWS);
}

static void test_plans_of_tables_that_nothing_is_known_of(void **state)
{
    struct plans *p = *state;

    put_first(p);
    work(p, TRIALS);
    fill(p, false);
    work(p, ROUNDS);
    assert_has_read_little(p);
}

/* As tables are once all that they had was removed, and vacuumed. */
static void test_plans_of_empty_tables(void **state)
{
    struct plans *p = *state;

    have_looked_at(p);
    work(p, TRIALS);
    put_first(p);
    fill(p, false);
    work(p, ROUNDS);
    assert_has_read_little(p);
}

static void test_plans_of_small_tables(void **state)
{
    struct plans *p = *state;

    put_first(p);
    have_looked_at(p);
    work(p, TRIALS);
    fill(p, false);
    work(p, ROUNDS);
    assert_has_read_little(p);
}

static void test_plans_of_large_tables(void **state)
{
    struct plans *p = *state;

    put_first(p);
    fill(p, false);
    have_looked_at(p);
    work(p, ROUNDS);
    assert_has_read_little(p);
}

static void test_plans_of_tables_of_others(void **state)
{
    struct plans *p = *state;

    put_first(p);
    fill(p, true);
    have_looked_at(p);
    work(p, ROUNDS);
    assert_has_read_little(p);
}

#define PLANS_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        PLANS_TEST(test_plans_of_tables_that_nothing_is_known_of),
        PLANS_TEST(test_plans_of_empty_tables),
        PLANS_TEST(test_plans_of_small_tables),
        PLANS_TEST(test_plans_of_large_tables),
        PLANS_TEST(test_plans_of_tables_of_others),
    };

    return cmocka_run_group_tests_name("postgres_plans", tests, NULL, NULL);
}
