/* A job's way through all keys in order, or all orphans: those that it wants are looked at by an
 * operation each, so many at once as the job allows.
 *
 * The loop is the clients': a walk takes a millisecond of it at a time, and begins nothing while
 * job_delay() says so. It remembers the key that it came to, and sees each record as it is when it
 * comes by. A store that is away is waited for. */
#ifndef MKV_MAINTENANCE_KEY_WALK_H
#define MKV_MAINTENANCE_KEY_WALK_H

#include "index/maintenance/job.h"
#include "index/maintenance/resume.h"

#define KEY_WALK_BATCH 256 /* keys that wait for a place */

struct walked_key {
    struct key key;
    struct record record;
    uint64_t generation; /* of a walk through orphans, as the next one, instead of the record */
    struct orphan orphan;
};

/* Embedded in what walks. Set the first ones, and zero the rest. */
struct key_walk {
    struct job *job;
    void *arg;
    unsigned at_once; /* operations, KEY_WALK_BATCH at most */
    bool of_orphans;
    /* Whether the key, or the orphan, is wanted. Must not call the store but for names. */
    bool (*wants)(const struct walked_key *key, void *arg);
    /* Starts an operation, which ends with key_walk_ended(), never within this call. 0; or
     * negative, and then there is none: the key is done with. */
    int (*start)(const struct walked_key *key, void *arg);
    /* All keys were seen, and all operations have ended; or key_walk_cancel() was called, and they
     * have. rc is negative when the store can't be read. */
    void (*ended)(int rc, void *arg);
    struct resume at; /* where it begins, and goes on */
    /* This module's. */
    uv_timer_t timer;
    struct store_reading reading;
    bool is_looking; /* it reads the store */
    uint64_t pause;  /* ms until it does so again */
    uint64_t slice_until;
    unsigned looked_at;
    bool at_end;
    bool canceled;
    int rc;
    unsigned n_running;
    struct walked_key *batch; /* n of them wait, from `first` on */
    unsigned first;
    unsigned n;
};

/* Begins. 0, or UV_ENOMEM. */
int key_walk_start(struct key_walk *walk);

/* An operation has ended. */
void key_walk_ended(struct key_walk *walk);

/* Begins nothing more; `ended` fires once what runs has ended, from the loop. */
void key_walk_cancel(struct key_walk *walk);

#endif
