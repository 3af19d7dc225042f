/* Happy path: child_start() forks, waits for the exec (a close-on-exec pipe reports its errno) and
 * reads lines from the child's stderr; SIGCHLD reaps the leader: exit callback; the rest of the
 * group, already killed, is reaped: the pipe is closed, gone callback.
 *
 * A failed exec is reaped right inside child_start(). Processes that are nobody's struct child are
 * orphaned nginx workers, reparented to us: they are reaped without a word. */
#include "launcher/nginx/child.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launcher/nginx/exec.h"

static void emit_line(struct child *child)
{
    if (child->line_size > 0)
        child->line_cb(child, child->line, child->line_size);
    child->line_size = 0;
}

/* Takes `n` bytes that were read after the unfinished line. */
static void split_lines(struct child *child, size_t n)
{
    char *from = child->line;
    size_t size = child->line_size + n;
    char *newline;

    while ((newline = memchr(from, '\n', size)) != NULL) {
        size_t len = (size_t)(newline - from);

        if (len > 0)
            child->line_cb(child, from, len);
        from += len + 1;
        size -= len + 1;
    }
    memmove(child->line, from, size);
    child->line_size = size;
    if (size == sizeof(child->line))
        emit_line(child);
}

static void errors_alloc_cb(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct child *child = handle->data;

    (void)suggested;
    *buf = uv_buf_init(child->line + child->line_size,
                       (unsigned)(sizeof(child->line) - child->line_size));
}

static void errors_read_cb(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    (void)buf;
    if (n > 0)
        split_lines(stream->data, (size_t)n);
    else if (n < 0)
        uv_read_stop(stream);
}

/* Reads what the dead have written: their bytes are in the pipe before SIGCHLD comes. */
static void drain_errors(struct child *child)
{
    uv_os_fd_t fd;
    ssize_t n;

    if (uv_fileno((uv_handle_t *)&child->errors, &fd) < 0)
        return;
    for (;;) {
        n = read(fd, child->line + child->line_size, sizeof(child->line) - child->line_size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        split_lines(child, (size_t)n);
    }
    emit_line(child);
}

static void errors_close_cb(uv_handle_t *handle)
{
    struct child *child = handle->data;

    child->gone_cb(child);
}

static void child_exited(struct child *child, int status)
{
    child->exited = true;
    drain_errors(child);
    child->exit_cb(child, status);
}

static struct child *find(const struct children *children, pid_t pid)
{
    struct child *child = children->head;

    while (child != NULL && child->pid != pid)
        child = child->next;
    return child;
}

/* Lets go of each group that has no process left. */
static void collect_gone(struct children *children)
{
    struct child **link = &children->head;

    while (*link != NULL) {
        struct child *child = *link;

        if (!child->exited || kill(-child->pid, 0) == 0 || errno != ESRCH) {
            link = &child->next;
            continue;
        }
        *link = child->next;
        child->gone = true;
        drain_errors(child);
        uv_close((uv_handle_t *)&child->errors, errors_close_cb);
    }
}

static void children_sigchld_cb(uv_signal_t *handle, int signal)
{
    struct children *children = handle->data;
    siginfo_t info = {.si_pid = 0};
    struct child *child;
    int status;

    (void)signal;
    while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0) {
        child = find(children, info.si_pid);
        /* Before it is reaped, for then its id is free to become that of another group. */
        if (child != NULL)
            child_signal_group(child, SIGKILL);
        if (waitpid(info.si_pid, &status, 0) == info.si_pid && child != NULL)
            child_exited(child, status);
        info.si_pid = 0;
    }
    collect_gone(children);
}

int children_init(struct children *children, uv_loop_t *loop)
{
    int rc;

    memset(children, 0, sizeof(*children));
    children->loop = loop;
    rc = uv_signal_init(loop, &children->sigchld);
    assert(rc == 0); /* the loop has all that it needs */
    children->sigchld.data = children;
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        return -errno;
    return uv_signal_start(&children->sigchld, children_sigchld_cb, SIGCHLD);
}

void children_close(struct children *children, uv_close_cb cb)
{
    assert(children->head == NULL);
    uv_close((uv_handle_t *)&children->sigchld, cb);
}

int child_start(struct child *child, struct children *children, const struct child_options *options)
{
    int fd;
    int rc = exec_start(options, &child->pid, &fd);

    if (rc < 0)
        return rc;
    child->children = children;
    child->arg = options->arg;
    child->exited = child->gone = false;
    child->line_size = 0;
    child->line_cb = options->line_cb;
    child->exit_cb = options->exit_cb;
    child->gone_cb = options->gone_cb;
    child->next = children->head;
    children->head = child;
    uv_pipe_init(children->loop, &child->errors, 0);
    child->errors.data = child;
    /* Neither can fail for a fresh pipe of our own. */
    rc = uv_pipe_open(&child->errors, fd);
    assert(rc == 0);
    rc = uv_read_start((uv_stream_t *)&child->errors, errors_alloc_cb, errors_read_cb);
    assert(rc == 0);
    return 0;
}

void child_abandon(struct child *child)
{
    struct child **link = &child->children->head;

    if (child->gone)
        return;
    while (*link != child)
        link = &(*link)->next;
    *link = child->next;
    child->gone = true;
    uv_close((uv_handle_t *)&child->errors, errors_close_cb);
}

void child_signal(const struct child *child, int signal)
{
    if (!child->exited)
        kill(child->pid, signal);
}

void child_signal_group(const struct child *child, int signal)
{
    if (!child->gone)
        kill(-child->pid, signal);
}
