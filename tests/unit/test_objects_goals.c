/* Moves that are to make up for copies that are lost, or that are to leave their volume: to where
 * they go, and what stays as it is. */
#include "tests/unit/objects_fixture.h"

#include <string.h>

#define KEY "/key"

static const struct move_options top_up = {.goal = MOVE_TOP_UP};
static const struct move_options both_lost = {.goal = MOVE_TOP_UP, .lost = 3};
static const struct move_options both_leave = {.goal = MOVE_TOP_UP, .leaving = 3};

static int move_as(struct fixture *f, struct task *task, const struct move_options *options)
{
    task_move_as(f, task, KEY, options);
    return task_wait(task);
}

static void look_up(struct fixture *f, struct record *record)
{
    assert_int_equal(fixture_look_up(f, KEY, record), 0);
}

/* The volume of that rank, while all are listed. */
static struct volume *volume_of(struct fixture *f, unsigned rank)
{
    const char *name = fixture_server(f, KEY, rank)->name;

    return volumes_find(places_volumes(f->objects.places), name, strlen(name));
}

/* The bit of its place in the record. */
static unsigned bit_of(struct fixture *f, unsigned rank)
{
    struct record record;

    look_up(f, &record);
    for (unsigned i = 0; i < record.n_places; i++) {
        if (place_volume(f->objects.places, &record.places[i]) == volume_of(f, rank))
            return 1U << i;
    }
    fail();
    return 0;
}

static struct move_options lost(struct fixture *f, unsigned rank)
{
    return (struct move_options){.goal = MOVE_TOP_UP, .lost = bit_of(f, rank)};
}

static struct move_options leaves(struct fixture *f, unsigned rank)
{
    return (struct move_options){.goal = MOVE_TOP_UP, .leaving = bit_of(f, rank)};
}

static struct volume_blob *find_blob(struct fixture *f, unsigned rank)
{
    char path[PLACEMENT_PATH_MAX];
    struct record record;

    look_up(f, &record);
    placement_path(KEY, strlen(KEY), record.generation, path);
    return volume_server_find(fixture_server(f, KEY, rank), path);
}

/* The copy on the volume of that rank gets other bytes. */
static void damage(struct fixture *f, unsigned rank)
{
    const struct volume_blob *blob = find_blob(f, rank);
    char path[PLACEMENT_FULL_PATH_MAX];

    assert_non_null(blob);
    strcpy(path, blob->path);
    volume_server_store(fixture_server(f, KEY, rank), path, "vaLue", 5);
}

static bool is_good(struct fixture *f, unsigned rank)
{
    const struct volume_blob *blob = find_blob(f, rank);

    return blob != NULL && buf_size(&blob->bytes) == 5 &&
           memcmp(buf_bytes(&blob->bytes), "value", 5) == 0;
}

/* The volumes of these ranks have the copies that the record names. */
static void assert_ranks(struct fixture *f, unsigned a, unsigned b)
{
    const struct volume_server *servers[] = {fixture_server(f, KEY, a), fixture_server(f, KEY, b)};
    struct record record;
    unsigned found = 0;

    look_up(f, &record);
    assert_int_equal(record.n_places, 2);
    for (unsigned i = 0; i < 2; i++) {
        const struct volume *volume = place_volume(f->objects.places, &record.places[i]);

        for (unsigned j = 0; j < 2; j++)
            found |= (strcmp(volume->name, servers[j]->name) == 0) << j;
    }
    assert_int_equal(found, 3);
    assert_value(f, KEY, "value");
}

static void test_move_with_nothing_to_make_up_for(void **state)
{
    struct fixture *f = *state;
    struct task task;

    assert_int_equal(fixture_put(f, KEY, "value"), 0);
    assert_int_equal(move_as(f, &task, &top_up), UV_EALREADY);
    /* Nor does it go to better volumes: that is the other goal. */
    assert_int_equal(fixture_remove(f, KEY), 0);
    fixture_list_without(f, KEY, 0);
    assert_int_equal(fixture_put(f, KEY, "value"), 0);
    fixture_list_all(f);
    assert_int_equal(move_as(f, &task, &top_up), UV_EALREADY);
    assert_ranks(f, 1, 2);
    assert_clean(f);
}

static void test_move_of_a_lost_copy_makes_it_where_it_was(void **state)
{
    struct fixture *f = *state;
    struct move_options options;
    struct record before;
    struct record after;
    struct task task;

    assert_int_equal(fixture_put(f, KEY, "value"), 0);
    look_up(f, &before);
    for (unsigned rank = 0; rank < 2; rank++) {
        damage(f, rank);
        options = lost(f, rank);
        assert_int_equal(move_as(f, &task, &options), 0);
        assert_true(is_good(f, rank));
        look_up(f, &after);
        assert_int_equal(after.generation, before.generation);
        assert_ranks(f, 0, 1);
        assert_clean(f); /* nothing of it is reclaimed */
        assert_ranks(f, 0, 1);
    }
}

static void test_move_of_a_lost_copy_to_another_volume(void **state)
{
    struct fixture *f = *state;
    struct move_options options;
    struct task task;

    assert_int_equal(fixture_put(f, KEY, "value"), 0);
    damage(f, 0);
    options = lost(f, 0);
    fixture_list_without(f, KEY, 0);
    assert_int_equal(move_as(f, &task, &options), 0);
    fixture_list_all(f);
    assert_ranks(f, 1, 2);
    assert_clean(f);
    assert_null(find_blob(f, 0));
    assert_ranks(f, 1, 2);
}

/* What can't be mended stays in the record, and at the volumes. */
static void test_move_with_all_copies_lost(void **state)
{
    struct fixture *f = *state;
    struct record before;
    struct record after;
    struct task task;

    assert_int_equal(fixture_put(f, KEY, "value"), 0);
    look_up(f, &before);
    assert_int_equal(move_as(f, &task, &both_lost), UV_EREMOTEIO);
    assert_non_null(strstr(task.text, "no copy can be read"));
    look_up(f, &after);
    assert_true(record_equal(&after, &before));
    assert_clean(f);
    assert_ranks(f, 0, 1);
}

static void test_move_of_a_lost_copy_whose_source_is_bad_too(void **state)
{
    struct fixture *f = *state;
    struct move_options options;
    struct task task;

    assert_int_equal(fixture_put(f, KEY, "value"), 0);
    damage(f, 0);
    damage(f, 1);
    options = lost(f, 0);
    assert_int_equal(move_as(f, &task, &options), UV_EREMOTEIO);
    fixture_reclaim(f);
    assert_non_null(find_blob(f, 0));
    assert_non_null(find_blob(f, 1));
    assert_int_equal(fixture_count_orphans(f), 0);
}

static void test_move_that_leaves_a_volume(void **state)
{
    struct fixture *f = *state;
    struct volume *first = volume_of(f, 0);
    struct move_options options;
    struct task task;

    assert_int_equal(fixture_put(f, KEY, "value"), 0);
    options = leaves(f, 0);
    /* With nobody to take it, it stays. */
    fixture_list_without(f, KEY, 2);
    places_drain(f->objects.places, first, true);
    assert_int_equal(move_as(f, &task, &options), UV_EREMOTEIO);
    assert_non_null(strstr(task.text, "no other volume can take a copy"));
    places_drain(f->objects.places, first, false);
    fixture_list_all(f);
    assert_ranks(f, 0, 1);
    places_drain(f->objects.places, first, true);
    assert_int_equal(move_as(f, &task, &options), 0);
    places_drain(f->objects.places, first, false);
    assert_ranks(f, 1, 2);
    assert_true(is_good(f, 0)); /* for readers who were sent there */
    assert_clean(f);
    assert_null(find_blob(f, 0));
}

/* One goes, and for the other one there is no volume: it stays. */
static void test_move_that_leaves_two_volumes_for_one(void **state)
{
    struct fixture *f = *state;
    struct volume *volumes[2] = {volume_of(f, 0), volume_of(f, 1)};
    struct task task;

    assert_int_equal(fixture_put(f, KEY, "value"), 0);
    for (unsigned i = 0; i < 2; i++)
        places_drain(f->objects.places, volumes[i], true);
    assert_int_equal(move_as(f, &task, &both_leave), 0);
    assert_string_equal(task.text, "no other volume can take a copy\n");
    for (unsigned i = 0; i < 2; i++)
        places_drain(f->objects.places, volumes[i], false);
    assert_true(is_good(f, 2));
    assert_value(f, KEY, "value");
    assert_clean(f);
    assert_true((find_blob(f, 0) == NULL) != (find_blob(f, 1) == NULL));
}

/* A key from before there were two copies of each, and one from before there was only one. */
static void test_move_of_a_key_when_the_number_of_copies_changes(void **state)
{
    struct fixture *f = *state;
    struct move_options options;
    struct record record;
    struct task task;

    f->objects.copies = 1;
    assert_int_equal(fixture_put(f, KEY, "value"), 0);
    assert_int_equal(move_as(f, &task, &top_up), UV_EALREADY);
    f->objects.copies = 2;
    assert_int_equal(move_as(f, &task, &top_up), 0);
    assert_ranks(f, 0, 1);
    f->objects.copies = 1;
    options = lost(f, 1);
    assert_int_equal(move_as(f, &task, &options), 0);
    assert_clean(f);
    f->objects.copies = 2;
    look_up(f, &record);
    assert_int_equal(record.n_places, 1);
    assert_true(is_good(f, 0));
    assert_null(find_blob(f, 1));
}

/* The copy on the volume of that rank has so many of its bytes. */
static void cut(struct fixture *f, unsigned rank, size_t n)
{
    const struct volume_blob *blob = find_blob(f, rank);
    char path[PLACEMENT_FULL_PATH_MAX];

    assert_non_null(blob);
    strcpy(path, blob->path);
    volume_server_store(fixture_server(f, KEY, rank), path, "value", n);
}

/* Where copies only go, nothing is read; so those that stay are asked for. */
static void test_move_that_gives_up_a_copy_looks_for_the_others(void **state)
{
    static const struct move_options *const ways[] = {&move_to_best, &top_up};
    struct fixture *f = *state;
    struct record record;
    struct task task;

    f->objects.copies = 3;
    assert_int_equal(fixture_put(f, KEY, "value"), 0);
    f->objects.copies = 2;
    for (unsigned i = 0; i < 2; i++) {
        cut(f, 1, 3);
        assert_int_equal(move_as(f, &task, ways[i]), UV_EREMOTEIO);
        assert_string_equal(task.text, "a copy that would stay is not good\n");
        look_up(f, &record);
        assert_int_equal(record.n_places, 3);
        cut(f, 1, 5);
    }
    fixture_set_fates(f, VOLUME_READ, FATE_CLOSE); /* as if they were away */
    assert_int_equal(move_as(f, &task, &move_to_best), UV_EREMOTEIO);
    fixture_set_fates(f, VOLUME_READ, FATE_DO);
    fixture_wait_until_up(f);
    assert_int_equal(move_as(f, &task, &move_to_best), 0);
    assert_string_equal(task.text, "");
    look_up(f, &record);
    assert_int_equal(record.n_places, 2);
    fixture_reclaim(f);
    assert_true(is_good(f, 0) && is_good(f, 1));
    assert_null(find_blob(f, 2));
}

static unsigned zone_of(struct fixture *f, const struct place *place)
{
    return place_volume(f->objects.places, place)->zone_number;
}

/* The zone that has no copy any more gets one, before another volume of one that has. */
static void test_move_of_a_lost_copy_to_its_zone(void **state)
{
    static const char *const zones[] = {"a", "a", "b"};
    struct fixture *f = *state;
    struct record record;
    struct task task;

    fixture_list_as(f, zones, VOLUME_WEIGHT);
    assert_int_equal(fixture_put(f, KEY, "value"), 0);
    for (unsigned i = 0; i < 2; i++) {
        const struct move_options options = {.goal = MOVE_TOP_UP, .leaving = 1U << i};
        struct volume *volume;

        look_up(f, &record);
        assert_int_not_equal(zone_of(f, &record.places[0]), zone_of(f, &record.places[1]));
        volume = place_volume(f->objects.places, &record.places[i]);
        if (strcmp(volume->zone, "b") == 0)
            continue;
        places_drain(f->objects.places, volume, true);
        assert_int_equal(move_as(f, &task, &options), 0);
        look_up(f, &record);
        assert_int_not_equal(zone_of(f, &record.places[0]), zone_of(f, &record.places[1]));
        assert_clean(f);
        places_drain(f->objects.places, volume, false);
    }
    assert_value(f, KEY, "value");
}

/* The blob's name has 25 bytes. */
static void test_move_to_a_volume_with_short_names(void **state)
{
    struct fixture *f = *state;
    struct volume *second = volume_of(f, 1);
    struct volume *third = volume_of(f, 2);
    struct move_options options;
    struct task task;

    assert_int_equal(fixture_put(f, KEY, "value"), 0);
    options = leaves(f, 1);
    places_drain(f->objects.places, second, true);
    third->name_max = 24;
    assert_int_equal(move_as(f, &task, &options), UV_EREMOTEIO);
    third->name_max = 25;
    assert_int_equal(move_as(f, &task, &options), 0);
    places_drain(f->objects.places, second, false);
    assert_ranks(f, 0, 2);
    second->name_max = 24;
    assert_int_equal(move_as(f, &task, &move_to_best), UV_EREMOTEIO);
    assert_non_null(strstr(task.text, "too long for its file system"));
    assert_ranks(f, 0, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_move_with_nothing_to_make_up_for, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_move_of_a_lost_copy_makes_it_where_it_was,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_move_of_a_lost_copy_to_another_volume, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_move_with_all_copies_lost, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_move_of_a_lost_copy_whose_source_is_bad_too,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_move_that_leaves_a_volume, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_move_that_leaves_two_volumes_for_one, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_move_of_a_key_when_the_number_of_copies_changes,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_move_that_gives_up_a_copy_looks_for_the_others,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_move_of_a_lost_copy_to_its_zone, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_move_to_a_volume_with_short_names, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
