/* What a volume tries at its start, on file systems that lack something: the calls that find out
 * are the test's own. */
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/base/log.h"
#include "launcher/nginx/files.h"
#include "launcher/volume/volume_trial.h"
#include "tests/unit/open_dir.h"

static struct {
    size_t name_max;       /* bytes; 0: what the file system has */
    bool case_insensitive; /* as far as "TRIAL" goes */
    int fsync;             /* errno of each, or 0; */
    int openat;            /* the same, */
    int fstatat;           /* the same, */
    int fsetxattr;         /* and the same */
} lacks;

int __wrap_openat(int at, const char *path, int flags, mode_t mode);
int __real_openat(int at, const char *path, int flags, ...);
int __wrap_faccessat(int at, const char *path, int mode, int flags);
int __real_faccessat(int at, const char *path, int mode, int flags);
int __wrap_fstatat(int at, const char *path, struct stat *st, int flags);
int __real_fstatat(int at, const char *path, struct stat *st, int flags);
int __wrap_fsetxattr(int fd, const char *name, const void *value, size_t size, int flags);
int __real_fsetxattr(int fd, const char *name, const void *value, size_t size, int flags);
int __wrap_fsync(int fd);
int __real_fsync(int fd);

int __wrap_openat(int at, const char *path, int flags, mode_t mode)
{
    errno = lacks.openat;
    if (lacks.name_max > 0 && strlen(path) > lacks.name_max)
        errno = ENAMETOOLONG;
    return errno == 0 ? __real_openat(at, path, flags, mode) : -1;
}

int __wrap_fstatat(int at, const char *path, struct stat *st, int flags)
{
    errno = lacks.fstatat;
    return errno == 0 ? __real_fstatat(at, path, st, flags) : -1;
}

int __wrap_faccessat(int at, const char *path, int mode, int flags)
{
    if (lacks.case_insensitive && strcmp(path, "TRIAL") == 0)
        path = "trial";
    return __real_faccessat(at, path, mode, flags);
}

int __wrap_fsync(int fd)
{
    if (lacks.fsync == 0)
        return __real_fsync(fd);
    errno = lacks.fsync;
    return -1;
}

int __wrap_fsetxattr(int fd, const char *name, const void *value, size_t size, int flags)
{
    errno = lacks.fsetxattr;
    return errno == 0 ? __real_fsetxattr(fd, name, value, size, flags) : -1;
}

struct fixture {
    char root[32];
    char log[64];
    char path[64];
    struct volume_dir dir;
};

static int setup(void **state)
{
    static struct fixture f;

    memset(&lacks, 0, sizeof(lacks));
    strcpy(f.root, "/tmp/mkv-test-XXXXXX");
    assert_non_null(mkdtemp(f.root));
    assert_int_equal(chmod(f.root, 0755), 0);
    snprintf(f.path, sizeof(f.path), "%s/volume", f.root);
    assert_int_equal(open_dir(f.path, NULL, &f.dir), 0);
    snprintf(f.log, sizeof(f.log), "%s/log", f.root);
    assert_int_equal(log_open(f.log), 0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    int fd;

    memset(&lacks, 0, sizeof(lacks));
    volume_dir_close(&f->dir);
    log_open("/dev/null");
    fd = open(f->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(files_clear_directory(fd), 0);
    close(fd);
    return rmdir(f->root);
}

static void assert_logged(const struct fixture *f, const char *text)
{
    char bytes[2048];
    int fd = open(f->log, O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, bytes, sizeof(bytes) - 1);

    close(fd);
    assert_true(n >= 0);
    bytes[n] = '\0';
    if (strstr(bytes, text) == NULL || strchr(bytes, '\n') != strrchr(bytes, '\n'))
        fail_msg("wanted one line with '%s', got '%s'", text, bytes);
}

static void test_start_of_a_good_disk(void **state)
{
    struct fixture *f = *state;
    struct stat st;

    assert_int_equal(volume_trial_start(&f->dir), 0);
    assert_int_equal(stat(f->log, &st), 0);
    assert_int_equal(st.st_size, 0);
    assert_int_equal(f->dir.name_max, 255);
}

static void test_start_of_short_names(void **state)
{
    struct fixture *f = *state;

    lacks.name_max = 143;
    assert_int_equal(volume_trial_start(&f->dir), 0);
    assert_logged(f, "names of 143 bytes at most: most keys of more than 92 bytes");
    assert_int_equal(f->dir.name_max, 143);
}

static void test_start_without_attributes(void **state)
{
    struct fixture *f = *state;

    lacks.fsetxattr = EOPNOTSUPP;
    assert_int_equal(volume_trial_start(&f->dir), 0);
    assert_logged(f, "no extended attributes");
}

static void test_start_without_case(void **state)
{
    struct fixture *f = *state;

    lacks.case_insensitive = true;
    assert_int_equal(volume_trial_start(&f->dir), -EINVAL);
    assert_logged(f, "differ in case");
}

static void test_start_without_fsync(void **state)
{
    struct fixture *f = *state;

    lacks.fsync = EINVAL;
    assert_int_equal(volume_trial_start(&f->dir), -EOPNOTSUPP);
    assert_logged(f, "nothing can be made durable");
}

static void assert_finding(const struct volume_finding *finding, enum volume_condition condition,
                           const char *reason)
{
    assert_int_equal(finding->condition, condition);
    assert_non_null(strstr(finding->reason, reason));
}

static void test_look_at_another_directory(void **state)
{
    struct fixture *f = *state;
    struct volume_finding finding;
    char other[80];

    snprintf(other, sizeof(other), "%s/other", f->root);
    volume_trial_look(&f->dir, &finding);
    assert_finding(&finding, VOLUME_IS_UP, "");
    assert_true(finding.total > 0);
    assert_int_equal(renameat(AT_FDCWD, f->path, AT_FDCWD, other), 0);
    volume_trial_look(&f->dir, &finding);
    assert_finding(&finding, VOLUME_IS_READ_ONLY, "moved or unmounted");
    assert_int_equal(mkdir(f->path, 0755), 0);
    volume_trial_look(&f->dir, &finding);
    assert_finding(&finding, VOLUME_IS_READ_ONLY, "moved or unmounted");
    rmdir(f->path);
    assert_int_equal(renameat(AT_FDCWD, other, AT_FDCWD, f->path), 0);
    assert_int_equal(renameat(f->dir.fd, ".mkv", f->dir.fd, ".other"), 0);
    volume_trial_look(&f->dir, &finding);
    assert_finding(&finding, VOLUME_IS_READ_ONLY, ".mkv");
    assert_int_equal(renameat(f->dir.fd, ".other", f->dir.fd, ".mkv"), 0);
    volume_trial_look(&f->dir, &finding);
    assert_finding(&finding, VOLUME_IS_UP, "");
}

static void test_write_of_a_disk_that_fails(void **state)
{
    static const struct {
        int error;
        enum volume_condition condition;
        const char *reason;
    } cases[] = {
        {EIO, VOLUME_IS_READ_ONLY, "can't be written: Input/output error"},
        {EROFS, VOLUME_IS_READ_ONLY, "its disk is read-only"},
        {ENOSPC, VOLUME_IS_UP, ""},
        {0, VOLUME_IS_UP, ""},
    };
    struct fixture *f = *state;
    struct volume_finding finding;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        lacks.fsync = cases[i].error;
        volume_trial_write(&f->dir, &finding);
        assert_finding(&finding, cases[i].condition, cases[i].reason);
    }
}

/* What mkv itself is short of says nothing of the disk, which is what it was. */
static void test_trials_when_we_are_short(void **state)
{
    static const int errors[] = {EMFILE, ENFILE, ENOMEM, ENOBUFS};
    int *const calls[] = {&lacks.openat, &lacks.fsync, &lacks.fstatat};
    struct fixture *f = *state;

    for (size_t i = 0; i < COUNT_OF(errors) * COUNT_OF(calls); i++) {
        int *call = calls[i % COUNT_OF(calls)];
        struct volume_finding finding = {.condition = VOLUME_IS_UP};

        *call = errors[i / COUNT_OF(calls)];
        volume_trial_look(&f->dir, &finding);
        assert_finding(&finding, VOLUME_IS_UP, "");
        volume_trial_write(&f->dir, &finding);
        assert_finding(&finding, VOLUME_IS_UP, "");
        finding = (struct volume_finding){.condition = VOLUME_IS_READ_ONLY, .reason = "before"};
        if (call == &lacks.fstatat)
            volume_trial_look(&f->dir, &finding);
        else
            volume_trial_write(&f->dir, &finding);
        assert_finding(&finding, VOLUME_IS_READ_ONLY, "before");
        *call = 0;
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_start_of_a_good_disk),      TEST(test_start_of_short_names),
        TEST(test_start_without_case),        TEST(test_start_without_fsync),
        TEST(test_look_at_another_directory), TEST(test_write_of_a_disk_that_fails),
        TEST(test_trials_when_we_are_short),  TEST(test_start_without_attributes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
