/* A process that has entered the sandbox of a directory tries what a fault in it could be used for.
 */
#include "tests/unit/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launcher/nginx/files.h"
#include "launcher/volume/sandbox.h"

#define SKIPPED 77 /* exit codes of the child */
#define FAILED  1

struct fixture {
    char root[32];
    char path[64]; /* the directory, in it a file "inside" and a link "out" */
    int directory;
    int outside; /* an open directory that isn't in it */
};

static void write_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, "x", 1), 1);
    close(fd);
}

static int setup(void **state)
{
    static struct fixture f;
    char path[128];

    strcpy(f.root, "/tmp/mkv-test-XXXXXX");
    assert_non_null(mkdtemp(f.root));
    snprintf(f.path, sizeof(f.path), "%s/volume", f.root);
    assert_int_equal(mkdir(f.path, 0755), 0);
    snprintf(path, sizeof(path), "%s/inside", f.path);
    write_file(path);
    snprintf(path, sizeof(path), "%s/secret", f.root);
    write_file(path);
    snprintf(path, sizeof(path), "%s/out", f.path);
    assert_int_equal(symlink("../secret", path), 0);
    f.directory = open(f.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    f.outside = open(f.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(f.directory >= 0 && f.outside >= 0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(files_clear_directory(f->outside), 0);
    close(f->outside);
    close(f->directory);
    assert_int_equal(rmdir(f->root), 0);
    return 0;
}

/* In the child, where cmocka's assertions would end up in its parent's tests. */
static void expect(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "in the sandbox: %s: %s\n", what, strerror(errno));
    _exit(FAILED);
}

static void expect_denied(long rc, int error, const char *what)
{
    expect(rc < 0 && errno == error, what);
}

/* Runs `attempt` in a child that has entered the sandbox. */
static void run(const struct fixture *f, bool needs_landlock,
                void (*attempt)(const struct fixture *f))
{
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        bool landlocked = false;
        int rc = sandbox_enter(f->directory, &landlocked);

        if (rc == -ENOSYS || (needs_landlock && !landlocked))
            _exit(SKIPPED);
        expect(rc == 0, "enter");
        attempt(f);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == SKIPPED) {
        print_message("skipped: this kernel has no %s\n",
                      needs_landlock ? "Landlock of version 2" : "seccomp filters");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void open_outside(const struct fixture *f)
{
    char path[128];

    expect_denied(open("/etc/passwd", O_RDONLY | O_CLOEXEC), EACCES, "open /etc/passwd");
    expect_denied(open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC), EACCES, "open /tmp");
    expect_denied(openat(f->outside, "secret", O_RDONLY | O_CLOEXEC), EACCES, "openat");
    expect_denied(openat(f->directory, "../secret", O_RDONLY | O_CLOEXEC), EACCES, "climb");
    expect_denied(openat(f->directory, "out", O_RDONLY | O_CLOEXEC), EACCES, "follow a link");
    snprintf(path, sizeof(path), "%s/secret", f->root);
    expect_denied(truncate(path, 0), EACCES, "truncate");
}

static void test_sandbox_opens_nothing_outside(void **state)
{
    run(*state, true, open_outside);
}

static void change_outside(const struct fixture *f)
{
    expect_denied(openat(f->outside, "new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600), EACCES,
                  "create");
    expect_denied(mkdirat(f->outside, "new", 0700), EACCES, "mkdir");
    expect_denied(unlinkat(f->outside, "secret", 0), EACCES, "unlink");
    expect(linkat(f->outside, "secret", f->directory, "mine", 0) < 0, "link into");
    expect(linkat(f->directory, "inside", f->outside, "out", 0) < 0, "link out of");
    expect(renameat(f->outside, "secret", f->directory, "mine") < 0, "rename into");
    expect_denied(symlinkat("/etc", f->directory, "etc"), EACCES, "symlink");
    expect_denied(mkfifoat(f->directory, "fifo", 0600), EPERM, "mkfifo");
}

static void test_sandbox_changes_nothing_outside(void **state)
{
    run(*state, true, change_outside);
}

static void work_inside(const struct fixture *f)
{
    char path[64];
    char byte;
    int fd = openat(f->directory, "inside", O_RDONLY | O_CLOEXEC);
    int deep;

    expect(fd >= 0 && read(fd, &byte, 1) == 1, "read");
    expect(mkdirat(f->directory, "a", 0700) == 0, "mkdir");
    expect(mkdirat(f->directory, "a/b", 0700) == 0, "mkdir in it");
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    expect(linkat(AT_FDCWD, path, f->directory, "a/linked", AT_SYMLINK_FOLLOW) == 0, "link");
    expect(renameat(f->directory, "inside", f->directory, "a/b/moved") == 0, "rename");
    deep = openat(f->directory, "a/b/new", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    expect(deep >= 0 && write(deep, "new", 3) == 3 && fsync(deep) == 0, "write and sync");
    expect(ftruncate(deep, 1) == 0, "truncate");
    expect(unlinkat(f->directory, "a/b/new", 0) == 0, "unlink");
}

static void test_sandbox_allows_work_inside(void **state)
{
    run(*state, false, work_inside);
}

static void reach_others(const struct fixture *f)
{
    static char name[] = "true";
    char *const argv[] = {name, NULL};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(9)};

    (void)f;
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    expect_denied(execv("/bin/true", argv), EPERM, "execve");
    expect_denied(syscall(SYS_execveat, AT_FDCWD, "/bin/true", argv, argv + 1, 0), EPERM,
                  "execveat");
    expect_denied(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), EPERM, "socket");
    expect_denied(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), EPERM, "Unix socket");
    expect_denied(connect(STDIN_FILENO, (struct sockaddr *)&in, sizeof(in)), EPERM, "connect");
    expect_denied(kill(getppid(), 0), EPERM, "kill");
    expect_denied(syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0), EPERM,
                  "read another's memory");
    expect_denied(syscall(SYS_setuid, getuid()), EPERM, "setuid");
    expect_denied(syscall(SYS_unshare, 0), EPERM, "unshare");
    expect_denied(syscall(SYS_mount, "a", "b", "c", 0, NULL), EPERM, "mount");
    expect_denied(syscall(SYS_bpf, 0, NULL, 0), EPERM, "bpf");
    expect_denied(syscall(SYS_keyctl, 0, 0, 0, 0, 0), EPERM, "keyctl");
    expect_denied(syscall(SYS_io_uring_setup, 1, NULL), EPERM, "io_uring_setup");
#ifndef __SANITIZE_ADDRESS__
    expect_denied(syscall(SYS_ptrace, 0, 0, NULL, NULL), EPERM, "ptrace");
    expect_denied(fork(), EPERM, "fork");
#endif
}

static void test_sandbox_reaches_no_other_process(void **state)
{
    run(*state, false, reach_others);
}

static void *nothing(void *arg)
{
    return arg;
}

static void start_thread(const struct fixture *f)
{
    pthread_t thread;

    (void)f;
    errno = pthread_create(&thread, NULL, nothing, NULL);
    expect(errno == 0, "start a thread");
    expect(pthread_join(thread, NULL) == 0, "join it");
}

static void test_sandbox_allows_threads(void **state)
{
    run(*state, false, start_thread);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sandbox_opens_nothing_outside, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sandbox_changes_nothing_outside, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sandbox_allows_work_inside, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sandbox_reaches_no_other_process, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sandbox_allows_threads, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
