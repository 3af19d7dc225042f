/* The contract of an engine (index/store/store.h) with random operations, against plain arrays: the
 * names are few and in order, and each value is a number.
 *
 *     MKV_MODEL_SEED      repeats a run; the seed is printed
 *     MKV_MODEL_SECONDS   how long */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/support/contract.h"
#include "tests/support/rng.h"

#define DEFAULT_SECONDS 5
#define GENERATIONS     3
#define CROWD           32 /* commits at once */
#define NONE            0
#define CHECK_ALL_IN    200 /* steps */
#define COUNT_SECONDS   30

/* In byte order, some the beginning of others. */
static const char *const names[] = {
    "\x01", "\x01\xff", "/",    "/a",   "/a\x01", "/a\x01/",  "/a ",     "/a/",
    "/a/1", "/a/11",    "/a/2", "/a0",  "/b",     "/b/",      "/b/\xff", "/b/\xff\xff",
    "/bb",  "0",        "\x7f", "\x80", "\xff",   "\xff\xff",
};

#define NAMES COUNT_OF(names)

struct model {
    struct contract *c;
    struct rng rng;
    unsigned values[NAMES];               /* of its record; NONE: it has none */
    unsigned orphans[NAMES][GENERATIONS]; /* likewise */
    unsigned last;                        /* value that was given */
    unsigned steps;
    unsigned conflicts;
};

/* One change: of a record or of an orphan. */
struct spot {
    enum store_space space;
    unsigned name;
    unsigned generation;
};

struct commit {
    struct contract_try try;
    unsigned n;
    struct spot spots[STORE_CHANGES_MAX];
    unsigned values[STORE_CHANGES_MAX];
    struct record records[2 * STORE_CHANGES_MAX]; /* what is set, and what is expected */
    struct orphan orphans[2 * STORE_CHANGES_MAX];
    struct store_change changes[STORE_CHANGES_MAX];
    int rc; /* that it must end with, if nothing changes meanwhile */
};

static uint64_t generation_of(unsigned generation)
{
    static const uint64_t few[GENERATIONS] = {1, 1ULL << 20, INT64_MAX};

    return few[generation];
}

static unsigned *at(struct model *m, const struct spot *spot)
{
    return spot->space == STORE_KEYS ? &m->values[spot->name]
                                     : &m->orphans[spot->name][spot->generation];
}

static bool is_same_spot(const struct spot *a, const struct spot *b)
{
    return a->space == b->space && a->name == b->name &&
           (a->space == STORE_KEYS || a->generation == b->generation);
}

static bool has_spot(const struct commit *commit, const struct spot *spot)
{
    for (unsigned i = 0; i < commit->n; i++)
        if (is_same_spot(&commit->spots[i], spot))
            return true;
    return false;
}

static struct spot random_spot(struct model *m)
{
    return (struct spot){.space = rng_one_in(&m->rng, 3) ? STORE_ORPHANS : STORE_KEYS,
                         .name = rng_below(&m->rng, NAMES),
                         .generation = rng_below(&m->rng, GENERATIONS)};
}

/* Some have metadata, up to as much as there can be. */
static struct record record_of(const struct model *m, unsigned value)
{
    struct record record = contract_record(m->c, value);

    if (value % 7 == 0) {
        record.meta_len = value % 14 == 0 ? RECORD_META_MAX : value % RECORD_META_MAX;
        memset(record.meta, (int)(value % 256), record.meta_len);
    }
    if (value % 5 == 0)
        record.flags = RECORD_UNLINKED;
    return record;
}

/* --- What is there --------------------------------------------------------------------------- */

static void check_spot(struct model *m, const struct spot *spot)
{
    const char *key = names[spot->name];
    unsigned value = *at(m, spot);
    const struct record record = record_of(m, value);
    const struct orphan orphan = contract_orphan(m->c, value);

    if (spot->space == STORE_KEYS)
        contract_assert_has(m->c, key, value != NONE ? &record : NULL);
    else
        contract_assert_has_orphan(m->c, key, generation_of(spot->generation),
                                   value != NONE ? &orphan : NULL);
}

struct walk {
    struct model *m;
    unsigned name;
    unsigned generation;
    unsigned left; /* entries until it stops */
};

#define ENOUGH 42

/* Goes on to the next name from `name` on that has a record. */
static void skip_missing(struct walk *walk)
{
    while (walk->name < NAMES && walk->m->values[walk->name] == NONE)
        walk->name++;
}

static int walk_cb(const void *key, size_t len, const struct record *record, void *arg)
{
    struct walk *walk = arg;
    struct record wanted;

    skip_missing(walk);
    assert_in_range(walk->name, 0, NAMES - 1);
    assert_int_equal(len, strlen(names[walk->name]));
    assert_memory_equal(key, names[walk->name], len);
    wanted = record_of(walk->m, walk->m->values[walk->name++]);
    assert_true(record_equal(record, &wanted));
    return --walk->left == 0 ? ENOUGH : 0;
}

/* Of a prefix of a name, from a name on. */
static void check_list(struct model *m)
{
    const char *prefix = names[rng_below(&m->rng, NAMES)];
    const char *start = names[rng_below(&m->rng, NAMES)];
    const struct store_range range = {.prefix = prefix,
                                      .prefix_len = rng_below(&m->rng, strlen(prefix) + 1),
                                      .start = start,
                                      .start_len = rng_below(&m->rng, strlen(start) + 1),
                                      .want = rng_below(&m->rng, 5)};
    struct walk walk = {.m = m, .left = 1 + rng_below(&m->rng, NAMES)};
    char least[8] = "";
    int rc;

    memcpy(least, start, range.start_len);
    while (walk.name < NAMES && (strcmp(names[walk.name], least) < 0 ||
                                 strncmp(names[walk.name], prefix, range.prefix_len) < 0))
        walk.name++;
    rc = engine_box_list(&m->c->box, &range, walk_cb, &walk);
    skip_missing(&walk);
    assert_int_equal(rc, walk.left == 0 ? ENOUGH : 0);
    if (walk.left > 0)
        assert_true(walk.name == NAMES || strncmp(names[walk.name], prefix, range.prefix_len) != 0);
}

static void next_orphan(struct walk *walk)
{
    if (++walk->generation == GENERATIONS) {
        walk->generation = 0;
        walk->name++;
    }
}

static void skip_missing_orphans(struct walk *walk)
{
    while (walk->name < NAMES && walk->m->orphans[walk->name][walk->generation] == NONE)
        next_orphan(walk);
}

static int walk_orphan_cb(const void *key, size_t len, uint64_t generation,
                          const struct orphan *orphan, void *arg)
{
    struct walk *walk = arg;

    skip_missing_orphans(walk);
    assert_in_range(walk->name, 0, NAMES - 1);
    assert_int_equal(len, strlen(names[walk->name]));
    assert_memory_equal(key, names[walk->name], len);
    assert_int_equal(generation, generation_of(walk->generation));
    assert_int_equal(orphan->until, 1 + walk->m->orphans[walk->name][walk->generation]);
    next_orphan(walk);
    return --walk->left == 0 ? ENOUGH : 0;
}

/* All of them are this index's, as nobody else has the store open; but where others could, those of
 * before it was opened are so only once it has found them. */
static void check_orphans(struct model *m)
{
    struct walk walk = {.m = m,
                        .name = rng_below(&m->rng, NAMES),
                        .generation = rng_below(&m->rng, GENERATIONS),
                        .left = 1 + rng_below(&m->rng, 30)};
    unsigned first = walk.name;
    const struct store_orphan_range range = {.key = names[first],
                                             .len = strlen(names[first]),
                                             .generation = generation_of(walk.generation),
                                             .only = rng_one_in(&m->rng, 2),
                                             .mine = rng_one_in(&m->rng, 2) &&
                                                     !m->c->box.kind->is_shared,
                                             .want = rng_below(&m->rng, 5)};
    int rc = engine_box_list_orphans(&m->c->box, &range, walk_orphan_cb, &walk);

    skip_missing_orphans(&walk);
    assert_int_equal(rc, walk.left == 0 ? ENOUGH : 0);
    if (walk.left > 0)
        assert_true(walk.name == NAMES || (range.only && walk.name > first));
}

static void check_all(struct model *m)
{
    struct spot spot = {.space = STORE_KEYS};

    for (spot.name = 0; spot.name < NAMES; spot.name++) {
        spot.space = STORE_KEYS;
        check_spot(m, &spot);
        spot.space = STORE_ORPHANS;
        for (spot.generation = 0; spot.generation < GENERATIONS; spot.generation++)
            check_spot(m, &spot);
    }
}

static bool has_counts(struct model *m, const struct store_stats *wanted)
{
    struct store_stats stats;

    store_stats(m->c->box.store, &stats);
    return stats.keys == wanted->keys && stats.unlinked == wanted->unlinked &&
           stats.orphans == wanted->orphans;
}

/* Where others could have the store open, those of before it was opened are counted a little later.
 */
static void check_counts(struct model *m)
{
    uint64_t until = uv_hrtime() + COUNT_SECONDS * 1000000000ULL;
    struct store_stats wanted = {.keys = 0};

    for (unsigned name = 0; name < NAMES; name++) {
        if (m->values[name] != NONE && (record_of(m, m->values[name]).flags & RECORD_UNLINKED))
            wanted.unlinked++;
        else if (m->values[name] != NONE)
            wanted.keys++;
        for (unsigned i = 0; i < GENERATIONS; i++)
            wanted.orphans += m->orphans[name][i] != NONE;
    }
    while (m->c->box.kind->is_shared && !has_counts(m, &wanted) && uv_hrtime() < until)
        engine_box_turn(&m->c->box);
    assert_true(has_counts(m, &wanted));
}

/* --- Commits --------------------------------------------------------------------------------- */

/* Expects what is there, or seldom something else where it may. */
static void set_expectation(struct model *m, struct commit *commit, unsigned i, bool may_err)
{
    struct store_change *change = &commit->changes[i];
    unsigned value = *at(m, &commit->spots[i]);
    bool errs = may_err && rng_one_in(&m->rng, 10);

    change->expect = (value == NONE) != errs ? STORE_NOTHING : STORE_EXACTLY;
    commit->records[STORE_CHANGES_MAX + i] = record_of(m, errs ? value + 1 : value);
    commit->orphans[STORE_CHANGES_MAX + i] = contract_orphan(m->c, errs ? value + 1 : value);
    change->was = &commit->records[STORE_CHANGES_MAX + i];
    change->orphan_was = &commit->orphans[STORE_CHANGES_MAX + i];
    if (errs)
        commit->rc = STORE_CONFLICT;
    else if (may_err && rng_one_in(&m->rng, 4))
        change->expect = STORE_ANYTHING;
}

static void add_change(struct model *m, struct commit *commit, const struct spot *spot,
                       bool may_err)
{
    const char *key = names[spot->name];
    unsigned i = commit->n++;
    unsigned value = rng_one_in(&m->rng, 3) ? NONE : ++m->last;

    commit->spots[i] = *spot;
    commit->values[i] = value;
    commit->records[i] = record_of(m, value);
    commit->orphans[i] = contract_orphan(m->c, value);
    commit->changes[i] = spot->space == STORE_KEYS
                             ? contract_key(key, value != NONE ? &commit->records[i] : NULL)
                             : contract_orphan_of(key, generation_of(spot->generation),
                                                  value != NONE ? &commit->orphans[i] : NULL);
    set_expectation(m, commit, i, may_err);
}

static void make_commit(struct model *m, struct commit *commit, bool may_err)
{
    unsigned n = 1 + rng_below(&m->rng, STORE_CHANGES_MAX);

    commit->n = 0;
    commit->rc = 0;
    while (commit->n < n) {
        const struct spot spot = random_spot(m);

        if (!has_spot(commit, &spot))
            add_change(m, commit, &spot, may_err);
    }
}

static void apply(struct model *m, const struct commit *commit)
{
    for (unsigned i = 0; i < commit->n; i++)
        *at(m, &commit->spots[i]) = commit->values[i];
}

static void step_commit(struct model *m, struct commit *commit)
{
    make_commit(m, commit, true);
    assert_int_equal(engine_box_commit(&m->c->box, commit->changes, commit->n), commit->rc);
    if (commit->rc == 0)
        apply(m, commit);
    else
        m->conflicts++;
    for (unsigned i = 0; i < commit->n; i++)
        check_spot(m, &commit->spots[i]);
}

static bool overlaps(const struct commit *a, const struct commit *b)
{
    for (unsigned i = 0; i < a->n; i++)
        if (has_spot(b, &a->spots[i]))
            return true;
    return false;
}

/* Commits that all expect what was there before them. In whatever order they were done, none of
 * those that have succeeded shares a name with another one, and each of the others does with one of
 * them. */
static void check_winners(struct model *m, struct commit *commits)
{
    for (unsigned i = 0; i < CROWD; i++) {
        bool has_met = false;

        for (unsigned j = 0; j < CROWD; j++)
            has_met =
                has_met || (j != i && commits[j].try.rc == 0 && overlaps(&commits[i], &commits[j]));
        if (commits[i].try.rc == 0)
            assert_false(has_met);
        else
            assert_true(commits[i].try.rc == STORE_CONFLICT && has_met);
        m->conflicts += commits[i].try.rc != 0;
    }
}

/* So that each change alters what others expect. */
static void set_instead_of_deleting(struct model *m, struct commit *commit)
{
    for (unsigned i = 0; i < commit->n; i++) {
        if (commit->values[i] != NONE)
            continue;
        commit->values[i] = ++m->last;
        commit->records[i] = record_of(m, m->last);
        commit->orphans[i] = contract_orphan(m->c, m->last);
        if (commit->spots[i].space == STORE_KEYS)
            commit->changes[i].record = &commit->records[i];
        else
            commit->changes[i].orphan = &commit->orphans[i];
    }
}

static void step_crowd(struct model *m, struct commit *commits)
{
    for (unsigned i = 0; i < CROWD; i++) {
        make_commit(m, &commits[i], false);
        set_instead_of_deleting(m, &commits[i]);
        contract_begin(m->c, &commits[i].try, commits[i].changes, commits[i].n);
        if (rng_one_in(&m->rng, 8))
            uv_run(&m->c->box.loop, UV_RUN_NOWAIT);
    }
    for (unsigned i = 0; i < CROWD; i++)
        contract_end(&commits[i].try);
    check_winners(m, commits);
    for (unsigned i = 0; i < CROWD; i++)
        if (commits[i].try.rc == 0)
            apply(m, &commits[i]);
    check_all(m);
}

static void step(struct model *m, struct commit *commits)
{
    unsigned choice = rng_below(&m->rng, 100);
    const struct spot spot = random_spot(m);

    if (choice == 0)
        engine_box_reopen(&m->c->box);
    else if (choice < 10)
        step_crowd(m, commits);
    else if (choice < 25)
        check_list(m);
    else if (choice < 40)
        check_orphans(m);
    else
        step_commit(m, &commits[0]);
    check_spot(m, &spot);
    if (++m->steps % CHECK_ALL_IN == 0)
        check_all(m);
}

static void test_random_operations(void **state)
{
    const char *seconds = getenv("MKV_MODEL_SECONDS");
    uint64_t seed = rng_seed("MKV_MODEL_SEED");
    struct model m = {.c = *state, .rng = {.state = seed}};
    struct commit *commits = calloc(CROWD, sizeof(*commits));
    uint64_t until =
        uv_hrtime() + (uint64_t)(seconds != NULL ? atoi(seconds) : DEFAULT_SECONDS) * 1000000000;

    assert_non_null(commits);
    print_message("MKV_MODEL_SEED=%llu\n", (unsigned long long)seed);
    while (uv_hrtime() < until)
        step(&m, commits);
    check_all(&m);
    check_counts(&m);
    print_message("%u steps, %u values, %u conflicts\n", m.steps, m.last, m.conflicts);
    assert_true(m.conflicts > 0);
    free(commits);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {CONTRACT_TEST(test_random_operations)};

    return contract_main(argc, argv, "contract_model", tests, COUNT_OF(tests));
}
