/* What a store does with files that a crash, a disk or a hand has spoilt. */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <gdbm.h>
#include <string.h>
#include <unistd.h>

#include "index/base/log.h"
#include "tests/support/storebox.h"

#define KEYS 30

struct fixture {
    struct storebox box;
    char log[160];     /* file */
    char copy[160];    /* directory */
    char journal[200]; /* the file that gets the next block, in the box; in the copy */
    char copied[200];
};

static const struct gdbm_engine_options durable = {.sync = true};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    if (f == NULL)
        return -1;
    storebox_init(&f->box, NULL, &durable);
    snprintf(f->log, sizeof(f->log), "%s.log", f->box.dir);
    snprintf(f->copy, sizeof(f->copy), "%s.copy", f->box.dir);
    snprintf(f->journal, sizeof(f->journal), "%s/journal.1", f->box.dir);
    snprintf(f->copied, sizeof(f->copied), "%s/journal.1", f->copy);
    *state = f;
    return log_open(f->log) < 0 ? -1 : storebox_open(&f->box);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    storebox_deinit(&f->box);
    if (access(f->copy, F_OK) == 0)
        storebox_remove_directory(f->copy);
    log_open("/dev/null");
    unlink(f->log);
    free(f);
    return 0;
}

static void put_number(struct storebox *box, unsigned number)
{
    struct record record = {.size = number, .n_places = 1};
    char key[32];
    int len = snprintf(key, sizeof(key), "/number/%03u", number);

    assert_int_equal(storebox_put(box, key, (size_t)len, &record), 0);
}

static bool has_number(struct storebox *box, unsigned number)
{
    struct record record;
    char key[32];
    int len = snprintf(key, sizeof(key), "/number/%03u", number);
    int rc = gdbm_engine_get(box->store, key, (size_t)len, &record);

    assert_true(rc == UV_ENOENT || (rc == 0 && record.size == number));
    return rc == 0;
}

/* Opens the copy of the directory, with a new log; *box is to be deinitialised. */
static int open_copy(struct fixture *f, struct storebox *box)
{
    unlink(f->log);
    log_open(f->log);
    storebox_init(box, f->copy, &durable);
    return storebox_open(box);
}

/* Opening the copy fails with `rc`, after one line that has `word`. */
static void assert_copy_is_refused(struct fixture *f, int rc, const char *word)
{
    struct storebox box;
    char line[4096] = "";
    FILE *log;

    assert_int_equal(open_copy(f, &box), rc);
    assert_null(box.store);
    storebox_deinit(&box);
    log = fopen(f->log, "r");
    assert_non_null(log);
    assert_non_null(fgets(line, sizeof(line), log));
    if (strstr(line, word) == NULL)
        fail_msg("no '%s' in: %s", word, line);
    if (fgets(line, sizeof(line), log) != NULL)
        fail_msg("a second line: %s", line);
    fclose(log);
}

static void flip_byte(const char *path, off_t offset)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    unsigned char byte = 0;

    assert_true(fd >= 0 && pread(fd, &byte, 1, offset) == 1);
    close(fd);
    byte ^= 0x10;
    storebox_overwrite(path, offset, &byte, 1);
}

static void test_store_open_cuts_a_torn_last_block_at_any_byte(void **state)
{
    struct fixture *f = *state;
    off_t before;
    off_t after;

    for (unsigned i = 0; i < KEYS; i++)
        put_number(&f->box, i);
    before = storebox_journal_end(f->journal);
    put_number(&f->box, KEYS);
    after = storebox_journal_end(f->journal);
    assert_true(after > before);
    for (off_t cut = before; cut <= after; cut++) {
        struct storebox box;

        storebox_copy_directory(f->box.dir, f->copy);
        storebox_truncate(f->copied, cut);
        assert_int_equal(open_copy(f, &box), 0);
        for (unsigned twice = 0; twice < 2; twice++) {
            for (unsigned i = 0; i < KEYS; i++)
                assert_true(has_number(&box, i));
            assert_int_equal(has_number(&box, KEYS), cut == after);
            if (twice == 0)
                put_number(&box, KEYS + 1);
            else
                assert_true(has_number(&box, KEYS + 1));
            storebox_close(&box);
            assert_int_equal(storebox_open(&box), 0);
        }
        storebox_deinit(&box);
        storebox_remove_directory(f->copy);
    }
}

static void test_store_open_refuses_a_flipped_byte_in_a_journal(void **state)
{
    struct fixture *f = *state;
    off_t sizes[3];

    for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
        put_number(&f->box, i);
        sizes[i] = storebox_journal_end(f->journal);
    }
    storebox_close(&f->box);
    for (off_t at = sizes[0]; at < sizes[1]; at++) {
        storebox_copy_directory(f->box.dir, f->copy);
        flip_byte(f->copied, at);
        assert_copy_is_refused(f, UV_EILSEQ, f->copied);
        storebox_remove_directory(f->copy);
    }
}

/* --- After a clean stop ---------------------------------------------------------------------- */

/* Leaves some blocks in a journal, and stops. The file's size before the last one. */
static off_t stop_with_blocks(struct fixture *f)
{
    off_t before;

    put_number(&f->box, 0);
    put_number(&f->box, 1);
    before = storebox_journal_end(f->journal);
    put_number(&f->box, 2);
    storebox_close(&f->box);
    return before;
}

static void test_store_open_after_a_stop_refuses_a_flipped_byte_in_the_last_block(void **state)
{
    struct fixture *f = *state;
    off_t at = stop_with_blocks(f);
    char wanted[250];

    snprintf(wanted, sizeof(wanted), "%s is damaged at byte %lld", f->copied, (long long)at);
    for (; at < storebox_file_size(f->journal); at++) {
        storebox_copy_directory(f->box.dir, f->copy);
        flip_byte(f->copied, at);
        assert_copy_is_refused(f, UV_EILSEQ, wanted);
        storebox_remove_directory(f->copy);
    }
}

static void test_store_open_after_a_stop_refuses_a_cut_or_missing_journal(void **state)
{
    struct fixture *f = *state;

    stop_with_blocks(f);
    for (off_t cut = -1; cut < storebox_file_size(f->journal); cut++) {
        storebox_copy_directory(f->box.dir, f->copy);
        if (cut >= 0)
            storebox_truncate(f->copied, cut);
        else
            assert_int_equal(unlink(f->copied), 0);
        assert_copy_is_refused(f, UV_EILSEQ,
                               cut >= 0 ? f->copied : "lacks the segment with block 1");
        storebox_remove_directory(f->copy);
    }
}

/* The table had all of the journal, which went. */
static void test_store_open_after_a_stop_refuses_a_missing_table(void **state)
{
    struct fixture *f = *state;
    char path[200];

    put_number(&f->box, 0);
    assert_int_equal(storebox_checkpoint(&f->box), 0);
    storebox_close(&f->box);
    storebox_copy_directory(f->box.dir, f->copy);
    assert_int_equal(access(f->copied, F_OK), -1);
    snprintf(path, sizeof(path), "%s/index.gdbm", f->copy);
    assert_int_equal(unlink(path), 0);
    assert_copy_is_refused(f, UV_EILSEQ, "lacks the segment with block 1");
}

/* What the mark says holds for good, and says nothing of what a later run wrote. */
static void test_store_open_after_a_stop_and_a_crash_cuts_a_torn_last_block(void **state)
{
    struct fixture *f = *state;
    struct storebox box;

    stop_with_blocks(f);
    assert_int_equal(storebox_open(&f->box), 0);
    put_number(&f->box, 3);
    snprintf(f->copied, sizeof(f->copied), "%s/journal.4", f->copy);
    for (unsigned cut = 1; cut < 30; cut++) {
        storebox_copy_directory(f->box.dir, f->copy);
        storebox_truncate(f->copied, storebox_journal_end(f->copied) - cut);
        assert_int_equal(open_copy(f, &box), 0);
        assert_true(has_number(&box, 2) && !has_number(&box, 3));
        storebox_deinit(&box);
        snprintf(f->journal, sizeof(f->journal), "%s/journal.1", f->copy);
        flip_byte(f->journal, storebox_file_size(f->journal) - 1);
        assert_copy_is_refused(f, UV_EILSEQ, f->journal);
        storebox_remove_directory(f->copy);
    }
}

static void test_store_open_after_a_stop_without_syncs_refuses_too(void **state)
{
    struct fixture *f = *state;

    storebox_close(&f->box);
    f->box.options.sync = false;
    assert_int_equal(storebox_open(&f->box), 0);
    stop_with_blocks(f);
    storebox_copy_directory(f->box.dir, f->copy);
    storebox_truncate(f->copied, storebox_file_size(f->copied) - 1);
    assert_copy_is_refused(f, UV_EILSEQ, f->copied);
}

/* As a crash leaves it, while it is written. */
static void test_store_open_needs_no_mark(void **state)
{
    struct fixture *f = *state;
    struct storebox box;
    char path[200];

    stop_with_blocks(f);
    snprintf(path, sizeof(path), "%s/sealed", f->copy);
    for (off_t at = 0; at < 20; at++) {
        storebox_copy_directory(f->box.dir, f->copy);
        if (at % 2 == 0)
            flip_byte(path, at);
        else
            storebox_truncate(path, at);
        assert_int_equal(open_copy(f, &box), 0);
        assert_true(has_number(&box, 2));
        storebox_deinit(&box);
        storebox_truncate(f->copied, storebox_file_size(f->copied) - 1); /* that stop made a mark */
        assert_copy_is_refused(f, UV_EILSEQ, f->copied);
        storebox_remove_directory(f->copy);
    }
}

/* --- Others ---------------------------------------------------------------------------------- */

/* Blocks 1 and 2 are in the table; 3 and 4 in journal.3. Named as if it
 * began with block 4, that leaves nothing that has block 3. */
static void test_store_open_refuses_a_missing_segment(void **state)
{
    struct fixture *f = *state;

    put_number(&f->box, 0);
    put_number(&f->box, 1);
    assert_int_equal(storebox_checkpoint(&f->box), 0);
    put_number(&f->box, 2);
    put_number(&f->box, 3);
    storebox_copy_directory(f->box.dir, f->copy);
    snprintf(f->journal, sizeof(f->journal), "%s/journal.3", f->copy);
    snprintf(f->copied, sizeof(f->copied), "%s/journal.4", f->copy);
    assert_int_equal(rename(f->journal, f->copied), 0);
    assert_copy_is_refused(f, UV_EILSEQ, "lacks the segment with block 3");
}

static void test_store_open_refuses_a_file_that_is_no_table(void **state)
{
    struct fixture *f = *state;
    static const char garbage[] = "this is no database, but it is long enough to look at";
    char path[200];

    put_number(&f->box, 0);
    assert_int_equal(storebox_checkpoint(&f->box), 0);
    storebox_close(&f->box);
    storebox_copy_directory(f->box.dir, f->copy);
    snprintf(path, sizeof(path), "%s/index.gdbm", f->copy);
    storebox_truncate(path, 0);
    storebox_overwrite(path, 0, garbage, sizeof(garbage));
    assert_copy_is_refused(f, UV_EILSEQ, "index.gdbm");
}

static void test_store_open_refuses_a_table_of_another_format(void **state)
{
    struct fixture *f = *state;
    datum key = {.dptr = (char *)"!volumes", .dsize = 8};
    datum value = {.dptr = (char *)"\x0elocalhost:3001", .dsize = 15};
    char path[200];
    GDBM_FILE db;

    storebox_close(&f->box);
    storebox_copy_directory(f->box.dir, f->copy);
    snprintf(path, sizeof(path), "%s/index.gdbm", f->copy);
    db = gdbm_open(path, 0, GDBM_NEWDB, 0600, NULL);
    assert_non_null(db);
    assert_int_equal(gdbm_store(db, key, value, GDBM_INSERT), 0);
    gdbm_close(db);
    assert_copy_is_refused(f, UV_EILSEQ, "index.gdbm");
}

/* A table cut short, as no crash leaves it. */
static void test_store_open_refuses_a_table_that_was_cut(void **state)
{
    struct fixture *f = *state;
    char path[200];
    off_t cut;

    for (unsigned i = 0; i < 900; i++)
        put_number(&f->box, i);
    assert_int_equal(storebox_checkpoint(&f->box), 0);
    storebox_close(&f->box);
    snprintf(path, sizeof(path), "%s/index.gdbm", f->box.dir);
    for (cut = storebox_file_size(path) - 1; cut > 0; cut -= 1999) {
        storebox_copy_directory(f->box.dir, f->copy);
        snprintf(path, sizeof(path), "%s/index.gdbm", f->copy);
        storebox_truncate(path, cut);
        assert_copy_is_refused(f, UV_EILSEQ, path);
        storebox_remove_directory(f->copy);
    }
}

static off_t find_bytes(const char *path, const char *wanted)
{
    static char bytes[1 << 20];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, bytes, sizeof(bytes));
    char *at = memmem(bytes, n > 0 ? (size_t)n : 0, wanted, strlen(wanted));

    assert_non_null(at);
    close(fd);
    return at - bytes;
}

/* A flipped bit in a key of a page makes it another key: it and those behind it, whose beginning it
 * is, can't be found. That is no reason to say that they aren't there. */
static void test_store_get_from_a_damaged_page_fails(void **state)
{
    struct fixture *f = *state;
    struct storebox box;
    struct record record;
    char path[200];
    int rc;

    for (unsigned i = 0; i < 900; i++) /* some pages */
        put_number(&f->box, i);
    assert_int_equal(storebox_checkpoint(&f->box), 0);
    storebox_close(&f->box);
    storebox_copy_directory(f->box.dir, f->copy);
    snprintf(path, sizeof(path), "%s/index.gdbm", f->copy);
    flip_byte(path, find_bytes(path, "/number/") + 2);
    assert_int_equal(open_copy(f, &box), 0);
    rc = gdbm_engine_get(box.store, "/number/000", 11, &record);
    assert_int_equal(rc, UV_EIO);
    rc = gdbm_engine_get(box.store, "/number/0000", 12, &record);
    assert_int_equal(rc, UV_EIO);
    assert_true(has_number(&box, 899));
    storebox_deinit(&box);
}

#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_store_open_cuts_a_torn_last_block_at_any_byte),
        STORE_TEST(test_store_open_refuses_a_flipped_byte_in_a_journal),
        STORE_TEST(test_store_open_after_a_stop_refuses_a_flipped_byte_in_the_last_block),
        STORE_TEST(test_store_open_after_a_stop_refuses_a_cut_or_missing_journal),
        STORE_TEST(test_store_open_after_a_stop_refuses_a_missing_table),
        STORE_TEST(test_store_open_after_a_stop_and_a_crash_cuts_a_torn_last_block),
        STORE_TEST(test_store_open_after_a_stop_without_syncs_refuses_too),
        STORE_TEST(test_store_open_needs_no_mark),
        STORE_TEST(test_store_open_refuses_a_missing_segment),
        STORE_TEST(test_store_open_refuses_a_file_that_is_no_table),
        STORE_TEST(test_store_open_refuses_a_table_of_another_format),
        STORE_TEST(test_store_open_refuses_a_table_that_was_cut),
        STORE_TEST(test_store_get_from_a_damaged_page_fails),
    };

    return cmocka_run_group_tests_name("store_damage", tests, NULL, NULL);
}
