/* hatch OWNER BASE COMMAND [ARG...]
 *
 * Starts COMMAND in the background, in a session of its own, and keeps book of it for a test:
 *
 *     BASE.log    its stdout and stderr, appended
 *     BASE.pid    its pid, there when hatch returns
 *     BASE.rc     how it ended: the exit status, or 128 + the signal
 *     BASE.keeper the pid of the keeper, which adopts whatever COMMAND orphans
 *     BASE.gone   written when COMMAND and every descendant are gone: the test for leaks
 *
 * When the process OWNER (the test) is gone before them, all of them are killed: a test that
 * crashed, or ran into ctest's timeout, leaves nothing behind. Exits 127 when COMMAND can't be
 * executed. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void die(const char *what)
{
    fprintf(stderr, "hatch: %s: %s\n", what, strerror(errno));
    exit(127);
}

/* Writes `number` to the file BASE.SUFFIX, which appears at once and whole. */
static void note(const char *base, const char *suffix, long number)
{
    char path[4096];
    char draft[4104];
    FILE *file;

    snprintf(path, sizeof(path), "%s.%s", base, suffix);
    snprintf(draft, sizeof(draft), "%s~", path);
    file = fopen(draft, "we");
    if (file == NULL || fprintf(file, "%ld\n", number) < 0 || fclose(file) != 0 ||
        rename(draft, path) != 0) {
        die(path);
    }
}

static void open_log(const char *base)
{
    char path[4096];
    int fd;

    snprintf(path, sizeof(path), "%s.log", base);
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (fd < 0) {
        die(path);
    }
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    fd = open("/dev/null", O_RDONLY);
    dup2(fd, STDIN_FILENO);
}

/* The child: a clean slate of signals and descriptors, then COMMAND. `report` closes on success. */
static void become(char *const *command, int report)
{
    sigset_t none;
    int error;

    for (int number = 1; number < NSIG; number++) {
        signal(number, SIG_DFL);
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    umask(022);
    setsid();
    execvp(command[0], command);
    error = errno;
    if (write(report, &error, sizeof(error)) < 0) {
        _exit(126);
    }
    _exit(127);
}

static void kill_children(pid_t child)
{
    char path[64];
    FILE *file;
    int pid;

    kill(-child, SIGKILL);
    snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    file = fopen(path, "re");
    while (file != NULL && fscanf(file, "%d", &pid) == 1) {
        kill(pid, SIGKILL);
    }
    if (file != NULL) {
        fclose(file);
    }
}

/* Reaps until no descendant is left. */
static void keep(const char *base, pid_t child, int owner, int chld)
{
    struct pollfd fds[2] = {{.fd = chld, .events = POLLIN}, {.fd = owner, .events = POLLIN}};
    struct signalfd_siginfo info;
    int status;
    pid_t pid;

    for (;;) {
        while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
            if (pid == child) {
                note(base, "rc", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
            }
        }
        if (pid < 0 && errno == ECHILD) {
            return;
        }
        if (fds[1].fd < 0) {
            kill_children(child);
        }
        poll(fds, 2, fds[1].fd < 0 ? 50 : -1);
        if (fds[0].revents != 0 && read(chld, &info, sizeof(info)) < 0) {
            return;
        }
        if (fds[1].revents != 0) {
            fds[1].fd = -1;
        }
    }
}

int main(int argc, char **argv)
{
    sigset_t chld;
    int started[2];
    int failed[2];
    int error = 0;
    int owner;
    pid_t pid;
    char byte = 0;

    if (argc < 4) {
        fprintf(stderr, "usage: hatch OWNER BASE COMMAND [ARG...]\n");
        return 2;
    }
    owner = (int)syscall(SYS_pidfd_open, atoi(argv[1]), 0);
    if (owner < 0 || pipe2(started, O_CLOEXEC) != 0 || pipe2(failed, O_CLOEXEC) != 0) {
        die(argv[1]);
    }
    pid = fork();
    if (pid < 0) {
        die("fork");
    }
    if (pid > 0) {
        close(started[1]);
        close(failed[1]);
        return read(started[0], &byte, 1) == 1 ? byte : 127;
    }

    for (int fd = 3; fd < 256; fd++) {
        if (fd != owner && fd != started[1] && fd != failed[0] && fd != failed[1]) {
            close(fd);
        }
    }
    setsid();
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD);
    sigprocmask(SIG_BLOCK, &chld, NULL);
    note(argv[2], "keeper", getpid());
    open_log(argv[2]);
    pid = fork();
    if (pid < 0) {
        die("fork");
    }
    if (pid == 0) {
        become(argv + 3, failed[1]);
    }
    note(argv[2], "pid", pid);
    close(failed[1]);
    if (read(failed[0], &error, sizeof(error)) > 0) {
        fprintf(stderr, "hatch: %s: %s\n", argv[3], strerror(error));
        byte = 127;
    }
    if (write(started[1], &byte, 1) < 0) {
        die("the pipe");
    }
    close(started[1]);
    keep(argv[2], pid, owner, signalfd(-1, &chld, SFD_CLOEXEC));
    note(argv[2], "gone", getpid());
    return 0;
}
