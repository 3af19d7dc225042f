/* sort.h: what comes out is what went in, in order, whatever fits into memory. */
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/types.h>
#include <unistd.h>
#include <uv.h>

#include "index/maintenance/sort.h"
#include "tests/support/rng.h"

#define SMALL SORT_MEMORY_MIN
#define LARGE ((size_t)64 << 20)

/* --- The disk -------------------------------------------------------------------------------- */

static int reads_left = -1; /* until one fails; -1: none does */
static int writes_left = -1;
static bool in_parts; /* calls do less than they are asked for */
static unsigned writes;

ssize_t __real_pread(int fd, void *bytes, size_t n, off_t at);
ssize_t __wrap_pread(int fd, void *bytes, size_t n, off_t at);
ssize_t __real_pwrite(int fd, const void *bytes, size_t n, off_t at);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t n, off_t at);

static bool fails(int *left)
{
    if (*left < 0)
        return false;
    errno = EIO;
    return (*left)-- == 0;
}

ssize_t __wrap_pread(int fd, void *bytes, size_t n, off_t at)
{
    if (fails(&reads_left))
        return -1;
    return __real_pread(fd, bytes, in_parts ? n / 3 + 1 : n, at);
}

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t n, off_t at)
{
    writes++;
    if (fails(&writes_left))
        return -1;
    return __real_pwrite(fd, bytes, in_parts ? n / 3 + 1 : n, at);
}

struct fixture {
    char dir[64];
    int fd;
    struct rng rng;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    strcpy(f->dir, "/tmp/mkv-test-sort-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(f->fd >= 0);
    f->rng.state = 7;
    reads_left = writes_left = -1;
    in_parts = false;
    writes = 0;
    *state = f;
    return 0;
}

/* No file is left. */
static int teardown(void **state)
{
    struct fixture *f = *state;

    close(f->fd);
    assert_int_equal(rmdir(f->dir), 0);
    free(f);
    return 0;
}

/* --- Entries --------------------------------------------------------------------------------- */

/* An entry: a key, then this, then more bytes. */
struct tail {
    uint32_t rank;   /* that `by_rank` compares */
    uint32_t number; /* of the entry, from 0 on */
};

static struct tail tail_of(const struct sort_entry *e)
{
    struct tail tail;

    memcpy(&tail, e->bytes + e->key_len, sizeof(tail));
    return tail;
}

static int by_rank(const struct sort_entry *a, const struct sort_entry *b)
{
    struct tail x = tail_of(a);
    struct tail y = tail_of(b);

    return (x.rank > y.rank) - (x.rank < y.rank);
}

/* Writes a key of `number` and returns its length. */
typedef size_t (*key_cb)(struct rng *rng, unsigned number, unsigned char *key);

static size_t random_key(struct rng *rng, unsigned number, unsigned char *key)
{
    size_t len = rng_below(rng, 60);

    (void)number;
    for (size_t i = 0; i < len; i++)
        key[i] = (unsigned char)rng_next(rng);
    return len;
}

/* Long prefixes that many share, keys that are prefixes of others, zeros, and the same key often.
 */
static size_t awkward_key(struct rng *rng, unsigned number, unsigned char *key)
{
    size_t len = rng_below(rng, 40);

    (void)number;
    memset(key, rng_one_in(rng, 2) ? 'a' : '\0', len);
    if (len > 0)
        key[rng_below(rng, len)] = (unsigned char)rng_below(rng, 2);
    return len;
}

static size_t same_key(struct rng *rng, unsigned number, unsigned char *key)
{
    (void)rng;
    (void)number;
    memcpy(key, "/the same key", 13);
    return 13;
}

static size_t falling_key(struct rng *rng, unsigned number, unsigned char *key)
{
    (void)rng;
    return (size_t)sprintf((char *)key, "/falling/%08u", 99999999 - number);
}

static size_t longest_key(struct rng *rng, unsigned number, unsigned char *key)
{
    size_t len = SORT_ENTRY_MAX - sizeof(struct tail) - number % 9;

    memset(key, 'x', len);
    key[len - 1] = (unsigned char)rng_below(rng, 5);
    return len;
}

/* --- Sorting --------------------------------------------------------------------------------- */

static int add(struct fixture *f, struct sort *sort, key_cb key, unsigned number, bool ranked)
{
    struct tail tail = {.rank = ranked ? rng_below(&f->rng, 3) : 0, .number = number};
    unsigned char bytes[SORT_ENTRY_MAX];
    size_t key_len = key(&f->rng, number, bytes);
    size_t len = key_len + sizeof(tail);

    memcpy(bytes + key_len, &tail, sizeof(tail));
    if (len + 100 <= sizeof(bytes)) {
        size_t more = number % 100;

        memset(bytes + len, (int)number, more);
        len += more;
    }
    return sort_add(sort, bytes, len, key_len);
}

/* As the sort should, and by number where that sees no difference. */
static int reference(const struct sort_entry *a, const struct sort_entry *b, bool ranked)
{
    int order = memcmp(a->bytes, b->bytes, a->key_len < b->key_len ? a->key_len : b->key_len);
    struct tail x = tail_of(a);
    struct tail y = tail_of(b);

    if (order == 0)
        order = (a->key_len > b->key_len) - (a->key_len < b->key_len);
    if (order == 0 && ranked)
        order = by_rank(a, b);
    return order != 0 ? order : (x.number > y.number) - (x.number < y.number);
}

static void check_next(struct sort *sort, unsigned n, bool ranked)
{
    static unsigned char last_bytes[SORT_ENTRY_MAX];
    bool *seen = calloc(n + 1, sizeof(*seen));
    struct sort_entry last = {.bytes = last_bytes};
    struct sort_entry entry;

    for (unsigned i = 0; i < n; i++) {
        unsigned number;

        assert_int_equal(sort_next(sort, &entry), 1);
        number = tail_of(&entry).number;
        assert_true(number < n && !seen[number]);
        seen[number] = true;
        if (entry.key_len + sizeof(struct tail) < entry.len)
            assert_int_equal(entry.bytes[entry.len - 1], (unsigned char)number);
        if (i > 0 && reference(&last, &entry, ranked) >= 0)
            fail_msg("entry %u of %u is out of order", i, n);
        memcpy(last_bytes, entry.bytes, entry.len);
        last.len = entry.len;
        last.key_len = entry.key_len;
    }
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(sort_next(sort, &entry), 0);
    free(seen);
}

static void check(struct fixture *f, size_t memory, key_cb key, unsigned n, bool ranked)
{
    struct sort *sort = sort_new(f->fd, memory, ranked ? by_rank : NULL);

    assert_non_null(sort);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(add(f, sort, key, i, ranked), 0);
    check_next(sort, n, ranked);
    sort_free(sort);
}

static const key_cb keys[] = {random_key, awkward_key, same_key, falling_key};

static void test_sort_in_memory(void **state)
{
    struct fixture *f = *state;

    for (size_t k = 0; k < COUNT_OF(keys); k++) {
        for (unsigned n = 0; n < 40; n++)
            check(f, SMALL, keys[k], n, n % 2);
        check(f, LARGE, keys[k], 100000, false);
        check(f, LARGE, keys[k], 100000, true);
    }
    assert_int_equal(writes, 0);
}

/* Around the number of entries at which the first run is written, and the second. */
static void test_sort_spills_at_every_size(void **state)
{
    struct fixture *f = *state;

    for (unsigned n = 1800; n < 4000; n += 1 + n % 3)
        check(f, SMALL, falling_key, n, false);
    assert_true(writes > 0);
}

/* Up to some 60 runs, of which seven are merged at once. */
static void test_sort_in_several_passes(void **state)
{
    struct fixture *f = *state;

    for (size_t k = 0; k < COUNT_OF(keys); k++)
        for (unsigned n = 10000; n <= 120000; n *= 2)
            check(f, SMALL, keys[k], n, k % 2);
}

static void test_sort_of_the_longest(void **state)
{
    struct fixture *f = *state;

    for (unsigned n = 1; n < 300; n += 7)
        check(f, SMALL, longest_key, n, false);
    check(f, LARGE, longest_key, 1000, true);
}

static void test_sort_survives_calls_that_do_less(void **state)
{
    struct fixture *f = *state;

    in_parts = true;
    check(f, SMALL, awkward_key, 50000, true);
    check(f, SMALL, longest_key, 200, false);
}

/* --- Failures -------------------------------------------------------------------------------- */

/* What the sort of `n` entries fails with, or 0. */
static int outcome(struct fixture *f, int dir_fd, unsigned n)
{
    struct sort *sort = sort_new(dir_fd, SMALL, NULL);
    struct sort_entry entry;
    int rc = 0;

    for (unsigned i = 0; i < n && rc == 0; i++)
        rc = add(f, sort, falling_key, i, false);
    while (rc == 0 && (rc = sort_next(sort, &entry)) == 1)
        rc = 0, n--;
    if (rc == 0)
        assert_int_equal(n, 0);
    sort_free(sort);
    return rc;
}

static void test_sort_reports_a_disk_that_fails(void **state)
{
    struct fixture *f = *state;
    unsigned n_writes;
    unsigned failed = 0;

    assert_int_equal(outcome(f, -1, 50000), UV_EIO);
    assert_int_equal(outcome(f, f->fd, 50000), 0);
    n_writes = writes;
    for (unsigned i = 0; i < n_writes; i += 7) {
        writes_left = (int)i;
        assert_int_equal(outcome(f, f->fd, 50000), UV_EIO);
    }
    writes_left = -1;
    for (unsigned i = 0;; i += 7) {
        reads_left = (int)i;
        if (outcome(f, f->fd, 50000) == 0)
            break;
        failed++;
    }
    assert_in_range(failed, 5, 1000);
}

static int next_until_end(struct sort *sort)
{
    struct sort_entry entry;
    int rc;

    do
        rc = sort_next(sort, &entry);
    while (rc == 1);
    return rc;
}

static void test_sort_reports_a_full_disk(void **state)
{
    struct fixture *f = *state;
    struct sort *sort;
    int rc = 0;
    int fd;

    if (mount("none", f->dir, "tmpfs", 0, "size=4m") < 0)
        skip();
    fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    sort = sort_new(fd, SMALL, NULL);
    for (unsigned i = 0; i < 100000 && rc == 0; i++)
        rc = add(f, sort, falling_key, i, false);
    assert_int_equal(rc, UV_ENOSPC);
    sort_free(sort);
    sort = sort_new(fd, SMALL, NULL); /* the room is there again, and passes need no more of it */
    for (unsigned i = 0; i < 35000; i++)
        assert_int_equal(add(f, sort, falling_key, i, false), 0);
    assert_int_equal(next_until_end(sort), 0);
    sort_free(sort);
    close(fd);
    assert_int_equal(umount(f->dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sort_in_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sort_spills_at_every_size, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sort_in_several_passes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sort_of_the_longest, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sort_survives_calls_that_do_less, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sort_reports_a_disk_that_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sort_reports_a_full_disk, setup, teardown),
    };

    return cmocka_run_group_tests_name("sort", tests, NULL, NULL);
}
