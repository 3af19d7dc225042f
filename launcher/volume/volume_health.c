/* Happy path: the thread tries and puts down what it found; a timer on the loop compares that with
 * what was said last; a stop wakes the thread, and the timer sees it end.
 *
 * Failures: a thread that hangs in the kernel can't be ended. It is left behind at a stop, with the
 * struct, which is its own then, and goes with the process. */
#include "launcher/volume/volume_health.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/log.h"

#define LOOK_MS    500  /* from one look to the next */
#define WRITE_MS   3000 /* from one trial that writes to the next */
#define ENDING_MS  20   /* between looks whether the thread has ended ... */
#define ENDING_MAX 50   /* ... so many of them, at most */

struct volume_health {
    const struct volume_dir *dir;
    const struct sync *sync;
    uv_timer_t timer;
    uv_thread_t thread;
    struct volume_finding said; /* what the log says; its reason and condition count */
    unsigned ending;            /* looks since the stop */
    void (*stop_cb)(void *arg); /* NULL before the stop */
    void *stop_arg;
    /* The rest is shared with the thread. */
    uv_mutex_t mutex;
    uv_cond_t changed;
    struct volume_finding found;
    uint64_t trying_since; /* ms; 0 while it rests */
    bool stopping;
    bool ended;
    bool abandoned; /* the struct is the thread's */
};

static uint64_t now_ms(void)
{
    return uv_hrtime() / 1000000;
}

/* --- The thread ------------------------------------------------------------------------------ */

static void free_health(struct volume_health *h)
{
    uv_cond_destroy(&h->changed);
    uv_mutex_destroy(&h->mutex);
    free(h);
}

static void try_once(const struct volume_dir *dir, struct volume_finding *found,
                     struct volume_finding *written, uint64_t *write_at)
{
    volume_trial_look(dir, found);
    if (found->condition != VOLUME_IS_UP)
        return;
    if (now_ms() >= *write_at) {
        volume_trial_write(dir, written);
        *write_at = now_ms() + WRITE_MS;
    }
    found->condition = written->condition;
    strcpy(found->reason, written->reason);
}

static void thread_main(void *arg)
{
    struct volume_health *h = arg;
    struct volume_finding written = {.condition = VOLUME_IS_UP};
    struct volume_finding found;
    uint64_t write_at = 0;
    bool abandoned;

    uv_mutex_lock(&h->mutex);
    found = h->found;
    while (!h->stopping) {
        h->trying_since = now_ms();
        uv_mutex_unlock(&h->mutex);
        try_once(h->dir, &found, &written, &write_at);
        uv_mutex_lock(&h->mutex);
        h->found = found;
        h->trying_since = 0;
        if (!h->stopping)
            uv_cond_timedwait(&h->changed, &h->mutex, LOOK_MS * 1000000ULL);
    }
    h->ended = true;
    abandoned = h->abandoned;
    uv_mutex_unlock(&h->mutex);
    if (abandoned)
        free_health(h);
}

/* --- The loop -------------------------------------------------------------------------------- */

void volume_health_get(struct volume_health *health, struct volume_finding *finding)
{
    struct volume_health *h = health;
    uint64_t since;

    uv_mutex_lock(&h->mutex);
    *finding = h->found;
    since = h->trying_since;
    uv_mutex_unlock(&h->mutex);
    if ((since != 0 && now_ms() - since > VOLUME_HANGS_MS) ||
        sync_stuck_ms(h->sync) > VOLUME_HANGS_MS) {
        finding->condition = VOLUME_IS_DOWN;
        strcpy(finding->reason, "its disk hangs");
    } else if (finding->condition == VOLUME_IS_UP && sync_distrusts(h->sync)) {
        finding->condition = VOLUME_IS_READ_ONLY;
        strcpy(finding->reason, "its disk loses what is written: check it, and start mkv again");
    }
}

static void say(struct volume_health *h)
{
    struct volume_finding now;

    volume_health_get(h, &now);
    if (now.condition == h->said.condition && strcmp(now.reason, h->said.reason) == 0)
        return;
    h->said = now;
    if (now.condition == VOLUME_IS_UP)
        log_limited(LOG_LEVEL_INFO, "the volume is up again");
    else
        log_limited(LOG_LEVEL_WARN, "the volume is %s: %s", volume_condition_name(now.condition),
                    now.reason);
}

static void closed_cb(uv_handle_t *handle)
{
    struct volume_health *h = handle->data;
    void (*cb)(void *arg) = h->stop_cb;
    void *arg = h->stop_arg;
    bool ended;

    uv_mutex_lock(&h->mutex);
    ended = h->ended;
    h->abandoned = !ended;
    uv_mutex_unlock(&h->mutex);
    if (ended) {
        uv_thread_join(&h->thread);
        free_health(h);
    } else {
        log_warn("the disk hangs, and is left like that");
    }
    cb(arg);
}

static void timer_cb(uv_timer_t *timer)
{
    struct volume_health *h = timer->data;
    bool ended;

    if (h->stop_cb == NULL) {
        say(h);
        return;
    }
    uv_mutex_lock(&h->mutex);
    ended = h->ended;
    uv_mutex_unlock(&h->mutex);
    if (ended || ++h->ending == ENDING_MAX)
        uv_close((uv_handle_t *)timer, closed_cb);
}

int volume_health_start(uv_loop_t *loop, const struct volume_dir *dir, const struct sync *sync,
                        struct volume_health **health)
{
    struct volume_health *h = calloc(1, sizeof(*h));
    int rc;

    if (h == NULL)
        return UV_ENOMEM;
    h->dir = dir;
    h->sync = sync;
    volume_trial_look(dir, &h->found);
    if (dir->prefix.read_only)
        volume_trial_write(dir, &h->found);
    h->said = h->found;
    rc = uv_mutex_init(&h->mutex);
    assert(rc == 0);
    rc = uv_cond_init(&h->changed);
    assert(rc == 0);
    rc = uv_thread_create(&h->thread, thread_main, h);
    if (rc < 0) {
        free_health(h);
        return rc;
    }
    uv_timer_init(loop, &h->timer);
    h->timer.data = h;
    uv_timer_start(&h->timer, timer_cb, LOOK_MS, LOOK_MS);
    *health = h;
    return 0;
}

void volume_health_stop(struct volume_health *health, void (*cb)(void *arg), void *arg)
{
    struct volume_health *h = health;

    h->stop_cb = cb;
    h->stop_arg = arg;
    uv_mutex_lock(&h->mutex);
    h->stopping = true;
    uv_cond_signal(&h->changed);
    uv_mutex_unlock(&h->mutex);
    uv_timer_start(&h->timer, timer_cb, 0, ENDING_MS);
}
