/* See nginx.h for the states. The callbacks of the parts (check, child, probe, timer) come here and
 * each asks the state what it means; maybe_finish() alone decides that all parts have ended. */
#include "launcher/nginx/nginx.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "index/base/log.h"
#include "launcher/nginx/access_log.h"
#include "launcher/nginx/nginx_log.h"
#include "launcher/nginx/prefix.h"

#define BACKOFF_MIN_MS   100
#define BACKOFF_MAX_MS   10000
#define STEADY_MS        10000 /* ready this long, the next death is a first one */
#define READY_TIMEOUT_MS 10000

#define BIT(state) (1U << (state))

/* The states that each state may lead to. */
static const unsigned legal_moves[] = {
    [NGINX_CHECKING] = BIT(NGINX_STARTING) | BIT(NGINX_BACKOFF) | BIT(NGINX_GONE),
    [NGINX_STARTING] = BIT(NGINX_READY) | BIT(NGINX_CLEANING) | BIT(NGINX_STOPPING),
    [NGINX_READY] = BIT(NGINX_CLEANING) | BIT(NGINX_STOPPING),
    [NGINX_CLEANING] = BIT(NGINX_BACKOFF) | BIT(NGINX_STOPPING) | BIT(NGINX_GONE),
    [NGINX_BACKOFF] = BIT(NGINX_CHECKING) | BIT(NGINX_GONE),
    [NGINX_STOPPING] = BIT(NGINX_GONE),
    [NGINX_GONE] = 0,
};

static int spawn(struct nginx *n);
static void back_off(struct nginx *n);

static void set_state(struct nginx *n, enum nginx_state state)
{
    assert(legal_moves[n->state] & BIT(state));
    n->state = state;
}

static void timer_close_cb(uv_handle_t *handle)
{
    struct nginx *n = handle->data;

    n->options.gone_cb(n, n->status);
}

static void maybe_finish(struct nginx *n)
{
    if (n->state != NGINX_GONE || n->checking || n->probing || n->running ||
        uv_is_closing((uv_handle_t *)&n->timer))
        return;
    config_file_remove(&n->candidate);
    config_file_remove(&n->conf);
    tls_forget_copies(&n->old_copies, true);
    uv_close((uv_handle_t *)&n->timer, timer_close_cb);
}

static void finish(struct nginx *n, int status)
{
    n->status = status;
    if (n->checking)
        check_cancel(&n->check);
    set_state(n, NGINX_GONE);
    maybe_finish(n);
}

/* --- Config: written, tested, adopted ----------------------------------------------------------
 */

/* Puts the tested config where the running nginx looks for it on HUP. One that is being started may
 * read the old config still, whose copies stay until the next time. */
static int replace_conf(struct nginx *n)
{
    if (rename(n->candidate.path, n->conf.path) < 0) {
        int rc = -errno;

        log_error("cannot replace %s: %s; nginx keeps its old config", n->conf.path, strerror(-rc));
        config_file_remove(&n->candidate);
        return rc;
    }
    tls_forget_copies(&n->old_copies, true);
    n->old_copies = n->conf.copies;
    n->conf.copies = n->candidate.copies;
    free(n->candidate.path);
    n->candidate = (struct config_file){.path = NULL};
    return 0;
}

static void reload_checked(struct nginx *n, int status, const char *message)
{
    if (status < 0) {
        log_error("%s: %s; nginx keeps its old config", config_template_name(n->options.config),
                  message);
        config_file_remove(&n->candidate);
        return;
    }
    if (replace_conf(n) < 0)
        return;
    if (n->state == NGINX_READY) {
        log_info("nginx takes its new config");
        child_signal(&n->child, SIGHUP);
    } else {
        n->hup_wanted = n->state == NGINX_STARTING;
    }
}

/* A config was tested, or none could be written, to start nginx with it, the first time or again. A
 * template that went bad meanwhile is no reason not to go on with what ran before. */
static void start_checked(struct nginx *n, int status)
{
    if (status == 0) {
        config_file_remove(&n->conf);
        n->conf = n->candidate;
        n->candidate = (struct config_file){.path = NULL};
    } else {
        config_file_remove(&n->candidate);
    }
    if (status < 0 && n->was_ready && access(n->conf.path, F_OK) == 0) {
        log_limited(LOG_LEVEL_WARN, "nginx is started with its old config");
        status = 0;
    }
    if (status == 0)
        status = spawn(n);
    if (status < 0 && n->was_ready)
        back_off(n);
    else if (status < 0)
        finish(n, status);
}

static void nginx_check_cb(struct check *check, int status, const char *message)
{
    struct nginx *n = check->arg;

    n->checking = false;
    if (n->state == NGINX_CHECKING) {
        if (status < 0)
            log_limited(LOG_LEVEL_ERROR, "%s: %s", config_template_name(n->options.config),
                        message);
        start_checked(n, status);
    } else if (n->state == NGINX_STARTING || n->state == NGINX_READY) {
        reload_checked(n, status, message);
    } else {
        config_file_remove(&n->candidate);
    }
    maybe_finish(n);
    if (n->state == NGINX_READY && n->reload_wanted)
        nginx_reload(n);
}

static int prepare_access_log(const struct nginx *n)
{
    const struct nginx_options *o = &n->options;

    return o->access_log != NULL ? access_log_prepare(o->access_log, o->process.account) : 0;
}

/* Renders into a new file and begins to test it. */
static int begin_check(struct nginx *n)
{
    const struct nginx_options *o = &n->options;
    int rc = prepare_access_log(n);

    if (rc == 0)
        rc = config_write(o->config, &n->candidate);
    if (rc < 0)
        return rc;
    rc = check_start(&n->check, n->children, &o->process, n->candidate.path, CHECK_TIMEOUT_MS,
                     nginx_check_cb, n);
    if (rc < 0) {
        config_file_remove(&n->candidate);
        return rc;
    }
    n->checking = true;
    return 0;
}

/* --- The process -------------------------------------------------------------------------------
 */

static void nginx_line_cb(struct child *child, const char *text, size_t len)
{
    struct nginx *n = child->arg;
    struct nginx_log_line line;
    char redacted[CHILD_LINE_MAX];

    nginx_log_redact(text, len, redacted);
    nginx_log_parse(redacted, len, &line);
    /* Until it was ready, why it gave up is part of our own last line. */
    if (!line.fatal || n->was_ready)
        log_line_limited(line.level, "nginx", line.text, line.len);
    else if (n->message[0] == '\0')
        nginx_log_locate(line.text, line.len, n->conf.path, n->message, sizeof(n->message));
}

static void log_death(const struct nginx *n, int status)
{
    char how[80];

    nginx_process_describe_exit(status, how, sizeof(how));
    if (n->was_ready)
        log_limited(LOG_LEVEL_ERROR, "nginx %s; it is started again", how);
    else if (n->message[0] != '\0')
        log_error("nginx did not come up: %s", n->message);
    else
        log_error("nginx did not come up: it %s", how);
}

static void nginx_exit_cb(struct child *child, int status)
{
    struct nginx *n = child->arg;

    if (n->probing)
        probe_cancel(&n->probe);
    if (n->state == NGINX_STOPPING)
        return;
    if (n->state == NGINX_READY && uv_now(n->children->loop) - n->ready_at >= STEADY_MS)
        n->backoff_ms = BACKOFF_MIN_MS;
    log_death(n, status);
    set_state(n, NGINX_CLEANING);
}

/* The config is written anew, for the file may be gone: what cleans up in /tmp knows not that nginx
 * needs it once more. A reload's test that is still running will do as well. */
static void backoff_cb(uv_timer_t *timer)
{
    struct nginx *n = timer->data;
    int rc = 0;

    set_state(n, NGINX_CHECKING);
    if (!n->checking)
        rc = begin_check(n);
    if (rc < 0)
        start_checked(n, rc);
}

static void back_off(struct nginx *n)
{
    set_state(n, NGINX_BACKOFF);
    log_debug("nginx is to be started in %u ms", n->backoff_ms);
    uv_timer_start(&n->timer, backoff_cb, n->backoff_ms, 0);
    n->backoff_ms = n->backoff_ms * 2 < BACKOFF_MAX_MS ? n->backoff_ms * 2 : BACKOFF_MAX_MS;
}

static void nginx_child_gone_cb(struct child *child)
{
    struct nginx *n = child->arg;
    int rc = prefix_sweep(n->options.process.directory, n->options.process.account);

    if (rc < 0)
        log_limited(LOG_LEVEL_WARN, "cannot delete what nginx left behind in tmp/: %s",
                    strerror(-rc));
    n->running = false;
    if (n->state == NGINX_STOPPING)
        finish(n, 0);
    else if (!n->was_ready)
        finish(n, UV_EIO);
    else
        back_off(n);
}

static void become_ready(struct nginx *n)
{
    set_state(n, NGINX_READY);
    n->ready_at = uv_now(n->children->loop);
    n->was_ready = true;
    if (n->hup_wanted)
        child_signal(&n->child, SIGHUP);
    if (n->reopen_wanted)
        child_signal(&n->child, SIGUSR1);
    n->hup_wanted = n->reopen_wanted = false;
    n->options.ready_cb(n);
    if (n->reload_wanted)
        nginx_reload(n);
}

static void nginx_probe_cb(struct probe *probe, int status)
{
    struct nginx *n = probe->arg;

    n->probing = false;
    if (n->state == NGINX_STARTING && status == 0) {
        become_ready(n);
    } else if (n->state == NGINX_STARTING && status == UV_ETIMEDOUT) {
        /* The first time, this is the reason for our last line. */
        if (n->was_ready)
            log_limited(LOG_LEVEL_ERROR, "nginx gave no answer in %d s and is killed",
                        READY_TIMEOUT_MS / 1000);
        else
            snprintf(n->message, sizeof(n->message),
                     "it gave no answer in %d s; does %s hold @LISTEN@?", READY_TIMEOUT_MS / 1000,
                     config_template_name(n->options.config));
        child_signal_group(&n->child, SIGKILL);
    }
    maybe_finish(n);
}

static int spawn(struct nginx *n)
{
    const struct child_options options = {
        .line_cb = nginx_line_cb,
        .exit_cb = nginx_exit_cb,
        .gone_cb = nginx_child_gone_cb,
        .arg = n,
    };
    int rc = nginx_process_start(&n->options.process, false, n->conf.path, options, &n->child,
                                 n->children);

    if (rc < 0) {
        log_limited(LOG_LEVEL_ERROR, "cannot run %s: %s", n->options.process.program,
                    uv_strerror(rc));
        return rc;
    }
    log_debug("nginx has pid %d", (int)n->child.pid);
    n->running = true;
    n->message[0] = '\0';
    set_state(n, NGINX_STARTING);
    assert(!n->probing);
    n->probing = true;
    probe_start(&n->probe, n->children->loop, &n->options.process.listeners->items[0].address,
                READY_TIMEOUT_MS, nginx_probe_cb, n);
    return 0;
}

/* --- Called from outside -----------------------------------------------------------------------
 */

int nginx_start(struct nginx *nginx, struct children *children, const struct nginx_options *options)
{
    int rc;

    memset(nginx, 0, sizeof(*nginx));
    nginx->options = *options;
    nginx->children = children;
    nginx->state = NGINX_CHECKING;
    nginx->backoff_ms = BACKOFF_MIN_MS;
    rc = begin_check(nginx);
    if (rc < 0)
        return rc;
    uv_timer_init(children->loop, &nginx->timer);
    nginx->timer.data = nginx;
    return 0;
}

void nginx_reload(struct nginx *nginx)
{
    if (nginx->state == NGINX_STOPPING || nginx->state == NGINX_CLEANING ||
        nginx->state == NGINX_GONE)
        return;
    /* It is going to be rendered anew anyway. */
    if (nginx->state == NGINX_BACKOFF) {
        uv_timer_start(&nginx->timer, backoff_cb, 0, 0);
        return;
    }
    nginx->reload_wanted = nginx->checking || nginx->state == NGINX_CHECKING;
    if (!nginx->reload_wanted && begin_check(nginx) < 0)
        log_warn("nginx keeps its old config");
}

void nginx_reopen_logs(struct nginx *nginx)
{
    /* Where there is no place for a new log, nginx keeps the old one: it could wait there for ever.
     */
    if (prepare_access_log(nginx) < 0)
        return;
    /* Before its handlers are set, a signal would kill it; one that isn't running opens them
     * anyway. */
    if (nginx->state == NGINX_READY)
        child_signal(&nginx->child, SIGUSR1);
    nginx->reopen_wanted = nginx->state == NGINX_STARTING;
}

static void drain_deadline_cb(uv_timer_t *timer)
{
    struct nginx *n = timer->data;

    if (!n->running)
        return;
    log_warn("requests still in flight are cut off: the time to drain is over");
    child_signal_group(&n->child, SIGKILL);
}

void nginx_stop(struct nginx *nginx, unsigned drain_ms)
{
    enum nginx_state before = nginx->state;

    if (before == NGINX_GONE)
        return;
    if (before == NGINX_CHECKING || before == NGINX_BACKOFF) {
        uv_timer_stop(&nginx->timer);
        finish(nginx, 0);
        return;
    }
    if (before != NGINX_STOPPING)
        set_state(nginx, NGINX_STOPPING);
    if (before == NGINX_READY)
        child_signal(&nginx->child, SIGQUIT);
    /* One that never answered has nothing to drain, and could miss a QUIT while it sets itself up.
     */
    if (before == NGINX_STARTING)
        child_signal_group(&nginx->child, SIGKILL);
    if (nginx->running && !nginx->child.exited)
        uv_timer_start(&nginx->timer, drain_deadline_cb, drain_ms, 0);
}
