#include "index/cluster/pace.h"

#define QUIET 200 /* ms without a request, after which nobody is in the way */
#define TICK  2   /* ms */

/* Bytes that all together copy in a tick, on the average: fewer, the more requests come in it. */
#define TICK_MOST        (64 * 1024)
#define TICK_LEAST       (16 * 1024)
#define TICK_FOR_REQUEST (4 * 1024)

void pace_init(struct pace *p, uv_loop_t *loop)
{
    uv_timer_init(loop, &p->timer);
    TAILQ_INIT(&p->waiting);
}

static bool is_quiet(const struct pace *p)
{
    return !p->is_asked || uv_now(p->timer.loop) - p->asked_at >= QUIET;
}

static int64_t tick_bytes(uint64_t requests, uint64_t ticks)
{
    uint64_t each = requests / ticks;

    return each < (TICK_MOST - TICK_LEAST) / TICK_FOR_REQUEST
               ? TICK_MOST - (int64_t)each * TICK_FOR_REQUEST
               : TICK_LEAST;
}

/* Gives what the ticks since the last time are worth, and one tick's worth at most. */
static void give(struct pace *p)
{
    uint64_t now = uv_now(p->timer.loop);
    uint64_t ticks = (now - p->given_at) / TICK;
    int64_t bytes;

    if (ticks == 0)
        return;
    bytes = tick_bytes(p->n_asked, ticks);
    p->n_asked = 0;
    p->given_at = now;
    p->left = ticks < 1000 ? p->left + (int64_t)ticks * bytes : bytes;
    if (p->left > bytes)
        p->left = bytes;
}

/* One at a time, while there are clients: it takes its bytes later in this turn of the loop. */
static void tick_cb(uv_timer_t *timer)
{
    struct pace *p = (struct pace *)timer;
    struct paced *paced;

    give(p);
    while ((paced = TAILQ_FIRST(&p->waiting)) != NULL && (is_quiet(p) || p->left > 0)) {
        pace_leave(p, paced);
        paced->wake(paced);
        if (!is_quiet(p))
            break;
    }
}

bool pace_take(struct pace *p, struct paced *paced, size_t n)
{
    if (is_quiet(p))
        return true;
    give(p);
    if (p->left > 0) {
        p->left -= (int64_t)n;
        return true;
    }
    if (!paced->waits) {
        paced->waits = true;
        TAILQ_INSERT_TAIL(&p->waiting, paced, link);
    }
    if (!uv_is_active((uv_handle_t *)&p->timer))
        uv_timer_start(&p->timer, tick_cb, TICK, TICK);
    return false;
}

void pace_leave(struct pace *p, struct paced *paced)
{
    if (!paced->waits)
        return;
    paced->waits = false;
    TAILQ_REMOVE(&p->waiting, paced, link);
    if (TAILQ_EMPTY(&p->waiting))
        uv_timer_stop(&p->timer);
}
