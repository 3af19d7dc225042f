/* Removes, unlinks, moves and the reclaimer, interrupted at each place where they wait, by volumes,
 * by the store, and by each other. */
#include "tests/unit/objects_fixture.h"

#include <string.h>

#include "index/base/clock.h"

#define KEY "/key"

static void heal(struct fixture *f)
{
    for (unsigned kind = 0; kind < VOLUME_REQUESTS; kind++)
        fixture_set_fates(f, kind, FATE_DO);
}

static size_t count_blobs(const struct fixture *f)
{
    const struct volume_blob *blob;
    size_t n = 0;

    for (unsigned i = 0; i < VOLUMES; i++) {
        LIST_FOREACH(blob, &f->servers[i].blobs, link)
        n++;
    }
    return n;
}

/* --- Removes --------------------------------------------------------------------------------- */

/* No volume is asked before it has ended; then the blob goes at once, and its orphan some seconds
 * later. */
static void test_remove_is_one_commit(void **state)
{
    struct fixture *f = *state;
    uint64_t before;

    fixture_start_reclaimer(f);
    assert_int_equal(fixture_put(f, KEY, "value"), 0);
    fixture_set_fates(f, VOLUME_DELETE, FATE_HOLD);
    assert_int_equal(fixture_remove(f, KEY), 0);
    assert_value(f, KEY, NULL);
    assert_int_equal(count_blobs(f), COPIES);
    assert_int_equal(fixture_count_orphans(f), 1);
    before = uv_now(&f->box.loop);
    WAIT_UNTIL(f, fixture_count(f, VOLUME_DELETE) == COPIES);
    assert_in_range(uv_now(&f->box.loop) - before, 0, 4000); /* not in the next round */
    for (unsigned i = 0; i < VOLUMES; i++)
        volume_server_release(&f->servers[i], VOLUME_DELETE);
    WAIT_UNTIL(f, count_blobs(f) == 0);
    fixture_pass_time(f, 1600);
    assert_int_equal(fixture_put(f, "/other", "value"), 0); /* after all commits before it */
    assert_int_equal(fixture_count_orphans(f), 1); /* a new blob is to have another second */
    assert_clean(f);
    assert_int_equal(fixture_count(f, VOLUME_DELETE), COPIES);
}

static void test_remove_of_another_record(void **state)
{
    struct fixture *f = *state;
    struct record record;
    struct task task;

    assert_int_equal(fixture_put(f, KEY, "one"), 0);
    assert_int_equal(fixture_look_up(f, KEY, &record), 0);
    assert_int_equal(fixture_remove(f, KEY), 0);
    task_remove_record(f, &task, KEY, &record);
    assert_int_equal(task_wait(&task), STORE_CONFLICT);
    assert_int_equal(fixture_put(f, KEY, "two"), 0);
    task_remove_record(f, &task, KEY, &record);
    assert_int_equal(task_wait(&task), STORE_CONFLICT);
    assert_value(f, KEY, "two");
    assert_clean(f);
    assert_value(f, KEY, "two");
}

static void test_removes_at_once_have_one_winner(void **state)
{
    struct fixture *f = *state;
    struct task tasks[3];

    assert_int_equal(fixture_put(f, KEY, "value"), 0);
    slow_disk_set(true, false);
    for (unsigned i = 0; i < 3; i++) {
        task_remove(f, &tasks[i], KEY);
        if (i == 0)
            WAIT_UNTIL(f, slow_disk_waits());
    }
    slow_disk_set(false, false);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(task_wait(&tasks[i]), i == 0 ? 0 : STORE_CONFLICT);
    assert_value(f, KEY, NULL);
    assert_clean(f);
}

static void test_remove_and_unlink_at_once(void **state)
{
    struct fixture *f = *state;
    struct task unlinks;
    struct task removes;

    assert_int_equal(fixture_put(f, KEY, "value"), 0);
    task_unlink(f, &unlinks, KEY);
    task_remove(f, &removes, KEY);
    assert_int_equal(task_wait(&unlinks), 0);
    assert_int_equal(task_wait(&removes), STORE_CONFLICT);
    assert_value(f, KEY, NULL);
    assert_int_equal(count_blobs(f), COPIES);
    assert_clean(f);
    assert_int_equal(count_blobs(f), COPIES); /* it is unlinked, and no orphan */
}

static void test_remove_that_cannot_be_committed(void **state)
{
    struct fixture *f = *state;

    fixture_start_reclaimer(f);
    assert_int_equal(fixture_put(f, KEY, "value"), 0);
    slow_disk_set(false, true);
    assert_int_equal(fixture_remove(f, KEY), UV_EIO);
    slow_disk_set(false, false);
    assert_value(f, KEY, "value");
    assert_clean(f);
    assert_value(f, KEY, "value");
}

/* --- Moves ----------------------------------------------------------------------------------- */

/* Puts a value to the key's second and third best volumes, and lists the best one again. */
static void put_unbalanced(struct fixture *f, const char *key)
{
    struct record record;
    const struct key k = {.len = strlen(key)};
    struct key copy = k;

    memcpy(copy.bytes, key, copy.len);
    fixture_list_without(f, key, 0);
    assert_int_equal(fixture_put(f, key, "value"), 0);
    fixture_list_all(f);
    assert_int_equal(fixture_look_up(f, key, &record), 0);
    assert_false(places_are_best(f->objects.places, &copy, &record));
}

static bool has_blob(struct fixture *f, const char *key, unsigned rank, uint64_t generation)
{
    char path[PLACEMENT_PATH_MAX];

    placement_path(key, strlen(key), generation, path);
    return volume_server_find(fixture_server(f, key, rank), path) != NULL;
}

static bool has_orphan(struct fixture *f, const char *key, uint64_t generation)
{
    struct orphan orphan;

    return gdbm_engine_get_orphan(f->box.store, key, strlen(key), generation, &orphan) == 0;
}

/* What moved away stays for readers who were sent there. */
static void test_move_to_the_best_volumes(void **state)
{
    static const struct key key = {.bytes = KEY, .len = sizeof(KEY) - 1};
    struct fixture *f = *state;
    struct record before;
    struct record after;

    fixture_start_reclaimer(f);
    put_unbalanced(f, KEY);
    assert_int_equal(fixture_look_up(f, KEY, &before), 0);
    assert_int_equal(fixture_move(f, KEY), 0);
    assert_value(f, KEY, "value");
    assert_int_equal(fixture_look_up(f, KEY, &after), 0);
    assert_int_equal(after.generation, before.generation);
    assert_int_equal(after.time, before.time);
    assert_true(places_are_best(f->objects.places, &key, &after));
    fixture_pass_time(f, GRACE / 2);
    assert_true(has_blob(f, KEY, 2, after.generation));
    assert_clean(f);
    assert_false(has_blob(f, KEY, 2, after.generation));
    assert_value(f, KEY, "value");
    assert_int_equal(fixture_move(f, KEY), UV_EALREADY);
}

static const enum volume_fate fates[] = {FATE_REFUSE, FATE_CLOSE, FATE_DO_AND_CLOSE, FATE_HOLD};

/* The target fails: the key is as it was, and what may lie there is an orphan. */
static void test_move_whose_target_fails(void **state)
{
    struct fixture *f = *state;

    for (enum volume_request kind = VOLUME_PUT; kind <= VOLUME_SYNC; kind++) {
        for (unsigned i = 0; i < COUNT_OF(fates); i++) {
            struct record before;
            struct record after;
            struct task task;
            char key[16];

            snprintf(key, sizeof(key), "/key-%d-%u", (int)kind, i);
            put_unbalanced(f, key);
            assert_int_equal(fixture_look_up(f, key, &before), 0);
            fixture_server(f, key, 0)->fates[kind] = fates[i];
            task_move(f, &task, key);
            assert_int_equal(task_wait_long(&task), UV_EREMOTEIO);
            assert_true(strlen(task.text) > 1);
            heal(f);
            assert_int_equal(fixture_look_up(f, key, &after), 0);
            assert_true(record_equal(&before, &after));
            assert_value(f, key, "value");
            assert_named(f);
            fixture_wait_until_up(f);
        }
    }
    assert_clean(f);
}

/* One source fails: the other one does. Both: nothing has changed. */
static void test_move_whose_sources_fail(void **state)
{
    struct fixture *f = *state;

    for (unsigned bad = 1; bad <= 2; bad++) {
        for (unsigned i = 0; i < COUNT_OF(fates); i++) {
            struct task task;
            char key[16];

            if (bad == 2 && fates[i] == FATE_DO_AND_CLOSE)
                continue;
            snprintf(key, sizeof(key), "/key-%u-%u", bad, i);
            put_unbalanced(f, key);
            for (unsigned rank = 1; rank <= bad; rank++)
                fixture_server(f, key, rank)->fates[VOLUME_READ] = fates[i];
            task_move(f, &task, key);
            assert_int_equal(task_wait_long(&task), bad == 1 ? 0 : UV_EREMOTEIO);
            heal(f);
            assert_value(f, key, "value");
            assert_named(f);
            fixture_wait_until_up(f);
        }
    }
    assert_clean(f);
}

/* A copy with other bytes is none. */
static void test_move_from_a_damaged_copy(void **state)
{
    struct fixture *f = *state;
    char path[PLACEMENT_PATH_MAX];
    struct record record;
    struct task task;

    put_unbalanced(f, KEY);
    assert_int_equal(fixture_look_up(f, KEY, &record), 0);
    placement_path(KEY, strlen(KEY), record.generation, path);
    for (unsigned rank = 1; rank <= 2; rank++)
        volume_server_store(fixture_server(f, KEY, rank), path, "vaLue", 5);
    task_move(f, &task, KEY);
    assert_int_equal(task_wait_long(&task), UV_EREMOTEIO);
    volume_server_store(fixture_server(f, KEY, 2), path, "value", 5);
    assert_named(f);
    fixture_reclaim(f); /* the old copy there */
    assert_int_equal(fixture_move(f, KEY), 0);
    assert_true(has_blob(f, KEY, 0, record.generation));
}

static void test_moves_at_once(void **state)
{
    struct fixture *f = *state;
    struct task first;
    struct task second;

    put_unbalanced(f, KEY);
    task_move(f, &first, KEY);
    task_move(f, &second, KEY);
    assert_int_equal(second.rc, UV_EAGAIN);
    assert_int_equal(task_wait(&first), 0);
    assert_value(f, KEY, "value");
    assert_clean(f);
    assert_value(f, KEY, "value");
}

/* A blob keeps its generation when it moves: it can't go to where the reclaimer is to remove it. */
static void test_move_back_before_the_old_copy_is_gone(void **state)
{
    struct fixture *f = *state;
    struct task task;

    fixture_start_reclaimer(f);
    put_unbalanced(f, KEY);
    assert_int_equal(fixture_move(f, KEY), 0);
    fixture_list_without(f, KEY, 0);
    task_move(f, &task, KEY);
    assert_int_equal(task_wait(&task), UV_EAGAIN);
    assert_value(f, KEY, "value");
    fixture_reclaim(f);
    assert_int_equal(fixture_move(f, KEY), 0);
    assert_value(f, KEY, "value");
    assert_clean(f);
    assert_value(f, KEY, "value");
    fixture_list_all(f);
}

/* What a move has left of a key's value is forgotten once it is removed, though the value's time is
 * ahead, as that of a key is which is replaced often: the value has that time. Else nothing more of
 * the blob could be removed, or moved, until the clock gets there. */
static void test_move_of_a_value_whose_time_is_ahead(void **state)
{
    struct fixture *f = *state;
    struct record record;

    fixture_start_reclaimer(f);
    for (unsigned i = 0; i < 60; i++) {
        assert_int_equal(fixture_put(f, KEY, "old"), 0);
        assert_int_equal(fixture_remove(f, KEY), 0);
    }
    put_unbalanced(f, KEY);
    assert_int_equal(fixture_look_up(f, KEY, &record), 0);
    assert_int_equal(fixture_move(f, KEY), 0);
    fixture_pass_time(f, GRACE + 6000);
    WAIT_UNTIL(f, !has_orphan(f, KEY, record.generation));
    assert_int_equal(fixture_remove(f, KEY), 0);
    for (unsigned rank = 0; rank < VOLUMES; rank++)
        WAIT_UNTIL(f, !has_blob(f, KEY, rank, record.generation));
    assert_true(has_orphan(f, KEY, record.generation)); /* whose time a next value is to pass */
    assert_true(record.time > clock_now_ms() + 10000);
}

/* Moves a value whose blob has an orphan at another place, for whose removal it is time, and
 * returns for how many ms that is to stay then. */
static uint64_t orphan_stays_after_move(struct fixture *f, const char *key)
{
    struct orphan orphan = {.n_places = 1};
    struct record record;
    uint64_t now;

    put_unbalanced(f, key);
    assert_int_equal(fixture_look_up(f, key, &record), 0);
    assert_int_equal(
        gdbm_engine_volume_id(f->box.store, "127.0.0.1:1 another-disk", &orphan.places[0].volume),
        0);
    assert_int_equal(storebox_put_orphan(&f->box, key, strlen(key), record.generation, &orphan), 0);
    now = clock_now_ms();
    assert_int_equal(fixture_move(f, key), 0);
    assert_int_equal(
        gdbm_engine_get_orphan(f->box.store, key, strlen(key), record.generation, &orphan), 0);
    assert_int_equal(orphan.n_places, 2);
    assert_int_equal(storebox_delete_orphan(&f->box, key, strlen(key), record.generation), 0);
    return orphan.until - now;
}

/* Of several indexes, another one may have begun to remove it. Its DELETE may be carried out until
 * a grace after it has failed, and the blob isn't to be moved there before. */
static void test_move_beside_an_orphan_that_another_index_may_remove(void **state)
{
    struct fixture *f = *state;

    assert_true(orphan_stays_after_move(f, "/one") < GRACE + FIXTURE_STALL);
    f->objects.store->numbers = 2;
    assert_true(orphan_stays_after_move(f, "/several") >= GRACE + FIXTURE_STALL);
    f->objects.store->numbers = 1;
}

/* --- Moves that meet others ------------------------------------------------------------------ */

/* Where the move waits. */
enum wait { ANNOUNCING, READING, SENDING, SYNCING, COMMITTING, WAITS };

static void begin_move(struct fixture *f, struct task *task, const char *key, enum wait wait)
{
    static const enum volume_request kinds[] = {[READING] = VOLUME_READ,
                                                [SENDING] = VOLUME_PUT,
                                                [SYNCING] = VOLUME_SYNC,
                                                [COMMITTING] = VOLUME_SYNC};
    unsigned n = fixture_count(f, kinds[wait]);

    if (wait == ANNOUNCING) {
        slow_disk_set(true, false);
        task_move(f, task, key);
        WAIT_UNTIL(f, slow_disk_waits());
        return;
    }
    fixture_set_fates(f, kinds[wait], FATE_HOLD);
    task_move(f, task, key);
    WAIT_UNTIL(f, fixture_count(f, kinds[wait]) == n + 1);
    if (wait != COMMITTING)
        return;
    slow_disk_set(true, false);
    for (unsigned i = 0; i < VOLUMES; i++)
        volume_server_release(&f->servers[i], VOLUME_SYNC);
    WAIT_UNTIL(f, slow_disk_waits());
}

static void end_wait(struct fixture *f)
{
    slow_disk_set(false, false);
    for (unsigned i = 0; i < VOLUMES; i++) {
        for (unsigned kind = 0; kind < VOLUME_DELETE; kind++)
            volume_server_release(&f->servers[i], kind);
        volume_server_release(&f->servers[i], VOLUME_READ);
    }
}

static void check_remove_meets_move(struct fixture *f, const char *key, enum wait wait)
{
    struct record record;
    struct task move;
    struct task remove;

    put_unbalanced(f, key);
    begin_move(f, &move, key, wait);
    task_remove(f, &remove, key);
    if (wait != ANNOUNCING && wait != COMMITTING)
        task_wait(&remove);
    end_wait(f);
    task_wait(&remove);
    task_wait(&move);
    if (wait == COMMITTING) {
        assert_int_equal(move.rc, 0);
        assert_int_equal(remove.rc, STORE_CONFLICT);
    } else if (remove.rc == 0) {
        assert_int_equal(move.rc, STORE_CONFLICT);
    } else { /* what was announced is another orphan than it has looked at */
        assert_int_equal(wait, ANNOUNCING);
        assert_int_equal(remove.rc, STORE_CONFLICT);
        assert_int_equal(move.rc, 0);
    }
    assert_value(f, key, remove.rc == 0 ? NULL : "value");
    if (remove.rc != 0)
        assert_int_equal(fixture_remove(f, key), 0); /* as its caller does */
    assert_int_equal(fixture_look_up(f, key, &record), UV_ENOENT);
}

static void test_move_meets_a_remove(void **state)
{
    struct fixture *f = *state;
    char key[16];

    for (enum wait wait = ANNOUNCING; wait < WAITS; wait++) {
        snprintf(key, sizeof(key), "/key-%d", (int)wait);
        check_remove_meets_move(f, key, wait);
        assert_named(f);
    }
    assert_clean(f);
    assert_int_equal(count_blobs(f), 0);
}

/* The same while the reclaimer runs: it keeps off what is being moved. */
static void test_move_meets_a_remove_and_the_reclaimer(void **state)
{
    struct fixture *f = *state;
    char key[16];

    fixture_start_reclaimer(f);
    for (enum wait wait = ANNOUNCING; wait < WAITS; wait++) {
        snprintf(key, sizeof(key), "/key-%d", (int)wait);
        check_remove_meets_move(f, key, wait);
    }
    assert_clean(f);
    assert_int_equal(count_blobs(f), 0);
}

static void test_move_meets_an_unlink_and_a_write(void **state)
{
    struct fixture *f = *state;

    for (enum wait wait = ANNOUNCING; wait < WAITS; wait++) {
        struct task move;
        struct task unlinks;
        struct task write;
        char key[16];

        snprintf(key, sizeof(key), "/key-%d", (int)wait);
        put_unbalanced(f, key);
        begin_move(f, &move, key, wait);
        task_unlink(f, &unlinks, key);
        if (wait == ANNOUNCING || wait == COMMITTING)
            slow_disk_set(false, false);
        task_wait(&unlinks);
        assert_int_equal(unlinks.rc, wait == COMMITTING ? STORE_CONFLICT : 0);
        if (unlinks.rc != 0)
            assert_int_equal(fixture_unlink(f, key), 0);
        heal(f); /* for those that come now */
        task_write(f, &write, key, "another");
        if (wait != SYNCING) /* a volume has one sync in hand at a time */
            task_wait(&write);
        end_wait(f);
        task_wait(&move);
        assert_int_equal(task_wait(&write), 0);
        if (wait != ANNOUNCING)
            assert_int_equal(move.rc, wait == COMMITTING ? 0 : STORE_CONFLICT);
        assert_value(f, key, "another");
        assert_named(f);
    }
    assert_clean(f);
    assert_int_equal(count_blobs(f), WAITS * COPIES);
}

/* --- The store fails under a move ------------------------------------------------------------ */

static void test_move_that_cannot_be_announced(void **state)
{
    struct fixture *f = *state;
    unsigned puts;

    put_unbalanced(f, KEY);
    puts = fixture_count(f, VOLUME_PUT);
    slow_disk_set(false, true);
    assert_int_equal(fixture_move(f, KEY), UV_EIO);
    slow_disk_set(false, false);
    assert_int_equal(fixture_count(f, VOLUME_PUT), puts);
    assert_value(f, KEY, "value");
    assert_clean(f);
}

static void test_move_that_cannot_be_committed(void **state)
{
    struct fixture *f = *state;
    struct task move;

    put_unbalanced(f, KEY);
    begin_move(f, &move, KEY, SYNCING);
    slow_disk_set(false, true);
    end_wait(f); /* which lets the disk do again; so it must fail now */
    slow_disk_set(false, true);
    assert_int_equal(task_wait(&move), UV_EIO);
    slow_disk_set(false, false);
    assert_value(f, KEY, "value");
    assert_named(f);
    assert_int_equal(fixture_count_orphans(f), 1);
    assert_clean(f);
    assert_value(f, KEY, "value");
}

/* --- The reclaimer --------------------------------------------------------------------------- */

/* A volume that fails in whatever way is asked again; what it says it hasn't got is gone. */
static void test_reclaimer_asks_again(void **state)
{
    struct fixture *f = *state;

    fixture_start_reclaimer(f);
    for (unsigned i = 0; i < COUNT_OF(fates); i++) {
        uint64_t until = fixture_deadline();
        unsigned asked;

        assert_int_equal(fixture_put(f, KEY, "value"), 0);
        asked = fixture_server(f, KEY, 0)->whole[VOLUME_DELETE];
        fixture_server(f, KEY, 0)->fates[VOLUME_DELETE] = fates[i];
        assert_int_equal(fixture_remove(f, KEY), 0);
        while (fixture_server(f, KEY, 0)->whole[VOLUME_DELETE] < asked + 2) {
            fixture_pass_time(f, 200);
            fixture_turn(f, until, "a second try");
        }
        assert_true(fixture_count_orphans(f) >= 1);
        assert_int_equal(has_blob(f, KEY, 0, store_last_generation(f->box.store)),
                         fates[i] != FATE_DO_AND_CLOSE);
        assert_false(has_blob(f, KEY, 1, store_last_generation(f->box.store)));
        heal(f);
        fixture_reclaim(f);
        assert_int_equal(count_blobs(f), 0);
    }
}

/* A volume that refuses some blobs is asked for all the others, in the same round. */
static void test_reclaimer_asks_for_each_of_many(void **state)
{
    struct fixture *f = *state;
    uint64_t began;
    char key[16];

    fixture_set_fates(f, VOLUME_DELETE, FATE_REFUSE);
    for (unsigned i = 0; i < 300; i++) {
        snprintf(key, sizeof(key), "/key-%u", i);
        assert_int_equal(fixture_put(f, key, "value"), 0);
        assert_int_equal(fixture_remove(f, key), 0);
    }
    fixture_start_reclaimer(f);
    fixture_pass_time(f, GRACE);
    began = uv_now(f->objects.loop);
    WAIT_UNTIL(f, fixture_count(f, VOLUME_DELETE) >= 300 * COPIES);
    assert_true(uv_now(f->objects.loop) - began < 5000); /* no second round has begun */
    heal(f);
    fixture_reclaim(f);
    assert_int_equal(count_blobs(f), 0);
}

/* A DELETE that wasn't answered may be carried out late. So for a while the key has nothing to do
 * with that name, though the next DELETE says that it is gone. */
static void test_move_back_after_a_delete_without_an_answer(void **state)
{
    struct fixture *f = *state;
    struct volume_server *left = fixture_server(f, KEY, 2);
    struct orphan orphan;
    struct task task;

    put_unbalanced(f, KEY);
    assert_int_equal(fixture_move(f, KEY), 0);
    left->fates[VOLUME_DELETE] = FATE_CLOSE;
    fixture_pass_time(f, GRACE);
    fixture_start_reclaimer(f);
    WAIT_UNTIL(f, left->whole[VOLUME_DELETE] == 1);
    WAIT_UNTIL(f, gdbm_engine_get_orphan(f->box.store, KEY, strlen(KEY),
                                         store_last_generation(f->box.store), &orphan) == 0 &&
                      orphan.until > clock_now_ms() + GRACE / 2);
    heal(f);
    fixture_list_without(f, KEY, 0);
    task_move(f, &task, KEY);
    assert_int_equal(task_wait(&task), UV_EAGAIN);
    fixture_list_all(f);
    assert_clean(f);
    assert_value(f, KEY, "value");
}

/* The same of one that libcurl has sent twice, since the connection broke that it had kept. */
static void test_move_back_after_a_delete_that_was_sent_twice(void **state)
{
    struct fixture *f = *state;
    struct volume_server *left = fixture_server(f, KEY, 2);
    struct orphan orphan;

    put_unbalanced(f, KEY);
    assert_int_equal(fixture_move(f, KEY), 0);
    left->fates[VOLUME_DELETE] = FATE_HOLD;
    fixture_pass_time(f, GRACE);
    fixture_start_reclaimer(f);
    WAIT_UNTIL(f, left->whole[VOLUME_DELETE] == 1);
    left->fates[VOLUME_DELETE] = FATE_DO;
    volume_server_cut(left);
    WAIT_UNTIL(f, left->whole[VOLUME_DELETE] == 2);
    WAIT_UNTIL(f, gdbm_engine_get_orphan(f->box.store, KEY, strlen(KEY),
                                         store_last_generation(f->box.store), &orphan) < 0 ||
                      orphan.until > clock_now_ms() + GRACE / 2);
    fixture_list_without(f, KEY, 0);
    assert_int_equal(fixture_move(f, KEY), UV_EAGAIN);
    fixture_list_all(f);
    assert_clean(f);
    assert_value(f, KEY, "value");
}

/* A copy that had no answer may still be stored: its orphan stays for a grace after the failure,
 * however long ago it was announced. */
static void test_move_whose_copy_has_no_answer(void **state)
{
    struct fixture *f = *state;
    struct orphan orphan;
    struct task task;

    put_unbalanced(f, KEY);
    fixture_server(f, KEY, 0)->fates[VOLUME_PUT] = FATE_HOLD;
    task_move(f, &task, KEY);
    assert_int_equal(task_wait_long(&task), UV_EREMOTEIO);
    WAIT_UNTIL(f, gdbm_engine_get_orphan(f->box.store, KEY, strlen(KEY),
                                         store_last_generation(f->box.store), &orphan) == 0 &&
                      orphan.until > clock_now_ms() + GRACE / 2);
    heal(f);
    assert_clean(f);
    assert_value(f, KEY, "value");
}

/* They are those of an earlier run, and a grace after the start it is their time. */
static void test_reclaimer_finds_all_orphans_at_its_start(void **state)
{
    struct fixture *f = *state;
    char key[16];

    for (unsigned i = 0; i < 100; i++) {
        snprintf(key, sizeof(key), "/key-%u", i % 50); /* two generations of each */
        assert_int_equal(fixture_put(f, key, "value"), 0);
        if (i % 3 == 0) {
            assert_int_equal(fixture_unlink(f, key), 0);
            assert_int_equal(fixture_put(f, key, "new"), 0);
        }
        assert_int_equal(fixture_remove(f, key), 0);
    }
    assert_int_equal(fixture_count_orphans(f), 134);
    fixture_start_reclaimer(f);
    fixture_pass_time(f, GRACE / 2); /* the earlier run may have PUTs that are still carried out */
    assert_int_equal(count_blobs(f), 134 * COPIES);
    assert_clean(f);
    assert_int_equal(count_blobs(f), 0);
}

/* A dump may call a blob an orphan which a key has by then. */
static void test_reclaimer_spares_what_a_key_has(void **state)
{
    struct fixture *f = *state;
    struct orphan orphan = {.until = 0};
    struct record record;

    assert_int_equal(fixture_put(f, KEY, "value"), 0);
    assert_int_equal(fixture_look_up(f, KEY, &record), 0);
    orphan.n_places = record.n_places;
    memcpy(orphan.places, record.places, sizeof(record.places));
    assert_int_equal(storebox_put_orphan(&f->box, KEY, strlen(KEY), record.generation, &orphan), 0);
    assert_clean(f);
    assert_value(f, KEY, "value");
    assert_int_equal(fixture_count(f, VOLUME_DELETE), 0);
}

/* A dump may call a blob an orphan at places which its key has by then, and at another one. While
 * it is removed there, the key is removed: then it is an orphan at all of them after all. */
static void test_reclaimer_meets_a_remove_of_what_it_spares(void **state)
{
    struct fixture *f = *state;
    struct volume_server *left = fixture_server(f, KEY, 2);
    struct orphan orphan;
    struct record record;

    put_unbalanced(f, KEY);
    assert_int_equal(fixture_move(f, KEY), 0);
    assert_int_equal(fixture_look_up(f, KEY, &record), 0);
    assert_int_equal(
        gdbm_engine_get_orphan(f->box.store, KEY, strlen(KEY), record.generation, &orphan), 0);
    for (unsigned i = 0; i < record.n_places; i++)
        orphan.places[orphan.n_places++] = record.places[i];
    orphan.until = 0;
    assert_int_equal(storebox_put_orphan(&f->box, KEY, strlen(KEY), record.generation, &orphan), 0);
    left->fates[VOLUME_DELETE] = FATE_HOLD;
    fixture_start_reclaimer(f);
    fixture_pass_time(f, GRACE);
    WAIT_UNTIL(f, left->whole[VOLUME_DELETE] == 1);
    assert_int_equal(fixture_remove(f, KEY), 0);
    volume_server_release(left, VOLUME_DELETE);
    assert_clean(f);
    assert_int_equal(count_blobs(f), 0);
}

/* Its place is nobody's: the id is of a volume that isn't there. */
static void test_reclaimer_keeps_an_orphan_of_a_volume_that_is_away(void **state)
{
    struct fixture *f = *state;
    struct orphan orphan = {.n_places = 1};

    assert_int_equal(
        gdbm_engine_volume_id(f->box.store, "127.0.0.1:1 another-disk", &orphan.places[0].volume),
        0);
    assert_int_equal(storebox_put_orphan(&f->box, KEY, strlen(KEY), 1, &orphan), 0);
    fixture_start_reclaimer(f);
    fixture_pass_time(f, 15000);
    assert_int_equal(fixture_count_orphans(f), 1);
    assert_int_equal(fixture_count(f, VOLUME_DELETE), 0);
    assert_int_equal(storebox_delete_orphan(&f->box, KEY, strlen(KEY), 1), 0);
}

/* Two orphans are in its hands when it stops. */
static void test_reclaimer_stop(void **state)
{
    struct fixture *f = *state;

    fixture_start_reclaimer(f);
    assert_int_equal(fixture_put(f, "/gone", "value"), 0);
    assert_int_equal(fixture_put(f, "/held", "value"), 0);
    assert_int_equal(fixture_remove(f, "/gone"), 0);
    WAIT_UNTIL(f, count_blobs(f) == COPIES);
    fixture_set_fates(f, VOLUME_DELETE, FATE_HOLD);
    assert_int_equal(fixture_remove(f, "/held"), 0);
    WAIT_UNTIL(f, fixture_count(f, VOLUME_DELETE) == 2 * COPIES);
    /* fixture_teardown() stops it, and asserts that nothing is left of it */
}

/* --- Keys of mkv's own ----------------------------------------------------------------------- */

static void assert_hidden(struct fixture *f, uint64_t wanted)
{
    uint64_t hidden = 99;

    assert_int_equal(objects_hidden(&f->objects, &hidden), 0);
    assert_int_equal(hidden, wanted);
    f->objects.hidden_counted = false;
    assert_int_equal(objects_hidden(&f->objects, &hidden), 0);
    assert_int_equal(hidden, wanted);
}

static void test_hidden_keys_are_counted(void **state)
{
    static const struct write_options replacing = {.size = -1, .replaces = true};
    struct fixture *f = *state;
    struct task task;

    assert_int_equal(fixture_put(f, "/_mkv/s3/bucket/a", "value"), 0);
    assert_int_equal(fixture_put(f, "/_mkv!", "value"), 0);
    assert_int_equal(fixture_put(f, "/_mkv0", "value"), 0);
    assert_hidden(f, 1);
    assert_int_equal(fixture_put(f, "/_mkv/s3/bucket/b", "value"), 0);
    assert_int_equal(fixture_put(f, KEY, "value"), 0);
    assert_hidden(f, 2);
    task_begin_write_as(f, &task, "/_mkv/s3/bucket/b", &replacing);
    task_add(&task, "other");
    task_end(&task);
    assert_int_equal(task_wait(&task), 0);
    assert_hidden(f, 2);
    assert_int_equal(fixture_unlink(f, "/_mkv/s3/bucket/b"), 0);
    assert_hidden(f, 1);
    assert_int_equal(fixture_remove(f, "/_mkv/s3/bucket/b"), 0);
    assert_hidden(f, 1);
    assert_int_equal(fixture_remove(f, "/_mkv/s3/bucket/a"), 0);
    assert_int_equal(fixture_remove(f, KEY), 0);
    assert_hidden(f, 0);
}

#define CHANGE_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHANGE_TEST(test_remove_is_one_commit),
        CHANGE_TEST(test_remove_of_another_record),
        CHANGE_TEST(test_removes_at_once_have_one_winner),
        CHANGE_TEST(test_remove_and_unlink_at_once),
        CHANGE_TEST(test_remove_that_cannot_be_committed),
        CHANGE_TEST(test_move_to_the_best_volumes),
        CHANGE_TEST(test_move_whose_target_fails),
        CHANGE_TEST(test_move_whose_sources_fail),
        CHANGE_TEST(test_move_from_a_damaged_copy),
        CHANGE_TEST(test_moves_at_once),
        CHANGE_TEST(test_move_back_before_the_old_copy_is_gone),
        CHANGE_TEST(test_move_of_a_value_whose_time_is_ahead),
        CHANGE_TEST(test_move_beside_an_orphan_that_another_index_may_remove),
        CHANGE_TEST(test_move_meets_a_remove),
        CHANGE_TEST(test_move_meets_a_remove_and_the_reclaimer),
        CHANGE_TEST(test_move_meets_an_unlink_and_a_write),
        CHANGE_TEST(test_move_that_cannot_be_announced),
        CHANGE_TEST(test_move_that_cannot_be_committed),
        CHANGE_TEST(test_reclaimer_asks_again),
        CHANGE_TEST(test_reclaimer_asks_for_each_of_many),
        CHANGE_TEST(test_move_back_after_a_delete_without_an_answer),
        CHANGE_TEST(test_move_back_after_a_delete_that_was_sent_twice),
        CHANGE_TEST(test_move_whose_copy_has_no_answer),
        CHANGE_TEST(test_reclaimer_finds_all_orphans_at_its_start),
        CHANGE_TEST(test_reclaimer_spares_what_a_key_has),
        CHANGE_TEST(test_reclaimer_meets_a_remove_of_what_it_spares),
        CHANGE_TEST(test_reclaimer_keeps_an_orphan_of_a_volume_that_is_away),
        CHANGE_TEST(test_reclaimer_stop),
        CHANGE_TEST(test_hidden_keys_are_counted),
    };

    return cmocka_run_group_tests_name("objects_change", tests, NULL, NULL);
}
