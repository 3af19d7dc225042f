/* What a walk through a volume lists, in which order, and what it does where directories fail.
 * getdents64(2) is the test's own, so that it can fail, change what is there, and be counted. */
#include "tests/unit/test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "index/cluster/placement.h"
#include "launcher/nginx/files.h"
#include "launcher/volume/attribute.h"
#include "launcher/volume/list_names.h"
#include "launcher/volume/list_walk.h"

#define PATHS_MAX 8192

struct fixture {
    char root[32];
    int directory;
    char *paths[PATHS_MAX]; /* that are to be listed, without the slash in front */
    size_t n;
    struct buf listed; /* lines of the last listing */
    char failure[PIECE_FAILURE];
    size_t n_pieces;
};

/* --- The disk -------------------------------------------------------------------------------- */

static struct {
    unsigned readings; /* calls of getdents64(2) so far */
    int failure;       /* its errno from the call on whose number is: */
    unsigned from;
    const char *removed; /* a path below the root that goes after that call */
    int root;
} disk;

ssize_t __real_getdents64(int fd, void *buffer, size_t length);
ssize_t __wrap_getdents64(int fd, void *buffer, size_t length);

ssize_t __wrap_getdents64(int fd, void *buffer, size_t length)
{
    ssize_t n = __real_getdents64(fd, buffer, length);

    disk.readings++;
    if (disk.failure != 0 && disk.readings >= disk.from) {
        errno = disk.failure;
        return -1;
    }
    if (disk.removed != NULL && disk.readings >= disk.from)
        unlinkat(disk.root, disk.removed, 0);
    return n;
}

/* --- Fixture --------------------------------------------------------------------------------- */

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    strcpy(f->root, "/tmp/mkv-test-XXXXXX");
    assert_non_null(mkdtemp(f->root));
    f->directory = open(f->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    memset(&disk, 0, sizeof(disk));
    disk.root = f->directory;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < f->n; i++)
        free(f->paths[i]);
    buf_deinit(&f->listed);
    assert_int_equal(files_clear_directory(f->directory), 0);
    close(f->directory);
    rmdir(f->root);
    free(f);
    return 0;
}

/* A file whose size is the length of its path. */
static void make_other(struct fixture *f, const char *path)
{
    char name[8192];
    char *slash;
    int fd;

    snprintf(name, sizeof(name), "%s/%s", f->root, path);
    slash = strrchr(name, '/');
    *slash = '\0';
    if (access(name, F_OK) < 0) {
        for (char *at = name + 1; (at = strchr(at, '/')) != NULL; at++) {
            *at = '\0';
            mkdir(name, 0755);
            *at = '/';
        }
        assert_int_equal(mkdir(name, 0755), 0);
    }
    *slash = '/';
    fd = open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)strlen(path)), 0);
    close(fd);
}

static void make_blob(struct fixture *f, const char *path)
{
    assert_true(f->n < PATHS_MAX);
    make_other(f, path);
    f->paths[f->n++] = strdup(path);
}

static void make_key(struct fixture *f, const char *key, uint64_t generation)
{
    char path[PLACEMENT_PATH_MAX];

    placement_path(key, strlen(key), generation, path);
    make_blob(f, path + 1);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort_paths(struct fixture *f)
{
    qsort(f->paths, f->n, sizeof(f->paths[0]), compare);
}

/* Hundreds of directories deep. */
static void make_deep_key(struct fixture *f)
{
    char key[KEY_MAX + 1] = "/";

    memset(key + 1, '?', KEY_MAX - 1);
    make_key(f, key, 7);
    sort_paths(f);
}

/* Keys of all other kinds of names. */
static void make_all_kinds(struct fixture *f)
{
    char key[KEY_MAX + 1] = "/";

    make_key(f, "/hello", 0);
    make_key(f, "/hello", 0x19ab7f0d2bb0000);
    make_key(f, "/hello", 0x19ab7f0d2bb0001);
    make_key(f, "/???", 1);          /* a slash in the base64 */
    make_key(f, "/\377\377\377", 1); /* two and more: components that are empty, */
    make_key(f, "/a\377\377\377\377\377\377", 1);
    make_key(f, "/a\377\377\377\377\377\377", 0);
    for (size_t n = 180; n < KEY_MAX; n += 93) { /* and that are too long */
        memset(key + 1, 'k', n);
        make_key(f, key, 7);
    }
    make_blob(f, "sv00/5d/41/aGVsbG8=.019ab7f0d2bb0000");
    make_blob(f, "svFF/5d/41/aGVsbG8=");
    /* Neighbours of a '/' in the order of bytes. */
    make_blob(f, "00/00/a/b/c.0000000000000001");
    make_blob(f, "00/00/a/b.0000000000000001");
    make_blob(f, "00/00/a.0000000000000001");
    make_blob(f, "00/00/a+b");
    make_blob(f, "00/00/a0");
    make_blob(f, "00/00/aa");
    make_blob(f, "00/00/Z/-2/a");
    make_blob(f, "00/01/a");
    make_blob(f, "ff/ff/a");
    sort_paths(f);
}

/* --- Listing --------------------------------------------------------------------------------- */

static void list(struct fixture *f, const char *after, uint64_t limit, size_t memory)
{
    struct list_walk *walk = list_walk_new(f->directory, after, strlen(after), limit, true, memory);
    struct piece piece = {.last = false};

    assert_non_null(walk);
    buf_clear(&f->listed);
    f->n_pieces = 0;
    while (!piece.last && piece.failure[0] == '\0') {
        list_walk_make(walk, &piece, UINT64_MAX);
        buf_append(&f->listed, buf_bytes(&piece.bytes), buf_size(&piece.bytes));
        assert_true(buf_size(&piece.bytes) < PIECE_BYTES + 4096);
        buf_clear(&piece.bytes);
        f->n_pieces++;
    }
    strcpy(f->failure, piece.failure);
    buf_deinit(&piece.bytes);
    list_walk_free(walk);
    buf_append(&f->listed, "", 1);
}

/* The lines are those of the `n` paths from the index `first` on, and `end`. */
static void expect_listed(struct fixture *f, size_t first, size_t n, const char *end)
{
    const char *at = buf_bytes(&f->listed);
    char start[8192];

    for (size_t i = first; i < first + n; i++) {
        int len = snprintf(start, sizeof(start), "/%s\t%zu\t", f->paths[i], strlen(f->paths[i]));

        if (strncmp(at, start, (size_t)len) != 0)
            fail_msg("wanted %s, got %.*s", start, (int)strcspn(at, "\n"), at);
        at = strchr(at, '\n');
        assert_non_null(at);
        at++;
    }
    assert_string_equal(at, end);
}

static void test_list_walk_order_of_all_kinds_of_names(void **state)
{
    struct fixture *f = *state;

    make_all_kinds(f);
    make_deep_key(f);
    list(f, "", UINT64_MAX, LIST_WALK_MEMORY);
    expect_listed(f, 0, f->n, "end\n");
    list(f, "", UINT64_MAX, 0);
    expect_listed(f, 0, f->n, "end\n");
}

static void test_list_walk_resumes_at_every_point(void **state)
{
    struct fixture *f = *state;
    char after[8192];
    char end[8192];

    make_all_kinds(f);
    make_deep_key(f);
    for (size_t i = 0; i < f->n; i++) {
        snprintf(after, sizeof(after), "/%s", f->paths[i]);
        list(f, after, UINT64_MAX, LIST_WALK_MEMORY);
        expect_listed(f, i + 1, f->n - i - 1, "end\n");
        if (i + 2 < f->n) {
            snprintf(end, sizeof(end), "more\t/%s\n", f->paths[i + 2]);
            list(f, after, 2, LIST_WALK_MEMORY);
            expect_listed(f, i + 1, 2, end);
        }
        unlinkat(f->directory, f->paths[i], 0); /* what it went on after need not be there */
        list(f, after, UINT64_MAX, LIST_WALK_MEMORY);
        expect_listed(f, i + 1, f->n - i - 1, "end\n");
    }
}

/* Each cut of a path is a place between others. */
static void test_list_walk_after_any_bytes(void **state)
{
    struct fixture *f = *state;
    char after[8192];
    size_t first;

    make_all_kinds(f);
    for (size_t i = 0; i < f->n; i++) {
        size_t len = strlen(f->paths[i]);

        for (size_t cut = 0; cut < len && cut < 64; cut++) {
            snprintf(after, sizeof(after), "/%.*s", (int)cut, f->paths[i]);
            for (first = 0; first < f->n && strcmp(f->paths[first], after + 1) <= 0; first++)
                ;
            list(f, after, UINT64_MAX, LIST_WALK_MEMORY);
            expect_listed(f, first, f->n - first, "end\n");
        }
    }
    list(f, "/zz", UINT64_MAX, LIST_WALK_MEMORY);
    expect_listed(f, 0, 0, "end\n");
}

static void test_list_walk_of_nothing(void **state)
{
    struct fixture *f = *state;

    list(f, "", UINT64_MAX, LIST_WALK_MEMORY);
    expect_listed(f, 0, 0, "end\n");
}

static void test_list_walk_of_many_names_in_little_memory(void **state)
{
    struct fixture *f = *state;
    char path[128];

    for (unsigned i = 0; i < 5000; i++) {
        snprintf(path, sizeof(path), "00/00/n%04u%s.%016x", i * 7919 % 5000, i % 2 == 0 ? "/x" : "",
                 i + 1);
        make_blob(f, path);
    }
    sort_paths(f);
    list(f, "", UINT64_MAX, LIST_WALK_MEMORY);
    expect_listed(f, 0, f->n, "end\n");
    disk.readings = 0;
    list(f, "", UINT64_MAX, 0);
    expect_listed(f, 0, f->n, "end\n");
    assert_in_range(disk.readings, 5020, 7000); /* each of the 2,500 directories twice */
    snprintf(path, sizeof(path), "/%s", f->paths[2500]);
    list(f, path, UINT64_MAX, 0);
    expect_listed(f, 2501, f->n - 2501, "end\n");
}

static void test_list_names_stay_within_their_limit(void **state)
{
    struct list_names names = {.n = 0};
    size_t limit = 64 * 1024;
    char name[LIST_NAME_MAX + 1];

    (void)state;
    for (unsigned i = 0; i < 100000; i++) {
        int n = snprintf(name, sizeof(name), "%06u%0*u", i * 7919U % 100000, (int)(i % 240), 0U);

        assert_int_equal(list_names_add(&names, name, (size_t)n, limit), 0);
        assert_in_range(names.size, 1, limit);
    }
    list_names_sort(&names);
    assert_true(names.is_partial);
    assert_in_range(names.n, 100, 100000);
    for (size_t i = 0; i < names.n; i++) { /* the least ones, and none is missing */
        snprintf(name, sizeof(name), "%.6s", list_names_at(&names, i));
        assert_int_equal(strtoul(name, NULL, 10), i);
    }
    list_names_clear(&names);
    assert_int_equal(names.size, 0);
    list_names_deinit(&names);
}

static void test_list_walk_skips_what_is_no_blob(void **state)
{
    static const char *const others[] = {
        ".mkv/id",
        ".mkv/tmp/body/0000000001",
        "lost+found/00/00/a",
        "readme",
        "00/readme",
        "00/00/.hidden",
        "00/00/a b",
        "00/00/a%41",
        "00/00/.dir/a",
        "0/00/a",
        "00/0g/a",
        "sv0g/00/00/a",
        "sv00/sv00/00/00",
        "00/00/a.0/b.tmp",
        "00/00/-0",
        "AA/00/a",
    };
    struct fixture *f = *state;
    char name[64];

    make_blob(f, "00/00/a");
    make_blob(f, "00/00/lost+found");
    for (size_t i = 0; i < COUNT_OF(others); i++)
        make_other(f, others[i]);
    make_other(f, "outside/00/b");
    assert_int_equal(symlinkat("a", f->directory, "00/00/link"), 0);
    assert_int_equal(symlinkat("../outside", f->directory, "00/01"), 0);
    assert_int_equal(symlinkat("outside", f->directory, "01"), 0);
    snprintf(name, sizeof(name), "%s/00/00/fifo", f->root);
    assert_int_equal(mkfifo(name, 0644), 0);
    list(f, "", UINT64_MAX, LIST_WALK_MEMORY);
    expect_listed(f, 0, f->n, "end\n");
}

static void test_list_walk_line_of_a_blob(void **state)
{
    static char long_value[4096];
    struct fixture *f = *state;
    struct timespec times[2] = {{.tv_sec = 5}, {.tv_sec = 1234567890, .tv_nsec = 987654321}};
    char name[64];

    make_blob(f, "00/00/a");
    snprintf(name, sizeof(name), "%s/00/00/a", f->root);
    utimensat(AT_FDCWD, name, times, 0);
    list(f, "", UINT64_MAX, LIST_WALK_MEMORY);
    assert_string_equal(buf_bytes(&f->listed), "/00/00/a\t7\t1234567890987\t-\nend\n");
    if (setxattr(name, ATTRIBUTE_NAME, "\0\t\n", 3, 0) < 0)
        skip();
    list(f, "", UINT64_MAX, LIST_WALK_MEMORY);
    assert_string_equal(buf_bytes(&f->listed), "/00/00/a\t7\t1234567890987\tAAkK\nend\n");
    setxattr(name, ATTRIBUTE_NAME, "", 0, 0);
    list(f, "", UINT64_MAX, LIST_WALK_MEMORY);
    assert_string_equal(buf_bytes(&f->listed), "/00/00/a\t7\t1234567890987\t\nend\n");
    /* Somebody else's can be longer than ours; ext4 has no room for this one. */
    if (setxattr(name, ATTRIBUTE_NAME, long_value, 3000, 0) == 0) {
        list(f, "", UINT64_MAX, LIST_WALK_MEMORY);
        assert_int_equal(buf_size(&f->listed),
                         strlen("/00/00/a\t7\t1234567890987\t\nend\n") + 4001);
    }
}

/* An index takes no number with a sign. */
static void test_list_walk_line_of_a_blob_from_before_1970(void **state)
{
    static const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = -2, .tv_nsec = 500000000}};
    struct fixture *f = *state;

    make_blob(f, "00/00/a");
    assert_int_equal(utimensat(f->directory, "00/00/a", times, 0), 0);
    list(f, "", UINT64_MAX, LIST_WALK_MEMORY);
    assert_non_null(strstr(buf_bytes(&f->listed), "\t0\t-\nend\n"));
}

static void test_list_walk_file_that_vanishes(void **state)
{
    struct fixture *f = *state;

    make_blob(f, "00/00/a");
    make_blob(f, "00/00/c");
    make_other(f, "00/00/b");
    disk.removed = "00/00/b";
    disk.from = 5; /* its name has been read */
    list(f, "", UINT64_MAX, LIST_WALK_MEMORY);
    expect_listed(f, 0, f->n, "end\n");
    assert_int_equal(faccessat(f->directory, "00/00/b", F_OK, 0), -1);
}

/* It is taken for one that is there until it is opened. */
static void test_list_walk_directory_that_vanishes(void **state)
{
    struct fixture *f = *state;
    struct list_walk *walk;
    struct piece piece = {.last = false};

    make_blob(f, "00/00/a");
    make_blob(f, "00/01/b");
    make_other(f, "00/00/d/x");
    walk = list_walk_new(f->directory, "", 0, UINT64_MAX, true, LIST_WALK_MEMORY);
    while (disk.readings < 6) /* "", 00 and 00/00, and the end of each */
        list_walk_make(walk, &piece, uv_hrtime() + 200);
    assert_int_equal(unlinkat(f->directory, "00/00/d/x", 0), 0);
    assert_int_equal(unlinkat(f->directory, "00/00/d", AT_REMOVEDIR), 0);
    while (!piece.last)
        list_walk_make(walk, &piece, UINT64_MAX);
    assert_string_equal(piece.failure, "");
    buf_append(&f->listed, buf_bytes(&piece.bytes), buf_size(&piece.bytes));
    buf_append(&f->listed, "", 1);
    expect_listed(f, 0, 2, "end\n");
    buf_deinit(&piece.bytes);
    list_walk_free(walk);
}

static void test_list_walk_directory_that_fails(void **state)
{
    struct fixture *f = *state;
    unsigned n;

    make_blob(f, "00/00/a");
    make_blob(f, "00/01/b");
    disk.failure = EIO;
    list(f, "", UINT64_MAX, LIST_WALK_MEMORY);
    assert_string_equal(buf_bytes(&f->listed), "");
    assert_string_equal(f->failure, "cannot list /: Input/output error");
    disk.readings = 0;
    disk.from = 7;
    list(f, "", UINT64_MAX, LIST_WALK_MEMORY);
    expect_listed(f, 0, 1, "");
    assert_string_equal(f->failure, "cannot list /00/01: Input/output error");
    for (n = 1; n <= 8; n++) { /* whichever call fails, it is never taken for the end */
        disk.readings = 0;
        disk.from = n;
        list(f, "", UINT64_MAX, LIST_WALK_MEMORY);
        assert_string_not_equal(f->failure, "");
        assert_null(strstr(buf_bytes(&f->listed), "end"));
    }
}

static void test_list_walk_what_may_not_be_read(void **state)
{
    struct fixture *f = *state;

    if (geteuid() == 0)
        skip();
    make_blob(f, "00/00/a");
    make_blob(f, "00/00/b");
    assert_int_equal(fchmodat(f->directory, "00/00/b", 0, 0), 0);
    list(f, "", UINT64_MAX, LIST_WALK_MEMORY);
    assert_string_equal(f->failure, "cannot list /00/00/b: Permission denied");
    assert_int_equal(fchmodat(f->directory, "00/00", 0, 0), 0);
    list(f, "", UINT64_MAX, LIST_WALK_MEMORY);
    assert_string_equal(f->failure, "cannot list /00/00: Permission denied");
    assert_int_equal(fchmodat(f->directory, "00/00", 0755, 0), 0);
}

/* A piece ends in time, also where nothing is found, and the next one goes on from there. */
static void test_list_walk_in_the_smallest_pieces(void **state)
{
    struct fixture *f = *state;
    struct list_walk *walk;
    struct piece piece = {.last = false};

    make_all_kinds(f);
    walk = list_walk_new(f->directory, "", 0, UINT64_MAX, true, LIST_WALK_MEMORY);
    list_walk_make(walk, &piece, 0);
    assert_int_equal(buf_size(&piece.bytes), 0);
    while (!piece.last)
        list_walk_make(walk, &piece, uv_hrtime() + 500);
    buf_append(&f->listed, buf_bytes(&piece.bytes), buf_size(&piece.bytes));
    buf_append(&f->listed, "", 1);
    expect_listed(f, 0, f->n, "end\n");
    buf_deinit(&piece.bytes);
    list_walk_free(walk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_list_walk_order_of_all_kinds_of_names, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_list_walk_resumes_at_every_point, setup, teardown),
        cmocka_unit_test_setup_teardown(test_list_walk_after_any_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_list_walk_of_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_list_walk_of_many_names_in_little_memory, setup,
                                        teardown),
        cmocka_unit_test(test_list_names_stay_within_their_limit),
        cmocka_unit_test_setup_teardown(test_list_walk_skips_what_is_no_blob, setup, teardown),
        cmocka_unit_test_setup_teardown(test_list_walk_line_of_a_blob, setup, teardown),
        cmocka_unit_test_setup_teardown(test_list_walk_line_of_a_blob_from_before_1970, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_list_walk_file_that_vanishes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_list_walk_directory_that_vanishes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_list_walk_directory_that_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(test_list_walk_what_may_not_be_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_list_walk_in_the_smallest_pieces, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
