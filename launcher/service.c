/* Happy path: start the backend, start nginx, be ready; a signal begins the stop: all public
 * sockets are closed, nginx drains, then the backend with what is left of the time; the last handle
 * is closed and the loop ends. An nginx that never came up goes the same way from its gone callback
 * on. */
#include "launcher/service.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/reserve.h"
#include "launcher/nginx/nginx.h"
#include "launcher/notify.h"

#define BACKEND_DRAIN_MS 1000 /* what is left for it at least */
#define DAY_MS           86400000

struct service {
    const struct service_options *options;
    uv_loop_t loop;
    struct children children;
    struct nginx nginx;
    uv_signal_t signals[5];
    uv_timer_t daily;    /* looks when the certificate expires */
    uv_timer_t watchdog; /* tells systemd that we are alive */
    bool announced;      /* READY=1 was sent */
    bool stopping;       /* by a signal */
    bool nginx_gone;     /* or never started */
    bool hurried;        /* by a second one */
    uint64_t stop_until; /* uv_now() at which the stop has to be over */
    int exit_code;
};

static void service_signal_cb(uv_signal_t *handle, int signal);

static const int signals[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1};

static_assert(sizeof(signals) / sizeof(signals[0]) ==
                  sizeof(((struct service *)0)->signals) / sizeof(uv_signal_t),
              "a handle for each signal");

#define N_SIGNALS (sizeof(signals) / sizeof(signals[0]))

/* For the backend. nginx may have used up all the time, and what others asked the backend directly
 * is to get an answer still. */
static unsigned time_left(const struct service *s)
{
    uint64_t now = uv_now(&s->loop);
    unsigned least = s->stopping && !s->hurried ? BACKEND_DRAIN_MS : 0;

    return s->stop_until > now + least ? (unsigned)(s->stop_until - now) : least;
}

/* All has ended. A signal that comes now must not turn the exit code into its own, as it would once
 * the handlers are gone. */
static void backend_stopped_cb(void *arg)
{
    struct service *s = arg;
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    for (size_t i = 0; i < N_SIGNALS; i++)
        uv_close((uv_handle_t *)&s->signals[i], NULL);
    uv_close((uv_handle_t *)&s->daily, NULL);
    uv_close((uv_handle_t *)&s->watchdog, NULL);
    children_close(&s->children, NULL);
}

/* nginx goes first: what it still passes on, the backend has to answer. */
static void stop_backend(struct service *s)
{
    const struct service_backend *b = s->options->backend;

    s->nginx_gone = true;
    if (b != NULL)
        b->stop(b->arg, time_left(s), backend_stopped_cb, s);
    else
        backend_stopped_cb(s);
}

static void service_gone_cb(struct nginx *nginx, int status)
{
    struct service *s = nginx->options.arg;

    if (status < 0)
        s->exit_code = EXIT_FAILURE;
    listeners_close(s->options->listeners);
    stop_backend(s);
}

static void daily_cb(uv_timer_t *timer)
{
    const struct service *s = timer->data;

    tls_log_expiry(s->options->site->config.tls);
}

/* Alive is who has an nginx that answers, or is about to end; that the loop turns is why we are
 * here. An nginx that doesn't come back up in the time that systemd waits is a case for a new mkv.
 */
static void watchdog_cb(uv_timer_t *timer)
{
    const struct service *s = timer->data;

    if (s->nginx.state == NGINX_READY || s->stopping)
        notify_send("WATCHDOG=1");
}

static void service_ready_cb(struct nginx *nginx)
{
    struct service *s = nginx->options.arg;
    struct buf names = {0};

    if (listeners_append_names(s->options->listeners, &names) == 0)
        log_info("%s ready on %.*s", s->options->title, (int)buf_size(&names), buf_bytes(&names));
    buf_deinit(&names);
    if (!s->announced) {
        notify_send("READY=1");
        daily_cb(&s->daily);
    }
    s->announced = true;
}

/* The first time all requests get their time; the second time there is none left. */
static void stop(struct service *s, int signal)
{
    const struct service_backend *b = s->options->backend;
    unsigned drain_ms = s->stopping ? 0 : s->options->drain_ms;

    log_info("%s stops%s (signal %d)", s->options->title, s->stopping ? " at once" : "", signal);
    if (!s->stopping)
        notify_send("STOPPING=1");
    s->hurried = s->stopping;
    s->stopping = true;
    s->stop_until = uv_now(&s->loop) + drain_ms;
    listeners_close(s->options->listeners);
    if (!s->nginx_gone && b != NULL)
        b->drain(b->arg);
    if (s->nginx_gone)
        stop_backend(s);
    else
        nginx_stop(&s->nginx, drain_ms);
}

static void reload(struct service *s)
{
    const struct service_backend *b = s->options->backend;
    int rc = 0;

    if (b != NULL && b->reload != NULL && !s->stopping)
        rc = b->reload(b->arg);
    if (rc == 0 && !s->nginx_gone) {
        nginx_reload(&s->nginx);
        daily_cb(&s->daily);
    }
}

static void service_signal_cb(uv_signal_t *handle, int signal)
{
    struct service *s = handle->data;

    if (signal == SIGHUP) {
        reload(s);
    } else if (signal == SIGUSR1) {
        log_reopen();
        if (!s->nginx_gone)
            nginx_reopen_logs(&s->nginx);
    } else {
        stop(s, signal);
    }
}

static int init_loop(struct service *s)
{
    int rc = uv_loop_init(&s->loop);

    if (rc < 0)
        return rc;
    uv_timer_init(&s->loop, &s->daily);
    s->daily.data = s;
    uv_timer_start(&s->daily, daily_cb, DAY_MS, DAY_MS);
    uv_timer_init(&s->loop, &s->watchdog);
    s->watchdog.data = s;
    if (notify_watchdog_ms() > 0)
        uv_timer_start(&s->watchdog, watchdog_cb, notify_watchdog_ms(), notify_watchdog_ms());
    rc = children_init(&s->children, &s->loop);
    for (size_t i = 0; i < N_SIGNALS; i++) {
        uv_signal_init(&s->loop, &s->signals[i]);
        s->signals[i].data = s;
        if (rc == 0)
            rc = uv_signal_start(&s->signals[i], service_signal_cb, signals[i]);
    }
    return rc;
}

static int start_nginx(struct service *s)
{
    const struct service_options *o = s->options;
    const struct nginx_options options = {
        .process = {.program = o->site->program,
                    .account = o->site->account,
                    .listeners = o->listeners,
                    .directory = o->prefix->fd,
                    .lock = o->prefix->lock},
        .config = &o->site->config,
        .access_log = o->site->access_log,
        .ready_cb = service_ready_cb,
        .gone_cb = service_gone_cb,
        .arg = s,
    };

    return nginx_start(&s->nginx, &s->children, &options);
}

/* Starts both, the backend first. What fails has said why, and the loop has only to run out. */
static void start(struct service *s)
{
    const struct service_backend *b = s->options->backend;

    if (reserve_take(&s->loop) == 0 && (b == NULL || b->start(&s->children, b->arg) == 0) &&
        start_nginx(s) == 0)
        return;
    s->exit_code = EXIT_FAILURE;
    stop_backend(s);
}

int service_run(const struct service_options *options)
{
    struct service *s = calloc(1, sizeof(*s));
    int exit_code;
    int rc;

    if (s == NULL) {
        log_error("cannot set up the service: %s", strerror(ENOMEM));
        return EXIT_FAILURE;
    }
    s->options = options;
    signal(SIGPIPE, SIG_IGN);
    rc = init_loop(s);
    if (rc < 0) {
        log_error("cannot set up the event loop: %s", uv_strerror(rc));
        free(s);
        return EXIT_FAILURE;
    }
    start(s);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    rc = uv_loop_close(&s->loop);
    assert(rc == 0);
    exit_code = s->exit_code;
    free(s);
    return exit_code;
}
