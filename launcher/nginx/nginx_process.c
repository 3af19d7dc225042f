#include "launcher/nginx/nginx_process.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

int nginx_process_start(const struct nginx_process *process, bool test, const char *conf,
                        struct child_options options, struct child *child,
                        struct children *children)
{
    const char *const argv[] = {process->program,   "-e", "stderr", "-c", conf, "-p", ".",
                                test ? "-t" : NULL, NULL};
    const struct listeners *l = process->listeners;
    int inherit[LISTENERS_MAX + 1];
    struct buf environment = {0};
    bool sockets;
    int rc = listeners_append_environment(l, &environment);

    options.argv = argv;
    options.inherit = inherit;
    options.account = process->account;
    options.directory = process->directory;
    for (size_t i = 0; i < l->n; i++) {
        if (l->items[i].fd >= 0)
            inherit[options.n_inherit++] = l->items[i].fd;
    }
    sockets = options.n_inherit > 0;
    if (process->lock >= 0)
        inherit[options.n_inherit++] = process->lock;
    if (rc == 0)
        rc = buf_append(&environment, "", 1);
    if (rc == 0) {
        options.environment = sockets ? buf_bytes(&environment) : NULL;
        rc = child_start(child, children, &options);
    }
    buf_deinit(&environment);
    return rc;
}

void nginx_process_describe_exit(int status, char *text, size_t size)
{
    if (WIFSIGNALED(status))
        snprintf(text, size, "was killed by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(text, size, "exited with code %d", WEXITSTATUS(status));
}
