/* Orphans come from two sides: those that operations name (`fresh`), which are looked at in the
 * next turn of the loop, and a walk through all of the store's in order, a few at a time, which
 * begins anew some seconds after its end. Each becomes a removal (removal.c).
 *
 * The first walk begins a grace after the start: a run that was killed may have left requests at
 * the volumes that are still carried out, and nobody knows any more which. */
#include "index/objects/reclaim_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/log.h"

#define ROUND_INTERVAL 5000 /* ms from the end of a round to the next */
#define TICK           200  /* ms between looks at those that are gone */
#define AT_ONCE        64   /* removals in hand, */
#define FRESH_AT_ONCE  31   /* and at most so many when a fresh one is taken: the walk goes on */
#define FRESH_MAX      4096 /* that wait; others are the walk's */
#define TURN_KEYS      1000 /* looked at, in hand or not, before others get the loop */

static void turn_cb(uv_timer_t *timer)
{
    reclaimer_go_on(timer->data);
}

void reclaimer_go_on_soon(struct reclaimer *r)
{
    if (r->stopping)
        reclaimer_go_on(r);
    else if (!r->at_end)
        uv_timer_start(&r->round, turn_cb, 1, 0);
}

/* --- Those that are gone --------------------------------------------------------------------- */

static void tick_cb(uv_timer_t *timer)
{
    removals_forget(timer->data);
}

/* --- Fresh ones ------------------------------------------------------------------------------ */

static void fresh_found(struct fresh *f, int rc, const struct orphan *orphan)
{
    if (rc == 0 && !f->reclaimer->stopping)
        removal_take(f->reclaimer, &f->key, f->generation, orphan);
    free(f);
}

static void fresh_found_cb(struct store_reading *reading, int rc, const struct orphan *orphan)
{
    struct fresh *f = reading->data;
    struct reclaimer *r = f->reclaimer;

    r->n_asked--;
    fresh_found(f, rc, orphan);
    removals_commit(r);
    reclaimer_go_on(r);
}

static void ask_for(struct reclaimer *r, struct fresh *f)
{
    struct orphan orphan;
    int rc;

    f->reading.data = f;
    rc = store_get_orphan(r->objects->store, &f->reading, f->key.bytes, f->key.len, f->generation,
                          &orphan, fresh_found_cb);
    if (rc == STORE_LATER)
        r->n_asked++;
    else
        fresh_found(f, rc, &orphan);
}

static void fresh_cb(uv_idle_t *idle)
{
    struct reclaimer *r = idle->data;
    struct fresh *f;

    while (r->n_removals + r->n_asked < FRESH_AT_ONCE && (f = STAILQ_FIRST(&r->fresh)) != NULL) {
        STAILQ_REMOVE_HEAD(&r->fresh, link);
        r->n_fresh--;
        ask_for(r, f);
    }
    removals_commit(r);
    uv_idle_stop(idle); /* the end of a removal goes on */
}

void reclaimer_add(struct reclaimer *r, const struct key *key, uint64_t generation)
{
    struct fresh *f;

    if (r == NULL || r->stopping || r->n_fresh == FRESH_MAX)
        return;
    f = malloc(sizeof(*f));
    if (f == NULL)
        return;
    f->reclaimer = r;
    f->reading.request = NULL;
    f->key = *key;
    f->generation = generation;
    STAILQ_INSERT_TAIL(&r->fresh, f, link);
    r->n_fresh++;
    uv_idle_start(&r->soon, fresh_cb);
}

/* --- A round --------------------------------------------------------------------------------- */

static int orphan_cb(const void *key, size_t len, uint64_t generation, const struct orphan *orphan,
                     void *arg)
{
    struct reclaimer *r = arg;

    if (len == r->after.len && memcmp(key, r->after.bytes, len) == 0 &&
        generation == r->after_generation)
        return 0;
    if (r->n_removals >= AT_ONCE || r->looked_at == TURN_KEYS)
        return 1;
    r->looked_at++;
    r->after.len = len;
    memcpy(r->after.bytes, key, len);
    r->after_generation = generation;
    removal_take(r, &r->after, generation, orphan);
    return 0;
}

static void round_cb(uv_timer_t *timer)
{
    struct reclaimer *r = timer->data;

    r->after.len = 0;
    r->after_generation = 0;
    r->n_down = 0;
    r->at_end = false;
    reclaimer_go_on(r);
}

static void end_round(struct reclaimer *r)
{
    if (r->removed > 0)
        log_debug("reclaimed %llu blobs", (unsigned long long)r->removed);
    r->removed = 0;
    if (!uv_is_active((uv_handle_t *)&r->round))
        uv_timer_start(&r->round, round_cb, ROUND_INTERVAL, 0);
}

static void closed_cb(uv_handle_t *handle)
{
    struct reclaimer *r = handle->data;
    void (*cb)(void *arg) = r->stop_cb;
    void *arg = r->stop_arg;

    if (--r->n_closing > 0)
        return;
    free(r);
    cb(arg);
}

static void close_handles(struct reclaimer *r)
{
    if (uv_is_closing((uv_handle_t *)&r->round))
        return;
    r->n_closing = 3;
    uv_close((uv_handle_t *)&r->round, closed_cb);
    uv_close((uv_handle_t *)&r->tick, closed_cb);
    uv_close((uv_handle_t *)&r->soon, closed_cb);
}

static void walked(struct reclaimer *r, int rc)
{
    if (rc == STORE_LATER)
        return;
    r->at_end = rc <= 0;
    removals_commit(r);
    if (r->at_end)
        end_round(r);
    else if (r->n_removals == 0) /* nothing in hand whose end would go on */
        uv_timer_start(&r->round, turn_cb, 1, 0);
}

static void walked_cb(struct store_reading *reading, int rc)
{
    walked(reading->data, rc);
}

static int walk_on(struct reclaimer *r)
{
    const struct store_orphan_range range = {.key = r->after.bytes,
                                             .len = r->after.len,
                                             .generation = r->after_generation,
                                             .mine = true,
                                             .want = AT_ONCE};

    if (r->at_end)
        return 0;
    if (r->n_removals >= AT_ONCE / 2)
        return 1;
    r->looked_at = 0;
    return store_list_orphans(r->objects->store, &r->reading, &range, orphan_cb, r, walked_cb);
}

void reclaimer_go_on(struct reclaimer *r)
{
    if (r->stopping) {
        if (r->n_removals + r->n_asked + r->n_judged == 0)
            close_handles(r);
        return;
    }
    if (r->n_fresh > 0)
        uv_idle_start(&r->soon, fresh_cb);
    if (r->reading.request == NULL)
        walked(r, walk_on(r));
}

int reclaimer_start(uv_loop_t *loop, struct objects *objects, struct reclaimer **reclaimer)
{
    struct reclaimer *r = calloc(1, sizeof(*r));

    if (r == NULL)
        return UV_ENOMEM;
    r->objects = objects;
    STAILQ_INIT(&r->fresh);
    STAILQ_INIT(&r->gone);
    STAILQ_INIT(&r->settled);
    uv_timer_init(loop, &r->round);
    uv_timer_init(loop, &r->tick);
    uv_idle_init(loop, &r->soon);
    r->round.data = r->tick.data = r->soon.data = r->reading.data = r;
    r->at_end = true; /* of a round that has not begun */
    uv_timer_start(&r->round, round_cb, objects->grace, 0);
    uv_timer_start(&r->tick, tick_cb, TICK, TICK);
    *reclaimer = r;
    return 0;
}

/* What is gone and not yet forgotten is removed once more by the next run, in vain. */
void reclaimer_stop(struct reclaimer *r, void (*cb)(void *arg), void *arg)
{
    struct removal *m;
    struct fresh *f;

    r->objects->reclaimer = NULL; /* after a failed start, the objects go before this does */
    r->stopping = true;
    r->stop_cb = cb;
    r->stop_arg = arg;
    uv_timer_stop(&r->round);
    uv_timer_stop(&r->tick);
    uv_idle_stop(&r->soon);
    store_cancel(r->objects->store, &r->reading);
    while ((f = STAILQ_FIRST(&r->fresh)) != NULL) {
        STAILQ_REMOVE_HEAD(&r->fresh, link);
        free(f);
    }
    r->n_fresh = 0;
    while ((m = STAILQ_FIRST(&r->gone)) != NULL) {
        STAILQ_REMOVE_HEAD(&r->gone, link);
        r->n_gone--;
        removal_free(m);
    }
    reclaimer_go_on(r);
}
