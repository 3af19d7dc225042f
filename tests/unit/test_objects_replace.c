/* Writes that replace values: the one that ends last stays; conditions, which let one
 * of several writers through; values of no bytes; and metadata. */
#include "tests/unit/objects_fixture.h"

#include <errno.h>
#include <string.h>

#include "index/base/base64.h"
#include "index/base/clock.h"
#include "index/objects/note.h"

#define KEY "/key"

static const struct write_options replacing = {.size = -1, .replaces = true};

static void release_all(struct fixture *f)
{
    for (enum volume_request kind = 0; kind < VOLUME_REQUESTS; kind++) {
        fixture_set_fates(f, kind, FATE_DO);
        for (unsigned i = 0; i < VOLUMES; i++)
            volume_server_release(&f->servers[i], kind);
    }
}

static void begin_all(struct fixture *f, struct task *task, const char *value,
                      const struct write_options *options)
{
    task_begin_write_without_waiting(f, task, KEY, options);
    task_add(task, value);
    task_end(task);
}

static int put_as(struct fixture *f, const char *value, const struct write_options *options)
{
    struct task task;

    begin_all(f, &task, value, options);
    return task_wait(&task);
}

/* --- The one that ends last stays ------------------------------------------------------------ */

/* Readers who were sent to the old one find it for a while. */
static void test_replace_of_a_value(void **state)
{
    struct fixture *f = *state;
    char path[PLACEMENT_PATH_MAX];
    struct record old;
    struct record record;

    fixture_start_reclaimer(f);
    assert_int_equal(fixture_put(f, KEY, "old"), 0);
    assert_int_equal(fixture_look_up(f, KEY, &old), 0);
    assert_int_equal(put_as(f, "new", &replacing), 0);
    assert_value(f, KEY, "new");
    assert_int_equal(fixture_look_up(f, KEY, &record), 0);
    assert_true(record.generation > old.generation);
    assert_true(record.time / 1000 > old.time / 1000);
    placement_path(KEY, strlen(KEY), old.generation, path);
    fixture_pass_time(f, GRACE / 2);
    assert_non_null(volume_server_find(fixture_server(f, KEY, 0), path));
    assert_clean(f);
    assert_null(volume_server_find(fixture_server(f, KEY, 0), path));
    assert_value(f, KEY, "new");
    assert_int_equal(fixture_put(f, KEY, "newer"), UV_EEXIST);
}

/* What another index has replaced stays for as long as that one's grace is. */
static void test_replace_by_an_index_of_a_longer_grace(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(fixture_put(f, KEY, "old"), 0);
    f->objects.grace = 10 * GRACE;
    assert_int_equal(put_as(f, "new", &replacing), 0);
    f->objects.grace = GRACE;
    f->box.store->numbers = 2;
    fixture_start_reclaimer(f);
    fixture_pass_time(f, 3 * GRACE);
    assert_int_equal(fixture_count(f, VOLUME_DELETE), 0);
    fixture_pass_time(f, 8 * GRACE);
    WAIT_UNTIL(f, fixture_count(f, VOLUME_DELETE) == COPIES);
    f->box.store->numbers = 1;
}

/* The clock of the index that has made the old one is ahead of this one's. */
static void test_replace_of_a_value_of_another_clock(void **state)
{
    struct fixture *f = *state;
    struct generations *generations = &f->objects.generations;
    struct record old;
    struct record record;

    generations->next = (clock_now_ms() + 60000) << 16;
    assert_int_equal(fixture_put(f, KEY, "old"), 0);
    assert_int_equal(fixture_look_up(f, KEY, &old), 0);
    generations_init(generations, 0, 0, 1);
    assert_int_equal(put_as(f, "new", &replacing), 0);
    assert_int_equal(fixture_look_up(f, KEY, &record), 0);
    assert_true(record.generation > old.generation);
    assert_value(f, KEY, "new");
}

/* Where the first one waits while the second one does it all. */
enum wait { RECEIVING, UPLOADING, SYNCING, COMMITTING };

static void begin_until(struct fixture *f, struct task *task, enum wait wait)
{
    unsigned puts = fixture_count(f, VOLUME_PUT);
    unsigned syncs = fixture_count(f, VOLUME_SYNC);

    if (wait == UPLOADING)
        fixture_set_fates(f, VOLUME_PUT, FATE_HOLD);
    if (wait == SYNCING)
        fixture_set_fates(f, VOLUME_SYNC, FATE_HOLD);
    slow_disk_set(wait == COMMITTING, false);
    task_begin_write_as(f, task, KEY, &replacing);
    if (wait == RECEIVING)
        return;
    task_add(task, "first");
    task_end(task);
    if (wait == UPLOADING)
        WAIT_UNTIL(f, fixture_count(f, VOLUME_PUT) == puts + COPIES);
    else if (wait == SYNCING)
        WAIT_UNTIL(f, fixture_count(f, VOLUME_SYNC) == syncs + COPIES);
    else
        WAIT_UNTIL(f, slow_disk_waits() && fixture_commit_waits(f));
    for (unsigned i = 0; i < VOLUMES; i++)
        f->servers[i].fates[VOLUME_PUT] = f->servers[i].fates[VOLUME_SYNC] = FATE_DO;
}

/* Both are told that theirs was stored, and the one that was stored last stays. */
static void test_replace_meets_a_later_one(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(fixture_put(f, KEY, "old"), 0);
    for (enum wait wait = RECEIVING; wait <= COMMITTING; wait++) {
        struct task first;
        struct task second;
        struct record record;
        bool is_first;

        begin_until(f, &first, wait);
        begin_all(f, &second, "second", &replacing);
        slow_disk_set(false, false);
        if (wait == RECEIVING || wait == UPLOADING)
            assert_int_equal(task_wait(&second), 0);
        if (wait == RECEIVING) {
            task_add(&first, "first");
            task_end(&first);
        }
        release_all(f);
        assert_int_equal(task_wait(&first), 0);
        assert_int_equal(task_wait(&second), 0);
        is_first = first.record.generation > second.record.generation;
        if (wait != SYNCING)
            assert_true(is_first == (wait < SYNCING));
        assert_int_equal(first.record.size, 5);
        assert_value(f, KEY, is_first ? "first" : "second");
        assert_int_equal(fixture_look_up(f, KEY, &record), 0);
        assert_true(record_equal(&record, is_first ? &first.record : &second.record));
        WAIT_UNTIL(f, f->objects.n_running == 0);
        assert_named(f);
    }
    assert_clean(f);
}

/* The second one is stored while the first one comes. */
static int overtake(struct fixture *f, const char *value, const struct write_options *options,
                    struct record *record)
{
    struct task first;
    int rc;

    task_begin_write_as(f, &first, KEY, options);
    assert_int_equal(put_as(f, "second", &replacing), 0);
    if (*value != '\0')
        task_add(&first, value);
    task_end(&first);
    rc = task_wait(&first);
    WAIT_UNTIL(f, f->objects.n_running == 0);
    *record = first.record;
    return rc;
}

/* It is the same file, by another name. */
static void test_replace_is_renewed_with_all_it_has(void **state)
{
    static const char meta[] = "type=text/plain\n";
    struct write_options options = replacing;
    struct fixture *f = *state;
    struct record record;
    struct task task;

    options.needs_md5 = true;
    options.allows_empty = true;
    for (unsigned i = 0; i < 2; i++) {
        const char *value = i == 0 ? "first" : "";
        unsigned puts = fixture_count(f, VOLUME_PUT);

        task_begin_write_as(f, &task, KEY, &options);
        assert_int_equal(put_as(f, "second", &replacing), 0);
        if (i == 0)
            task_add(&task, value);
        assert_int_equal(write_end_with(task.write, meta, strlen(meta), task.text), 0);
        assert_int_equal(task_wait(&task), 0);
        assert_value(f, KEY, value);
        assert_int_equal(fixture_look_up(f, KEY, &record), 0);
        assert_true(record_equal(&record, &task.record));
        assert_true(record.flags & RECORD_MD5);
        assert_int_equal(record.meta_len, strlen(meta));
        assert_int_equal(fixture_count(f, VOLUME_PUT) - puts, (i == 0 ? 2 : 3) * COPIES);
        assert_int_equal(fixture_count(f, VOLUME_ASSEMBLE), COPIES);
        WAIT_UNTIL(f, f->objects.n_running == 0);
        assert_named(f);
    }
    assert_clean(f);
    assert_value(f, KEY, "");
}

static void refuse_to_make(struct fixture *f, int status)
{
    for (unsigned i = 0; i < VOLUMES; i++)
        f->servers[i].refusal = status;
    fixture_set_fates(f, VOLUME_ASSEMBLE, status != 0 ? FATE_REFUSE : FATE_DO);
}

/* Volumes that are nginx alone. The value has no readers: it goes at once, not after the grace. */
static void test_replace_that_cannot_be_renewed(void **state)
{
    struct fixture *f = *state;
    struct orphan orphan;
    struct record record;

    refuse_to_make(f, 405);
    assert_int_equal(overtake(f, "first", &replacing, &record), 0);
    assert_int_equal(
        gdbm_engine_get_orphan(f->box.store, KEY, strlen(KEY), record.generation, &orphan), 0);
    assert_int_equal(orphan.until, 0);
    assert_int_equal(orphan.n_places, COPIES);
    assert_value(f, KEY, "second");
    assert_clean(f);
    assert_value(f, KEY, "second");
}

static void test_replace_whose_renewal_fails(void **state)
{
    static const enum volume_fate bad[] = {FATE_REFUSE, FATE_CLOSE, FATE_DO_AND_CLOSE};
    struct fixture *f = *state;
    struct record record;

    for (unsigned i = 0; i < COUNT_OF(bad); i++) {
        fixture_set_fates(f, VOLUME_ASSEMBLE, bad[i]);
        assert_int_equal(overtake(f, "first", &replacing, &record), 0);
        assert_value(f, KEY, "second");
        fixture_set_fates(f, VOLUME_ASSEMBLE, FATE_DO);
        fixture_wait_until_up(f);
    }
    assert_clean(f);
    assert_value(f, KEY, "second");
}

/* The later one was removed, or unlinked, before the first one was stored. */
static void test_replace_after_a_later_one_has_changed(void **state)
{
    struct fixture *f = *state;
    struct task first;

    for (unsigned i = 0; i < 2; i++) {
        refuse_to_make(f, i == 0 ? 0 : 405);
        task_begin_write_as(f, &first, KEY, &replacing);
        assert_int_equal(put_as(f, "second", &replacing), 0);
        assert_int_equal(fixture_unlink(f, KEY), 0);
        task_add(&first, "first");
        task_end(&first);
        assert_int_equal(task_wait(&first), 0);
        assert_value(f, KEY, i == 0 ? "first" : NULL);
    }
    task_begin_write_as(f, &first, KEY, &replacing);
    assert_int_equal(fixture_remove(f, KEY), 0);
    task_add(&first, "third");
    task_end(&first);
    assert_int_equal(task_wait(&first), 0);
    assert_value(f, KEY, "third");
    assert_clean(f);
}

static void test_many_replaces_of_one_key(void **state)
{
    struct fixture *f = *state;
    struct task tasks[16];
    char value[16];

    for (unsigned i = 0; i < COUNT_OF(tasks); i++) {
        snprintf(value, sizeof(value), "value-%u", i);
        begin_all(f, &tasks[i], value, &replacing);
    }
    for (unsigned i = 0; i < COUNT_OF(tasks); i++)
        assert_int_equal(task_wait(&tasks[i]), 0);
    assert_value(f, KEY, "value-15");
    WAIT_UNTIL(f, f->objects.n_running == 0);
    assert_named(f);
    assert_clean(f);
    assert_value(f, KEY, "value-15");
}

/* One that must not replace is refused as ever, though others may. */
static void test_replace_meets_a_write_that_does_not(void **state)
{
    struct fixture *f = *state;
    struct task first;

    task_begin_write(f, &first, KEY, -1);
    assert_int_equal(put_as(f, "second", &replacing), 0);
    task_add(&first, "first");
    task_end(&first);
    assert_int_equal(task_wait(&first), UV_EEXIST);
    assert_value(f, KEY, "second");
    assert_clean(f);
}

/* The DELETE has the record that it looked up, and finds another one. */
static void test_replace_meets_a_remove(void **state)
{
    struct fixture *f = *state;
    struct record record;
    struct task remove;

    assert_int_equal(fixture_put(f, KEY, "old"), 0);
    assert_int_equal(fixture_look_up(f, KEY, &record), 0);
    assert_int_equal(put_as(f, "new", &replacing), 0);
    task_remove_record(f, &remove, KEY, &record);
    assert_int_equal(task_wait(&remove), STORE_CONFLICT);
    assert_value(f, KEY, "new");
    assert_clean(f);
}

/* The move's copies are of a blob that nobody names any more. */
static void test_replace_meets_a_move(void **state)
{
    struct fixture *f = *state;
    struct task move;

    fixture_list_without(f, KEY, 0);
    assert_int_equal(fixture_put(f, KEY, "old"), 0);
    fixture_list_all(f);
    fixture_wait_until_up(f);
    fixture_set_fates(f, VOLUME_SYNC, FATE_HOLD);
    task_move(f, &move, KEY);
    WAIT_UNTIL(f, fixture_count(f, VOLUME_SYNC) > COPIES);
    for (unsigned i = 0; i < VOLUMES; i++)
        f->servers[i].fates[VOLUME_SYNC] = FATE_DO;
    {
        struct task replace;

        begin_all(f, &replace, "new", &replacing);
        WAIT_UNTIL(f, fixture_count(f, VOLUME_PUT) >= 2 * COPIES + 1);
        release_all(f);
        assert_int_equal(task_wait(&replace), 0);
    }
    task_wait(&move);
    assert_true(move.rc == 0 || move.rc == STORE_CONFLICT);
    assert_value(f, KEY, "new");
    assert_clean(f);
    assert_value(f, KEY, "new");
}

/* --- Conditions ------------------------------------------------------------------------------ */

static unsigned asked;

static int must_be_missing_cb(void *arg, const struct record *record)
{
    assert_non_null(arg);
    asked++;
    return record == NULL ? 0 : UV_ECANCELED;
}

/* The value that all of them saw. */
static uint64_t wanted;

static int must_be_wanted_cb(void *arg, const struct record *record)
{
    assert_non_null(arg);
    asked++;
    return record != NULL && record->generation == wanted ? 0 : UV_ECANCELED;
}

static int of_size_3_cb(void *arg, const struct record *record)
{
    (void)arg;
    return record != NULL && record->size == 3 ? 0 : UV_ECANCELED;
}

static const struct write_options creating = {
    .size = -1, .replaces = true, .condition = must_be_missing_cb};
static const struct write_options changing = {
    .size = -1, .replaces = true, .condition = must_be_wanted_cb};

static void test_condition_at_the_start(void **state)
{
    struct fixture *f = *state;
    struct record record;

    assert_int_equal(put_as(f, "none", &changing), UV_ECANCELED);
    assert_int_equal(put_as(f, "one", &creating), 0);
    assert_int_equal(put_as(f, "two", &creating), UV_ECANCELED);
    assert_value(f, KEY, "one");
    assert_int_equal(fixture_look_up(f, KEY, &record), 0);
    wanted = record.generation;
    assert_int_equal(put_as(f, "two", &changing), 0);
    assert_int_equal(put_as(f, "three", &changing), UV_ECANCELED);
    assert_value(f, KEY, "two");
    assert_int_equal(fixture_unlink(f, KEY), 0);
    assert_int_equal(put_as(f, "three", &changing), UV_ECANCELED);
    assert_int_equal(put_as(f, "four", &creating), 0);
    assert_value(f, KEY, "four");
    assert_clean(f);
}

/* Several at once, whose conditions all hold when they begin: one of them is let through. */
static void race(struct fixture *f, const struct write_options *options)
{
    struct task tasks[5];
    unsigned winner = COUNT_OF(tasks);
    char value[16];

    for (unsigned i = 0; i < COUNT_OF(tasks); i++) {
        snprintf(value, sizeof(value), "value-%u", i);
        begin_all(f, &tasks[i], value, options);
        assert_false(tasks[i].ended);
    }
    for (unsigned i = 0; i < COUNT_OF(tasks); i++) {
        if (task_wait(&tasks[i]) == 0) {
            assert_int_equal(winner, COUNT_OF(tasks));
            winner = i;
        } else {
            assert_int_equal(tasks[i].rc, UV_ECANCELED);
            assert_string_equal(tasks[i].text, "a condition does not hold\n");
        }
    }
    assert_true(winner < COUNT_OF(tasks));
    snprintf(value, sizeof(value), "value-%u", winner);
    assert_value(f, KEY, value);
    WAIT_UNTIL(f, f->objects.n_running == 0);
    assert_named(f);
    assert_clean(f);
    assert_value(f, KEY, value);
}

static void test_condition_lets_one_create(void **state)
{
    race(*state, &creating);
}

static void test_condition_lets_one_change(void **state)
{
    struct fixture *f = *state;
    struct record record;

    assert_int_equal(fixture_put(f, KEY, "old"), 0);
    assert_int_equal(fixture_look_up(f, KEY, &record), 0);
    wanted = record.generation;
    race(f, &changing);
}

/* The value is where it was not, and still the same: it is asked again. */
static void test_condition_holds_of_a_value_that_has_moved(void **state)
{
    struct fixture *f = *state;
    struct record record;
    struct task write;

    fixture_list_without(f, KEY, 0);
    assert_int_equal(fixture_put(f, KEY, "old"), 0);
    assert_int_equal(fixture_look_up(f, KEY, &record), 0);
    wanted = record.generation;
    fixture_list_all(f);
    fixture_wait_until_up(f);
    asked = 0;
    task_begin_write_as(f, &write, KEY, &changing);
    assert_int_equal(asked, 1);
    assert_int_equal(fixture_move(f, KEY), 0);
    task_add(&write, "new");
    task_end(&write);
    assert_int_equal(task_wait(&write), 0);
    assert_int_equal(asked, 2);
    assert_value(f, KEY, "new");
    assert_clean(f);
}

/* A later value for which the condition holds, too: nobody can say that ours was there before. */
static void test_condition_meets_a_later_value(void **state)
{
    static const struct write_options options = {
        .size = -1, .replaces = true, .condition = of_size_3_cb};
    struct fixture *f = *state;
    struct task write;

    assert_int_equal(fixture_put(f, KEY, "old"), 0);
    task_begin_write_as(f, &write, KEY, &options);
    assert_int_equal(put_as(f, "new", &replacing), 0);
    task_add(&write, "first");
    task_end(&write);
    assert_int_equal(task_wait(&write), STORE_CONFLICT);
    assert_value(f, KEY, "new");
    assert_clean(f);
}

/* Its client is gone, and with it whom to ask: it is stored if nothing has changed. */
static void test_condition_of_a_write_that_is_forgotten(void **state)
{
    struct fixture *f = *state;

    for (unsigned changed = 0; changed < 2; changed++) {
        struct record record;
        struct task write;

        assert_int_equal(put_as(f, "old", &replacing), 0);
        assert_int_equal(fixture_look_up(f, KEY, &record), 0);
        wanted = record.generation;
        task_begin_write_as(f, &write, KEY, &changing);
        if (changed == 1)
            assert_int_equal(fixture_remove(f, KEY), 0);
        task_add(&write, "new");
        task_end(&write);
        asked = 0;
        write_forget(write.write);
        WAIT_UNTIL(f, f->objects.n_running == 0);
        assert_int_equal(asked, 0);
        assert_value(f, KEY, changed == 1 ? NULL : "new");
        assert_named(f);
    }
    assert_clean(f);
}

/* --- Values of no bytes ---------------------------------------------------------------------- */

static void test_empty_value(void **state)
{
    static const int64_t sizes[] = {0, -1};
    struct fixture *f = *state;

    for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
        const struct write_options options = {
            .size = sizes[i], .replaces = true, .allows_empty = true};
        struct task task;

        task_begin_write_as(f, &task, KEY, &options);
        task_end(&task);
        assert_int_equal(task_wait(&task), 0);
        assert_int_equal(task.record.size, 0);
        assert_int_equal(task.record.n_places, COPIES);
        assert_value(f, KEY, "");
    }
    assert_int_equal(put_as(f, "value", &replacing), 0);
    assert_value(f, KEY, "value");
    assert_clean(f);
}

/* A client that goes before the end has sent no value. */
static void test_empty_value_that_is_forgotten(void **state)
{
    static const struct write_options options = {.size = -1, .allows_empty = true};
    struct fixture *f = *state;
    struct task task;

    task_begin_write_as(f, &task, KEY, &options);
    write_forget(task.write);
    WAIT_UNTIL(f, f->objects.n_running == 0);
    assert_value(f, KEY, NULL);
    assert_int_equal(fixture_count(f, VOLUME_PUT), 0);
    assert_clean(f);
}

/* Another volume takes it; what has not answered may hold it. */
static void test_empty_value_when_a_volume_fails(void **state)
{
    static const enum volume_fate fates[] = {FATE_REFUSE, FATE_CLOSE, FATE_DO_AND_CLOSE};
    static const struct write_options options = {.size = 0, .replaces = true, .allows_empty = true};
    struct fixture *f = *state;

    for (unsigned i = 0; i < COUNT_OF(fates); i++) {
        struct task task;

        fixture_server(f, KEY, 0)->fates[VOLUME_PUT] = fates[i];
        task_begin_write_as(f, &task, KEY, &options);
        task_end(&task);
        assert_int_equal(task_wait_long(&task), 0);
        release_all(f);
        assert_value(f, KEY, "");
        assert_named(f);
        fixture_wait_until_up(f);
    }
    assert_clean(f);
    assert_value(f, KEY, "");
}

/* Nothing has to be read for it. */
static void test_empty_value_that_moves(void **state)
{
    static const struct write_options options = {.size = 0, .allows_empty = true};
    struct fixture *f = *state;
    struct task task;

    fixture_list_without(f, KEY, 0);
    task_begin_write_as(f, &task, KEY, &options);
    task_end(&task);
    assert_int_equal(task_wait(&task), 0);
    fixture_list_all(f);
    fixture_wait_until_up(f);
    assert_int_equal(fixture_move(f, KEY), 0);
    assert_int_equal(fixture_count(f, VOLUME_READ), 0);
    assert_value(f, KEY, "");
    assert_clean(f);
    assert_value(f, KEY, "");
}

/* --- Another key that goes ------------------------------------------------------------------- */

#define OTHER "/other"

static const struct key other = {.len = sizeof(OTHER) - 1, .bytes = OTHER};
static const struct write_options removing = {.size = -1, .replaces = true, .removes = &other};

/* All but the commit. */
static void begin_removing(struct fixture *f, struct task *task, const char *value)
{
    unsigned syncs = fixture_count(f, VOLUME_SYNC);

    fixture_set_fates(f, VOLUME_SYNC, FATE_HOLD);
    begin_all(f, task, value, &removing);
    WAIT_UNTIL(f, fixture_count(f, VOLUME_SYNC) == syncs + COPIES);
}

/* Both at once: a commit that fails leaves both. */
static void test_replace_removes_another_key(void **state)
{
    struct fixture *f = *state;
    struct task task;

    assert_int_equal(fixture_put(f, KEY, "old"), 0);
    assert_int_equal(fixture_put(f, OTHER, "other"), 0);
    begin_removing(f, &task, "first");
    slow_disk_set(false, true);
    release_all(f);
    assert_int_equal(task_wait(&task), UV_EIO);
    slow_disk_set(false, false);
    assert_value(f, KEY, "old");
    assert_value(f, OTHER, "other");
    assert_int_equal(put_as(f, "new", &removing), 0);
    assert_value(f, KEY, "new");
    assert_value(f, OTHER, NULL);
    assert_clean(f);
    assert_int_equal(put_as(f, "newer", &removing), UV_ENOENT);
    assert_value(f, KEY, "new");
    assert_int_equal(fixture_put(f, OTHER, "again"), 0); /* what was announced is there then, too */
    assert_clean(f);
}

/* Whoever removes it first has done so, and where it has another value by then, that goes. */
static void test_replace_removes_another_key_that_changes(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < 2; i++) {
        struct task task;
        struct task change;

        assert_int_equal(fixture_put(f, OTHER, "other"), 0);
        begin_removing(f, &task, "new");
        slow_disk_set(true, false);
        if (i == 0)
            task_remove(f, &change, OTHER);
        else
            task_unlink(f, &change, OTHER);
        WAIT_UNTIL(f, slow_disk_waits());
        release_all(f);
        WAIT_UNTIL(f, fixture_commit_waits(f));
        slow_disk_set(false, false);
        assert_int_equal(task_wait(&change), 0);
        assert_int_equal(task_wait(&task), i == 0 ? UV_ENOENT : 0);
        assert_value(f, KEY, i == 0 ? NULL : "new");
        assert_value(f, OTHER, NULL);
        assert_clean(f);
    }
}

/* Of a value that can't be made anew the key stays: nobody has made what it stands for. */
static void test_replace_removes_another_key_by_its_renewal(void **state)
{
    struct fixture *f = *state;
    struct record record;

    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(fixture_put(f, OTHER, "other"), 0);
        refuse_to_make(f, i == 0 ? 0 : 405);
        assert_int_equal(overtake(f, "first", &removing, &record), 0);
        assert_value(f, KEY, i == 0 ? "first" : "second");
        assert_value(f, OTHER, i == 0 ? NULL : "other");
        assert_clean(f);
    }
}

/* --- The MD5 --------------------------------------------------------------------------------- */

static void test_md5_where_values_have_none(void **state)
{
    static const struct write_options options = {
        .size = -1, .replaces = true, .allows_empty = true, .needs_md5 = true};
    static const unsigned char of_nothing[] = {0xd4, 0x1d, 0x8c, 0xd9, 0x8f, 0x00, 0xb2, 0x04,
                                               0xe9, 0x80, 0x09, 0x98, 0xec, 0xf8, 0x42, 0x7e};
    struct fixture *f = *state;
    struct task task;

    f->objects.md5 = false;
    assert_int_equal(put_as(f, "value", &replacing), 0);
    task_begin_write_as(f, &task, KEY, &options);
    task_end(&task);
    assert_int_equal(task_wait(&task), 0);
    assert_int_equal(task.record.flags, RECORD_MD5);
    assert_memory_equal(task.record.md5, of_nothing, sizeof(of_nothing));
    begin_all(f, &task, "value", &replacing);
    assert_int_equal(task_wait(&task), 0);
    assert_int_equal(task.record.flags, 0);
}

/* --- Metadata -------------------------------------------------------------------------------- */

static void begin_with_meta(struct fixture *f, struct task *task, const char *key, const char *meta)
{
    task_begin_write_as(f, task, key, &replacing);
    task_add(task, "value");
    task->rc = write_end_with(task->write, meta, strlen(meta), task->text);
    if (task->rc < 0) {
        task->write = NULL;
        task->ended = true;
    }
}

/* The key's record has it, and so has the note of each of its files. */
static void assert_meta(struct fixture *f, const char *key, const char *meta)
{
    char path[PLACEMENT_PATH_MAX];
    struct record record;
    unsigned n = 0;

    assert_int_equal(fixture_look_up(f, key, &record), 0);
    assert_int_equal(record.meta_len, strlen(meta));
    assert_memory_equal(record.meta, meta, record.meta_len);
    placement_path(key, strlen(key), record.generation, path);
    for (unsigned i = 0; i < VOLUMES; i++) {
        struct volume_blob *blob = volume_server_find(&f->servers[i], path);
        unsigned char bytes[NOTE_MAX];
        struct note note;
        size_t len;

        if (blob == NULL)
            continue;
        assert_in_range(buf_size(&blob->note), 1, BASE64_SIZE(NOTE_MAX));
        assert_int_equal(base64_decode(buf_bytes(&blob->note), buf_size(&blob->note), bytes, &len),
                         0);
        note_parse((const char *)bytes, len, &note);
        assert_true(note.has_size && note.size == record.size);
        assert_int_equal(note.meta_len, strlen(meta));
        assert_memory_equal(note.meta, meta, note.meta_len);
        n++;
    }
    assert_int_equal(n, record.n_places);
}

static void test_metadata_of_a_value(void **state)
{
    struct fixture *f = *state;
    struct task task;

    begin_with_meta(f, &task, KEY, "type=a/b\nx-a=1\n");
    assert_int_equal(task_wait(&task), 0);
    assert_meta(f, KEY, "type=a/b\nx-a=1\n");
    assert_int_equal(task.record.meta_len, 15);
    begin_with_meta(f, &task, KEY, "A=1\n");
    assert_int_equal(task.rc, UV_EINVAL);
    assert_value(f, KEY, "value");
    assert_int_equal(put_as(f, "other", &replacing), 0);
    assert_clean(f);
    assert_meta(f, KEY, "");
}

static void test_metadata_moves_with_a_value(void **state)
{
    struct fixture *f = *state;
    struct task task;

    fixture_list_without(f, KEY, 0);
    begin_with_meta(f, &task, KEY, "type=a/b\n");
    assert_int_equal(task_wait(&task), 0);
    fixture_list_all(f);
    fixture_wait_until_up(f);
    assert_int_equal(fixture_move(f, KEY), 0);
    assert_value(f, KEY, "value");
    assert_clean(f);
    assert_meta(f, KEY, "type=a/b\n");
}

/* Many at once, as much as there can be of each: no request to a volume is too long for it. */
static void test_metadata_of_many_values(void **state)
{
    static struct task tasks[64];
    struct fixture *f = *state;
    char meta[RECORD_META_MAX + 1];
    char key[16];

    memset(meta, 'v', RECORD_META_MAX);
    memcpy(meta, "x-a=", 4);
    strcpy(meta + RECORD_META_MAX - 1, "\n");
    fixture_set_fates(f, VOLUME_PUT, FATE_HOLD);
    for (unsigned i = 0; i < COUNT_OF(tasks); i++) {
        snprintf(key, sizeof(key), "/key-%u", i);
        begin_with_meta(f, &tasks[i], key, meta);
    }
    WAIT_UNTIL(f, fixture_count(f, VOLUME_PUT) == COPIES * COUNT_OF(tasks));
    release_all(f);
    for (unsigned i = 0; i < COUNT_OF(tasks); i++)
        assert_int_equal(task_wait(&tasks[i]), 0);
    for (unsigned i = 0; i < COUNT_OF(tasks); i++) {
        snprintf(key, sizeof(key), "/key-%u", i);
        assert_meta(f, key, meta);
    }
    assert_in_range(fixture_count(f, VOLUME_SYNC), 2 * VOLUMES, COUNT_OF(tasks));
}

#define REPLACE_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        REPLACE_TEST(test_replace_of_a_value),
        REPLACE_TEST(test_replace_of_a_value_of_another_clock),
        REPLACE_TEST(test_replace_by_an_index_of_a_longer_grace),
        REPLACE_TEST(test_replace_meets_a_later_one),
        REPLACE_TEST(test_replace_is_renewed_with_all_it_has),
        REPLACE_TEST(test_replace_that_cannot_be_renewed),
        REPLACE_TEST(test_replace_whose_renewal_fails),
        REPLACE_TEST(test_replace_after_a_later_one_has_changed),
        REPLACE_TEST(test_many_replaces_of_one_key),
        REPLACE_TEST(test_replace_meets_a_write_that_does_not),
        REPLACE_TEST(test_replace_meets_a_remove),
        REPLACE_TEST(test_replace_meets_a_move),
        REPLACE_TEST(test_condition_at_the_start),
        REPLACE_TEST(test_condition_lets_one_create),
        REPLACE_TEST(test_condition_lets_one_change),
        REPLACE_TEST(test_condition_holds_of_a_value_that_has_moved),
        REPLACE_TEST(test_condition_meets_a_later_value),
        REPLACE_TEST(test_condition_of_a_write_that_is_forgotten),
        REPLACE_TEST(test_empty_value),
        REPLACE_TEST(test_empty_value_that_is_forgotten),
        REPLACE_TEST(test_empty_value_when_a_volume_fails),
        REPLACE_TEST(test_empty_value_that_moves),
        REPLACE_TEST(test_replace_removes_another_key),
        REPLACE_TEST(test_replace_removes_another_key_that_changes),
        REPLACE_TEST(test_replace_removes_another_key_by_its_renewal),
        REPLACE_TEST(test_md5_where_values_have_none),
        REPLACE_TEST(test_metadata_of_a_value),
        REPLACE_TEST(test_metadata_moves_with_a_value),
        REPLACE_TEST(test_metadata_of_many_values),
    };

    return cmocka_run_group_tests_name("objects_replace", tests, NULL, NULL);
}
