/* libcurl's multi interface on a libuv loop: libcurl names the sockets and the one timeout it waits
 * for, the loop tells it what happened. `done` callbacks run only after libcurl has returned, since
 * they start transfers and libcurl can't be called from its own callbacks. */
#include <assert.h>
#include <stdlib.h>

#include "index/base/log.h"
#include "index/cluster/internal.h"
#include "index/cluster/volumes.h"

#define STALL_INTERVAL 500 /* milliseconds between looks for stalled volumes */
/* Idle connections that are kept: with fewer than volumes, each request would make a new one. */
#define KEPT            256
#define KEPT_PER_VOLUME 2

struct socket_watch {
    uv_poll_t poll; /* first */
    struct transfers *engine;
    curl_socket_t fd;
};

static void freed_part(struct transfers *engine)
{
    void (*cb)(void *) = engine->free_cb;
    void *arg = engine->free_arg;

    if (engine->handles > 0 || engine->sockets > 0)
        return;
    signer_deinit(&engine->signer);
    tls_release(engine->tls);
    free(engine);
    curl_global_cleanup();
    if (cb != NULL)
        cb(arg);
}

static void fire_ended(struct transfers *engine)
{
    struct transfer *t;

    while ((t = STAILQ_FIRST(&engine->ended)) != NULL) {
        STAILQ_REMOVE_HEAD(&engine->ended, ended_link);
        t->done(t, t->rc, t->status);
    }
    if (STAILQ_EMPTY(&engine->wakes))
        uv_idle_stop(&engine->ended_soon);
}

/* Takes what libcurl has finished, then tells everyone whose transfer has ended. */
static void collect(struct transfers *engine)
{
    CURLMsg *msg;
    int left;

    while ((msg = curl_multi_info_read(engine->multi, &left)) != NULL) {
        struct transfer *t;
        CURLcode code = msg->data.result;
        long status = 0;

        if (msg->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&t);
        curl_easy_getinfo(msg->easy_handle, CURLINFO_RESPONSE_CODE, &status);
        /* An answer counts even if the upload after it broke off. */
        if (code == CURLE_OK || (code == CURLE_SEND_ERROR && status >= 300))
            transfer_end(t, 0, (int)status);
        else
            transfer_end(t, connection_translate(t, code), 0);
    }
    fire_ended(engine);
}

static void ended_soon_cb(uv_idle_t *idle)
{
    struct transfers *engine = idle->data;
    struct transfer *t;

    while ((t = STAILQ_FIRST(&engine->wakes)) != NULL) {
        STAILQ_REMOVE_HEAD(&engine->wakes, wake_link);
        t->wake_soon = false;
        transfer_wake(t);
    }
    fire_ended(engine);
}

void multi_fire_soon(struct transfers *engine)
{
    uv_idle_start(&engine->ended_soon, ended_soon_cb);
}

static void drive(struct transfers *engine, curl_socket_t fd, int what)
{
    int running;
    CURLMcode code = curl_multi_socket_action(engine->multi, fd, what, &running);

    if (code != CURLM_OK)
        log_limited(LOG_LEVEL_ERROR, "libcurl: %s", curl_multi_strerror(code));
    collect(engine);
}

static void timeout_cb(uv_timer_t *timer)
{
    drive(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static int set_timeout_cb(CURLM *multi, long ms, void *arg)
{
    struct transfers *engine = arg;

    (void)multi;
    if (ms < 0)
        uv_timer_stop(&engine->timeout);
    else
        uv_timer_start(&engine->timeout, timeout_cb, (uint64_t)ms, 0);
    return 0;
}

static void poll_cb(uv_poll_t *poll, int status, int events)
{
    struct socket_watch *watch = (struct socket_watch *)poll;
    int what = 0;

    if (status < 0)
        what = CURL_CSELECT_ERR;
    if (events & UV_READABLE)
        what |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        what |= CURL_CSELECT_OUT;
    drive(watch->engine, watch->fd, what);
}

static void watch_closed_cb(uv_handle_t *handle)
{
    struct transfers *engine = ((struct socket_watch *)handle)->engine;

    engine->sockets--;
    free(handle);
    freed_part(engine);
}

static struct socket_watch *watch_new(struct transfers *engine, curl_socket_t fd)
{
    struct socket_watch *watch = calloc(1, sizeof(*watch));

    if (watch == NULL)
        return NULL;
    if (uv_poll_init_socket(engine->loop, &watch->poll, fd) < 0) {
        free(watch);
        return NULL;
    }
    watch->engine = engine;
    watch->fd = fd;
    engine->sockets++;
    curl_multi_assign(engine->multi, fd, watch);
    return watch;
}

static int socket_cb(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct transfers *engine = arg;
    struct socket_watch *watch = socket_arg;
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        /* It may come for a socket that was never watched. */
        if (watch != NULL) {
            curl_multi_assign(engine->multi, fd, NULL);
            uv_close((uv_handle_t *)&watch->poll, watch_closed_cb);
        }
        return 0;
    }
    if (watch == NULL)
        watch = watch_new(engine, fd);
    if (watch == NULL || uv_poll_start(&watch->poll, events, poll_cb) < 0) {
        log_limited(LOG_LEVEL_ERROR, "out of memory: a volume's connection can't be watched");
        return -1;
    }
    return 0;
}

static uint64_t patience(const struct transfer *t)
{
    uint64_t down = t->engine->limits.down_timeout;

    if (t->volume == NULL || t->volume->state != VOLUME_DOWN || t->stall_timeout < down)
        return t->stall_timeout;
    return down;
}

static bool is_too_late(const struct transfer *t, uint64_t now)
{
    if (t->until != 0 && now > t->until)
        return true;
    return !t->starved && now - t->progress > patience(t);
}

static void stall_cb(uv_timer_t *timer)
{
    struct transfers *engine = timer->data;
    uint64_t now = uv_now(engine->loop);
    struct transfer *t = LIST_FIRST(&engine->active);

    while (t != NULL) {
        struct transfer *next = LIST_NEXT(t, link);

        if (is_too_late(t, now))
            transfer_end(t, UV_ETIMEDOUT, 0);
        t = next;
    }
    flushers_expire(engine);
    fire_ended(engine);
    if (LIST_EMPTY(&engine->active))
        uv_timer_stop(timer);
}

static void send_cb(uv_timer_t *timer)
{
    flushers_send(timer->data);
    assembles_send(timer->data);
}

void multi_send_in(struct transfers *engine, uint64_t ms)
{
    uv_timer_t *timer = &engine->send;

    if (!uv_is_active((uv_handle_t *)timer) || ms < uv_timer_get_due_in(timer))
        uv_timer_start(timer, send_cb, ms, 0);
}

void transfers_set_volumes(struct transfers *engine, size_t n)
{
    size_t kept = KEPT + KEPT_PER_VOLUME * n;

    if (kept > engine->limits.kept_connections)
        kept = engine->limits.kept_connections;
    curl_multi_setopt(engine->multi, CURLMOPT_MAXCONNECTS, (long)kept);
}

int multi_start(struct transfers *engine)
{
    engine->multi = curl_multi_init();
    if (engine->multi == NULL)
        return UV_ENOMEM;
    curl_multi_setopt(engine->multi, CURLMOPT_SOCKETFUNCTION, socket_cb);
    curl_multi_setopt(engine->multi, CURLMOPT_SOCKETDATA, engine);
    curl_multi_setopt(engine->multi, CURLMOPT_TIMERFUNCTION, set_timeout_cb);
    curl_multi_setopt(engine->multi, CURLMOPT_TIMERDATA, engine);
    transfers_set_volumes(engine, 0);
    curl_multi_setopt(engine->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    uv_timer_init(engine->loop, &engine->timeout);
    uv_timer_init(engine->loop, &engine->stall);
    uv_timer_init(engine->loop, &engine->send);
    uv_idle_init(engine->loop, &engine->ended_soon);
    engine->timeout.data = engine->stall.data = engine->send.data = engine;
    engine->ended_soon.data = engine;
    pace_init(&engine->pace, engine->loop);
    engine->pace.timer.data = engine;
    engine->handles = 5;
    return 0;
}

void multi_watch_stalls(struct transfers *engine)
{
    if (!uv_is_active((uv_handle_t *)&engine->stall))
        uv_timer_start(&engine->stall, stall_cb, STALL_INTERVAL, STALL_INTERVAL);
}

static void handle_closed_cb(uv_handle_t *handle)
{
    struct transfers *engine = handle->data;

    engine->handles--;
    freed_part(engine);
}

void transfers_free(struct transfers *engine, void (*cb)(void *arg), void *arg)
{
    assert(LIST_EMPTY(&engine->active) && STAILQ_EMPTY(&engine->ended));
    engine->free_cb = cb;
    engine->free_arg = arg;
    while (engine->n_pool > 0)
        curl_easy_cleanup(engine->pool[--engine->n_pool]);
    curl_multi_cleanup(engine->multi); /* calls back to remove the sockets of kept connections */
    uv_close((uv_handle_t *)&engine->timeout, handle_closed_cb);
    uv_close((uv_handle_t *)&engine->stall, handle_closed_cb);
    uv_close((uv_handle_t *)&engine->send, handle_closed_cb);
    uv_close((uv_handle_t *)&engine->ended_soon, handle_closed_cb);
    uv_close((uv_handle_t *)&engine->pace.timer, handle_closed_cb);
}
