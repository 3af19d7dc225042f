#include "launcher/check.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "launcher/nginx_log.h"

static void check_line_cb(struct child *child, const char *text, size_t len)
{
    struct check *check = child->arg;
    struct nginx_log_line line;

    nginx_log_parse(text, len, &line);
    if (line.fatal && check->message[0] == '\0')
        nginx_log_locate(line.text, line.len, check->path, check->message, CHECK_MESSAGE_MAX);
}

static void check_exit_cb(struct child *child, int status)
{
    struct check *check = child->arg;
    bool good = WIFEXITED(status) && WEXITSTATUS(status) == 0;

    check->status = check->canceled ? UV_ECANCELED : good ? 0 : UV_EINVAL;
    if (!good && check->message[0] == '\0')
        snprintf(check->message, CHECK_MESSAGE_MAX, "nginx -t failed without saying why");
}

static void check_gone_cb(struct child *child)
{
    struct check *check = child->arg;

    free(check->path);
    check->cb(check, check->status, check->message);
}

int check_start(struct check *check, struct children *children, const struct nginx_process *process,
                const char *path, check_cb cb, void *arg)
{
    const struct child_options options = {
        .line_cb = check_line_cb,
        .exit_cb = check_exit_cb,
        .gone_cb = check_gone_cb,
        .arg = check,
    };
    int rc = UV_ENOMEM;

    check->canceled = false;
    check->message[0] = '\0';
    check->cb = cb;
    check->arg = arg;
    check->path = strdup(path);
    if (check->path != NULL)
        rc = nginx_process_start(process, true, path, options, &check->child, children);
    if (rc < 0) {
        log_error("cannot run %s: %s", process->program, uv_strerror(rc));
        free(check->path);
    }
    return rc;
}

void check_cancel(struct check *check)
{
    check->canceled = true;
    child_signal_group(&check->child, SIGKILL);
}
