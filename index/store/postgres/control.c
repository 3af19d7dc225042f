#include "index/store/postgres/control.h"

#include <signal.h>

static struct control_job *take(struct control *c)
{
    struct control_job *job;

    uv_mutex_lock(&c->mutex);
    while (STAILQ_EMPTY(&c->waiting) && !c->stopping)
        uv_cond_wait(&c->wake, &c->mutex);
    job = STAILQ_FIRST(&c->waiting);
    if (job != NULL)
        STAILQ_REMOVE_HEAD(&c->waiting, link);
    uv_mutex_unlock(&c->mutex);
    return job;
}

static void give_back(struct control *c, struct control_job *job)
{
    uv_mutex_lock(&c->mutex);
    STAILQ_INSERT_TAIL(&c->ended, job, link);
    uv_mutex_unlock(&c->mutex);
    uv_async_send(&c->async);
}

/* Signals are the loop's: a thread of ours must not take any. */
static void thread_cb(void *arg)
{
    struct control *c = arg;
    struct control_job *job;
    sigset_t all;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    while ((job = take(c)) != NULL) {
        job->run(job);
        give_back(c, job);
    }
}

static struct control_job *next_ended(struct control *c)
{
    struct control_job *job;

    uv_mutex_lock(&c->mutex);
    job = STAILQ_FIRST(&c->ended);
    if (job != NULL)
        STAILQ_REMOVE_HEAD(&c->ended, link);
    uv_mutex_unlock(&c->mutex);
    return job;
}

static void ended_cb(uv_async_t *async)
{
    struct control *c = async->data;
    struct control_job *job;

    while ((job = next_ended(c)) != NULL)
        job->done(job);
}

int control_start(struct control *c, uv_loop_t *loop)
{
    int rc = uv_async_init(loop, &c->async, ended_cb);

    if (rc < 0)
        return rc;
    c->async.data = c;
    STAILQ_INIT(&c->waiting);
    STAILQ_INIT(&c->ended);
    c->stopping = false;
    uv_mutex_init(&c->mutex);
    uv_cond_init(&c->wake);
    rc = uv_thread_create(&c->thread, thread_cb, c);
    if (rc < 0)
        uv_close((uv_handle_t *)&c->async, NULL);
    return rc;
}

void control_add(struct control *c, struct control_job *job)
{
    uv_mutex_lock(&c->mutex);
    STAILQ_INSERT_TAIL(&c->waiting, job, link);
    uv_cond_signal(&c->wake);
    uv_mutex_unlock(&c->mutex);
}

void control_add_first(struct control *c, struct control_job *job)
{
    uv_mutex_lock(&c->mutex);
    STAILQ_INSERT_HEAD(&c->waiting, job, link);
    uv_cond_signal(&c->wake);
    uv_mutex_unlock(&c->mutex);
}

static void closed_cb(uv_handle_t *handle)
{
    struct control *c = handle->data;

    uv_mutex_destroy(&c->mutex);
    uv_cond_destroy(&c->wake);
    c->stopped_cb(c->arg);
}

void control_stop(struct control *c, void (*cb)(void *arg), void *arg)
{
    c->stopped_cb = cb;
    c->arg = arg;
    uv_mutex_lock(&c->mutex);
    c->stopping = true;
    uv_cond_signal(&c->wake);
    uv_mutex_unlock(&c->mutex);
    uv_thread_join(&c->thread);
    ended_cb(&c->async);
    uv_close((uv_handle_t *)&c->async, closed_cb);
}
