/* A store that is only read: it has what one would have that is opened to be written, and not a
 * byte of the directory changes. */
#include "tests/unit/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/base/crc32c.h"
#include "index/base/log.h"
#include "tests/support/storebox.h"

#define FILES_MAX 16

#define META 700 /* bytes of metadata a number */

struct fixture {
    struct storebox box;
    char log[160];
    char copy[160];
};

/* What a directory looks like. */
struct picture {
    unsigned n;
    struct timespec changed;
    struct {
        char name[256];
        uint32_t crc;
        struct stat stat;
    } files[FILES_MAX];
};

static const struct gdbm_engine_options durable = {.sync = true};
static const struct gdbm_engine_options reading = {.sync = true, .only_reads = true};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    if (f == NULL)
        return -1;
    storebox_init(&f->box, NULL, &durable);
    snprintf(f->log, sizeof(f->log), "%s.log", f->box.dir);
    snprintf(f->copy, sizeof(f->copy), "%s.copy", f->box.dir);
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

/* --- Pictures -------------------------------------------------------------------------------- */

static uint32_t crc_of(const char *path)
{
    static char bytes[1 << 20];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, bytes, sizeof(bytes));

    assert_true(fd >= 0 && n >= 0);
    close(fd);
    return crc32c(0, bytes, (size_t)n);
}

static void add_file(struct picture *picture, const char *dir, const char *name)
{
    char path[400];

    assert_true(picture->n < FILES_MAX);
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    snprintf(picture->files[picture->n].name, sizeof(picture->files[0].name), "%s", name);
    assert_int_equal(stat(path, &picture->files[picture->n].stat), 0);
    picture->files[picture->n++].crc = crc_of(path);
}

static void take_picture(const char *path, struct picture *picture)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;
    struct stat st;

    assert_non_null(dir);
    assert_int_equal(stat(path, &st), 0);
    memset(picture, 0, sizeof(*picture));
    picture->changed = st.st_mtim;
    while ((entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.')
            add_file(picture, path, entry->d_name);
    closedir(dir);
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static void assert_same_picture(const struct picture *a, const struct picture *b)
{
    assert_int_equal(a->n, b->n);
    assert_true(same_time(&a->changed, &b->changed));
    for (unsigned i = 0; i < a->n; i++) {
        assert_string_equal(a->files[i].name, b->files[i].name);
        assert_int_equal(a->files[i].crc, b->files[i].crc);
        assert_int_equal(a->files[i].stat.st_ino, b->files[i].stat.st_ino);
        assert_true(same_time(&a->files[i].stat.st_mtim, &b->files[i].stat.st_mtim));
    }
}

/* --- Stores ---------------------------------------------------------------------------------- */

static void put_number(struct storebox *box, unsigned number)
{
    struct record record = {.size = number, .n_places = 1};
    char key[32];
    int len = snprintf(key, sizeof(key), "/number/%03u", number);

    storebox_set_meta(&record, META * number, number);
    assert_int_equal(storebox_put(box, key, (size_t)len, &record), 0);
}

/* Numbers 0 and 1 are in the table, 2 and 3 in the journal that is returned, a block each. */
static void fill(struct fixture *f, char journal[200])
{
    put_number(&f->box, 0);
    put_number(&f->box, 1);
    assert_int_equal(storebox_checkpoint(&f->box), 0);
    put_number(&f->box, 2);
    put_number(&f->box, 3);
    snprintf(journal, 200, "%s/journal.3", f->copy);
}

static int count_cb(const void *key, size_t len, const struct record *record, void *arg)
{
    (void)key;
    (void)len;
    assert_int_equal(record->meta_len, META * record->size);
    assert_int_equal(record->size, (*(unsigned *)arg)++);
    return 0;
}

static unsigned count(struct store *store)
{
    unsigned n = 0;

    assert_int_equal(gdbm_engine_list(store, "", 0, "", 0, count_cb, &n), 0);
    return n;
}

static bool logged(const struct fixture *f, const char *word)
{
    char text[8192] = "";
    int fd = open(f->log, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0 && read(fd, text, sizeof(text) - 1) >= 0);
    close(fd);
    return strstr(text, word) != NULL;
}

/* A store on a loop that only reads has it to itself, and takes no commit. */
static void assert_copy_is_only_read(struct fixture *f, unsigned numbers)
{
    struct record record = {.size = numbers, .n_places = 1};
    struct storebox box;
    struct storebox other;
    struct store *reader;

    storebox_init(&box, f->copy, &reading);
    assert_int_equal(storebox_open(&box), 0);
    assert_int_equal(count(box.store), numbers);
    assert_int_equal(storebox_put(&box, "/number/999", 11, &record), UV_EROFS);
    assert_int_equal(storebox_delete(&box, "/number/000", 11), UV_EROFS);
    assert_int_equal(storebox_checkpoint(&box), 0);
    assert_int_equal(count(box.store), numbers);
    assert_int_equal(gdbm_engine_open_reader(f->copy, &reader), UV_EBUSY);
    storebox_init(&other, f->copy, &reading);
    assert_int_equal(storebox_open(&other), UV_EBUSY);
    storebox_deinit(&other);
    storebox_deinit(&box);
}

/* Reads the copy twice, at once; what gdbm_engine_open() would find, too, is there. Logs `word`. */
static void assert_copy_holds(struct fixture *f, unsigned numbers, const char *word)
{
    static struct picture before;
    static struct picture after;
    struct store_stats stats;
    struct store *one;
    struct store *two;
    struct storebox box;

    take_picture(f->copy, &before);
    assert_int_equal(gdbm_engine_open_reader(f->copy, &one), 0);
    assert_int_equal(gdbm_engine_open_reader(f->copy, &two), 0);
    assert_int_equal(count(one), numbers);
    assert_int_equal(count(two), numbers);
    store_stats(one, &stats);
    assert_int_equal(stats.keys, numbers);
    storebox_init(&box, f->copy, &durable);
    assert_int_equal(storebox_open(&box), UV_EBUSY);
    gdbm_engine_close_reader(two);
    gdbm_engine_close_reader(one);
    assert_copy_is_only_read(f, numbers);
    take_picture(f->copy, &after);
    assert_same_picture(&before, &after);
    assert_true(logged(f, word));
    assert_int_equal(storebox_open(&box), 0);
    assert_int_equal(count(box.store), numbers);
    assert_int_equal(gdbm_engine_open_reader(f->copy, &one), UV_EBUSY);
    storebox_deinit(&box);
}

static void assert_copy_is_refused(struct fixture *f, const char *word)
{
    static struct picture before;
    static struct picture after;
    struct store *reader;
    struct storebox box;

    take_picture(f->copy, &before);
    assert_int_equal(gdbm_engine_open_reader(f->copy, &reader), UV_EILSEQ);
    storebox_init(&box, f->copy, &reading);
    assert_int_equal(storebox_open(&box), UV_EILSEQ);
    storebox_deinit(&box);
    take_picture(f->copy, &after);
    assert_same_picture(&before, &after);
    assert_true(logged(f, word));
}

/* --- Tests ----------------------------------------------------------------------------------- */

static void test_store_open_reader_after_a_stop(void **state)
{
    struct fixture *f = *state;
    char journal[200];

    fill(f, journal);
    storebox_close(&f->box);
    storebox_copy_directory(f->box.dir, f->copy);
    assert_copy_holds(f, 4, "");
    assert_false(logged(f, "warn"));
}

static void write_file(const char *dir, const char *name)
{
    char path[200];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs("half", file) >= 0 && fclose(file) == 0);
}

static void test_store_open_reader_after_a_crash(void **state)
{
    struct fixture *f = *state;
    char journal[200];
    char wanted[250];

    fill(f, journal);
    storebox_copy_directory(f->box.dir, f->copy);
    write_file(f->copy, "next.gdbm");
    storebox_truncate(journal, storebox_journal_end(journal) - 1);
    snprintf(wanted, sizeof(wanted), "%s ends at byte ", journal);
    assert_copy_holds(f, 3, wanted);
}

static void test_store_open_reader_after_a_crash_before_the_first_block(void **state)
{
    struct fixture *f = *state;
    char journal[200];

    fill(f, journal);
    storebox_copy_directory(f->box.dir, f->copy);
    storebox_truncate(journal, 0);
    assert_copy_holds(f, 2, "");
}

static void test_store_open_reader_refuses_what_is_damaged(void **state)
{
    struct fixture *f = *state;
    char journal[200];

    fill(f, journal);
    storebox_copy_directory(f->box.dir, f->copy);
    storebox_overwrite(journal, 30, "damaged", 7);
    assert_copy_is_refused(f, "is damaged at byte 24, and there are good blocks after it");
    storebox_remove_directory(f->copy);
    storebox_close(&f->box);
    storebox_copy_directory(f->box.dir, f->copy);
    storebox_truncate(journal, 0);
    assert_copy_is_refused(f, "is damaged at byte 0, and a clean stop had left it whole");
}

static void test_store_open_reader_makes_no_store(void **state)
{
    struct fixture *f = *state;
    struct store *reader;
    char path[200];

    assert_int_equal(gdbm_engine_open_reader("/nonexistent/mkv", &reader), UV_ENOENT);
    assert_int_equal(mkdir(f->copy, 0700), 0);
    assert_int_equal(gdbm_engine_open_reader(f->copy, &reader), UV_ENOENT);
    snprintf(path, sizeof(path), "%s/lock", f->copy);
    assert_int_equal(access(path, F_OK), -1);
}

#define READER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        READER_TEST(test_store_open_reader_after_a_stop),
        READER_TEST(test_store_open_reader_after_a_crash),
        READER_TEST(test_store_open_reader_after_a_crash_before_the_first_block),
        READER_TEST(test_store_open_reader_refuses_what_is_damaged),
        READER_TEST(test_store_open_reader_makes_no_store),
    };

    return cmocka_run_group_tests_name("store_reader", tests, NULL, NULL);
}
