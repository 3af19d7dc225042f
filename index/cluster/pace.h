/* Clients come first: while requests of theirs come in, what is copied in the background goes on a
 * little at a time, and the less the more they are. A volume that sends or stores megabytes at once
 * keeps a processor for milliseconds, and the requests of clients, which take a tenth of that, wait
 * for it. */
#ifndef MKV_CLUSTER_PACE_H
#define MKV_CLUSTER_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

/* One that copies. Embedded in an operation, zeroed. */
struct paced {
    void *data;                        /* the owner's, as the next */
    void (*wake)(struct paced *paced); /* it may ask again */
    bool waits;
    TAILQ_ENTRY(paced) link;
};

/* Embedded in struct transfers; transfers_pace() gives it. */
struct pace {
    uv_timer_t timer;  /* first; runs while some wait; the owner's to close */
    uint64_t asked_at; /* loop time of the last request, */
    bool is_asked;     /* if there was one */
    uint64_t n_asked;  /* requests since `given_at` */
    uint64_t given_at; /* loop time */
    int64_t left;      /* bytes of this tick; negative: of those to come */
    TAILQ_HEAD(paced_queue, paced) waiting;
};

void pace_init(struct pace *pace, uv_loop_t *loop);

/* A client has asked for something. */
static inline void pace_client_asks(struct pace *pace)
{
    pace->asked_at = uv_now(pace->timer.loop);
    pace->is_asked = true;
    pace->n_asked++;
}

/* Whether `n` bytes may be copied now. If not, `wake` fires once, from the loop, when it is time to
 * ask again. */
bool pace_take(struct pace *pace, struct paced *paced, size_t n);

/* It copies no more: `wake` doesn't fire. */
void pace_leave(struct pace *pace, struct paced *paced);

#endif
