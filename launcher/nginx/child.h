/* Processes that mkv starts, each the leader of a group of its own.
 *
 * A child cannot outlive mkv: the kernel sends it SIGTERM when mkv dies (SIGKILL would fell an
 * nginx master and leave its workers serving), and what it leaves behind is reparented to mkv. A
 * group cannot outlive its leader either: it is killed when the leader has exited. */
#ifndef MKV_LAUNCHER_CHILD_H
#define MKV_LAUNCHER_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <uv.h>

#include "launcher/nginx/account.h"

#define CHILD_LINE_MAX 2048

struct child;

/* One line that the child wrote to its stderr, without the newline; longer ones come in pieces.
 * The text expires on return. */
typedef void (*child_line_cb)(struct child *child, const char *text, size_t len);

/* The leader has exited with `status`, as wait(2) has it, and all it wrote was delivered. */
typedef void (*child_exit_cb)(struct child *child, int status);

/* Fires after the exit callback, when no process of the group is left; the struct is free again. */
typedef void (*child_gone_cb)(struct child *child);

struct child_options {
    const char *const *argv; /* ends with NULL; argv[0] is a path, unless there is a program */
    const char *program;     /* what to execute, or NULL for argv[0] */
    const char *environment; /* a "NGINX=..." to add, or NULL */
    const int *inherit;      /* descriptors that stay open across the exec */
    size_t n_inherit;
    const struct account *account; /* whom to run as, or NULL for ourselves */
    int directory; /* descriptor of the directory to run in; 0, which is stdin, for ours */
    child_line_cb line_cb;
    child_exit_cb exit_cb;
    child_gone_cb gone_cb;
    void *arg; /* for the owner, as child->arg */
};

struct child {
    pid_t pid; /* and process group */
    void *arg;
    bool exited;      /* the leader has */
    bool gone;        /* no process is left, and the pid may be someone else's */
    size_t line_size; /* bytes of the unfinished line */
    char line[CHILD_LINE_MAX];
    uv_pipe_t errors; /* the child's stderr */
    child_line_cb line_cb;
    child_exit_cb exit_cb;
    child_gone_cb gone_cb;
    struct children *children; /* whose it is */
    struct child *next;
};

/* All children of this process. Embedded by value; there is one, because SIGCHLD is. */
struct children {
    uv_loop_t *loop;
    uv_signal_t sigchld;
    struct child *head;
};

/* Makes this process the one that orphaned descendants fall to, and begins to reap. 0 or UV_E*;
 * children_close() is due in either case. */
int children_init(struct children *children, uv_loop_t *loop);

/* Stops reaping; no child is left. `cb` as for uv_close(). */
void children_close(struct children *children, uv_close_cb cb);

/* Starts a child with default signal handling, stdin and stdout on /dev/null, and no variable
 * NGINX but the one given. 0, or -errno when it could not be forked or executed; no callback fires
 * then, and none fires inside this call. */
int child_start(struct child *child, struct children *children,
                const struct child_options *options);

/* For one that even a KILL doesn't end, because a disk holds it: nobody waits for it any more, and
 * the gone callback fires, not inside this call. */
void child_abandon(struct child *child);

/* Sends `signal` to the leader, until that has exited. */
void child_signal(const struct child *child, int signal);

/* Sends `signal` to the whole group, as long as any process of it is left. */
void child_signal_group(const struct child *child, int signal);

#endif
