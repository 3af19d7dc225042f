/* Writes that are interrupted at each place where they wait, by their callers, by volumes, by the
 * store, and by each other. Whatever happens, the key has the one value or none, and each blob that
 * lies anywhere is named. */
#include "tests/unit/objects_fixture.h"

#include <errno.h>
#include <string.h>

#include "tests/support/late_engine.h"

#define KEY "/key"

/* Turns the loop until so many volumes have been told of the PUT, or asked to sync, in all. */
static void release(struct fixture *f, enum volume_request kind)
{
    for (unsigned i = 0; i < VOLUMES; i++)
        volume_server_release(&f->servers[i], kind);
}

/* --- One write ------------------------------------------------------------------------------- */

static void test_write_stores_a_value(void **state)
{
    struct fixture *f = *state;
    struct task task;

    task_begin_write(f, &task, KEY, -1);
    task_add(&task, "a ");
    task_add(&task, "value");
    task_end(&task);
    assert_int_equal(task_wait(&task), 0);
    assert_value(f, KEY, "a value");
    assert_true(task.record.generation > 0);
    assert_int_equal(task.record.time, generation_time(task.record.generation));
    assert_int_equal(fixture_count(f, VOLUME_PUT), COPIES);
    assert_int_equal(fixture_count_orphans(f), 0);
    assert_clean(f);
    assert_value(f, KEY, "a value");
    assert_int_equal(fixture_count(f, VOLUME_DELETE), 0);
}

static void test_write_of_a_key_that_exists(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(fixture_put(f, KEY, "one"), 0);
    assert_int_equal(fixture_put(f, KEY, "two"), UV_EEXIST);
    assert_value(f, KEY, "one");
    assert_clean(f);
}

static void test_write_of_nothing(void **state)
{
    struct fixture *f = *state;
    struct task task;

    task_begin_write(f, &task, KEY, -1);
    task_end(&task);
    assert_int_equal(task_wait(&task), -ENODATA);
    WAIT_UNTIL(f, f->objects.n_running == 0);
    assert_value(f, KEY, NULL);
    assert_int_equal(fixture_count_orphans(f), 0);
    assert_clean(f);
}

/* Of a size that is known, the store doesn't hear either. */
static void test_write_of_no_bytes_is_refused_at_once(void **state)
{
    const struct write_options options = {.size = 0};
    struct fixture *f = *state;
    char text[UPLOAD_TEXT_MAX];
    struct write *write;
    struct key key;

    assert_null(key_decode(KEY, strlen(KEY), &key));
    assert_int_equal(write_start(&f->objects, &key, &options, &write, text), -ENODATA);
    assert_int_equal(f->objects.n_running, 0);
}

/* Of a value whose size isn't known, no volume sees the end; of another one, each of them does. */
static void test_write_of_another_md5_than_was_announced(void **state)
{
    static const unsigned char md5[RECORD_MD5_SIZE] = {1};
    struct fixture *f = *state;
    struct task task;

    for (unsigned known = 0; known < 2; known++) {
        const struct write_options options = {.size = known == 1 ? 5 : -1, .md5 = md5};

        task_begin_write_as(f, &task, KEY, &options);
        task_add(&task, "val");
        task_add(&task, "ue");
        WAIT_UNTIL(f, fixture_server(f, KEY, 0)->begun[VOLUME_PUT] == 1 + known &&
                          fixture_server(f, KEY, 1)->begun[VOLUME_PUT] == 1 + known);
        if (known == 1)
            WAIT_UNTIL(f, fixture_count(f, VOLUME_PUT) == COPIES);
        task_end(&task);
        assert_int_equal(task_wait(&task), UV_EILSEQ);
        assert_named(f);
        assert_value(f, KEY, NULL);
        assert_int_equal(fixture_count(f, VOLUME_PUT), known * COPIES);
        assert_int_equal(fixture_count_orphans(f), known);
    }
    assert_clean(f);
}

/* What the caller has announced may be gone when the store answers. */
static void test_write_of_an_announced_md5_on_a_store_that_answers_later(void **state)
{
    static const unsigned char value[] = {0x20, 0x63, 0xc1, 0x60, 0x8d, 0x6e, 0x0b, 0xaf,
                                          0x80, 0x24, 0x9c, 0x42, 0xe2, 0xbe, 0x58, 0x04};
    struct fixture *f = *state;
    struct store *inner = f->box.store;
    unsigned char md5[RECORD_MD5_SIZE];
    const struct write_options options = {.size = 5, .md5 = md5};
    struct task task;

    f->objects.store = late_engine_new(&f->box.loop, inner);
    memcpy(md5, value, sizeof(md5));
    late_engine_hold(f->objects.store, true);
    task_begin_write_without_waiting(f, &task, KEY, &options);
    memset(md5, 0, sizeof(md5));
    late_engine_hold(f->objects.store, false);
    WAIT_UNTIL(f, task.started);
    task_add(&task, "value");
    task_end(&task);
    assert_int_equal(task_wait(&task), 0);
    assert_value(f, KEY, "value");
    f->box.store = f->objects.store;
}

/* A store that a kill of mkv leaves when the first volume hears of the blob knows of it. */
static void put_begins_cb(struct volume_server *server, const char *path, void *arg)
{
    static const struct gdbm_engine_options options = {.sync = false};
    struct fixture *f = arg;
    struct storebox copy;
    struct orphan orphan;
    char dir[160];
    uint64_t generation = strtoull(strrchr(path, '.') + 1, NULL, 16);

    server->put_cb = NULL;
    snprintf(dir, sizeof(dir), "%s.copy", f->box.dir);
    storebox_copy_directory(f->box.dir, dir);
    storebox_init(&copy, dir, &options);
    assert_int_equal(storebox_open(&copy), 0);
    assert_int_equal(gdbm_engine_get_orphan(copy.store, KEY, strlen(KEY), generation, &orphan), 0);
    assert_int_equal(orphan.n_places, VOLUMES);
    assert_true(store_last_generation(copy.store) >= generation);
    storebox_deinit(&copy);
    storebox_remove_directory(dir);
    f->stopped++;
}

static void test_write_announces_before_a_volume_hears_of_it(void **state)
{
    struct fixture *f = *state;

    slow_disk_set(true, false); /* though the disk hasn't got it */
    for (unsigned i = 0; i < VOLUMES; i++) {
        f->servers[i].put_cb = put_begins_cb;
        f->servers[i].put_arg = f;
    }
    {
        struct task task;

        task_write(f, &task, KEY, "value");
        WAIT_UNTIL(f, fixture_count(f, VOLUME_SYNC) == COPIES);
        assert_true(slow_disk_waits());
        assert_int_equal(f->stopped, COPIES);
        f->stopped = 0;
        slow_disk_set(false, false);
        assert_int_equal(task_wait(&task), 0);
    }
    assert_value(f, KEY, "value");
    assert_clean(f);
}

/* --- Its caller goes away -------------------------------------------------------------------- */

static void forget(struct task *task)
{
    if (task->write != NULL)
        write_forget(task->write);
    task->write = NULL;
}

static void test_write_forget_before_the_first_byte(void **state)
{
    struct fixture *f = *state;
    struct task task;

    task_begin_write(f, &task, KEY, 5);
    forget(&task);
    assert_named(f);
    assert_value(f, KEY, NULL);
    assert_int_equal(fixture_count_orphans(f), 0);
}

/* Before the end it comes to nothing: while the store is told, ... */
static void test_write_forget_while_it_is_announced(void **state)
{
    struct fixture *f = *state;
    struct task task;

    task_begin_write_without_waiting(f, &task, KEY, &(struct write_options){.size = 5});
    assert_false(task.started);
    forget(&task);
    assert_named(f);
    assert_value(f, KEY, NULL);
    assert_int_equal(f->servers[0].begun[VOLUME_PUT], 0);
    assert_clean(f);
}

/* ... while the disk has yet to get that, and the volumes have begun, ... */
static void test_write_forget_while_it_is_uploaded(void **state)
{
    for (unsigned held = 0; held < 2; held++) {
        struct fixture *f = *state;
        struct task task;

        slow_disk_set(held == 1, false);
        task_begin_write(f, &task, KEY, 5);
        WAIT_UNTIL(f, task.started);
        task_add(&task, "v");
        task_add(&task, "al");
        WAIT_UNTIL(f, fixture_server(f, KEY, 0)->begun[VOLUME_PUT] == 1 + held &&
                          fixture_server(f, KEY, 1)->begun[VOLUME_PUT] == 1 + held);
        forget(&task);
        slow_disk_set(false, false);
        assert_named(f);
        assert_value(f, KEY, NULL);
        assert_int_equal(fixture_count(f, VOLUME_PUT), 0);
        assert_int_equal(fixture_count_orphans(f), 0);
    }
    assert_clean(*state);
}

/* ... and when all of them have failed. */
static void test_write_forget_when_volumes_have_failed(void **state)
{
    struct fixture *f = *state;
    struct task task;

    fixture_set_fates(f, VOLUME_SYNC, FATE_CLOSE);
    task_write(f, &task, KEY, "value");
    forget(&task);
    assert_named(f);
    assert_value(f, KEY, NULL);
    assert_true(fixture_count_orphans(f) == 1);
    assert_clean(f);
}

/* After the end it is stored, though nobody wants to know. */
static void test_write_forget_after_the_end(void **state)
{
    struct fixture *f = *state;
    struct task tasks[4];

    task_write(f, &tasks[0], "/announcing", "value");
    forget(&tasks[0]);
    assert_named(f);
    assert_value(f, "/announcing", "value");

    fixture_set_fates(f, VOLUME_PUT, FATE_HOLD);
    task_write(f, &tasks[1], "/uploading", "value");
    WAIT_UNTIL(f, fixture_count(f, VOLUME_PUT) == 2 * COPIES);
    forget(&tasks[1]);
    release(f, VOLUME_PUT);
    assert_named(f);
    assert_value(f, "/uploading", "value");

    fixture_set_fates(f, VOLUME_SYNC, FATE_HOLD);
    task_write(f, &tasks[2], "/syncing", "value");
    WAIT_UNTIL(f, fixture_count(f, VOLUME_SYNC) == 3 * COPIES);
    forget(&tasks[2]);
    release(f, VOLUME_SYNC);
    assert_named(f);
    assert_value(f, "/syncing", "value");

    slow_disk_set(true, false);
    task_write(f, &tasks[3], "/committing", "value");
    WAIT_UNTIL(f, slow_disk_waits() && fixture_commit_waits(f));
    forget(&tasks[3]);
    slow_disk_set(false, false);
    assert_named(f);
    assert_value(f, "/committing", "value");
    for (unsigned i = 0; i < 4; i++)
        assert_false(tasks[i].ended);
    assert_clean(f);
}

/* --- Volumes fail ---------------------------------------------------------------------------- */

static const struct {
    enum volume_request kind;
    enum volume_fate fate;
} failures[] = {
    {VOLUME_PUT, FATE_REFUSE}, {VOLUME_PUT, FATE_CLOSE},         {VOLUME_PUT, FATE_DO_AND_CLOSE},
    {VOLUME_PUT, FATE_HOLD},   {VOLUME_PUT, FATE_LIE},           {VOLUME_SYNC, FATE_REFUSE},
    {VOLUME_SYNC, FATE_CLOSE}, {VOLUME_SYNC, FATE_DO_AND_CLOSE}, {VOLUME_SYNC, FATE_HOLD},
};

static void heal(struct fixture *f)
{
    for (unsigned kind = 0; kind < VOLUME_REQUESTS; kind++)
        fixture_set_fates(f, kind, FATE_DO);
}

/* The third volume takes the failed one's part; what may lie there is an orphan. */
static void test_write_when_a_volume_fails(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < COUNT_OF(failures); i++) {
        for (unsigned rank = 0; rank < COPIES; rank++) {
            struct task task;
            char key[16];

            snprintf(key, sizeof(key), "/key-%zu-%u", i, rank);
            fixture_server(f, key, rank)->fates[failures[i].kind] = failures[i].fate;
            task_write(f, &task, key, "value");
            if (task_wait_long(&task) != 0)
                fail_msg("failure %zu at rank %u: %d, %s", i, rank, task.rc, task.text);
            heal(f);
            assert_value(f, key, "value");
            assert_named(f);
            fixture_wait_until_up(f);
        }
    }
    assert_clean(f);
    for (size_t i = 0; i < COUNT_OF(failures); i++) {
        char key[16];

        snprintf(key, sizeof(key), "/key-%zu-1", i);
        assert_value(f, key, "value");
    }
}

/* One is too few. */
static void test_write_when_two_volumes_fail(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < COUNT_OF(failures); i++) {
        struct task task;
        char key[16];
        int rc;

        snprintf(key, sizeof(key), "/key-%u", i);
        fixture_server(f, key, i % 3)->fates[failures[i].kind] = failures[i].fate;
        fixture_server(f, key, (i + 1) % 3)->fates[failures[i].kind] = failures[i].fate;
        task_write(f, &task, key, "value");
        rc = task_wait_long(&task);
        heal(f);
        if (rc != UV_EREMOTEIO && rc != UV_EAGAIN)
            fail_msg("failure %u: %s", i, uv_strerror(rc));
        assert_true(strlen(task.text) > 1);
        assert_value(f, key, NULL);
        assert_named(f);
        fixture_wait_until_up(f);
    }
    assert_clean(f);
}

static void test_write_when_volumes_are_full(void **state)
{
    struct fixture *f = *state;

    fixture_set_fates(f, VOLUME_PUT, FATE_REFUSE);
    for (unsigned i = 0; i < VOLUMES; i++)
        f->servers[i].refusal = 507;
    assert_int_equal(fixture_put(f, KEY, "value"), UV_ENOSPC);
    assert_value(f, KEY, NULL);
    assert_clean(f);
}

/* A request without an answer may be carried out later: its orphan waits for that. */
static void test_write_whose_put_is_carried_out_late(void **state)
{
    struct fixture *f = *state;
    struct volume_server *server = fixture_server(f, KEY, 0);
    char path[PLACEMENT_PATH_MAX];
    struct orphan orphan;
    struct task task;

    server->fates[VOLUME_PUT] = FATE_HOLD;
    task_write(f, &task, KEY, "value");
    assert_int_equal(task_wait_long(&task), 0);
    server->fates[VOLUME_PUT] = FATE_DO;
    assert_int_equal(
        gdbm_engine_get_orphan(f->box.store, KEY, strlen(KEY), task.record.generation, &orphan), 0);
    assert_int_equal(orphan.n_places, 1);
    assert_true(orphan.until >= task.record.time + FIXTURE_STALL + GRACE);
    placement_path(KEY, strlen(KEY), task.record.generation, path);
    assert_null(volume_server_find(server, path));
    volume_server_store(server, path, "value", 5);
    assert_clean(f);
    assert_null(volume_server_find(server, path));
    assert_value(f, KEY, "value");
}

/* However long it takes, the reclaimer keeps off. */
static void test_write_that_takes_longer_than_the_grace(void **state)
{
    struct fixture *f = *state;
    struct task task;

    fixture_start_reclaimer(f);
    fixture_set_fates(f, VOLUME_PUT, FATE_HOLD);
    task_write(f, &task, KEY, "value");
    WAIT_UNTIL(f, fixture_count(f, VOLUME_PUT) == COPIES && fixture_count_orphans(f) == 1);
    fixture_pass_time(f, GRACE + 5500);
    assert_false(task.ended);
    assert_int_equal(fixture_count(f, VOLUME_DELETE), 0);
    assert_int_equal(fixture_count_orphans(f), 1);
    release(f, VOLUME_PUT);
    assert_int_equal(task_wait(&task), 0);
    assert_clean(f);
    assert_value(f, KEY, "value");
    assert_int_equal(fixture_count(f, VOLUME_DELETE), 0);
}

/* --- The store fails ------------------------------------------------------------------------- */

static void test_write_that_cannot_be_announced(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(fixture_put(f, "/begun", "value"), 0);
    slow_disk_refuse_writes(true);
    assert_int_equal(fixture_put(f, KEY, "value"), UV_ENOSPC);
    assert_int_equal(fixture_count(f, VOLUME_PUT), COPIES);
    slow_disk_refuse_writes(false);
    assert_value(f, KEY, NULL);
    assert_clean(f);
}

/* Neither the record nor what is left can be told to the store: what was announced still is. */
static void test_write_that_cannot_be_committed(void **state)
{
    struct fixture *f = *state;
    struct task task;

    fixture_set_fates(f, VOLUME_PUT, FATE_HOLD);
    task_write(f, &task, KEY, "value");
    WAIT_UNTIL(f, fixture_count_orphans(f) == 1);
    slow_disk_set(false, true);
    WAIT_UNTIL(f, fixture_count(f, VOLUME_PUT) == COPIES);
    release(f, VOLUME_PUT);
    assert_int_equal(task_wait(&task), UV_EIO);
    assert_named(f);
    slow_disk_set(false, false);
    assert_value(f, KEY, NULL);
    assert_int_equal(fixture_count_orphans(f), 1);
    assert_clean(f);
}

/* The announcement was written, and then lost by the disk. The record would have gone on from it.
 */
static void test_write_whose_announcement_is_lost(void **state)
{
    struct fixture *f = *state;
    struct task task;

    slow_disk_set(true, false);
    task_write(f, &task, KEY, "value");
    WAIT_UNTIL(f, slow_disk_waits() && fixture_commit_waits(f));
    slow_disk_set(false, true);
    WAIT_UNTIL(f, task.ended);
    slow_disk_set(false, false);
    assert_int_equal(task.rc, UV_EIO);
    assert_value(f, KEY, NULL);
    WAIT_UNTIL(f, f->objects.n_running == 0);
    assert_clean(f);
}

/* --- Two writes of one key ------------------------------------------------------------------- */

/* Where the first one waits when the second one does it all. */
enum wait { RECEIVING, ANNOUNCING, UPLOADING, SYNCING, COMMITTING };

static void test_writes_of_one_key_have_one_winner(void **state)
{
    struct fixture *f = *state;

    for (enum wait wait = RECEIVING; wait <= COMMITTING; wait++) {
        struct task first;
        struct task second;
        unsigned puts = fixture_count(f, VOLUME_PUT);
        unsigned syncs = fixture_count(f, VOLUME_SYNC);
        char key[16];

        snprintf(key, sizeof(key), "/key-%d", (int)wait);
        if (wait == UPLOADING)
            fixture_set_fates(f, VOLUME_PUT, FATE_HOLD);
        if (wait == SYNCING)
            fixture_set_fates(f, VOLUME_SYNC, FATE_HOLD);
        slow_disk_set(wait == COMMITTING, false);
        task_begin_write(f, &first, key, 5);
        if (wait != RECEIVING) {
            task_add(&first, "first");
            task_end(&first);
        }
        if (wait == UPLOADING)
            WAIT_UNTIL(f, fixture_count(f, VOLUME_PUT) == puts + COPIES);
        if (wait == SYNCING)
            WAIT_UNTIL(f, fixture_count(f, VOLUME_SYNC) == syncs + COPIES);
        if (wait == COMMITTING)
            WAIT_UNTIL(f, slow_disk_waits() && fixture_commit_waits(f));
        for (unsigned i = 0; i < VOLUMES; i++) /* for those that come now */
            f->servers[i].fates[VOLUME_PUT] = f->servers[i].fates[VOLUME_SYNC] = FATE_DO;
        task_write(f, &second, key, "second");
        slow_disk_set(false, false);
        if (wait != SYNCING) /* a volume has one sync in hand at a time */
            task_wait(&second);
        task_add(&first, wait == RECEIVING ? "first" : "");
        if (wait == RECEIVING)
            task_end(&first);
        release(f, VOLUME_PUT);
        release(f, VOLUME_SYNC);
        task_wait(&first);
        task_wait(&second);
        assert_int_equal(first.rc == 0 ? second.rc : first.rc, UV_EEXIST);
        assert_int_equal(first.rc == 0 ? first.rc : second.rc, 0);
        if (wait == COMMITTING)
            assert_int_equal(first.rc, 0);
        else if (wait == RECEIVING || wait == UPLOADING)
            assert_int_equal(second.rc, 0);
        assert_value(f, key, first.rc == 0 ? "first" : "second");
        assert_named(f);
    }
    assert_clean(f);
}

static void test_many_writes_of_one_key_have_one_winner(void **state)
{
    struct fixture *f = *state;
    struct task tasks[8];
    unsigned winners = 0;
    char value[8] = "value-0";
    char winner[8] = "";

    for (unsigned i = 0; i < COUNT_OF(tasks); i++) {
        value[6] = (char)('0' + i);
        task_write(f, &tasks[i], KEY, value);
    }
    for (unsigned i = 0; i < COUNT_OF(tasks); i++) {
        int rc = task_wait(&tasks[i]);

        if (rc != UV_EEXIST)
            assert_int_equal(rc, 0);
        if (rc == 0) {
            winners++;
            value[6] = (char)('0' + i);
            strcpy(winner, value);
        }
    }
    assert_int_equal(winners, 1);
    assert_value(f, KEY, winner);
    assert_clean(f);
    assert_value(f, KEY, winner);
}

/* --- It replaces an unlinked value ----------------------------------------------------------- */

/* Readers who were sent to it find it for a while. */
static void test_write_over_an_unlinked_value(void **state)
{
    struct fixture *f = *state;
    char path[PLACEMENT_PATH_MAX];
    struct record old;
    struct record record;

    fixture_start_reclaimer(f);
    assert_int_equal(fixture_put(f, KEY, "old"), 0);
    assert_int_equal(fixture_look_up(f, KEY, &old), 0);
    assert_int_equal(fixture_unlink(f, KEY), 0);
    assert_value(f, KEY, NULL);
    assert_int_equal(fixture_put(f, KEY, "new"), 0);
    assert_value(f, KEY, "new");
    assert_int_equal(fixture_look_up(f, KEY, &record), 0);
    assert_true(record.generation > old.generation);
    assert_true(record.time / 1000 > old.time / 1000);
    placement_path(KEY, strlen(KEY), old.generation, path);
    fixture_pass_time(f, GRACE / 2);
    assert_non_null(volume_server_find(fixture_server(f, KEY, 0), path));
    assert_non_null(volume_server_find(fixture_server(f, KEY, 1), path));
    assert_clean(f);
    assert_null(volume_server_find(fixture_server(f, KEY, 0), path));
    assert_value(f, KEY, "new");
}

/* The DELETE of the unlinked value comes first, or finds that it is another one. */
static void test_write_over_an_unlinked_value_meets_its_remove(void **state)
{
    struct fixture *f = *state;

    for (enum wait wait = RECEIVING; wait <= COMMITTING; wait++) {
        struct task write;
        struct task remove;
        unsigned puts;
        unsigned syncs;
        char key[16];

        snprintf(key, sizeof(key), "/key-%d", (int)wait);
        assert_int_equal(fixture_put(f, key, "old"), 0);
        assert_int_equal(fixture_unlink(f, key), 0);
        puts = fixture_count(f, VOLUME_PUT);
        syncs = fixture_count(f, VOLUME_SYNC);
        if (wait == UPLOADING)
            fixture_set_fates(f, VOLUME_PUT, FATE_HOLD);
        if (wait == SYNCING)
            fixture_set_fates(f, VOLUME_SYNC, FATE_HOLD);
        slow_disk_set(wait == COMMITTING, false);
        task_begin_write(f, &write, key, 3);
        if (wait != RECEIVING) {
            task_add(&write, "new");
            task_end(&write);
        }
        if (wait == UPLOADING)
            WAIT_UNTIL(f, fixture_count(f, VOLUME_PUT) == puts + COPIES);
        if (wait == SYNCING)
            WAIT_UNTIL(f, fixture_count(f, VOLUME_SYNC) == syncs + COPIES);
        if (wait == COMMITTING)
            WAIT_UNTIL(f, slow_disk_waits() && fixture_commit_waits(f));
        task_remove(f, &remove, key); /* it looks at what is there now */
        slow_disk_set(false, false);
        assert_int_equal(task_wait(&remove), wait == COMMITTING ? STORE_CONFLICT : 0);
        if (wait == RECEIVING) {
            task_add(&write, "new");
            task_end(&write);
        }
        release(f, VOLUME_PUT);
        release(f, VOLUME_SYNC);
        assert_int_equal(task_wait(&write), 0);
        assert_value(f, key, "new");
        assert_named(f);
    }
    assert_clean(f);
}

/* A later value came and was unlinked: an older one doesn't replace it. Once it is removed, the
 * older one is as good as any. */
static void test_write_that_comes_after_a_later_value(void **state)
{
    struct fixture *f = *state;
    char key[16];

    for (unsigned removed = 0; removed < 2; removed++) {
        struct task first;
        unsigned puts;

        snprintf(key, sizeof(key), "/key-%u", removed);
        assert_int_equal(fixture_put(f, key, "old"), 0);
        assert_int_equal(fixture_unlink(f, key), 0);
        puts = fixture_count(f, VOLUME_PUT);
        fixture_set_fates(f, VOLUME_PUT, FATE_HOLD);
        task_write(f, &first, key, "first");
        WAIT_UNTIL(f, fixture_count(f, VOLUME_PUT) == puts + COPIES);
        heal(f);
        assert_int_equal(fixture_put(f, key, "second"), 0);
        assert_int_equal(fixture_unlink(f, key), 0);
        if (removed == 1)
            assert_int_equal(fixture_remove(f, key), 0);
        release(f, VOLUME_PUT);
        assert_int_equal(task_wait(&first), removed == 1 ? 0 : UV_EEXIST);
        assert_value(f, key, removed == 1 ? "first" : NULL);
        assert_named(f);
        assert_int_equal(fixture_put(f, key, "third"), removed == 1 ? UV_EEXIST : 0);
    }
    assert_clean(f);
    assert_value(f, "/key-0", "third");
    assert_value(f, "/key-1", "first");
}

#define WRITE_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WRITE_TEST(test_write_stores_a_value),
        WRITE_TEST(test_write_of_a_key_that_exists),
        WRITE_TEST(test_write_of_nothing),
        WRITE_TEST(test_write_of_no_bytes_is_refused_at_once),
        WRITE_TEST(test_write_of_another_md5_than_was_announced),
        WRITE_TEST(test_write_of_an_announced_md5_on_a_store_that_answers_later),
        WRITE_TEST(test_write_announces_before_a_volume_hears_of_it),
        WRITE_TEST(test_write_forget_before_the_first_byte),
        WRITE_TEST(test_write_forget_while_it_is_announced),
        WRITE_TEST(test_write_forget_while_it_is_uploaded),
        WRITE_TEST(test_write_forget_when_volumes_have_failed),
        WRITE_TEST(test_write_forget_after_the_end),
        WRITE_TEST(test_write_when_a_volume_fails),
        WRITE_TEST(test_write_when_two_volumes_fail),
        WRITE_TEST(test_write_when_volumes_are_full),
        WRITE_TEST(test_write_whose_put_is_carried_out_late),
        WRITE_TEST(test_write_that_takes_longer_than_the_grace),
        WRITE_TEST(test_write_that_cannot_be_announced),
        WRITE_TEST(test_write_that_cannot_be_committed),
        WRITE_TEST(test_write_whose_announcement_is_lost),
        WRITE_TEST(test_writes_of_one_key_have_one_winner),
        WRITE_TEST(test_many_writes_of_one_key_have_one_winner),
        WRITE_TEST(test_write_over_an_unlinked_value),
        WRITE_TEST(test_write_over_an_unlinked_value_meets_its_remove),
        WRITE_TEST(test_write_that_comes_after_a_later_value),
    };

    return cmocka_run_group_tests_name("objects_write", tests, NULL, NULL);
}
