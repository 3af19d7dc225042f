/* A thread that may wait for the database, and runs jobs one after the other. An engine has two:
 * one connects (libpq looks names up synchronously), one renews the lease and names volumes. */
#ifndef MKV_POSTGRES_CONTROL_H
#define MKV_POSTGRES_CONTROL_H

#include <stdbool.h>
#include <sys/queue.h>
#include <uv.h>

struct control_job;

/* `run`: in the thread. `done`: from the loop, after it. */
typedef void (*control_cb)(struct control_job *job);

/* Embedded in what it is for; free again once `done` has begun. */
struct control_job {
    void *data;
    control_cb run;
    control_cb done;
    STAILQ_ENTRY(control_job) link;
};

STAILQ_HEAD(control_queue, control_job);

struct control {
    uv_thread_t thread;
    uv_mutex_t mutex; /* of what follows */
    uv_cond_t wake;
    struct control_queue waiting;
    struct control_queue ended;
    bool stopping;
    uv_async_t async; /* jobs have ended */
    void (*stopped_cb)(void *arg);
    void *arg;
};

/* 0 or a negative UV_E*. */
int control_start(struct control *control, uv_loop_t *loop);

void control_add(struct control *control, struct control_job *job);
/* The same, before what waits already. */
void control_add_first(struct control *control, struct control_job *job);

/* Runs what waits, ends the thread, fires what `done`s are left, and then `cb`, from the loop. It
 * blocks as long as the job that runs. */
void control_stop(struct control *control, void (*cb)(void *arg), void *arg);

#endif
