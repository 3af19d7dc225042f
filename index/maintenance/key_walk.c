#include "index/maintenance/key_walk.h"

#include <stdlib.h>
#include <string.h>

#define SLICE_NS    1000000 /* that a slice takes, more or less */
#define SLICE_KEYS  32      /* between looks at the clock */
#define SLICE_PAUSE 1       /* ms, between slices */
#define AWAY_PAUSE  1000    /* ms, between tries to read a store that is away */

static void turn_cb(uv_timer_t *timer);

static void again_in(struct key_walk *w, uint64_t ms)
{
    uv_timer_start(&w->timer, turn_cb, ms, 0);
}

static bool is_late(const struct key_walk *w)
{
    return !w->job->objects->store->is_prompt;
}

/* --- Looking --------------------------------------------------------------------------------- */

/* Whether the slice has come to its end: then it goes on here. A store that has entries later gives
 * them a page a turn of the loop, each of which is as long as a slice. */
static bool is_slice_over(struct key_walk *w, const void *key, size_t len, uint64_t generation)
{
    if (w->n < KEY_WALK_BATCH &&
        (is_late(w) || ++w->looked_at % SLICE_KEYS != 0 || uv_hrtime() < w->slice_until))
        return false;
    resume_set(&w->at, key, len, generation, false);
    return true;
}

/* The one that is filled in already, but for its key. A key is done when its operation has ended.
 */
static int take(struct key_walk *w, const void *key, size_t len, uint64_t generation)
{
    struct walked_key *seen = &w->batch[w->n];

    memcpy(seen->key.bytes, key, len);
    seen->key.len = len;
    if (is_late(w)) /* which may fail half-way */
        resume_set(&w->at, key, len, generation, true);
    if (w->wants(seen, w->arg))
        w->n++;
    else
        w->job->done++;
    return 0;
}

static int key_cb(const void *key, size_t len, const struct record *record, void *arg)
{
    struct key_walk *w = arg;

    if (resume_has_seen(&w->at, key, len, 0))
        return 0;
    if (is_slice_over(w, key, len, 0))
        return 1;
    record_copy(&w->batch[w->n].record, record);
    return take(w, key, len, 0);
}

static int orphan_cb(const void *key, size_t len, uint64_t generation, const struct orphan *orphan,
                     void *arg)
{
    struct key_walk *w = arg;

    if (resume_has_seen(&w->at, key, len, generation))
        return 0;
    if (is_slice_over(w, key, len, generation))
        return 1;
    w->batch[w->n].generation = generation;
    w->batch[w->n].orphan = *orphan;
    return take(w, key, len, generation);
}

/* A store that is away comes back: jobs wait for it. */
static void looked(struct key_walk *w, int rc)
{
    w->is_looking = false;
    w->pause = rc == STORE_AWAY ? AWAY_PAUSE : SLICE_PAUSE;
    w->at_end = rc <= 0 && rc != STORE_AWAY;
    w->rc = w->at_end ? rc : 0;
}

static void looked_cb(struct store_reading *reading, int rc)
{
    struct key_walk *w = reading->data;

    looked(w, rc);
    again_in(w, rc == STORE_AWAY ? AWAY_PAUSE : 0);
}

static void look(struct key_walk *w)
{
    struct store *store = w->job->objects->store;
    const struct store_range keys = resume_keys(&w->at, KEY_WALK_BATCH);
    const struct store_orphan_range orphans = resume_orphans(&w->at, KEY_WALK_BATCH);
    int rc;

    w->looked_at = 0;
    w->slice_until = uv_hrtime() + SLICE_NS;
    memmove(w->batch, w->batch + w->first, (w->n - w->first) * sizeof(*w->batch));
    w->n -= w->first;
    w->first = 0;
    w->is_looking = true;
    w->reading.data = w;
    rc = w->of_orphans ? store_list_orphans(store, &w->reading, &orphans, orphan_cb, w, looked_cb)
                       : store_list(store, &w->reading, &keys, key_cb, w, looked_cb);
    if (rc != STORE_LATER)
        looked(w, rc);
}

/* --- Turns ----------------------------------------------------------------------------------- */

static void closed_cb(uv_handle_t *handle)
{
    struct key_walk *w = handle->data;

    free(w->batch);
    w->ended(w->rc, w->arg);
}

static bool is_over(const struct key_walk *w)
{
    return w->n_running == 0 && (w->canceled || (w->at_end && w->first == w->n));
}

static void end_one(struct key_walk *w)
{
    w->n_running--;
    w->job->done++;
}

/* Starts what waits, as far as there are places and the rate allows. */
static void start_waiting(struct key_walk *w)
{
    while (!w->canceled && w->first < w->n && w->n_running < w->at_once && job_delay(w->job) == 0) {
        w->n_running++;
        if (w->start(&w->batch[w->first++], w->arg) < 0)
            end_one(w);
    }
}

static bool wants_more(const struct key_walk *w)
{
    return !w->canceled && !w->at_end && !w->is_looking && w->n - w->first < KEY_WALK_BATCH / 2;
}

static void turn_cb(uv_timer_t *timer)
{
    struct key_walk *w = timer->data;
    uint64_t delay;

    if (wants_more(w))
        look(w);
    start_waiting(w);
    delay = job_delay(w->job);
    if (is_over(w))
        uv_close((uv_handle_t *)&w->timer, closed_cb);
    else if (!w->canceled && w->first < w->n && w->n_running < w->at_once)
        again_in(w, delay);
    else if (wants_more(w))
        again_in(w, w->pause);
    /* else key_walk_ended(), or what is read, goes on */
}

int key_walk_start(struct key_walk *w)
{
    w->batch = malloc((KEY_WALK_BATCH + 1) * sizeof(*w->batch));
    if (w->batch == NULL)
        return UV_ENOMEM;
    uv_timer_init(w->job->objects->loop, &w->timer);
    w->timer.data = w;
    again_in(w, 0);
    return 0;
}

void key_walk_ended(struct key_walk *w)
{
    end_one(w);
    again_in(w, 0);
}

void key_walk_cancel(struct key_walk *w)
{
    w->canceled = true;
    store_cancel(w->job->objects->store, &w->reading);
    w->is_looking = false;
    if (!uv_is_closing((uv_handle_t *)&w->timer))
        again_in(w, 0);
}
