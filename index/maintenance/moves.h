/* A job that moves keys (objects/move.h): each of those that it picks, so many at once as the job
 * allows. A key that can't be moved now, since a copy of it is about to be removed somewhere, is
 * tried again in another pass. */
#ifndef MKV_MAINTENANCE_MOVES_H
#define MKV_MAINTENANCE_MOVES_H

#include "index/maintenance/key_walk.h"
#include "index/objects/move.h"

/* Embedded in what the job is about. Set the first ones, and zero the rest. Counts "moved" keys,
 * "failed" ones, and those "changed" by clients meanwhile. */
struct moves {
    struct job *job;
    void *arg;
    /* Whether the key is to be moved, and how. Must not call the store but for gets. */
    bool (*picks)(const struct walked_key *key, struct move_options *options, void *arg);
    /* The last pass has ended. rc is negative when the store can't be read. */
    void (*ended)(int rc, void *arg);
    bool until_none; /* go on with passes until one finds no key to move */
    /* This module's. */
    struct key_walk walk;
    uv_timer_t timer;
    uint64_t passes;        /* begun so far; the job may read it */
    uint64_t picked;        /* in this pass */
    uint64_t waiting;       /* of those: can't be moved now */
    uint64_t failed;        /* likewise, for other reasons */
    uint64_t progressed_at; /* loop time of the last move */
    int rc;
};

/* Begins; job->total is set, and job->phase "moving". 0, or UV_ENOMEM. */
int moves_start(struct moves *moves);

/* Begins nothing more; `ended` fires once what runs has ended, from the loop. */
void moves_cancel(struct moves *moves);

/* "5 keys moved; 3 could not be moved". */
#define MOVES_TEXT_MAX 128
void moves_text(const struct job *job, int rc, char text[MOVES_TEXT_MAX]);

#endif
