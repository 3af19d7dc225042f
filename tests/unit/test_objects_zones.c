/* Zones and weights: PUTs, moves, Key-Balance and the count of copies that share a zone agree. */
#include "tests/unit/objects_fixture.h"

#include <string.h>

#include "index/objects/spread.h"

static const char *const one[VOLUMES] = {"a", "a", "a"};
static const char *const two[VOLUMES] = {"rack-1", "RACK-1", "rack-2"};

/* Valid until the next call. */
static const char *numbered(const char *prefix, unsigned i)
{
    static char text[32];

    snprintf(text, sizeof(text), "%s/%u", prefix, i);
    return text;
}

/* One that has refused is asked soon how it is. */
static bool all_are_up(const struct fixture *f)
{
    struct volumes *volumes = places_volumes(f->objects.places);

    for (unsigned i = 0; i < VOLUMES; i++) {
        if (volumes_at(volumes, i)->state != VOLUME_UP)
            return false;
    }
    return true;
}

/* Of a volume that was slow to refuse a value, nobody knows that it hasn't got it: until the
 * reclaimer has been there, nothing is copied to it. */
static void move_once_it_can(struct fixture *f, const char *key)
{
    uint64_t deadline = fixture_deadline();
    int rc;

    while ((rc = fixture_move(f, key)) == UV_EAGAIN) {
        fixture_pass_time(f, 1000);
        fixture_turn(f, deadline, "the place to be free");
    }
    assert_int_equal(rc, 0);
}

/* A value whose copies are in one zone, since nothing else was up, is counted until a move mends
 * it; so is one from before there were zones. */
static void test_spread_counts_and_moves_mend(void **state)
{
    struct fixture *f = *state;
    struct volume_server *away = &f->servers[2];
    struct spread *spread;
    struct record record;
    uint64_t keys;
    uint64_t age;
    uint64_t deadline;

    fixture_list_as(f, two, VOLUME_WEIGHT);
    assert_int_equal(places_zones(f->objects.places), 2);
    assert_int_equal(spread_start(&f->box.loop, &f->objects, &f->objects.spread), 0);
    spread = f->objects.spread;
    assert_int_equal(spread_get(spread, &keys, &age), UV_EAGAIN);
    WAIT_UNTIL(f, spread_get(spread, &keys, &age) == 0);
    assert_int_equal(keys, 0);

    away->fates[VOLUME_PUT] = FATE_REFUSE;
    for (unsigned i = 0; i < 40; i++)
        assert_int_equal(fixture_put(f, numbered("/shared", i), "value"), 0);
    assert_int_equal(fixture_unlink(f, numbered("/shared", 0)), 0);
    spread_restart(spread);
    assert_int_equal(spread_get(spread, &keys, &age), UV_EAGAIN);
    WAIT_UNTIL(f, spread_get(spread, &keys, &age) == 0);
    assert_int_equal(keys, 39);

    away->fates[VOLUME_PUT] = FATE_DO;
    WAIT_UNTIL(f, all_are_up(f));
    fixture_start_reclaimer(f);
    for (unsigned i = 1; i < 40; i++) {
        move_once_it_can(f, numbered("/shared", i));
        assert_int_equal(fixture_look_up(f, numbered("/shared", i), &record), 0);
        assert_false(places_share_zone(f->objects.places, record.places, record.n_places));
    }
    deadline = fixture_deadline();
    while (spread_get(spread, &keys, &age) < 0 || keys > 0) {
        fixture_pass_time(f, 1000);
        fixture_turn(f, deadline, "it counts anew by itself");
    }

    fixture_list_all(f); /* in one zone there is nothing to count */
    spread_restart(spread);
    assert_int_equal(spread_get(spread, &keys, &age), 0);
    assert_int_equal(keys, 0);
}

/* What a record was placed by says so as soon as zones or weights are others, and not where they
 * make no difference. */
static void test_balance_heeds_zones_and_weights(void **state)
{
    static const char *const each[VOLUMES] = {"a", "b", "c"};
    struct fixture *f = *state;
    uint32_t mark = places_mark(f->objects.places, true);
    uint32_t zoned;

    fixture_list_as(f, one, VOLUME_WEIGHT);
    assert_int_equal(places_mark(f->objects.places, true), mark);
    fixture_list_as(f, each, VOLUME_WEIGHT);
    assert_int_equal(places_mark(f->objects.places, true), mark);
    fixture_list_as(f, two, VOLUME_WEIGHT);
    zoned = places_mark(f->objects.places, true);
    assert_int_not_equal(zoned, mark);
    fixture_list_as(f, one, 250);
    assert_int_not_equal(places_mark(f->objects.places, true), mark);
    assert_int_not_equal(places_mark(f->objects.places, true), zoned);
    fixture_list_as(f, one, VOLUME_WEIGHT);
    assert_int_equal(places_mark(f->objects.places, true), mark);
}

/* Whether Key-Balance, PUTs and moves agree: what was PUT with all up is balanced, and has nothing
 * to move. */
static void test_put_and_move_agree_with_zones_and_weights(void **state)
{
    struct fixture *f = *state;
    struct record record;

    for (unsigned i = 0; i < 40; i++) {
        struct key key;
        const char *text = numbered("/agreed", i);

        if (i < 20)
            fixture_list_as(f, two, VOLUME_WEIGHT);
        else
            fixture_list_as(f, one, 1000);
        assert_int_equal(fixture_put(f, text, "value"), 0);
        assert_int_equal(fixture_look_up(f, text, &record), 0);
        key.len = strlen(text);
        memcpy(key.bytes, text, key.len);
        assert_true(places_are_best(f->objects.places, &key, &record));
        record.placed_by = 0; /* look at the places themselves */
        assert_true(places_are_best(f->objects.places, &key, &record));
        assert_int_equal(fixture_move(f, text), UV_EALREADY);
    }
}

#define ZONES_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ZONES_TEST(test_spread_counts_and_moves_mend),
        ZONES_TEST(test_balance_heeds_zones_and_weights),
        ZONES_TEST(test_put_and_move_agree_with_zones_and_weights),
    };

    return cmocka_run_group_tests_name("objects_zones", tests, NULL, NULL);
}
