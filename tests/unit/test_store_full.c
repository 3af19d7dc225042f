/* A store on a small disk that gets full: of its own journal, of keys, and of somebody else's file.
 * The disk is a tmpfs, which takes root to mount. */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "index/base/log.h"
#include "index/store/gdbm/build.h"
#include "tests/support/storebox.h"

#define LONG_KEY   1000
#define GENERATION (1763740800123ULL << 16)

struct fixture {
    char disk[64];
    struct storebox box;
};

static const struct gdbm_engine_options durable = {.sync = true};

/* GDBM 1.23 loses a block of memory when opening a file fails half-way. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:gdbm_fd_open";
}

static int setup_disk(void **state, const char *size)
{
    struct fixture *f = calloc(1, sizeof(*f));
    char dir[80];

    if (f == NULL)
        return -1;
    strcpy(f->disk, "/tmp/mkv-test-full-XXXXXX");
    assert_non_null(mkdtemp(f->disk));
    *state = f;
    if (mount("none", f->disk, "tmpfs", 0, size) < 0) {
        rmdir(f->disk);
        free(f);
        *state = NULL;
        return 0;
    }
    snprintf(dir, sizeof(dir), "%s/store", f->disk);
    storebox_init(&f->box, dir, &durable);
    return log_open("/dev/null") < 0 ? -1 : storebox_open(&f->box);
}

static int setup_small(void **state)
{
    return setup_disk(state, "size=4m");
}

static int setup_tiny(void **state)
{
    return setup_disk(state, "size=2m");
}

static int setup_larger(void **state)
{
    return setup_disk(state, "size=10m");
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    if (f == NULL)
        return 0;
    storebox_deinit(&f->box);
    assert_int_equal(umount2(f->disk, MNT_DETACH), 0);
    rmdir(f->disk);
    free(f);
    return 0;
}

#define NEED_MOUNT(f)                                                                              \
    do {                                                                                           \
        if ((f) == NULL)                                                                           \
            skip();                                                                                \
    } while (0)

/* --- Keys ------------------------------------------------------------------------------------ */

static size_t make_key(unsigned number, size_t len, char key[LONG_KEY])
{
    size_t n = (size_t)snprintf(key, LONG_KEY, "/number/%07u", number);

    if (len > n)
        memset(key + n, 'x', len - n);
    return len > n ? len : n;
}

static int put(struct fixture *f, unsigned number, size_t len)
{
    struct record record = {.size = number, .time = 1763740800123, .n_places = 3};
    char key[LONG_KEY];

    len = make_key(number, len, key);
    return storebox_put(&f->box, key, len, &record);
}

static int delete (struct fixture *f, unsigned number, size_t len)
{
    char key[LONG_KEY];

    len = make_key(number, len, key);
    return storebox_delete(&f->box, key, len);
}

/* As a DELETE does it: the key goes, and its blob is an orphan. */
static int turn_to_orphan(struct fixture *f, unsigned number, size_t len)
{
    struct orphan orphan = {.until = 1763740800123, .n_places = 3};
    char key[LONG_KEY];
    struct store_change changes[] = {
        {.space = STORE_KEYS, .key = key},
        {.space = STORE_ORPHANS, .key = key, .generation = GENERATION, .orphan = &orphan},
    };

    changes[0].len = changes[1].len = make_key(number, len, key);
    return storebox_commit(&f->box, changes, 2);
}

static int forget_orphan(struct fixture *f, unsigned number, size_t len)
{
    char key[LONG_KEY];

    len = make_key(number, len, key);
    return storebox_delete_orphan(&f->box, key, len, GENERATION);
}

/* Puts keys, from number `first` on, until the disk is full; how many there are then. */
static unsigned fill(struct fixture *f, size_t len)
{
    unsigned n = 0;
    int rc;

    while ((rc = put(f, n, len)) == 0)
        n++;
    assert_int_equal(rc, UV_ENOSPC);
    return n;
}

/* --- Tests ----------------------------------------------------------------------------------- */

/* Five times as much journal as the disk has room for, and nothing that stays. */
static void test_store_commit_never_fills_the_disk_with_journal(void **state)
{
    struct fixture *f = *state;
    struct store_stats stats;

    NEED_MOUNT(f);
    for (unsigned i = 0; i < 10000; i++) {
        assert_int_equal(put(f, i, LONG_KEY), 0);
        assert_int_equal(delete (f, i, LONG_KEY), 0);
    }
    store_stats(f->box.store, &stats);
    assert_int_equal(stats.keys, 0);
    assert_true(stats.checkpoints > 5);
}

static void check_full_disk(struct fixture *f, size_t len)
{
    for (unsigned round = 0; round < 2; round++) {
        unsigned n = fill(f, len);

        assert_true(n > 100);
        storebox_close(&f->box); /* a full disk is no reason not to start */
        assert_int_equal(storebox_open(&f->box), 0);
        for (unsigned i = 0; i < n; i++) {
            assert_int_equal(turn_to_orphan(f, i, len), 0);
            if (i % 2 == 0)
                assert_int_equal(forget_orphan(f, i, len), 0);
        }
        for (unsigned i = 1; i < n; i += 2)
            assert_int_equal(forget_orphan(f, i, len), 0);
        storebox_checkpoint_wait(&f->box);
    }
}

static void test_store_commit_deletes_on_a_full_disk_of_short_keys(void **state)
{
    NEED_MOUNT(*state);
    check_full_disk(*state, 0);
}

static void test_store_commit_deletes_on_a_full_disk_of_long_keys(void **state)
{
    NEED_MOUNT(*state);
    check_full_disk(*state, LONG_KEY);
}

static void make_filler(const char *path)
{
    static char zeroes[4096];
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    while (write(fd, zeroes, sizeof(zeroes)) > 0)
        ;
    close(fd);
}

/* Filled by another, to the last byte: a stop, a start, and, with room again, all goes on. */
static void test_store_commit_goes_on_once_there_is_room(void **state)
{
    struct fixture *f = *state;
    char filler[80];
    unsigned n;
    int rc;

    NEED_MOUNT(f);
    snprintf(filler, sizeof(filler), "%s/filler", f->disk);
    for (n = 0; n < 200; n++)
        assert_int_equal(put(f, n, LONG_KEY), 0);
    for (unsigned round = 0; round < 3; round++) {
        make_filler(filler);
        for (n = 200; (rc = put(f, n, LONG_KEY)) == 0; n++) /* what is left of a page */
            ;
        assert_int_equal(rc, UV_ENOSPC);
        if (round == 1) {
            storebox_close(&f->box);
            assert_int_equal(storebox_open(&f->box), 0);
        }
        assert_int_equal(unlink(filler), 0);
        assert_int_equal(put(f, n, LONG_KEY), 0);
        assert_int_equal(delete (f, n, LONG_KEY), 0);
    }
}

/* --- Building -------------------------------------------------------------------------------- */

/* Adds `n` keys, or keys until that fails. */
static int build_keys(struct build *build, unsigned n)
{
    struct record record = {.n_places = 3};
    char key[LONG_KEY];
    int rc = 0;

    for (unsigned i = 0; i < n && rc == 0; i++)
        rc = build_add_key(build, key, make_key(i, LONG_KEY, key), &record);
    return rc;
}

/* The disk gets full in the middle or, where few keys too many come, at the end. In both cases the
 * index is as it was, and takes commits once the stage is gone. */
static void test_build_on_a_full_disk_leaves_the_index(void **state)
{
    struct fixture *f = *state;
    bool finished = false;

    NEED_MOUNT(f);
    assert_int_equal(put(f, 1, LONG_KEY), 0);
    for (unsigned n = 10000; n > 0 && !finished; n = n * 9 / 10) {
        struct build *build;
        int rc;

        assert_int_equal(build_start(f->box.dir, gdbm_engine_last_block(f->box.store), &build), 0);
        rc = build_keys(build, n);
        if (rc == 0)
            rc = build_finish(build);
        else
            build_cancel(build);
        finished = rc == 0;
        if (!finished)
            assert_int_equal(rc, UV_ENOSPC);
        assert_int_equal(gdbm_engine_remove_stage(f->box.dir), 0);
        assert_int_equal(put(f, 2, LONG_KEY), 0);
    }
    assert_true(finished);
    storebox_close(&f->box);
    assert_int_equal(storebox_open(&f->box), 0);
    assert_int_equal(delete (f, 1, LONG_KEY), 0);
}

#define FULL_TEST(name, setup) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FULL_TEST(test_store_commit_never_fills_the_disk_with_journal, setup_small),
        FULL_TEST(test_store_commit_deletes_on_a_full_disk_of_short_keys, setup_tiny),
        FULL_TEST(test_store_commit_deletes_on_a_full_disk_of_long_keys, setup_small),
        FULL_TEST(test_store_commit_deletes_on_a_full_disk_of_long_keys, setup_larger),
        FULL_TEST(test_store_commit_goes_on_once_there_is_room, setup_small),
        FULL_TEST(test_build_on_a_full_disk_leaves_the_index, setup_small),
    };

    return cmocka_run_group_tests_name("store_full", tests, NULL, NULL);
}
