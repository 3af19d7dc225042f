#include "launcher/nginx/check.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "launcher/nginx/nginx_log.h"

static void check_line_cb(struct child *child, const char *text, size_t len)
{
    struct check *check = child->arg;
    struct nginx_log_line line;

    nginx_log_parse(text, len, &line);
    if (line.level == LOG_LEVEL_DEBUG || check->found)
        return;
    /* Memory that ran out costs a warning. */
    if (line.leveled && !line.fatal && buf_append(&check->warnings, line.text, line.len) == 0)
        buf_append(&check->warnings, "\n", 1);
    nginx_log_locate(line.text, line.len, check->path, check->message, CHECK_MESSAGE_MAX);
    check->found = line.fatal;
}

/* What nginx said serves as the reason; a program that is no nginx may have said nothing. */
static int judge(struct check *check, int status)
{
    char how[80];

    if (check->timed_out) {
        snprintf(check->message, CHECK_MESSAGE_MAX, "%s -t gave no answer in %u s", check->program,
                 check->timeout_ms / 1000);
        return UV_ETIMEDOUT;
    }
    if (check->canceled)
        return UV_ECANCELED;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (check->message[0] == '\0') {
        nginx_process_describe_exit(status, how, sizeof(how));
        snprintf(check->message, CHECK_MESSAGE_MAX, "%s -t %s and did not say why", check->program,
                 how);
    }
    return UV_EINVAL;
}

static void check_exit_cb(struct child *child, int status)
{
    struct check *check = child->arg;

    uv_timer_stop(&check->deadline);
    check->status = judge(check, status);
}

static void deadline_close_cb(uv_handle_t *handle)
{
    struct check *check = handle->data;
    struct buf warnings = check->warnings;

    free(check->path);
    check->cb(check, check->status, check->message);
    buf_deinit(&warnings);
}

static void check_gone_cb(struct child *child)
{
    struct check *check = child->arg;

    uv_close((uv_handle_t *)&check->deadline, deadline_close_cb);
}

static void deadline_cb(uv_timer_t *timer)
{
    struct check *check = timer->data;

    check->timed_out = true;
    child_signal_group(&check->child, SIGKILL);
}

int check_start(struct check *check, struct children *children, const struct nginx_process *process,
                const char *path, unsigned timeout_ms, check_cb cb, void *arg)
{
    const struct child_options options = {
        .line_cb = check_line_cb,
        .exit_cb = check_exit_cb,
        .gone_cb = check_gone_cb,
        .arg = check,
    };
    int rc = UV_ENOMEM;

    check->canceled = check->timed_out = check->found = false;
    check->warnings = (struct buf){0};
    check->timeout_ms = timeout_ms;
    check->program = process->program;
    check->message[0] = '\0';
    check->cb = cb;
    check->arg = arg;
    check->path = strdup(path);
    if (check->path != NULL)
        rc = nginx_process_start(process, true, path, options, &check->child, children);
    if (rc < 0) {
        log_error("cannot run %s: %s", process->program, uv_strerror(rc));
        free(check->path);
        return rc;
    }
    uv_timer_init(children->loop, &check->deadline);
    check->deadline.data = check;
    uv_timer_start(&check->deadline, deadline_cb, timeout_ms, 0);
    return 0;
}

void check_cancel(struct check *check)
{
    check->canceled = true;
    child_signal_group(&check->child, SIGKILL);
}
