/* The contract of an engine (index/store/store.h): commits, what they expect, and several at once.
 * What they leave is read again after the store was closed and opened. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/contract.h"

#define GENERATION 5 /* of orphans here */

enum value { NONE, A, B };

/* --- What is expected ------------------------------------------------------------------------ */

/* A change of the key "/a" or of its orphan, and values that live as long. */
struct proposal {
    struct store_change change;
    struct record record, was;
    struct orphan orphan, orphan_was;
};

static void propose(struct contract *c, struct proposal *p, enum store_space space,
                    enum value value, enum store_expect expect, enum value was)
{
    p->record = contract_record(c, value);
    p->was = contract_record(c, was);
    p->orphan = contract_orphan(c, value);
    p->orphan_was = contract_orphan(c, was);
    p->change = space == STORE_KEYS
                    ? contract_key("/a", value != NONE ? &p->record : NULL)
                    : contract_orphan_of("/a", GENERATION, value != NONE ? &p->orphan : NULL);
    p->change.expect = expect;
    p->change.was = &p->was;
    p->change.orphan_was = &p->orphan_was;
}

static int commit(struct contract *c, enum store_space space, enum value value,
                  enum store_expect expect, enum value was)
{
    struct proposal p;

    propose(c, &p, space, value, expect, was);
    return engine_box_commit(&c->box, &p.change, 1);
}

static void assert_has(struct contract *c, enum store_space space, enum value value)
{
    const struct record record = contract_record(c, value);
    const struct orphan orphan = contract_orphan(c, value);

    if (space == STORE_KEYS)
        contract_assert_has(c, "/a", value != NONE ? &record : NULL);
    else
        contract_assert_has_orphan(c, "/a", GENERATION, value != NONE ? &orphan : NULL);
}

/* Every expectation, whatever is there, for every change. */
static void check_expectations(struct contract *c, enum store_space space)
{
    static const struct {
        enum value there;
        enum store_expect expect;
        enum value was;
        int rc;
    } cases[] = {
        {NONE, STORE_ANYTHING, NONE, 0},          {NONE, STORE_NOTHING, NONE, 0},
        {NONE, STORE_EXACTLY, A, STORE_CONFLICT}, {A, STORE_ANYTHING, NONE, 0},
        {A, STORE_NOTHING, NONE, STORE_CONFLICT}, {A, STORE_EXACTLY, A, 0},
        {A, STORE_EXACTLY, B, STORE_CONFLICT},
    };

    for (unsigned i = 0; i < COUNT_OF(cases); i++)
        for (enum value value = NONE; value <= B; value++) {
            assert_int_equal(commit(c, space, cases[i].there, STORE_ANYTHING, NONE), 0);
            assert_int_equal(commit(c, space, value, cases[i].expect, cases[i].was), cases[i].rc);
            assert_has(c, space, cases[i].rc == 0 ? value : cases[i].there);
        }
}

static void test_commit_of_a_key_meets_what_it_expects(void **state)
{
    check_expectations(*state, STORE_KEYS);
}

static void test_commit_of_an_orphan_meets_what_it_expects(void **state)
{
    check_expectations(*state, STORE_ORPHANS);
}

/* A record that differs in one thing isn't the one that was expected. */
static void test_commit_expects_every_field(void **state)
{
    struct contract *c = *state;
    struct record record = contract_record(c, A);
    struct record others[6];
    struct store_change change = contract_key("/a", NULL);

    record.meta_len = 2;
    memcpy(record.meta, "mm", 2);
    for (unsigned i = 0; i < COUNT_OF(others); i++)
        record_copy(&others[i], &record);
    others[0].size++;
    others[1].time++;
    others[2].generation++;
    others[3].flags ^= RECORD_UNLINKED;
    others[4].places[0].volume = c->volumes[2];
    others[5].meta[1] = 'n';
    contract_put(c, "/a", &record);
    change.expect = STORE_EXACTLY;
    for (unsigned i = 0; i < COUNT_OF(others); i++) {
        change.was = &others[i];
        assert_int_equal(engine_box_commit(&c->box, &change, 1), STORE_CONFLICT);
    }
    contract_assert_has(c, "/a", &record);
    change.was = &record;
    assert_int_equal(engine_box_commit(&c->box, &change, 1), 0);
    contract_assert_has(c, "/a", NULL);
}

/* --- All or none ----------------------------------------------------------------------------- */

/* Five changes of both spaces, of which one after the other meets something else. */
static void test_commit_makes_all_changes_or_none(void **state)
{
    struct contract *c = *state;
    const struct record records[] = {contract_record(c, A), contract_record(c, B)};
    const struct orphan orphans[] = {contract_orphan(c, A), contract_orphan(c, B)};
    struct store_change changes[STORE_CHANGES_MAX] = {
        contract_key("/new", &records[0]),
        contract_key("/changed", &records[1]),
        contract_key("/gone", NULL),
        contract_orphan_of("/new", 3, NULL),
        contract_orphan_of("/gone", 3, &orphans[1]),
    };

    contract_put(c, "/changed", &records[0]);
    contract_put(c, "/gone", &records[0]);
    contract_put_orphan(c, "/new", 3, &orphans[0]);
    changes[0].expect = changes[4].expect = STORE_NOTHING;
    changes[1].expect = changes[2].expect = changes[3].expect = STORE_EXACTLY;
    changes[1].was = changes[2].was = &records[0];
    changes[3].orphan_was = &orphans[0];
    for (unsigned i = 0; i < STORE_CHANGES_MAX; i++) {
        const struct store_change change = changes[i];

        changes[i].expect = change.expect == STORE_NOTHING ? STORE_EXACTLY : STORE_NOTHING;
        changes[i].was = &records[0];
        changes[i].orphan_was = &orphans[0];
        assert_int_equal(engine_box_commit(&c->box, changes, STORE_CHANGES_MAX), STORE_CONFLICT);
        changes[i] = change;
        contract_assert_has(c, "/new", NULL);
        contract_assert_has(c, "/changed", &records[0]);
        contract_assert_has(c, "/gone", &records[0]);
        contract_assert_has_orphan(c, "/new", 3, &orphans[0]);
        contract_assert_has_orphan(c, "/gone", 3, NULL);
    }
    assert_int_equal(engine_box_commit(&c->box, changes, STORE_CHANGES_MAX), 0);
    for (unsigned i = 0; i < 2; i++) {
        contract_assert_has(c, "/new", &records[0]);
        contract_assert_has(c, "/changed", &records[1]);
        contract_assert_has(c, "/gone", NULL);
        contract_assert_has_orphan(c, "/new", 3, NULL);
        contract_assert_has_orphan(c, "/gone", 3, &orphans[1]);
        engine_box_reopen(&c->box);
    }
}

/* What the changes point to may go as soon as the call has returned. */
static void test_commit_copies_its_changes(void **state)
{
    struct contract *c = *state;
    struct record *record = malloc(sizeof(*record));
    struct store_change *change = malloc(sizeof(*change));
    char *key = strdup("/a");
    struct contract_try try;

    assert_true(record != NULL && change != NULL && key != NULL);
    *record = contract_record(c, A);
    *change = contract_key(key, record);
    contract_begin(c, &try, change, 1);
    memset(key, 'x', 2);
    free(key);
    free(record);
    free(change);
    assert_int_equal(contract_end(&try), 0);
    assert_has(c, STORE_KEYS, A);
}

/* --- A PUT ----------------------------------------------------------------------------------- */

/* The changes of a PUT's commit: the key gets its record, and the blob is no orphan any more. */
static void put_changes(struct store_change changes[2], const char *key,
                        const struct record *record)
{
    changes[0] = contract_key(key, record);
    changes[0].expect = STORE_NOTHING;
    changes[1] = contract_orphan_of(key, record->generation, NULL);
    changes[1].expect = STORE_OWN;
}

static void test_put_that_was_announced(void **state)
{
    struct contract *c = *state;
    const struct record record = contract_record(c, A);
    const struct orphan orphan = contract_orphan(c, A);
    struct store_change announcement = contract_orphan_of("/a", record.generation, &orphan);
    struct store_change changes[2];

    announcement.expect = STORE_NOTHING;
    assert_int_equal(engine_box_announce(&c->box, &announcement), 0);
    assert_int_equal(engine_box_announce(&c->box, &announcement), STORE_CONFLICT);
    put_changes(changes, "/a", &record);
    assert_int_equal(engine_box_commit(&c->box, changes, 2), 0);
    contract_assert_has(c, "/a", &record);
    contract_assert_has_orphan(c, "/a", record.generation, NULL);
    if (c->box.kind->is_shared) /* the orphan isn't its own any more */
        assert_int_equal(commit(c, STORE_KEYS, NONE, STORE_ANYTHING, NONE), 0);
    assert_int_equal(engine_box_commit(&c->box, changes, 2), STORE_CONFLICT);
}

/* An announcement outlives the store, and isn't anything that a key has. */
static void test_announcement_stays(void **state)
{
    struct contract *c = *state;
    const struct orphan orphan = contract_orphan(c, A);
    const struct store_change announcement = contract_orphan_of("/a", GENERATION, &orphan);

    assert_int_equal(engine_box_announce(&c->box, &announcement), 0);
    engine_box_reopen(&c->box);
    contract_assert_has_orphan(c, "/a", GENERATION, &orphan);
    assert_has(c, STORE_KEYS, NONE);
}

/* What an announcement has seen of its key. */
struct look {
    struct store_commit commit;
    bool has_ended;
    bool has_looked;
    struct store_view view;
};

static void looked_cb(struct store_commit *commit, int rc)
{
    struct look *look = commit->data;

    assert_int_equal(rc, 0);
    look->has_ended = true;
    look->has_looked = commit->view != NULL;
    if (look->has_looked)
        store_view_copy(&look->view, commit->view);
}

/* Two at once, of two keys. */
static void announce_both(struct contract *c, struct look looks[2], uint64_t generation)
{
    static const char *const keys[2] = {"/b", "/a"};
    const struct orphan orphan = contract_orphan(c, B);

    for (unsigned i = 0; i < 2; i++) {
        struct store_change change = contract_orphan_of(keys[i], generation, &orphan);

        change.expect = STORE_NOTHING;
        looks[i] = (struct look){.commit.data = &looks[i]};
        assert_int_equal(store_announce(c->box.store, &looks[i].commit, &change, looked_cb), 0);
    }
    while (!looks[0].has_ended || !looks[1].has_ended)
        engine_box_turn(&c->box);
    assert_true(looks[0].has_looked == !c->box.store->is_prompt);
    assert_true(looks[1].has_looked == !c->box.store->is_prompt);
}

/* An engine that looks sees what was there before, and nothing of the announcement itself. */
static void test_announcement_looks_at_its_key(void **state)
{
    struct contract *c = *state;
    const struct record record = contract_record(c, A);
    const struct orphan orphan = contract_orphan(c, A);
    struct look looks[2];

    announce_both(c, looks, record.generation + 1);
    for (unsigned i = 0; i < 2; i++) {
        if (!looks[i].has_looked)
            return;
        assert_false(looks[i].view.exists);
        assert_int_equal(looks[i].view.latest, 0);
    }
    contract_put(c, "/a", &record);
    contract_put_orphan(c, "/a", record.generation, &orphan);
    announce_both(c, looks, record.generation + 2);
    assert_false(looks[0].view.exists);
    assert_true(looks[0].view.latest > 0); /* the first announcement */
    assert_true(looks[1].view.exists);
    assert_true(record_equal(&looks[1].view.record, &record));
    assert_int_equal(looks[1].view.orphan.n_places, orphan.n_places);
    assert_true(looks[1].view.latest > 0);
}

/* --- Several at once ------------------------------------------------------------------------- */

#define CROWD 64

/* Of many PUTs of a key one wins, and nothing of the others is left but their announcements. */
static void test_commits_that_expect_the_same_have_one_winner(void **state)
{
    struct contract *c = *state;
    static struct contract_try tries[CROWD];
    struct record records[CROWD];
    unsigned winner = CROWD;

    for (unsigned i = 0; i < CROWD; i++) {
        const struct orphan orphan = contract_orphan(c, i);
        const struct store_change announcement =
            contract_orphan_of("/a", contract_record(c, i).generation, &orphan);

        records[i] = contract_record(c, i);
        assert_int_equal(engine_box_announce(&c->box, &announcement), 0);
    }
    for (unsigned i = 0; i < CROWD; i++) {
        struct store_change changes[2];

        put_changes(changes, "/a", &records[i]);
        contract_begin(c, &tries[i], changes, 2);
    }
    for (unsigned i = 0; i < CROWD; i++) {
        int rc = contract_end(&tries[i]);

        if (rc == 0) {
            assert_int_equal(winner, CROWD);
            winner = i;
        } else {
            assert_int_equal(rc, STORE_CONFLICT);
        }
    }
    assert_in_range(winner, 0, CROWD - 1);
    contract_assert_has(c, "/a", &records[winner]);
    for (unsigned i = 0; i < CROWD; i++) {
        const struct orphan orphan = contract_orphan(c, i);

        contract_assert_has_orphan(c, "/a", records[i].generation, i == winner ? NULL : &orphan);
    }
}

/* Of many that replace the same record one wins, too, and leaves the orphan of what it replaced. */
static void test_commits_that_replace_the_same_have_one_winner(void **state)
{
    struct contract *c = *state;
    static struct contract_try tries[CROWD];
    const struct record was = contract_record(c, 1000);
    unsigned winners = 0;

    contract_put(c, "/a", &was);
    for (unsigned i = 0; i < CROWD; i++) {
        const struct record record = contract_record(c, i);
        const struct orphan orphan = contract_orphan(c, i);
        struct store_change changes[2] = {contract_key("/a", i % 4 > 0 ? &record : NULL),
                                          contract_orphan_of("/a", was.generation, &orphan)};

        changes[0].expect = STORE_EXACTLY;
        changes[0].was = &was;
        contract_begin(c, &tries[i], changes, 2);
    }
    for (unsigned i = 0; i < CROWD; i++) {
        const struct record record = contract_record(c, i);
        const struct orphan orphan = contract_orphan(c, i);

        if (contract_end(&tries[i]) == STORE_CONFLICT)
            continue;
        assert_int_equal(tries[i].rc, 0);
        winners++;
        contract_assert_has(c, "/a", i % 4 > 0 ? &record : NULL);
        contract_assert_has_orphan(c, "/a", was.generation, &orphan);
    }
    assert_int_equal(winners, 1);
}

/* Begun in one turn, one expects what the other leaves: that holds in an engine that orders them,
 * and else it may. */
static void test_commits_of_one_turn_that_follow_each_other(void **state)
{
    struct contract *c = *state;
    static const enum value values[] = {A, B, NONE, B};
    static const enum value wases[] = {NONE, A, B, NONE};
    struct contract_try tries[COUNT_OF(values)];

    for (unsigned i = 0; i < COUNT_OF(values); i++) {
        struct proposal p;

        propose(c, &p, STORE_KEYS, values[i], wases[i] == NONE ? STORE_NOTHING : STORE_EXACTLY,
                wases[i]);
        contract_begin(c, &tries[i], &p.change, 1);
    }
    for (unsigned i = 0; i < COUNT_OF(values); i++)
        contract_end(&tries[i]);
    for (unsigned i = 0; i < COUNT_OF(values) && c->box.kind->orders; i++) {
        assert_int_equal(tries[i].rc, 0);
        assert_int_equal(tries[i].place, i + 1);
    }
    if (c->box.kind->orders)
        assert_has(c, STORE_KEYS, B);
    else
        assert_int_equal(tries[0].rc,
                         0); /* what others may leave, it doesn't meet: NONE, as here */
}

/* Commits of different keys have nothing to do with each other, even where many wait, and some
 * meet something else. */
static void test_commits_of_many_keys(void **state)
{
    struct contract *c = *state;
    enum { MANY = 500 };
    static struct contract_try tries[MANY];
    const struct record records[] = {contract_record(c, A), contract_record(c, B)};
    char key[16];

    for (unsigned i = 0; i < MANY; i += 5) {
        snprintf(key, sizeof(key), "/%u", i);
        contract_put(c, key, &records[0]);
    }
    for (unsigned i = 0; i < MANY; i++) {
        struct store_change change = contract_key(key, &records[1]);

        snprintf(key, sizeof(key), "/%u", i);
        change.len = strlen(key);
        change.expect = STORE_NOTHING;
        contract_begin(c, &tries[i], &change, 1);
    }
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(key, sizeof(key), "/%u", i);
        assert_int_equal(contract_end(&tries[i]), i % 5 == 0 ? STORE_CONFLICT : 0);
        contract_assert_has(c, key, &records[i % 5 != 0]);
    }
}

/* One after the other has ended: each finds what the one before has left. */
static void test_commits_of_one_key_in_turns(void **state)
{
    struct contract *c = *state;
    struct record was = contract_record(c, 0);
    const struct orphan left = contract_orphan(c, 51);

    contract_put(c, "/a", &was);
    for (unsigned i = 1; i <= 100; i++) {
        const struct record record = contract_record(c, i);
        const struct orphan orphan = contract_orphan(c, i);
        struct store_change changes[2] = {contract_key("/a", &record),
                                          contract_orphan_of("/a", was.generation, &orphan)};

        changes[0].expect = STORE_EXACTLY;
        changes[0].was = &was;
        changes[1].expect = STORE_NOTHING;
        assert_int_equal(engine_box_commit(&c->box, changes, 2), 0);
        contract_assert_has(c, "/a", &record);
        was = record;
    }
    contract_assert_has_orphan(c, "/a", contract_record(c, 50).generation, &left);
}

/* The store ends what was begun before it closes. */
static void test_close_waits_for_commits(void **state)
{
    struct contract *c = *state;
    struct contract_try tries[10];
    struct record records[10];
    char key[16];

    for (unsigned i = 0; i < COUNT_OF(tries); i++) {
        struct store_change change;

        snprintf(key, sizeof(key), "/%u", i);
        records[i] = contract_record(c, i);
        change = contract_key(key, &records[i]);
        contract_begin(c, &tries[i], &change, 1);
    }
    engine_box_reopen(&c->box);
    for (unsigned i = 0; i < COUNT_OF(tries); i++) {
        assert_true(tries[i].place > 0);
        assert_int_equal(tries[i].rc, 0);
        snprintf(key, sizeof(key), "/%u", i);
        contract_assert_has(c, key, &records[i]);
    }
}

static void test_stats_count_commits(void **state)
{
    struct contract *c = *state;
    struct store_stats before;
    struct store_stats after;

    store_stats(c->box.store, &before);
    assert_int_equal(commit(c, STORE_KEYS, A, STORE_NOTHING, NONE), 0);
    assert_int_equal(commit(c, STORE_KEYS, B, STORE_ANYTHING, NONE), 0);
    assert_int_equal(commit(c, STORE_KEYS, A, STORE_NOTHING, NONE), STORE_CONFLICT);
    store_stats(c->box.store, &after);
    assert_int_equal(after.commits - before.commits, 2);
    assert_int_equal(after.conflicts - before.conflicts, 1);
    assert_int_equal(after.failures - before.failures, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TEST(test_commit_of_a_key_meets_what_it_expects),
        CONTRACT_TEST(test_commit_of_an_orphan_meets_what_it_expects),
        CONTRACT_TEST(test_commit_expects_every_field),
        CONTRACT_TEST(test_commit_makes_all_changes_or_none),
        CONTRACT_TEST(test_commit_copies_its_changes),
        CONTRACT_TEST(test_put_that_was_announced),
        CONTRACT_TEST(test_announcement_stays),
        CONTRACT_TEST(test_announcement_looks_at_its_key),
        CONTRACT_TEST(test_commits_that_expect_the_same_have_one_winner),
        CONTRACT_TEST(test_commits_that_replace_the_same_have_one_winner),
        CONTRACT_TEST(test_commits_of_one_turn_that_follow_each_other),
        CONTRACT_TEST(test_commits_of_many_keys),
        CONTRACT_TEST(test_commits_of_one_key_in_turns),
        CONTRACT_TEST(test_close_waits_for_commits),
        CONTRACT_TEST(test_stats_count_commits),
    };

    return contract_main(argc, argv, "contract_commits", tests, COUNT_OF(tests));
}
