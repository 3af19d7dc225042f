/* A process that has entered the sandbox of a directory tries what a fault in it could be used for.
 */
#include "tests/unit/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
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
    expect_denied(open("/etc/passwd", O_RDONLY | O_CLOEXEC), EACCES, "open /etc/passwd");
    expect_denied(open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC), EACCES, "open /tmp");
    expect_denied(openat(f->outside, "secret", O_RDONLY | O_CLOEXEC), EACCES, "openat");
    expect_denied(openat(f->directory, "../secret", O_RDONLY | O_CLOEXEC), EACCES, "climb");
    expect_denied(openat(f->directory, "out", O_RDONLY | O_CLOEXEC), EACCES, "follow a link");
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

/* What belongs to a file is none of Landlock's business. */
static void change_what_belongs_to_files(const struct fixture *f)
{
    char path[128];
    char byte;

    snprintf(path, sizeof(path), "%s/secret", f->root);
    expect_denied(truncate(path, 0), EPERM, "truncate");
    expect_denied(chmod(path, 0777), EPERM, "chmod");
    expect_denied(fchmodat(f->outside, "secret", 0777, 0), EPERM, "fchmodat");
    expect_denied(syscall(452, f->outside, "secret", 0777, 0), EPERM, "fchmodat2");
    expect_denied(chown(path, getuid(), getgid()), EPERM, "chown");
    expect_denied(lchown(path, getuid(), getgid()), EPERM, "lchown");
    expect_denied(fchownat(f->outside, "secret", getuid(), getgid(), 0), EPERM, "fchownat");
    expect_denied(utimensat(f->outside, "secret", NULL, 0), EPERM, "utimensat");
    expect_denied(utimensat(AT_FDCWD, path, NULL, 0), EPERM, "utimensat of a path");
    expect_denied(setxattr(path, "user.x", "x", 1, 0), EPERM, "setxattr");
    expect_denied(getxattr(path, "user.x", &byte, 1), EPERM, "getxattr");
    expect_denied(removexattr(path, "user.x"), EPERM, "removexattr");
    expect_denied(syscall(SYS_inotify_init1, 0), EPERM, "inotify_init1");
}

static void test_sandbox_changes_nothing_that_belongs_to_a_file(void **state)
{
    run(*state, false, change_what_belongs_to_files);
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
    expect(futimens(deep, NULL) == 0, "set times");
    expect(fchmod(deep, 0640) == 0, "set the mode");
    expect(fsetxattr(deep, "user.x", "x", 1, 0) == 0 || errno == EOPNOTSUPP, "set an attribute");
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

/* Each is another way to the same, and some of them Landlock closes from its version 6 on. */
static void reach_others_by_detours(const struct fixture *f)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(9)};
    struct msghdr message = {.msg_name = &in, .msg_namelen = sizeof(in)};
    siginfo_t info = {.si_code = SI_QUEUE};
    struct rlimit limit;
    int ends[2];

    expect_denied(sendto(STDIN_FILENO, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&in, sizeof(in)),
                  EPERM, "connect by sendto");
    expect_denied(sendmsg(STDIN_FILENO, &message, MSG_FASTOPEN), EPERM, "connect by sendmsg");
    expect_denied(sendmmsg(STDIN_FILENO, NULL, 0, MSG_FASTOPEN), EPERM, "connect by sendmmsg");
    expect_denied(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends), EPERM, "socketpair");
    expect_denied(syscall(SYS_tgkill, getppid(), getppid(), 0), EPERM, "tgkill");
    expect_denied(syscall(SYS_tkill, getppid(), 0), EPERM, "tkill");
    expect_denied(syscall(SYS_rt_sigqueueinfo, getppid(), 0, &info), EPERM, "sigqueue");
    expect_denied(fcntl(f->directory, F_SETOWN, getppid()), EPERM, "F_SETOWN");
    expect_denied(fcntl(f->directory, F_SETSIG, SIGKILL), EPERM, "F_SETSIG");
    expect_denied(prlimit(getppid(), RLIMIT_NOFILE, NULL, &limit), EPERM, "prlimit");
    expect_denied(syscall(SYS_sched_setaffinity, getppid(), 0, NULL), EPERM, "sched_setaffinity");
    expect_denied(syscall(SYS_shmget, 0, 4096, 0600), EPERM, "shmget");
    expect_denied(setpgid(0, getppid()), EPERM, "setpgid");
    expect_denied(prctl(PR_SET_PDEATHSIG, 0), EPERM, "outlive mkv");
}

static void test_sandbox_reaches_no_other_process_by_detours(void **state)
{
    run(*state, false, reach_others_by_detours);
}

static void look_at_itself(const struct fixture *f)
{
    struct rlimit limit;

    expect(syscall(SYS_tgkill, getpid(), gettid(), 0) == 0, "signal itself");
    expect(getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
    expect(fcntl(f->directory, F_GETFL) >= 0, "fcntl");
    expect(prctl(PR_GET_DUMPABLE) >= 0, "prctl");
}

static void test_sandbox_leaves_itself_alone(void **state)
{
    run(*state, false, look_at_itself);
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
        cmocka_unit_test_setup_teardown(test_sandbox_changes_nothing_that_belongs_to_a_file, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_sandbox_reaches_no_other_process_by_detours, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_sandbox_leaves_itself_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sandbox_allows_threads, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
