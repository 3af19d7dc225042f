#include "tests/support/contract.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct engine_kind *kind; /* of all tests of this program */

int contract_main(int argc, char **argv, const char *name, const struct CMUnitTest *tests, size_t n)
{
    char group[64];

    kind = argc == 2 ? engine_kind_named(argv[1]) : NULL;
    if (kind == NULL) {
        fprintf(stderr, "usage: %s ENGINE\n", argv[0]);
        return 2;
    }
    snprintf(group, sizeof(group), "%s_%s", name, kind->name);
    return _cmocka_run_group_tests(group, tests, n, NULL, NULL);
}

int contract_setup(void **state)
{
    struct contract *c = calloc(1, sizeof(*c));
    char name[32];

    if (c == NULL)
        return -1;
    *state = c;
    engine_box_init(&c->box, kind);
    for (unsigned i = 0; i < CONTRACT_VOLUMES; i++) {
        snprintf(name, sizeof(name), "localhost:%u", 3001 + i);
        if (engine_box_volume_id(&c->box, name, &c->volumes[i]) < 0)
            return -1;
    }
    return 0;
}

int contract_teardown(void **state)
{
    struct contract *c = *state;

    engine_box_deinit(&c->box);
    free(c);
    return 0;
}

/* --- Values ---------------------------------------------------------------------------------- */

struct record contract_record(const struct contract *c, unsigned value)
{
    struct record record = {.size = value,
                            .time = 1000 + value,
                            .generation = (uint64_t)(1000 + value) << 16,
                            .placed_by = 7,
                            .n_places = 1 + value % CONTRACT_VOLUMES};

    for (unsigned i = 0; i < record.n_places; i++)
        record.places[i] = (struct place){.volume = c->volumes[i]};
    return record;
}

struct orphan contract_orphan(const struct contract *c, unsigned value)
{
    struct orphan orphan = {.until = 1 + value, .n_places = 1 + value % CONTRACT_VOLUMES};

    for (unsigned i = 0; i < orphan.n_places; i++)
        orphan.places[i] = (struct place){.volume = c->volumes[i]};
    return orphan;
}

struct store_change contract_key(const char *key, const struct record *record)
{
    return (struct store_change){
        .space = STORE_KEYS, .key = key, .len = strlen(key), .record = record};
}

struct store_change contract_orphan_of(const char *key, uint64_t generation,
                                       const struct orphan *orphan)
{
    return (struct store_change){.space = STORE_ORPHANS,
                                 .key = key,
                                 .len = strlen(key),
                                 .generation = generation,
                                 .orphan = orphan};
}

/* --- Commits --------------------------------------------------------------------------------- */

void contract_put(struct contract *c, const char *key, const struct record *record)
{
    const struct store_change change = contract_key(key, record);

    assert_int_equal(engine_box_commit(&c->box, &change, 1), 0);
}

void contract_put_orphan(struct contract *c, const char *key, uint64_t generation,
                         const struct orphan *orphan)
{
    const struct store_change change = contract_orphan_of(key, generation, orphan);

    assert_int_equal(engine_box_commit(&c->box, &change, 1), 0);
}

static void ended_cb(struct store_commit *commit, int rc)
{
    struct contract_try *try = commit->data;

    assert_int_equal(try->place, 0);
    try->place = ++try->c->ended;
    try->rc = rc;
}

void contract_begin(struct contract *c, struct contract_try *try,
                    const struct store_change *changes, size_t n)
{
    *try = (struct contract_try){.c = c};
    try->commit.data = try;
    assert_int_equal(store_commit(c->box.store, &try->commit, changes, n, ended_cb), 0);
    assert_int_equal(try->place, 0);
}

int contract_end(struct contract_try *try)
{
    while (try->place == 0)
        engine_box_turn(&try->c->box);
    return try->rc;
}

/* --- What is there --------------------------------------------------------------------------- */

void contract_assert_has(struct contract *c, const char *key, const struct record *record)
{
    struct record found;
    int rc = engine_box_get(&c->box, key, strlen(key), &found);

    assert_int_equal(rc, record != NULL ? 0 : UV_ENOENT);
    assert_true(record == NULL || record_equal(&found, record));
}

void contract_assert_has_orphan(struct contract *c, const char *key, uint64_t generation,
                                const struct orphan *orphan)
{
    struct orphan found;
    unsigned char bytes[2][ORPHAN_MAX];
    int rc = engine_box_get_orphan(&c->box, key, strlen(key), generation, &found);
    size_t n;

    assert_int_equal(rc, orphan != NULL ? 0 : UV_ENOENT);
    if (orphan == NULL)
        return;
    n = orphan_encode(orphan, bytes[0]);
    assert_int_equal(orphan_encode(&found, bytes[1]), n);
    assert_memory_equal(bytes[0], bytes[1], n);
}
