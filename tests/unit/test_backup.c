/* Backups that a running index makes of itself: what is in them, when, and how they end. */
#include "tests/unit/objects_fixture.h"

#include <string.h>

#include "index/base/log.h"
#include "index/maintenance/backup.h"
#include "index/maintenance/backup_key.h"
#include "index/maintenance/backup_read.h"
#include "tests/support/late_engine.h"

static void stopped_cb(void *arg)
{
    bool *stopped = arg;

    *stopped = true;
}

static struct backup *start(struct fixture *f, uint64_t interval)
{
    struct backup *backup;

    assert_int_equal(backup_start(&f->objects, interval, &backup), 0);
    return backup;
}

static void stop(struct fixture *f, struct backup *backup)
{
    bool stopped = false;

    backup_stop(backup, stopped_cb, &stopped);
    assert_false(stopped);
    WAIT_UNTIL(f, stopped);
}

static struct backups look_up(struct fixture *f)
{
    struct backups_search search = {.data = NULL};

    assert_int_equal(backups_search(&search, f->box.store, NULL), 0);
    return search.found;
}

/* Waits for one that is newer, while time passes. */
static void await_newer(struct fixture *f, uint64_t than)
{
    uint64_t until = fixture_deadline();

    /* Once it must have begun, volumes have all the time that they need. */
    for (unsigned i = 0; look_up(f).n == 0 || look_up(f).newest <= than; i++) {
        if (i < 50)
            fixture_pass_time(f, 200);
        fixture_turn(f, until, "a newer backup");
    }
}

static int line_cb(const struct dump_line *line, void *arg)
{
    char *text = arg;

    if (key_is_reserved(line->key.bytes, line->key.len))
        return 0;
    strcat(text, line->kind == DUMP_KEY ? " " : " -");
    strncat(text, line->key.bytes, line->key.len);
    return 0;
}

/* What users' keys and orphans the newest backup has, of which all copies must be whole. */
static void assert_has(struct fixture *f, const char *expected)
{
    struct record record;
    char path[PLACEMENT_PATH_MAX];
    struct key key;
    unsigned copies = 0;

    backup_key_make(look_up(f).newest, &key);
    assert_int_equal(gdbm_engine_get(f->box.store, key.bytes, key.len, &record), 0);
    placement_path(key.bytes, key.len, record.generation, path);
    for (unsigned i = 0; i < VOLUMES; i++) {
        const struct volume_blob *blob = volume_server_find(&f->servers[i], path);
        char text[256] = "";
        struct backup_read read = {.line_cb = line_cb, .arg = text};

        if (blob == NULL)
            continue;
        copies++;
        assert_int_equal(backup_read_add(&read, buf_bytes(&blob->bytes), buf_size(&blob->bytes)),
                         0);
        assert_int_equal(backup_read_end(&read), 0);
        assert_string_equal(text, expected);
        backup_read_deinit(&read);
    }
    assert_int_equal(copies, COPIES);
}

static void test_backup_of_keys(void **state)
{
    struct fixture *f = *state;
    struct backup *backup;
    uint64_t last = 0;

    assert_int_equal(fixture_put(f, "/a", "value"), 0);
    backup = start(f, 1000);
    for (char name[] = "/b"; name[1] < 'h'; name[1]++) {
        assert_int_equal(fixture_put(f, name, "value"), 0);
        await_newer(f, last);
        last = look_up(f).newest;
    }
    assert_has(f, " /a /b /c /d /e /f /g");
    fixture_pass_time(f, 5000); /* with nothing changed */
    assert_true(look_up(f).newest == last);
    stop(f, backup);
    assert_int_equal(look_up(f).n, BACKUPS_KEPT);
    assert_clean(f);
}

/* One that is being removed is an orphan; one that is being made may be a value soon. */
static void test_backup_of_orphans(void **state)
{
    struct fixture *f = *state;
    struct backup *backup;
    struct task task;

    fixture_start_reclaimer(f);
    assert_int_equal(fixture_put(f, "/gone", "value"), 0);
    fixture_set_fates(f, VOLUME_DELETE, FATE_HOLD);
    assert_int_equal(fixture_remove(f, "/gone"), 0);
    WAIT_UNTIL(f, fixture_count(f, VOLUME_DELETE) == COPIES);
    task_begin_write(f, &task, "/late", 10);
    task_add(&task, "value");
    WAIT_UNTIL(f, fixture_count_orphans(f) == 2);
    assert_int_equal(fixture_put(f, "/key", "value"), 0);
    backup = start(f, 1000);
    await_newer(f, 0);
    assert_has(f, " /key -/gone");
    task_add(&task, "value");
    task_end(&task);
    assert_int_equal(task_wait(&task), 0);
    stop(f, backup);
    for (unsigned i = 0; i < VOLUMES; i++)
        volume_server_release(&f->servers[i], VOLUME_DELETE);
    fixture_wait_until_up(f);
    assert_clean(f);
}

/* Copies that are to go of the blob that a key has. */
static void test_backup_leaves_a_moved_blob_out(void **state)
{
    struct fixture *f = *state;
    struct backup *backup;

    fixture_list_without(f, "/key", 0);
    assert_int_equal(fixture_put(f, "/key", "value"), 0);
    fixture_list_all(f);
    assert_int_equal(fixture_move(f, "/key"), 0);
    assert_int_equal(fixture_count_orphans(f), 1);
    backup = start(f, 1000);
    await_newer(f, 0);
    assert_has(f, " /key");
    stop(f, backup);
    assert_clean(f);
}

static void test_backup_is_tried_again(void **state)
{
    struct fixture *f = *state;
    uint64_t until = fixture_deadline();
    struct backup *backup;
    unsigned puts;

    assert_int_equal(fixture_put(f, "/key", "value"), 0);
    puts = fixture_count(f, VOLUME_PUT);
    fixture_set_fates(f, VOLUME_PUT, FATE_REFUSE);
    backup = start(f, 1000);
    while (fixture_count(f, VOLUME_PUT) < puts + 2 * VOLUMES) {
        fixture_pass_time(f, 200);
        fixture_turn(f, until, "a second try");
    }
    assert_int_equal(look_up(f).n, 0);
    fixture_set_fates(f, VOLUME_PUT, FATE_DO);
    fixture_wait_until_up(f);
    await_newer(f, 0);
    stop(f, backup);
    assert_has(f, " /key");
    assert_clean(f);
}

/* No row of failures, however long, lets two of them come sooner than a minute apart where the
 * interval is long. */
static void test_backup_is_not_tried_too_often(void **state)
{
    struct fixture *f = *state;
    struct backup *backup;
    unsigned puts;

    assert_int_equal(fixture_put(f, "/key", "value"), 0);
    puts = fixture_count(f, VOLUME_PUT);
    fixture_set_fates(f, VOLUME_PUT, FATE_REFUSE);
    backup = start(f, 86400000);
    fixture_pass_time(f, 540000); /* and the time that it takes */
    assert_int_equal(fixture_count(f, VOLUME_PUT), puts);
    fixture_pass_time(f, 110000); /* the first is due, and one more perhaps */
    WAIT_UNTIL(f, fixture_count(f, VOLUME_PUT) >= puts + COPIES);
    assert_true(fixture_count(f, VOLUME_PUT) <= puts + 2 * VOLUMES);
    fixture_set_fates(f, VOLUME_PUT, FATE_DO);
    stop(f, backup);
    fixture_wait_until_up(f);
    assert_clean(f);
}

static void test_backup_stop_waits_for_one(void **state)
{
    struct fixture *f = *state;
    struct backup *backup;
    bool stopped = false;
    unsigned puts;

    assert_int_equal(fixture_put(f, "/key", "value"), 0);
    puts = fixture_count(f, VOLUME_PUT);
    fixture_set_fates(f, VOLUME_PUT, FATE_HOLD);
    backup = start(f, 1);
    WAIT_UNTIL(f, fixture_count(f, VOLUME_PUT) == puts + COPIES);
    backup_stop(backup, stopped_cb, &stopped);
    for (unsigned i = 0; i < VOLUMES; i++)
        volume_server_release(&f->servers[i], VOLUME_PUT);
    WAIT_UNTIL(f, stopped);
    assert_has(f, " /key");
    assert_clean(f);
}

static void test_backup_ends_when_time_is_up(void **state)
{
    struct fixture *f = *state;
    struct backup *backup;
    bool stopped = false;
    unsigned puts;

    assert_int_equal(fixture_put(f, "/key", "value"), 0);
    puts = fixture_count(f, VOLUME_PUT);
    fixture_set_fates(f, VOLUME_PUT, FATE_HOLD);
    backup = start(f, 1);
    WAIT_UNTIL(f, fixture_count(f, VOLUME_PUT) == puts + COPIES);
    backup_stop(backup, stopped_cb, &stopped);
    backup_abort(backup);
    transfers_abort(f->objects.transfers);
    WAIT_UNTIL(f, stopped);
    assert_int_equal(look_up(f).n, 0);
}

/* The index's own disk fails, in the announcement or in the commit. */
static void test_backup_that_cannot_be_recorded(void **state)
{
    struct fixture *f = *state;
    struct backup *backup;

    assert_int_equal(fixture_put(f, "/key", "value"), 0);
    backup = start(f, 1000);
    slow_disk_refuse_writes(true);
    fixture_pass_time(f, 3000);
    slow_disk_refuse_writes(false);
    assert_int_equal(look_up(f).n, 0);
    stop(f, backup);
}

static void test_backup_of_nothing(void **state)
{
    struct fixture *f = *state;
    struct backup *backup = start(f, 1000);

    fixture_pass_time(f, 3000);
    stop(f, backup);
    backup = start(f, 0);
    assert_int_equal(fixture_put(f, "/key", "value"), 0);
    fixture_pass_time(f, 3000);
    stop(f, backup);
    assert_int_equal(look_up(f).n, 0);
    assert_clean(f);
}

/* The objects alone read later; the box is the store within, until it closes both. */
static int setup_late(void **state)
{
    int rc = fixture_setup(state);
    struct fixture *f = *state;

    f->objects.store = late_engine_new(&f->box.loop, f->box.store);
    return rc;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    f->box.store = f->objects.store;
    return fixture_teardown(state);
}

#define BACKUP_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
#define LATE_TEST(name)   cmocka_unit_test_setup_teardown(name, setup_late, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BACKUP_TEST(test_backup_of_keys),
        LATE_TEST(test_backup_of_keys),
        BACKUP_TEST(test_backup_of_orphans),
        LATE_TEST(test_backup_of_orphans),
        BACKUP_TEST(test_backup_leaves_a_moved_blob_out),
        LATE_TEST(test_backup_leaves_a_moved_blob_out),
        BACKUP_TEST(test_backup_is_tried_again),
        BACKUP_TEST(test_backup_is_not_tried_too_often),
        BACKUP_TEST(test_backup_stop_waits_for_one),
        LATE_TEST(test_backup_stop_waits_for_one),
        BACKUP_TEST(test_backup_ends_when_time_is_up),
        BACKUP_TEST(test_backup_that_cannot_be_recorded),
        BACKUP_TEST(test_backup_of_nothing),
        LATE_TEST(test_backup_of_nothing),
    };

    log_set_level(LOG_LEVEL_ERROR);
    return cmocka_run_group_tests_name("backup", tests, NULL, NULL);
}
