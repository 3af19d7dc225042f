/* What the two halves of reclaiming share: reclaim.c finds the orphans, removal.c removes one. */
#ifndef MKV_OBJECTS_RECLAIM_INTERNAL_H
#define MKV_OBJECTS_RECLAIM_INTERNAL_H

#include <sys/queue.h>

#include "index/objects/reclaim.h"

#define REMOVALS_DOWN_MAX 64 /* volumes remembered; more are asked in vain */

struct removal {
    struct reclaimer *reclaimer;
    struct key key;
    uint64_t generation;
    struct hold hold;
    struct orphan orphan; /* as the store has it */
    struct orphan left;   /* as it is then; without places: it is gone */
    bool is_value;        /* the key's record named this blob when it was looked up */
    struct store_commit commit;
    struct store_reading reading; /* of the key */
    unsigned n_pending;           /* transfers whose end is to come */
    uint64_t look_at;             /* loop time, of one that is gone */
    STAILQ_ENTRY(removal) link;   /* in `gone` or `settled` */
    struct transfer *transfers;   /* one a place, until all have ended */
};

struct fresh {
    struct reclaimer *reclaimer;
    struct key key;
    uint64_t generation;
    struct store_reading reading; /* of the orphan, once it was taken from the queue */
    STAILQ_ENTRY(fresh) link;
};

STAILQ_HEAD(fresh_queue, fresh);
STAILQ_HEAD(removal_queue, removal);

struct reclaimer {
    struct objects *objects;
    uv_timer_t round;
    uv_timer_t tick;
    uv_idle_t soon; /* runs while there are fresh ones */
    struct fresh_queue fresh;
    unsigned n_fresh;
    struct removal_queue gone;
    unsigned n_gone;
    struct removal_queue settled; /* without a volume to ask; to be committed after the walk */
    unsigned n_removals;          /* in hand, those that are gone left out */
    unsigned n_asked;             /* fresh ones that the store is asked for */
    unsigned n_judged;            /* gone ones whose key it is asked for */
    struct store_reading reading; /* of the round's orphans */
    struct key after;             /* the last orphan that this round has seen; len 0 at its start */
    uint64_t after_generation;
    unsigned looked_at; /* in this turn */
    uint64_t removed;   /* blobs, in this round */
    uint32_t down[REMOVALS_DOWN_MAX];
    unsigned n_down;
    bool at_end; /* of the round's walk */
    bool stopping;
    unsigned n_closing; /* handles */
    void (*stop_cb)(void *arg);
    void *stop_arg;
};

/* removal.c: takes an orphan in hand, if its time has come and anything can be done about it. */
void removal_take(struct reclaimer *reclaimer, const struct key *key, uint64_t generation,
                  const struct orphan *orphan);
void removal_free(struct removal *m);
/* Commits those that have no volume to ask. Not while the store is being listed. */
void removals_commit(struct reclaimer *reclaimer);
/* Forgets those that are gone, whose time has come. */
void removals_forget(struct reclaimer *reclaimer);

/* reclaim.c: takes more in hand, if there is room and more to do; or ends, if that is wanted. */
void reclaimer_go_on(struct reclaimer *reclaimer);
/* The same in a turn of the loop to come. */
void reclaimer_go_on_soon(struct reclaimer *reclaimer);

#endif
