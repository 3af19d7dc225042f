/* A walk goes through all keys in order, a slice at a time: it remembers the key it came to, and
 * sees each record as it is when it comes by. A slice ends after a millisecond, and some more pass
 * before the next one, so that others hardly notice; and a walk is followed by a rest of several
 * times its length. */
#include "index/objects/spread.h"

#include <stdlib.h>
#include <string.h>

#include "index/objects/places.h"

#define SLICE_NS       1000000 /* that a slice takes, more or less */
#define SLICE_WANT     1000    /* keys that are fetched at once, where they come from afar */
#define SLICE_KEYS     32      /* between looks at the clock */
#define SLICE_INTERVAL 20      /* ms from one to the next */
#define REST_MIN       5000    /* ms from a walk to the next, at least */
#define REST_TIMES     4       /* as long as the walk */

struct spread {
    struct objects *objects;
    uv_timer_t timer;
    struct store_reading reading;
    struct key next;      /* where the walk goes on; len 0 at its start */
    uint64_t begun;       /* loop time of the walk */
    uint64_t keys;        /* found so far */
    uint64_t slice_until; /* uv_hrtime() */
    unsigned looked_at;   /* in this slice */
    bool counted;         /* a walk has ended: the next two hold */
    uint64_t counted_keys;
    uint64_t counted_at; /* loop time */
    void (*stop_cb)(void *arg);
    void *stop_arg;
};

static void slice_cb(uv_timer_t *timer);

static bool is_needed(const struct spread *s)
{
    return places_may_share_zone(s->objects->places);
}

static int key_cb(const void *key, size_t len, const struct record *record, void *arg)
{
    struct spread *s = arg;

    if (++s->looked_at % SLICE_KEYS == 0 && uv_hrtime() >= s->slice_until) {
        s->next.len = len;
        memcpy(s->next.bytes, key, len);
        return 1;
    }
    if (!(record->flags & RECORD_UNLINKED) && !key_is_reserved(key, len))
        s->keys += places_share_zone(s->objects->places, record->places, record->n_places);
    return 0;
}

static void begin_walk(uv_timer_t *timer)
{
    struct spread *s = timer->data;

    s->next.len = 0;
    s->keys = 0;
    s->begun = uv_now(timer->loop);
    uv_timer_start(timer, slice_cb, 0, 0);
}

/* With an error the walk could not read on, which says nothing of those it has not seen. */
static void end_walk(struct spread *s, int rc)
{
    uint64_t took = uv_now(s->timer.loop) - s->begun;

    if (rc == 0) {
        s->counted = true;
        s->counted_keys = s->keys;
        s->counted_at = uv_now(s->timer.loop);
    }
    uv_timer_start(&s->timer, begin_walk,
                   took * REST_TIMES > REST_MIN ? took * REST_TIMES : REST_MIN, 0);
}

static void end_slice(struct spread *s, int rc)
{
    if (rc > 0)
        uv_timer_start(&s->timer, slice_cb, SLICE_INTERVAL, 0);
    else
        end_walk(s, rc);
}

static void listed_cb(struct store_reading *reading, int rc)
{
    end_slice(reading->data, rc);
}

static void slice_cb(uv_timer_t *timer)
{
    struct spread *s = timer->data;
    const struct store_range range = {
        .start = s->next.bytes, .start_len = s->next.len, .want = SLICE_WANT};
    int rc = 0;

    s->looked_at = 0;
    s->slice_until = uv_hrtime() + SLICE_NS;
    if (is_needed(s))
        rc = store_list(s->objects->store, &s->reading, &range, key_cb, s, listed_cb);
    if (rc != STORE_LATER)
        end_slice(s, rc);
}

int spread_start(uv_loop_t *loop, struct objects *objects, struct spread **spread)
{
    struct spread *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return UV_ENOMEM;
    s->objects = objects;
    uv_timer_init(loop, &s->timer);
    s->timer.data = s->reading.data = s;
    spread_restart(s);
    *spread = s;
    return 0;
}

void spread_restart(struct spread *s)
{
    s->counted = false;
    store_cancel(s->objects->store, &s->reading);
    uv_timer_start(&s->timer, begin_walk, 0, 0);
}

int spread_get(const struct spread *s, uint64_t *keys, uint64_t *age)
{
    if (!is_needed(s)) {
        *keys = *age = 0;
        return 0;
    }
    if (!s->counted)
        return UV_EAGAIN;
    *keys = s->counted_keys;
    *age = uv_now(s->timer.loop) - s->counted_at;
    return 0;
}

static void closed_cb(uv_handle_t *handle)
{
    struct spread *s = handle->data;
    void (*cb)(void *arg) = s->stop_cb;
    void *arg = s->stop_arg;

    free(s);
    cb(arg);
}

void spread_stop(struct spread *s, void (*cb)(void *arg), void *arg)
{
    s->stop_cb = cb;
    s->stop_arg = arg;
    store_cancel(s->objects->store, &s->reading);
    uv_close((uv_handle_t *)&s->timer, closed_cb);
}
