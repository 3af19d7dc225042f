/* Several indexes on one database: what races, and what is lost (index/store/postgres/README.md
 * tells why each ends well). Each test has a database of its own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/store/postgres/postgres_engine.h"
#include "tests/support/cutproxy.h"
#include "tests/support/indexes.h"
#include "tests/support/storebox.h"
#include "tests/unit/test.h"

#define RIVALS 12 /* that want the same row */
#define ROUNDS 40

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

/* --- Changes that meet ----------------------------------------------------------------------- */

struct rival {
    struct attempt attempt;
    struct put_values values;
    struct store_change changes[3];
    uint64_t generation;
};

/* Each announces, and then all commit at once, by both indexes in turns. The generation that won.
 */
static uint64_t race(struct indexes *x, const char *key, uint64_t was)
{
    struct rival rivals[RIVALS];
    uint64_t won = 0;

    for (unsigned i = 0; i < RIVALS; i++) {
        struct rival *r = &rivals[i];
        struct store_change change;

        r->generation = indexes_generation(x);
        change = indexes_announcement(&r->values, x, key, r->generation);
        assert_int_equal(indexes_announce(x, i % 2, &change), 0);
    }
    for (unsigned i = 0; i < RIVALS; i++) {
        struct rival *r = &rivals[i];
        size_t n = indexes_put(&r->values, x, key, was, r->generation, r->changes);

        indexes_begin(x, i % 2, &r->attempt, r->changes, n);
    }
    for (unsigned i = 0; i < RIVALS; i++) {
        int rc = indexes_end(x, &rivals[i].attempt);

        if (rc == 0) {
            assert_int_equal(won, 0);
            won = rivals[i].generation;
        } else {
            assert_int_equal(rc, STORE_CONFLICT);
        }
    }
    assert_int_not_equal(won, 0);
    return won;
}

static void test_puts_of_one_key_have_one_winner(void **state)
{
    struct indexes *x = *state;
    uint64_t was = 0;

    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t won = race(x, "/hot", was);

        assert_int_equal(indexes_get(x, 0, "/hot"), won);
        assert_int_equal(indexes_get(x, 1, "/hot"), won);
        was = won;
    }
    /* The losers' blobs, and those that were replaced. */
    assert_int_equal(indexes_ask(x, "SELECT count(*) FROM mkv.orphans"),
                     ROUNDS * (RIVALS - 1) + ROUNDS - 1);
    assert_int_equal(indexes_ask(x, "SELECT sum(keys) FROM mkv.sessions"), 1);
    assert_int_equal(indexes_ask(x, "SELECT sum(orphans) FROM mkv.sessions"),
                     ROUNDS * (RIVALS - 1) + ROUNDS - 1);
}

static struct store_change replace(const char *key, const struct record *was,
                                   const struct record *is)
{
    return (struct store_change){.space = STORE_KEYS,
                                 .key = key,
                                 .len = strlen(key),
                                 .record = is,
                                 .was = was,
                                 .expect = was != NULL ? STORE_EXACTLY : STORE_NOTHING};
}

/* Both want both rows, each the other one first. */
static void test_commits_that_cross_have_one_winner(void **state)
{
    struct indexes *x = *state;
    struct record was = indexes_record(x, indexes_generation(x));
    const struct store_change made[] = {replace("/a", NULL, &was), replace("/b", NULL, &was)};

    assert_int_equal(indexes_commit(x, 0, made, 2), 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct record is[2] = {indexes_record(x, indexes_generation(x)),
                               indexes_record(x, indexes_generation(x))};
        const struct store_change there[] = {replace("/a", &was, &is[0]),
                                             replace("/b", &was, &is[0])};
        const struct store_change back[] = {replace("/b", &was, &is[1]),
                                            replace("/a", &was, &is[1])};
        struct attempt attempts[2];
        int rcs[2];

        indexes_begin(x, 0, &attempts[0], there, 2);
        indexes_begin(x, 1, &attempts[1], back, 2);
        rcs[0] = indexes_end(x, &attempts[0]);
        rcs[1] = indexes_end(x, &attempts[1]);
        assert_true((rcs[0] == 0 && rcs[1] == STORE_CONFLICT) ||
                    (rcs[1] == 0 && rcs[0] == STORE_CONFLICT));
        was = rcs[0] == 0 ? is[0] : is[1];
        assert_int_equal(indexes_get(x, i % 2, "/a"), was.generation);
        assert_int_equal(indexes_get(x, i % 2, "/b"), was.generation);
    }
}

/* One expects that a key is missing and changes another, which somebody else changes, too. */
static void test_commit_that_lost_changes_nothing_else(void **state)
{
    struct indexes *x = *state;
    struct record one = indexes_record(x, indexes_generation(x));
    struct record two = indexes_record(x, indexes_generation(x));
    const struct store_change taken = replace("/taken", NULL, &one);
    const struct store_change both[] = {replace("/free", NULL, &two),
                                        replace("/taken", NULL, &two)};
    const struct store_change other = replace("/other", NULL, &two);
    struct attempt attempts[2];

    assert_int_equal(indexes_commit(x, 0, &taken, 1), 0);
    indexes_begin(x, 1, &attempts[0], both, 2); /* one batch: only the first of them fails */
    indexes_begin(x, 1, &attempts[1], &other, 1);
    assert_int_equal(indexes_end(x, &attempts[0]), STORE_CONFLICT);
    assert_int_equal(indexes_end(x, &attempts[1]), 0);
    assert_int_equal(indexes_get(x, 0, "/free"), 0);
    assert_int_equal(indexes_get(x, 0, "/taken"), one.generation);
    assert_int_equal(indexes_get(x, 0, "/other"), two.generation);
}

static void test_load_of_two_indexes(void **state)
{
    struct load load;

    load_start(&load, *state, 2, 40, 64);
    INDEXES_WAIT(load.x, load.done >= 2000);
    load_end(&load);
    assert_int_equal(load.away, 0);
    assert_true(load.conflicts > 0);
    load_check(&load);
    load_deinit(&load);
}

/* --- Leases ---------------------------------------------------------------------------------- */

static void announce(struct indexes *x, unsigned number, const char *key, uint64_t generation)
{
    struct put_values values;
    struct store_change change = indexes_announcement(&values, x, key, generation);

    assert_int_equal(indexes_announce(x, number, &change), 0);
}

static int put(struct indexes *x, unsigned number, const char *key, uint64_t generation)
{
    struct put_values values;
    struct store_change changes[3];
    size_t n = indexes_put(&values, x, key, 0, generation, changes);

    return indexes_commit(x, number, changes, n);
}

/* All of a PUT, with a generation of its own. */
static int try_put(struct indexes *x, unsigned number, const char *key)
{
    uint64_t generation = indexes_generation(x);
    struct put_values values;
    struct store_change change = indexes_announcement(&values, x, key, generation);
    int rc = indexes_announce(x, number, &change);

    return rc < 0 ? rc : put(x, number, key, generation);
}

/* Index 0 stops for so long that others think it dead, and doesn't notice. */
static void test_put_whose_orphan_was_taken_over_is_lost(void **state)
{
    struct indexes *x = *state;
    uint64_t generation = indexes_generation(x);
    int rc;

    announce(x, 0, "/late", generation);
    /* As the other index does it. */
    indexes_ask(x, "UPDATE mkv.orphans SET owner = (SELECT instance FROM mkv.indexes "
                   "WHERE number = 1)");
    rc = put(x, 0, "/late", generation);
    assert_int_equal(rc, STORE_CONFLICT);
    assert_int_equal(indexes_get(x, 1, "/late"), 0);
    assert_int_equal(indexes_ask(x, "SELECT count(*) FROM mkv.orphans"), 1);
}

/* The same when the other one has died before it was through, and the orphan came back: whatever
 * that has removed is gone. */
static void test_put_whose_orphan_was_taken_over_and_back_is_lost(void **state)
{
    struct indexes *x = *state;
    uint64_t generation = indexes_generation(x);

    announce(x, 0, "/late", generation);
    indexes_ask(x, "UPDATE mkv.orphans SET held = -1");
    assert_int_equal(put(x, 0, "/late", generation), STORE_CONFLICT);
    assert_int_equal(indexes_get(x, 1, "/late"), 0);
    assert_int_equal(indexes_ask(x, "SELECT count(*) FROM mkv.orphans"), 1);
}

/* One that was taken over is the index's own again once that has changed it. */
static void test_orphan_that_was_taken_over_and_changed(void **state)
{
    struct indexes *x = *state;
    uint64_t generation = indexes_generation(x);
    struct orphan was = indexes_orphan(x, generation);
    struct orphan is = was;
    struct store_change change = {.space = STORE_ORPHANS,
                                  .key = "/moved",
                                  .len = 6,
                                  .generation = generation,
                                  .orphan = &was,
                                  .expect = STORE_NOTHING};

    assert_int_equal(indexes_announce(x, 0, &change), 0);
    indexes_ask(x, "UPDATE mkv.orphans SET held = -1, owner = 1");
    change.orphan = &is;
    change.expect = STORE_OWN;
    is.until++;
    assert_int_equal(indexes_commit(x, 0, &change, 1), STORE_CONFLICT);
    change.expect = STORE_EXACTLY;
    change.orphan_was = &was;
    assert_int_equal(indexes_commit(x, 0, &change, 1), 0);
    change.expect = STORE_OWN;
    change.orphan = NULL;
    assert_int_equal(indexes_commit(x, 1, &change, 1), STORE_CONFLICT);
    assert_int_equal(indexes_commit(x, 0, &change, 1), 0);
}

static int mine_cb(const void *key, size_t len, uint64_t generation, const struct orphan *orphan,
                   void *arg)
{
    (void)key;
    (void)len;
    (void)generation;
    (void)orphan;
    ++*(unsigned *)arg;
    return 0;
}

static void listed_cb(struct store_reading *reading, int rc)
{
    *(int *)reading->data = rc;
}

/* Orphans that are an index's to remove. */
static unsigned count_mine(struct indexes *x, unsigned number)
{
    const struct store_orphan_range range = {.mine = true};
    unsigned n = 0;
    int rc = STORE_LATER;
    struct store_reading reading = {.data = &rc};

    assert_int_equal(
        store_list_orphans(x->stores[number], &reading, &range, mine_cb, &n, listed_cb),
        STORE_LATER);
    INDEXES_WAIT(x, rc != STORE_LATER);
    assert_int_equal(rc, 0);
    return n;
}

/* A request of who announced it may still be on its way to a volume. */
static void test_orphan_that_was_taken_over_is_left_alone_for_a_while(void **state)
{
    struct indexes *x = *state;
    char owned[128];

    indexes_close(x, 1);
    x->grace_ms = 60000;
    indexes_open(x, 1);
    announce(x, 0, "/left", indexes_generation(x));
    assert_int_equal(count_mine(x, 0), 1);
    indexes_close(x, 0);
    snprintf(owned, sizeof(owned), "SELECT count(*) FROM mkv.orphans WHERE owner = %llu",
             (unsigned long long)x->stores[1]->instance);
    INDEXES_WAIT(x, indexes_ask(x, owned) == 1);
    assert_int_equal(count_mine(x, 1), 0);
    indexes_ask(x, "UPDATE mkv.orphans SET held = held + 40000"); /* time passes */
    assert_int_equal(count_mine(x, 1), 0);
    indexes_ask(x, "UPDATE mkv.orphans SET held = held + 20000");
    assert_int_equal(count_mine(x, 1), 1);
}

static void test_lease_that_ran_out_is_taken_anew(void **state)
{
    struct indexes *x = *state;
    uint64_t generation = indexes_generation(x);
    int rc;

    announce(x, 0, "/late", generation);
    indexes_ask(x, "UPDATE mkv.indexes SET renewed = now() - interval '11 seconds' "
                   "WHERE number = 0");
    /* Nothing can be changed by it until it has noticed, and then it is another one, which it may
     * be already. */
    rc = put(x, 0, "/late", generation);
    assert_true(rc == STORE_AWAY || rc == STORE_CONFLICT);
    INDEXES_WAIT(x, indexes_ask(x, "SELECT count(*) FROM mkv.orphans o WHERE EXISTS "
                                   "(SELECT 1 FROM mkv.indexes i WHERE i.instance = o.owner AND "
                                   "i.renewed > now() - interval '10 seconds')") == 1 &&
                        indexes_ask(x, "SELECT count(*) FROM mkv.indexes "
                                       "WHERE renewed > now() - interval '10 seconds'") == 2);
    assert_int_equal(indexes_get(x, 1, "/late"), 0);
    /* It hears of its new lease a moment later. */
    INDEXES_WAIT(x, try_put(x, 0, "/again") == 0);
    assert_int_equal(indexes_ask(x, "SELECT count(*) FROM mkv.orphans"), 1);
}

/* The new lease is taken in a renewal that fails after that. */
static void test_lease_that_is_taken_anew_in_a_renewal_that_fails(void **state)
{
    struct indexes *x = *state;
    long instance = indexes_ask(x, "SELECT instance FROM mkv.indexes WHERE number = 0");
    char sql[128];

    indexes_ask(x, "ALTER TABLE mkv.notes RENAME TO notes_away");
    indexes_ask(x, "UPDATE mkv.indexes SET renewed = now() - interval '11 seconds' "
                   "WHERE number = 0");
    snprintf(sql, sizeof(sql), "SELECT count(*) FROM mkv.indexes WHERE instance = %ld", instance);
    INDEXES_WAIT(x, indexes_ask(x, sql) == 0);
    indexes_ask(x, "ALTER TABLE mkv.notes_away RENAME TO notes");
    INDEXES_WAIT(x, try_put(x, 0, "/again") == 0);
}

/* A function for triggers. */
#define REFUSING                                                                                   \
    "CREATE FUNCTION mkv.refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'not now'; "   \
    "END$$"

/* What comes after a renewal may fail, and the lease holds. */
static void test_take_over_that_fails(void **state)
{
    struct indexes *x = *state;
    uint64_t lapses;
    unsigned n = 0;

    indexes_ask(x, REFUSING);
    indexes_ask(x, "CREATE TRIGGER refuse BEFORE UPDATE ON mkv.orphans FOR EACH ROW "
                   "WHEN (NEW.held < 0) EXECUTE FUNCTION mkv.refuse()");
    indexes_ask(x, "INSERT INTO mkv.orphans VALUES (1, 1, 0, 0, '/left', '')");
    lapses = uv_hrtime() + 11 * 1000000000ULL; /* were nothing renewed */
    while (uv_hrtime() < lapses) {
        char key[32];

        snprintf(key, sizeof(key), "/still/%u", n++);
        assert_int_equal(try_put(x, 0, key), 0);
        assert_true(store_holds(x->stores[0]));
        indexes_turn(x);
    }
    indexes_ask(x, "DROP TRIGGER refuse ON mkv.orphans");
    INDEXES_WAIT(x, indexes_ask(x, "SELECT count(*) FROM mkv.orphans WHERE owner = 1") == 0);
}

/* Two of each index: the loop has learnt what the first one found. */
// NOLINTNEXTLINE(readability-function-size): the macro counts
static void wait_for_renewals(struct indexes *x)
{
    for (unsigned i = 0; i < 2; i++) {
        char sql[128];
        char *now = postgres_sql(x->uri, "SELECT now()");

        snprintf(sql, sizeof(sql), "SELECT count(*) FROM mkv.indexes WHERE renewed > '%s'", now);
        free(now);
        INDEXES_WAIT(x, indexes_ask(x, sql) == 2);
    }
}

static uint64_t count_keys(const struct indexes *x, unsigned number)
{
    struct store_stats stats;

    store_stats(x->stores[number], &stats);
    return stats.keys;
}

/* Its sessions are still those of its last lease, which isn't its own any more: what they have
 * counted is not counted twice. */
static void test_counts_while_a_lease_is_taken_anew(void **state)
{
    struct indexes *x = *state;
    uint64_t was = x->stores[0]->instance;

    for (unsigned i = 0; i < 5; i++) {
        char key[32];

        snprintf(key, sizeof(key), "/%u", i);
        assert_int_equal(try_put(x, 0, key), 0);
    }
    INDEXES_WAIT(x, count_keys(x, 0) == 5 && count_keys(x, 1) == 5);
    indexes_ask(x, REFUSING);
    indexes_ask(x, "CREATE TRIGGER refuse BEFORE INSERT ON mkv.sessions FOR EACH ROW "
                   "WHEN (NEW.instance <> 0) EXECUTE FUNCTION mkv.refuse()");
    indexes_ask(x, "UPDATE mkv.indexes SET renewed = now() - interval '11 seconds' "
                   "WHERE number = 0");
    INDEXES_WAIT(x, x->stores[0]->instance != was);
    wait_for_renewals(x);
    assert_int_equal(count_keys(x, 0), 5);
    indexes_ask(x, "DROP TRIGGER refuse ON mkv.sessions");
    INDEXES_WAIT(x, try_put(x, 0, "/again") == 0);
    INDEXES_WAIT(x, count_keys(x, 0) == 6);
}

static void test_another_leads_when_the_leader_stops(void **state)
{
    struct indexes *x = *state;
    char led[128];
    uint64_t was;

    wait_for_renewals(x);
    assert_true(store_leads(x->stores[0]) != store_leads(x->stores[1]));
    if (store_leads(x->stores[1])) {
        struct store *store = x->stores[0];

        x->stores[0] = x->stores[1];
        x->stores[1] = store;
    }
    announce(x, 0, "/left", indexes_generation(x));
    was = x->stores[0]->instance;
    indexes_close(x, 0);
    snprintf(led, sizeof(led),
             "SELECT count(*) FROM mkv.leader WHERE instance = %llu AND until > now()",
             (unsigned long long)was);
    assert_int_equal(indexes_ask(x, led), 0); /* it was given back */
    INDEXES_WAIT(x, store_leads(x->stores[1]));
    INDEXES_WAIT(x, indexes_ask(x, "SELECT count(*) FROM mkv.orphans o JOIN mkv.indexes i "
                                   "ON i.instance = o.owner WHERE i.renewed > "
                                   "now() - interval '10 seconds'") == 1);
}

static void test_indexes_have_different_numbers(void **state)
{
    struct indexes *x = *state;

    assert_int_not_equal(x->stores[0]->number, x->stores[1]->number);
    assert_int_equal(x->stores[0]->numbers, 256);
    indexes_close(x, 0);
    indexes_open(x, 2);
    assert_int_not_equal(x->stores[2]->number, x->stores[1]->number);
}

/* --- Notes ----------------------------------------------------------------------------------- */

static void noted_cb(struct store_reading *reading, int rc)
{
    *(int *)reading->data = rc;
}

// NOLINTNEXTLINE(readability-function-size): the macro counts
static int put_note_while(struct indexes *x, unsigned number, const char *was, const char *value,
                          void (*meanwhile)(struct indexes *x))
{
    const struct store_note note = {
        .name = "note", .was = was, .was_len = strlen(was), .value = value, .len = strlen(value)};
    int rc = STORE_LATER;
    struct store_reading reading = {.data = &rc};

    assert_int_equal(store_put_note(x->stores[number], &reading, &note, noted_cb), STORE_LATER);
    INDEXES_WAIT(x, rc != STORE_LATER || (meanwhile != NULL && (meanwhile(x), false)));
    return rc;
}

static int put_note(struct indexes *x, unsigned number, const char *was, const char *value)
{
    return put_note_while(x, number, was, value, NULL);
}

static bool has_note(struct indexes *x, unsigned number, const char *value)
{
    struct buf found = {0};
    bool has;

    assert_int_equal(store_get_note(x->stores[number], "note", &found), 0);
    has = buf_size(&found) == strlen(value) &&
          (buf_size(&found) == 0 || memcmp(buf_bytes(&found), value, buf_size(&found)) == 0);
    buf_deinit(&found);
    return has;
}

static void count_cb(void *arg)
{
    (*(unsigned *)arg)++;
}

static void test_note_of_another_index(void **state)
{
    struct indexes *x = *state;
    unsigned changes = 0;
    uint64_t since;

    x->stores[1]->noted = count_cb;
    x->stores[1]->noted_arg = &changes;
    assert_int_equal(put_note(x, 0, "", "first"), 0);
    since = uv_hrtime();
    assert_true(has_note(x, 0, "first"));
    /* Who doesn't know it yet can't change it, and knows it then. */
    assert_int_equal(put_note(x, 1, "", "mine"), STORE_CONFLICT);
    assert_true(has_note(x, 1, "first"));
    assert_int_equal(changes, 1);
    assert_int_equal(put_note(x, 0, "first", "second"), 0);
    INDEXES_WAIT(x, changes == 2);
    assert_true(has_note(x, 1, "second"));
    assert_true(uv_hrtime() - since < x->stores[1]->settle_ms * 1000000ULL);
    assert_int_equal(put_note(x, 1, "second", ""), 0);
    INDEXES_WAIT(x, has_note(x, 0, ""));
}

/* Ends the wait for a standby that isn't there: what was done stays done. */
static void end_waits(struct indexes *x)
{
    indexes_ask(x, "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity "
                   "WHERE wait_event = 'SyncRep' AND query LIKE '%notes%'");
}

/* A server that takes over may lack a note that no standby has: nobody knows whether it is put. */
static void test_note_that_no_standby_confirms(void **state)
{
    struct indexes *x = *state;

    indexes_ask(x, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    indexes_ask(x, "SELECT pg_reload_conf()");
    INDEXES_WAIT(x, indexes_ask(x, "SELECT count(*) FROM pg_settings WHERE setting = 'nobody'"));
    assert_int_equal(put_note_while(x, 0, "", "first", end_waits), STORE_AWAY);
    indexes_ask(x, "ALTER SYSTEM RESET synchronous_standby_names");
    indexes_ask(x, "SELECT pg_reload_conf()");
    INDEXES_WAIT(x, has_note(x, 0, "first")); /* it was */
    INDEXES_WAIT(x, try_put(x, 0, "/key") == 0);
}

/* As long as an index can't read notes, its lease isn't renewed in its own eyes: it stops, and no
 * longer leads. */
static void test_index_that_cannot_read_notes_stops(void **state)
{
    struct indexes *x = *state;
    uint64_t generation = indexes_generation(x);

    announce(x, 0, "/key", generation);
    indexes_ask(x, "ALTER TABLE mkv.notes RENAME TO away");
    INDEXES_WAIT(x, try_put(x, 0, "/other") == STORE_AWAY);
    INDEXES_WAIT(x, !store_leads(x->stores[0]) && !store_leads(x->stores[1]));
    indexes_ask(x, "ALTER TABLE mkv.away RENAME TO notes");
    INDEXES_WAIT(x, try_put(x, 0, "/again") == 0);
}

static void test_who_lives(void **state)
{
    struct indexes *x = *state;
    uint64_t instance = x->stores[0]->instance;

    INDEXES_WAIT(x, store_lives(x->stores[1], instance));
    assert_true(store_lives(x->stores[0], instance));
    indexes_close(x, 0);
    INDEXES_WAIT(x, !store_lives(x->stores[1], instance));
    indexes_open(x, 0);
    assert_int_not_equal(x->stores[0]->instance, instance);
    assert_true(store_lives(x->stores[0], x->stores[1]->instance));
    assert_false(store_lives(x->stores[0], instance));
}

/* --- What is lost ---------------------------------------------------------------------------- */

// NOLINTNEXTLINE(readability-function-size): the macro counts
static void test_killed_sessions_under_load(void **state)
{
    struct load load;

    load_start(&load, *state, 2, 500, 64);
    for (unsigned i = 1; i <= 8; i++) {
        INDEXES_WAIT(load.x, load.done >= i * 300);
        indexes_kill_sessions(load.x);
    }
    load_end(&load);
    load_check(&load);
    load_deinit(&load);
}

// NOLINTNEXTLINE(readability-function-size): the macro counts
static void test_crash_under_load(void **state)
{
    struct load load;

    load_start(&load, *state, 2, 500, 64);
    load.may_forget = true;
    for (unsigned i = 1; i <= 2; i++) {
        INDEXES_WAIT(load.x, load.done >= i * 1000);
        postgres_server_crash(server);
    }
    INDEXES_WAIT(load.x, load.done >= 3000);
    load_end(&load);
    load_check(&load);
    load_deinit(&load);
}

/* The database does what it is asked, and the answer doesn't come; or the request never came. */
static void test_cut_connections_under_load(void **state)
{
    char via[POSTGRES_URI_MAX];
    struct indexes x;
    struct cutproxy *proxy;
    struct load load;

    (void)state;
    indexes_init(&x, server);
    proxy = cutproxy_start(x.uri, via, sizeof(via));
    x.via = via;
    indexes_open(&x, 0);
    indexes_open(&x, 1);
    load_start(&load, &x, 2, 500, 64);
    cutproxy_cut_answers(proxy, 40);
    INDEXES_WAIT(&x, load.done >= 1000 && cutproxy_cuts(proxy) >= 25);
    cutproxy_cut_answers(proxy, 0);
    cutproxy_cut_requests(proxy, 40);
    INDEXES_WAIT(&x, load.done >= 2000 && cutproxy_cuts(proxy) >= 50);
    cutproxy_cut_requests(proxy, 0);
    load_end(&load);
    load_check(&load);
    load_deinit(&load);
    indexes_deinit(&x);
    cutproxy_stop(proxy);
}

/* --- The schema ------------------------------------------------------------------------------- */

struct opener {
    uv_thread_t thread;
    const char *uri;
    int rc;
};

static void nothing_cb(void *arg)
{
    (void)arg;
}

static void open_thread(void *arg)
{
    struct opener *o = arg;
    const struct postgres_engine_options options = {
        .uri = o->uri, .name = "test", .sync = true, .shared = {.copies = 1, .subvolumes = 1}};
    struct store *store;
    uv_loop_t loop;

    uv_loop_init(&loop);
    o->rc = postgres_engine_open(&loop, &options, &store);
    if (o->rc == 0)
        store_close(store, nothing_cb, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
}

static void test_indexes_that_make_the_schema_at_once(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        struct opener openers[4];
        char uri[POSTGRES_URI_MAX];

        postgres_server_new_database(server, uri);
        for (unsigned i = 0; i < COUNT_OF(openers); i++) {
            openers[i].uri = uri;
            assert_int_equal(uv_thread_create(&openers[i].thread, open_thread, &openers[i]), 0);
        }
        for (unsigned i = 0; i < COUNT_OF(openers); i++)
            uv_thread_join(&openers[i].thread);
        for (unsigned i = 0; i < COUNT_OF(openers); i++)
            assert_int_equal(openers[i].rc, 0);
    }
}

/* What an index can't be opened with. */
static void test_open_refuses(void **state)
{
    struct indexes *x = *state;
    struct postgres_engine_options options = {
        .uri = x->uri, .name = "test", .sync = true, .shared = {.copies = 2, .subvolumes = 1}};
    struct store *store = NULL;

    assert_int_equal(postgres_engine_open(&x->loop, &options, &store), UV_ENOTSUP);
    options.shared.copies = 1;
    options.uri = "postgresql://postgres:secret@localhost/x";
    assert_int_equal(postgres_engine_open(&x->loop, &options, &store), UV_EINVAL);
    options.uri = "postgresql://postgres@/x?host=/nonexistent";
    options.deadline_ms = 300;
    assert_int_equal(postgres_engine_open(&x->loop, &options, &store), STORE_AWAY);
    options.uri = x->uri;
    indexes_ask(x, "UPDATE mkv.settings SET value = '99' WHERE name = 'version'");
    assert_int_equal(postgres_engine_open(&x->loop, &options, &store), UV_ENOTSUP);
    assert_null(store);
}

int main(int argc, char **argv)
{
#define ON_TWO(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        ON_TWO(test_puts_of_one_key_have_one_winner),
        ON_TWO(test_commits_that_cross_have_one_winner),
        ON_TWO(test_commit_that_lost_changes_nothing_else),
        ON_TWO(test_load_of_two_indexes),
        ON_TWO(test_put_whose_orphan_was_taken_over_is_lost),
        ON_TWO(test_put_whose_orphan_was_taken_over_and_back_is_lost),
        ON_TWO(test_orphan_that_was_taken_over_and_changed),
        ON_TWO(test_lease_that_ran_out_is_taken_anew),
        ON_TWO(test_counts_while_a_lease_is_taken_anew),
        ON_TWO(test_lease_that_is_taken_anew_in_a_renewal_that_fails),
        ON_TWO(test_take_over_that_fails),
        ON_TWO(test_orphan_that_was_taken_over_is_left_alone_for_a_while),
        ON_TWO(test_another_leads_when_the_leader_stops),
        ON_TWO(test_indexes_have_different_numbers),
        ON_TWO(test_note_of_another_index),
        ON_TWO(test_note_that_no_standby_confirms),
        ON_TWO(test_index_that_cannot_read_notes_stops),
        ON_TWO(test_who_lives),
        ON_TWO(test_killed_sessions_under_load),
        ON_TWO(test_crash_under_load),
        cmocka_unit_test(test_cut_connections_under_load),
        cmocka_unit_test(test_indexes_that_make_the_schema_at_once),
        ON_TWO(test_open_refuses),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    server = postgres_server_start(NULL);
    return cmocka_run_group_tests_name("postgres_races", tests, NULL, NULL);
}
