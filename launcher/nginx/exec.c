#include "launcher/nginx/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* What the child needs, made before the fork: after it only async-signal-safe calls are allowed.
 */
struct plan {
    const struct child_options *options;
    char **environment;
    pid_t parent;
    int errors; /* writing end of its stderr */
    int status; /* close-on-exec pipe that takes the errno of a failure */
};

/* A copy of our environment in which NGINX is only what `extra` says. Free the array alone. */
static char **make_environment(const char *extra)
{
    size_t n = 0;
    size_t kept = 0;
    char **copy;

    while (environ[n] != NULL)
        n++;
    copy = calloc(n + 2, sizeof(*copy));
    if (copy == NULL)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        if (strncmp(environ[i], "NGINX=", 6) != 0)
            copy[kept++] = environ[i];
    }
    if (extra != NULL)
        copy[kept] = (char *)extra;
    return copy;
}

static void reset_signals(void)
{
    sigset_t none;

    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Ties the child's life to that of its parent, which may have died since the fork. */
static int follow_parent(pid_t parent)
{
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0)
        return -errno;
    return getppid() == parent ? 0 : -ESRCH;
}

/* Not every library opens its descriptors with O_CLOEXEC, and a connection that nginx holds too
 * does not end when we close it. */
static void close_others_on_exec(void)
{
    struct rlimit limit;

    if (syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
        return;
    /* Linux before 5.11. */
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    for (int fd = STDERR_FILENO + 1; (rlim_t)fd < limit.rlim_cur; fd++)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static int redirect(const struct plan *plan)
{
    const struct child_options *o = plan->options;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
        dup2(plan->errors, STDERR_FILENO) < 0)
        return -errno;
    close_others_on_exec();
    for (size_t i = 0; i < o->n_inherit; i++) {
        if (fcntl(o->inherit[i], F_SETFD, 0) < 0)
            return -errno;
    }
    return 0;
}

static void __attribute__((noreturn)) run_child(const struct plan *plan)
{
    const struct child_options *o = plan->options;
    int rc;

    setpgid(0, 0);
    reset_signals();
    rc = redirect(plan);
    if (rc == 0 && o->directory != 0 && fchdir(o->directory) < 0)
        rc = -errno;
    if (rc == 0 && o->account != NULL)
        rc = account_assume(o->account);
    /* Last, for a change of user makes the kernel forget it. */
    if (rc == 0)
        rc = follow_parent(plan->parent);
    if (rc == 0) {
        execve(o->program != NULL ? o->program : o->argv[0], (char *const *)o->argv,
               plan->environment);
        rc = -errno;
    }
    (void)!write(plan->status, &rc, sizeof(rc));
    _exit(127);
}

/* Forks with all signals blocked, so that none reaches our handlers in the child. */
static pid_t fork_child(const struct plan *plan)
{
    sigset_t all;
    sigset_t before;
    pid_t pid;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid = fork();
    if (pid == 0)
        run_child(plan);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return pid < 0 ? -errno : pid;
}

/* Waits for the exec: 0, or the -errno that the child wrote instead. */
static int wait_for_exec(int fd)
{
    int rc = 0;
    ssize_t n;

    do
        n = read(fd, &rc, sizeof(rc));
    while (n < 0 && errno == EINTR);
    return n == sizeof(rc) ? rc : 0;
}

static int fork_and_exec(struct plan *plan, int status, pid_t *pid)
{
    pid_t child = fork_child(plan);
    int rc;

    close(plan->status);
    plan->status = -1;
    if (child < 0)
        return child;
    setpgid(child, child);
    rc = wait_for_exec(status);
    if (rc < 0) {
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
            ;
        return rc;
    }
    *pid = child;
    return 0;
}

int exec_start(const struct child_options *options, pid_t *pid, int *errors)
{
    struct plan plan = {.options = options, .parent = getpid()};
    int errors_pipe[2];
    int status_pipe[2];
    int rc = -ENOMEM;

    plan.environment = make_environment(options->environment);
    if (plan.environment == NULL)
        return rc;
    rc = pipe2(errors_pipe, O_CLOEXEC) < 0 ? -errno : 0;
    if (rc < 0)
        goto free_environment;
    rc = pipe2(status_pipe, O_CLOEXEC) < 0 ? -errno : 0;
    if (rc < 0)
        goto close_errors;
    plan.errors = errors_pipe[1];
    plan.status = status_pipe[1];
    rc = fork_and_exec(&plan, status_pipe[0], pid);
    close(status_pipe[0]);
close_errors:
    close(errors_pipe[1]);
    if (rc == 0)
        *errors = errors_pipe[0];
    else
        close(errors_pipe[0]);
free_environment:
    free(plan.environment);
    return rc;
}
