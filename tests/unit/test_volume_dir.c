#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launcher/nginx/files.h"
#include "launcher/volume/volume_dir.h"
#include "launcher/volume/volume_id.h"
#include "tests/unit/open_dir.h"

struct fixture {
    char root[32];
    char path[64]; /* of the volume; not created */
};

static int setup(void **state)
{
    static struct fixture f;

    strcpy(f.root, "/tmp/mkv-test-XXXXXX");
    assert_non_null(mkdtemp(f.root));
    assert_int_equal(chmod(f.root, 0755), 0); /* as root, workers have to get through */
    snprintf(f.path, sizeof(f.path), "%s/volume", f.root);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    int fd = open(f->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_int_equal(files_clear_directory(fd), 0);
    close(fd);
    assert_int_equal(rmdir(f->root), 0);
    return 0;
}

static void write_file(const char *directory, const char *name, const char *text)
{
    char path[256];
    FILE *out;

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}

static void test_open_makes_an_identity_once(void **state)
{
    struct fixture *f = *state;
    struct volume_dir dir;
    char id[VOLUME_ID_SIZE + 1];
    struct stat st;

    assert_int_equal(open_dir(f->path, NULL, &dir), 0);
    assert_string_equal(dir.path, f->path);
    assert_int_equal(strspn(dir.id, "0123456789abcdef"), VOLUME_ID_SIZE);
    strcpy(id, dir.id);
    assert_int_equal(fstatat(dir.prefix.fd, "id", &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(fstat(dir.prefix.fd, &st), 0);
    assert_int_equal(st.st_mode & 0066, 0);
    volume_dir_close(&dir);
    assert_int_equal(open_dir(f->path, NULL, &dir), 0);
    assert_string_equal(dir.id, id);
    volume_dir_close(&dir);
}

static void test_open_a_directory_in_use(void **state)
{
    struct fixture *f = *state;
    struct volume_dir dir;
    struct volume_dir second = {.path = NULL};

    assert_int_equal(open_dir(f->path, NULL, &dir), 0);
    assert_int_equal(open_dir(f->path, NULL, &second), -EWOULDBLOCK);
    assert_null(second.path);
    volume_dir_close(&dir);
}

static void test_open_waits_for_an_orphaned_nginx(void **state)
{
    struct fixture *f = *state;
    struct volume_dir dir;
    int ready[2];
    char byte;

    /* One process takes the lock and dies; its child has the lock for a little longer. */
    assert_int_equal(pipe(ready), 0);
    pid_t holder = fork();
    if (holder == 0) {
        int rc = open_dir(f->path, NULL, &dir);

        if (rc == 0 && fork() == 0) {
            (void)!write(ready[1], "x", 1);
            usleep(200000);
        }
        _exit(rc == 0 ? 0 : 1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(waitpid(holder, NULL, 0), holder);
    assert_int_equal(open_dir(f->path, NULL, &dir), 0);
    volume_dir_close(&dir);
    close(ready[0]);
    close(ready[1]);
}

static void test_open_sweeps_without_following_links(void **state)
{
    struct fixture *f = *state;
    struct volume_dir dir;
    char path[128];
    char outside[64];

    snprintf(outside, sizeof(outside), "%s/outside", f->root);
    assert_int_equal(mkdir(outside, 0755), 0);
    write_file(outside, "kept", "x");
    assert_int_equal(open_dir(f->path, NULL, &dir), 0);
    snprintf(path, sizeof(path), "%s/.mkv/tmp/body", f->path);
    assert_int_equal(mkdir(path, 0700), 0);
    write_file(path, "0000000001", "half a blob");
    snprintf(path, sizeof(path), "%s/.mkv/tmp/link", f->path);
    assert_int_equal(symlink(outside, path), 0);
    volume_dir_close(&dir);

    assert_int_equal(open_dir(f->path, NULL, &dir), 0);
    assert_int_equal(access(path, F_OK), -1);
    snprintf(path, sizeof(path), "%s/.mkv/tmp/body", f->path);
    assert_int_equal(access(path, F_OK), -1);
    snprintf(path, sizeof(path), "%s/kept", outside);
    assert_int_equal(access(path, F_OK), 0);
    volume_dir_close(&dir);
}

static void test_open_a_damaged_identity(void **state)
{
    static const char *const bad[] = {
        "",
        "\n",
        "0123456789abcdef0123456789abcde\n",
        "0123456789abcdef0123456789abcdeg\n",
        "0123456789ABCDEF0123456789ABCDEF\n",
        "0123456789abcdef0123456789abcdef",
        "0123456789abcdef0123456789abcdef0\n",
        "0123456789abcdef0123456789abcdef\n\n",
    };
    struct fixture *f = *state;
    struct volume_dir dir;
    char prefix[80];

    assert_int_equal(open_dir(f->path, NULL, &dir), 0);
    volume_dir_close(&dir);
    snprintf(prefix, sizeof(prefix), "%s/.mkv", f->path);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        write_file(prefix, "id", bad[i]);
        assert_int_equal(open_dir(f->path, NULL, &dir), -EILSEQ);
    }
    write_file(prefix, "id", "0123456789abcdef0123456789abcdef\n");
    assert_int_equal(open_dir(f->path, NULL, &dir), 0);
    assert_string_equal(dir.id, "0123456789abcdef0123456789abcdef");
    volume_dir_close(&dir);
}

static void test_open_refuses_names_that_nginx_cannot_hold(void **state)
{
    struct fixture *f = *state;
    struct volume_dir dir;
    char path[128];

    snprintf(path, sizeof(path), "%s/a$b", f->root);
    assert_int_equal(open_dir(path, NULL, &dir), -EINVAL);
    assert_int_equal(access(path, F_OK), -1);
    snprintf(path, sizeof(path), "%s/a\nb", f->root);
    assert_int_equal(open_dir(path, NULL, &dir), -EINVAL);
}

static void test_open_below_a_file(void **state)
{
    struct fixture *f = *state;
    struct volume_dir dir;
    char path[128];

    write_file(f->root, "file", "");
    snprintf(path, sizeof(path), "%s/file/volume", f->root);
    assert_int_equal(open_dir(path, NULL, &dir), -ENOTDIR);
}

static void test_open_leaves_roots_own_files_alone(void **state)
{
    struct fixture *f = *state;
    struct volume_dir dir;

    if (geteuid() != 0)
        skip();
    assert_int_equal(mkdir(f->path, 0755), 0);
    write_file(f->path, "precious", "x");
    assert_int_equal(open_dir(f->path, NULL, &dir), -EPERM);
    assert_int_equal(open_dir(f->path, "nobody", &dir), -EACCES);
}

static void test_inspect_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct volume_dir dir;

    assert_int_equal(volume_dir_inspect(f->path, NULL, &dir), 0);
    assert_string_equal(dir.path, f->path);
    assert_string_equal(dir.id, "00000000000000000000000000000000");
    assert_int_equal(access(f->path, F_OK), -1);
    volume_dir_close(&dir);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_open_makes_an_identity_once),
        TEST(test_open_a_directory_in_use),
        TEST(test_open_waits_for_an_orphaned_nginx),
        TEST(test_open_sweeps_without_following_links),
        TEST(test_open_a_damaged_identity),
        TEST(test_open_refuses_names_that_nginx_cannot_hold),
        TEST(test_open_below_a_file),
        TEST(test_open_leaves_roots_own_files_alone),
        TEST(test_inspect_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
