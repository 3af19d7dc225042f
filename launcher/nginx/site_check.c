/* `--check`: nginx tests the config in a temporary prefix directory, so that nothing is touched
 * that a running mkv uses. The signals that would end us are watched before there is a trace of it,
 * and end the test early instead; the traces are removed all the same. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher/nginx/access_log.h"
#include "launcher/nginx/check.h"
#include "launcher/nginx/files.h"
#include "launcher/nginx/site.h"

static const int stop_signals[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP};

#define N_SIGNALS (sizeof(stop_signals) / sizeof(stop_signals[0]))

struct run {
    const struct site *site;
    char *prefix;  /* temporary directory */
    int directory; /* the same, open */
    struct config_file conf;
    uv_loop_t loop;
    uv_signal_t signals[N_SIGNALS];
    struct children children;
    struct check check;
    int exit_code;
};

static void close_handles(struct run *run)
{
    for (size_t i = 0; i < N_SIGNALS; i++)
        uv_close((uv_handle_t *)&run->signals[i], NULL);
    children_close(&run->children, NULL);
}

static void log_warnings(const struct buf *warnings)
{
    const char *at = buf_bytes(warnings);
    size_t left = buf_size(warnings);

    while (left > 0) {
        size_t n = (size_t)((const char *)memchr(at, '\n', left) - at);

        log_line(LOG_LEVEL_WARN, "nginx", at, n);
        at += n + 1;
        left -= n + 1;
    }
}

static void run_check_cb(struct check *check, int status, const char *message)
{
    struct run *run = check->arg;
    const char *name = config_template_name(&run->site->config);

    if (status == 0)
        log_warnings(&check->warnings);
    if (status == 0)
        printf("mkv: the nginx config is good (%s)\n", name);
    else if (status != UV_ECANCELED)
        log_error("%s: %s", name, message);
    run->exit_code = status == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    close_handles(run);
}

static void run_signal_cb(uv_signal_t *handle, int signal)
{
    struct run *run = handle->data;

    (void)signal;
    check_cancel(&run->check);
}

static int init_loop(struct run *run)
{
    int rc = uv_loop_init(&run->loop);

    if (rc < 0)
        return rc;
    rc = children_init(&run->children, &run->loop);
    for (size_t i = 0; i < N_SIGNALS; i++) {
        uv_signal_init(&run->loop, &run->signals[i]);
        run->signals[i].data = run;
        if (rc == 0)
            rc = uv_signal_start(&run->signals[i], run_signal_cb, stop_signals[i]);
    }
    if (rc < 0) {
        close_handles(run);
        uv_run(&run->loop, UV_RUN_DEFAULT);
        uv_loop_close(&run->loop);
    }
    return rc;
}

static int begin(struct run *run)
{
    const struct nginx_process process = {
        .program = run->site->program,
        .account = run->site->account,
        .listeners = run->site->listeners,
        .directory = run->directory,
        .lock = -1,
    };

    return check_start(&run->check, &run->children, &process, run->conf.path, CHECK_TIMEOUT_MS,
                       run_check_cb, run);
}

static int make_tmp(const struct account *account, int directory)
{
    int fd;
    int rc;

    if (mkdirat(directory, "tmp", 0700) < 0)
        return -errno;
    fd = openat(directory, "tmp", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    rc = account_give(account, fd);
    close(fd);
    return rc < 0 || fchmod(directory, 0711) == 0 ? rc : -errno;
}

/* Makes an empty prefix directory, with a tmp/ that belongs to nginx's user, as the real one. */
static int make_prefix(struct run *run)
{
    const char *base = getenv("TMPDIR");
    int rc = 0;

    if (asprintf(&run->prefix, "%s/mkv-check-XXXXXX",
                 base != NULL && base[0] != '\0' ? base : "/tmp") < 0) {
        run->prefix = NULL;
        rc = -ENOMEM;
    } else if (mkdtemp(run->prefix) == NULL) {
        rc = -errno;
    } else {
        run->directory = open(run->prefix, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        rc = run->directory < 0 ? -errno : make_tmp(run->site->account, run->directory);
    }
    if (rc < 0)
        log_error("cannot create a directory in %s: %s (set TMPDIR)",
                  base != NULL && base[0] != '\0' ? base : "/tmp", strerror(-rc));
    return rc;
}

static void remove_prefix(struct run *run)
{
    if (run->directory >= 0) {
        files_clear_directory(run->directory);
        close(run->directory);
    }
    if (run->prefix != NULL)
        rmdir(run->prefix);
    free(run->prefix);
}

int site_check(const struct site *site)
{
    struct run run = {.site = site, .directory = -1, .exit_code = EXIT_FAILURE};
    int rc;

    if (site->access_log != NULL && access_log_check(site->access_log) < 0)
        return EXIT_FAILURE;
    signal(SIGPIPE, SIG_IGN);
    rc = init_loop(&run);
    if (rc < 0) {
        log_error("cannot set up the event loop: %s", uv_strerror(rc));
        return EXIT_FAILURE;
    }
    if (make_prefix(&run) < 0 || config_write(&site->config, &run.conf) < 0 || begin(&run) < 0)
        close_handles(&run);
    uv_run(&run.loop, UV_RUN_DEFAULT);
    rc = uv_loop_close(&run.loop);
    assert(rc == 0);
    config_file_remove(&run.conf);
    remove_prefix(&run);
    return run.exit_code;
}
