#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "index/base/log.h"
#include "index/store/store.h"

struct fixture {
    char dir[32];
    struct store *store;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    strcpy(f->dir, "/tmp/mkv-test-XXXXXX");
    log_open("/dev/null");
    if (mkdtemp(f->dir) == NULL || store_open(f->dir, &f->store) < 0)
        return -1;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"lock", "index.gdbm"};
    char path[64];

    if (f->store != NULL)
        store_close(f->store);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", f->dir, names[i]);
        unlink(path);
    }
    rmdir(f->dir);
    free(f);
    return 0;
}

static void reopen(struct fixture *f)
{
    store_close(f->store);
    f->store = NULL;
    assert_int_equal(store_open(f->dir, &f->store), 0);
}

static struct record record_of_size(uint64_t size)
{
    return (struct record){.size = size, .n_replicas = 1};
}

static void test_store_put_get_delete(void **state)
{
    struct fixture *f = *state;
    struct record record = record_of_size(7);

    assert_int_equal(store_get(f->store, "/a", 2, &record), UV_ENOENT);
    assert_int_equal(store_delete(f->store, "/a", 2), UV_ENOENT);
    assert_int_equal(store_put(f->store, "/a", 2, &record), 0);
    record.size = 8;
    assert_int_equal(store_put(f->store, "/a\0b", 4, &record), 0);
    assert_int_equal(store_get(f->store, "/a", 2, &record), 0);
    assert_int_equal(record.size, 7);
    record.size = 9;
    assert_int_equal(store_put(f->store, "/a", 2, &record), 0);
    reopen(f);
    assert_int_equal(store_get(f->store, "/a", 2, &record), 0);
    assert_int_equal(record.size, 9);
    assert_int_equal(store_delete(f->store, "/a", 2), 0);
    assert_int_equal(store_get(f->store, "/a", 2, &record), UV_ENOENT);
    assert_int_equal(store_get(f->store, "/a\0b", 4, &record), 0);
}

static void test_store_volume_ids_stay(void **state)
{
    struct fixture *f = *state;
    uint32_t a;
    uint32_t b;
    uint32_t again;

    assert_null(store_volume_name(f->store, 0));
    assert_int_equal(store_volume_id(f->store, "localhost:3001", &a), 0);
    assert_int_equal(store_volume_id(f->store, "localhost:3002", &b), 0);
    assert_int_not_equal(a, b);
    reopen(f);
    assert_string_equal(store_volume_name(f->store, a), "localhost:3001");
    assert_int_equal(store_volume_id(f->store, "localhost:3002", &again), 0);
    assert_int_equal(again, b);
}

static void test_store_volume_id_refuses_a_name_that_does_not_fit(void **state)
{
    struct fixture *f = *state;
    char name[257];
    uint32_t id = 77;

    memset(name, 'v', sizeof(name));
    name[256] = '\0';
    assert_int_equal(store_volume_id(f->store, name, &id), UV_ENAMETOOLONG);
    assert_int_equal(store_volume_id(f->store, "", &id), UV_ENAMETOOLONG);
    assert_int_equal(id, 77);
    name[255] = '\0';
    assert_int_equal(store_volume_id(f->store, name, &id), 0);
    reopen(f);
    assert_string_equal(store_volume_name(f->store, id), name);
}

struct seen {
    unsigned n;
    uint64_t sum;
    unsigned stop_at;
};

static int count_cb(const void *key, size_t len, const struct record *record, void *arg)
{
    struct seen *seen = arg;

    assert_true(len >= 2 && ((const char *)key)[0] == '/');
    seen->sum += record->size;
    return ++seen->n == seen->stop_at ? 77 : 0;
}

static void test_store_each_visits_every_key_once(void **state)
{
    struct fixture *f = *state;
    struct seen seen = {0};
    uint32_t id;

    assert_int_equal(store_each(f->store, count_cb, &seen), 0);
    assert_int_equal(seen.n, 0);
    assert_int_equal(store_volume_id(f->store, "not-a-key:1", &id), 0);
    for (unsigned i = 1; i <= 1000; i++) {
        struct record record = record_of_size(i);
        char key[16];

        snprintf(key, sizeof(key), "/key%u", i);
        assert_int_equal(store_put(f->store, key, strlen(key), &record), 0);
    }
    assert_int_equal(store_each(f->store, count_cb, &seen), 0);
    assert_int_equal(seen.n, 1000);
    assert_int_equal(seen.sum, 500500);
    seen = (struct seen){.stop_at = 5};
    assert_int_equal(store_each(f->store, count_cb, &seen), 77);
    assert_int_equal(seen.n, 5);
}

static void test_store_open_twice_is_refused(void **state)
{
    struct fixture *f = *state;
    struct store *second = NULL;

    assert_int_equal(store_open(f->dir, &second), UV_EBUSY);
    assert_null(second);
}

static void test_store_open_without_a_parent_directory(void **state)
{
    struct store *store = NULL;

    (void)state;
    assert_int_equal(store_open("/tmp/mkv-test-missing/x", &store), UV_ENOENT);
    assert_null(store);
}

static void test_store_open_refuses_a_foreign_file(void **state)
{
    struct fixture *f = *state;
    char path[64];
    int fd;

    store_close(f->store);
    f->store = NULL;
    snprintf(path, sizeof(path), "%s/index.gdbm", f->dir);
    fd = open(path, O_WRONLY | O_TRUNC);
    assert_int_equal(write(fd, "this is no database, but it is long enough to look at", 53), 53);
    close(fd);
    assert_int_equal(store_open(f->dir, &f->store), UV_EIO);
    assert_null(f->store);
}

static void test_store_files_are_private(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    char path[64];

    snprintf(path, sizeof(path), "%s/index.gdbm", f->dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_store_put_get_delete, setup, teardown),
        cmocka_unit_test_setup_teardown(test_store_volume_ids_stay, setup, teardown),
        cmocka_unit_test_setup_teardown(test_store_volume_id_refuses_a_name_that_does_not_fit,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_store_each_visits_every_key_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_store_open_twice_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_store_open_without_a_parent_directory, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_store_open_refuses_a_foreign_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_store_files_are_private, setup, teardown),
    };

    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
