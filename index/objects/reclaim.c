/* Orphans come from two sides: those that operations name (`fresh`), which are looked at in the
 * next turn of the loop, and a walk through all of the store's in order, a few at a time, which
 * begins anew some seconds after its end. Each becomes a removal: its volumes are asked all at
 * once, and what is left of it is committed, if that is less. When nothing is left, it waits in
 * `gone` for two seconds at least, until any new blob of the key will have a later second, and so
 * another ETag (generation.h): the clock has passed the orphan's, or the key has a value of a later
 * one. Then the store forgets it.
 *
 * Volumes that could not be asked are in `down` to the round's end, so that a thousand orphans on a
 * dead volume cost one timeout. */
#include "index/objects/reclaim.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "index/base/clock.h"
#include "index/base/log.h"
#include "index/objects/orphans.h"

#define ROUND_INTERVAL 5000 /* ms from the end of a round to the next */
#define FORGET_AFTER   2000 /* ms from a blob's end to its orphan's, or to another look at that */
#define TICK           200  /* ms between looks at those that are gone */
#define AT_ONCE        64   /* removals in hand, */
#define FRESH_AT_ONCE  31   /* and at most so many when a fresh one is taken: the walk goes on */
#define FRESH_MAX      4096 /* that wait; others are the walk's */
#define GONE_MAX       8192 /* more are not remembered: the next round deletes them once more */
#define DOWN_MAX       64   /* volumes remembered; more are asked in vain */
#define TURN_KEYS      1000 /* looked at, in hand or not, before others get the loop */

struct removal {
    struct reclaimer *reclaimer;
    struct key key;
    uint64_t generation;
    struct hold hold;
    struct orphan orphan; /* as the store has it */
    struct orphan left;   /* as it is then; without places: it is gone */
    struct store_commit commit;
    unsigned n_pending;         /* transfers whose end is to come */
    uint64_t look_at;           /* loop time, of one that is gone */
    STAILQ_ENTRY(removal) link; /* in `gone` or `settled` */
    struct transfer *transfers; /* one a place, until all have ended */
};

struct fresh {
    struct key key;
    uint64_t generation;
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
    struct key after;             /* the last orphan that this round has seen; len 0 at its start */
    uint64_t after_generation;
    unsigned looked_at; /* in this turn */
    uint64_t removed;   /* blobs, in this round */
    uint32_t down[DOWN_MAX];
    unsigned n_down;
    bool at_end; /* of the round's walk */
    bool stopping;
    unsigned n_closing; /* handles */
    void (*stop_cb)(void *arg);
    void *stop_arg;
};

static void go_on(struct reclaimer *r);
static void turn_cb(uv_timer_t *timer);

static bool is_down(const struct reclaimer *r, uint32_t volume)
{
    for (unsigned i = 0; i < r->n_down; i++) {
        if (r->down[i] == volume)
            return true;
    }
    return false;
}

static void note_down(struct reclaimer *r, uint32_t volume)
{
    if (!is_down(r, volume) && r->n_down < DOWN_MAX)
        r->down[r->n_down++] = volume;
}

/* --- One orphan ------------------------------------------------------------------------------ */

static void removal_free(struct removal *m)
{
    struct objects *o = m->reclaimer->objects;

    objects_release(o, &m->hold);
    free(m->transfers);
    free(m);
    objects_end(o);
}

static void removal_end(struct removal *m)
{
    struct reclaimer *r = m->reclaimer;

    removal_free(m);
    r->n_removals--;
    go_on(r);
}

/* Of one that can't be committed, from wherever that was tried: others go on in a turn to come. */
static void removal_drop(struct removal *m)
{
    struct reclaimer *r = m->reclaimer;

    removal_free(m);
    r->n_removals--;
    if (r->stopping)
        go_on(r);
    else if (!r->at_end)
        uv_timer_start(&r->round, turn_cb, 1, 0);
}

static void committed_cb(struct store_commit *commit, int rc)
{
    /* If somebody else has changed it, or the disk fails, a later round sees what there is. */
    (void)rc;
    removal_end(commit->data);
}

/* Makes the store know what is left. */
static void commit_left(struct removal *m)
{
    const struct store_change change = {
        .space = STORE_ORPHANS,
        .key = m->key.bytes,
        .len = m->key.len,
        .generation = m->generation,
        .orphan = m->left.n_places > 0 ? &m->left : NULL,
        .expect = STORE_EXACTLY,
        .orphan_was = &m->orphan,
    };

    m->commit.data = m;
    if (store_commit(m->reclaimer->objects->store, &m->commit, &change, 1, committed_cb) < 0)
        removal_drop(m);
}

static void wait_gone(struct reclaimer *r, struct removal *m)
{
    m->look_at = uv_now(r->objects->loop) + FORGET_AFTER;
    STAILQ_INSERT_TAIL(&r->gone, m, link);
}

static void removed(struct removal *m)
{
    struct reclaimer *r = m->reclaimer;

    free(m->transfers);
    m->transfers = NULL;
    if (m->left.n_places == 0 && r->n_gone < GONE_MAX && !r->stopping) {
        r->removed++;
        r->n_removals--;
        r->n_gone++;
        wait_gone(r, m);
        go_on(r);
    } else if (m->left.n_places > 0 &&
               (m->left.n_places < m->orphan.n_places || m->left.until != m->orphan.until)) {
        commit_left(m);
    } else {
        removal_end(m);
    }
}

static void keep(struct removal *m, unsigned i)
{
    m->left.places[m->left.n_places++] = m->orphan.places[i];
}

/* What went wrong at a volume that was asked. One that refuses a blob may remove others; one that
 * has not answered may still carry the request out, so that for a while nothing is to lie there
 * under that name. */
static void note_failure(struct removal *m, const struct transfer *transfer, unsigned i, int rc,
                         int status)
{
    struct objects *o = m->reclaimer->objects;

    keep(m, i);
    if (rc == 0)
        log_limited(LOG_LEVEL_WARN, "volume %s answered %d to a DELETE", transfer->volume->name,
                    status);
    else if (!transfer_failed_here(rc))
        note_down(m->reclaimer, m->orphan.places[i].volume);
    if (rc < 0 && rc != UV_ECONNREFUSED && !transfer_failed_here(rc))
        m->left.until = clock_now_ms() + o->grace;
}

static void deleted_cb(struct transfer *transfer, int rc, int status)
{
    struct removal *m = transfer->data;

    volume_report(transfer->volume, rc, status);
    if (!volume_has_answered(transfer->volume, transfer) ||
        (!transfer_succeeded(rc, status) && status != 404))
        note_failure(m, transfer, (unsigned)(transfer - m->transfers), rc, status);
    if (--m->n_pending == 0)
        removed(m);
}

/* The volume of a place, if it can be asked now. */
static struct volume *askable(const struct reclaimer *r, const struct place *place)
{
    struct volume *volume = place_live(r->objects->places, place);

    if (volume == NULL || !volume_is_writable(volume) || is_down(r, place->volume))
        return NULL;
    return volume;
}

/* 0, or negative: it can't be asked now. */
static int ask(struct removal *m, unsigned i, const char *path)
{
    struct objects *o = m->reclaimer->objects;
    const struct place *place = &m->orphan.places[i];
    struct volume *volume = askable(m->reclaimer, place);
    char url[PLACEMENT_URL_MAX];

    if (volume == NULL)
        return UV_EAGAIN;
    m->transfers[i].data = m;
    m->transfers[i].volume = volume;
    placement_url(volume->name, place, path, url);
    return transfer_delete(o->transfers, &m->transfers[i], url, deleted_cb);
}

/* Where the key has this very blob there is no orphan, whatever the store says: it was being moved,
 * or a dump of a running index that was restored called it one after it had listed the key. */
static int find_named(struct objects *o, const struct key *key, uint64_t generation,
                      struct record *record)
{
    int rc = objects_look_up(o, key, record);

    if (rc == UV_ENOENT || (rc == 0 && record->generation != generation)) {
        record->n_places = 0;
        return 0;
    }
    return rc;
}

/* Asks all volumes that can be asked. Whether there is anything to wait for, or to commit. */
static bool ask_all(struct removal *m, const struct record *named)
{
    struct objects *o = m->reclaimer->objects;
    char path[PLACEMENT_PATH_MAX];

    placement_path(m->key.bytes, m->key.len, m->generation, path);
    for (unsigned i = 0; i < m->orphan.n_places; i++) {
        if (places_have(o->places, named->places, named->n_places, &m->orphan.places[i]))
            continue;
        if (ask(m, i, path) == 0)
            m->n_pending++;
        else
            keep(m, i);
    }
    return m->n_pending > 0 || m->left.n_places < m->orphan.n_places;
}

static struct removal *removal_new(struct reclaimer *r, const struct key *key, uint64_t generation,
                                   const struct orphan *orphan)
{
    struct removal *m = calloc(1, sizeof(*m));

    if (m == NULL)
        return NULL;
    *m = (struct removal){.reclaimer = r, .key = *key, .generation = generation, .orphan = *orphan};
    m->left.until = orphan->until;
    m->left.time = orphan->time;
    m->transfers = calloc(orphan->n_places, sizeof(*m->transfers));
    if (m->transfers == NULL || objects_hold(r->objects, &m->hold, &m->key, generation,
                                             orphan_time(orphan, generation)) < 0) {
        free(m->transfers);
        free(m);
        return NULL;
    }
    return m;
}

/* Nothing is to stay for longer than the grace: then the clock has gone back. */
static bool is_due(const struct objects *o, const struct orphan *orphan)
{
    uint64_t now = clock_now_ms();

    return orphan->until <= now || orphan->until > now + o->grace;
}

static bool any_askable(const struct reclaimer *r, const struct orphan *orphan)
{
    for (unsigned i = 0; i < orphan->n_places; i++) {
        if (askable(r, &orphan->places[i]) != NULL)
            return true;
    }
    return false;
}

/* Takes an orphan in hand, if its time has come. */
static void take(struct reclaimer *r, const struct key *key, uint64_t generation,
                 const struct orphan *orphan)
{
    struct objects *o = r->objects;
    struct record named;
    struct removal *m;

    if (!is_due(o, orphan) || !any_askable(r, orphan) || find_named(o, key, generation, &named) < 0)
        return;
    m = removal_new(r, key, generation, orphan);
    if (m == NULL)
        return;
    objects_begin(o);
    r->n_removals++;
    if (!ask_all(m, &named)) {
        r->n_removals--;
        removal_free(m);
    } else if (m->n_pending == 0) {
        STAILQ_INSERT_TAIL(&r->settled, m, link);
    }
}

static void commit_settled(struct reclaimer *r)
{
    struct removal *m;

    while ((m = STAILQ_FIRST(&r->settled)) != NULL) {
        STAILQ_REMOVE_HEAD(&r->settled, link);
        commit_left(m);
    }
}

/* --- Those that are gone --------------------------------------------------------------------- */

/* Whether any new blob of the key will have a later second. Only a record vouches for that: what
 * became of a later PUT's announcement isn't known. */
static bool is_past(struct objects *o, const struct removal *m)
{
    uint64_t time = orphan_time(&m->orphan, m->generation);
    struct record record;

    if (!blob_time_counts(time))
        return true;
    if (time / 1000 < generations_now(&o->generations, clock_now_ms()) / 1000)
        return true;
    return objects_look_up(o, &m->key, &record) == 0 && blob_time_counts(record.time) &&
           record.time / 1000 > time / 1000;
}

static void tick_cb(uv_timer_t *timer)
{
    struct reclaimer *r = timer->data;
    struct removal *m;

    while ((m = STAILQ_FIRST(&r->gone)) != NULL && m->look_at <= uv_now(timer->loop)) {
        STAILQ_REMOVE_HEAD(&r->gone, link);
        if (!is_past(r->objects, m)) {
            wait_gone(r, m);
            continue;
        }
        r->n_gone--;
        r->n_removals++;
        commit_left(m);
    }
}

/* --- Fresh ones ------------------------------------------------------------------------------ */

static void fresh_cb(uv_idle_t *idle)
{
    struct reclaimer *r = idle->data;
    struct fresh *f;

    while (r->n_removals < FRESH_AT_ONCE && (f = STAILQ_FIRST(&r->fresh)) != NULL) {
        struct orphan orphan;

        STAILQ_REMOVE_HEAD(&r->fresh, link);
        r->n_fresh--;
        if (store_get_orphan(r->objects->store, f->key.bytes, f->key.len, f->generation, &orphan) ==
            0)
            take(r, &f->key, f->generation, &orphan);
        free(f);
    }
    commit_settled(r);
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
    take(r, &r->after, generation, orphan);
    return 0;
}

static void round_cb(uv_timer_t *timer)
{
    struct reclaimer *r = timer->data;

    r->after.len = 0;
    r->after_generation = 0;
    r->n_down = 0;
    r->at_end = false;
    go_on(r);
}

static void turn_cb(uv_timer_t *timer)
{
    go_on(timer->data);
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
    r->objects->reclaimer = NULL;
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

static void go_on(struct reclaimer *r)
{
    if (r->stopping) {
        if (r->n_removals == 0)
            close_handles(r);
        return;
    }
    if (r->n_fresh > 0)
        uv_idle_start(&r->soon, fresh_cb);
    r->looked_at = 0;
    if (!r->at_end && r->n_removals < AT_ONCE / 2)
        r->at_end = store_list_orphans(r->objects->store, r->after.bytes, r->after.len,
                                       r->after_generation, false, orphan_cb, r) <= 0;
    commit_settled(r);
    if (r->at_end)
        end_round(r);
    else if (r->n_removals == 0) /* nothing in hand whose end would go on */
        uv_timer_start(&r->round, turn_cb, 1, 0);
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
    r->round.data = r->tick.data = r->soon.data = r;
    uv_timer_start(&r->round, round_cb, 0, 0);
    uv_timer_start(&r->tick, tick_cb, TICK, TICK);
    *reclaimer = r;
    return 0;
}

/* What is gone and not yet forgotten is removed once more by the next run, in vain. */
void reclaimer_stop(struct reclaimer *r, void (*cb)(void *arg), void *arg)
{
    struct removal *m;
    struct fresh *f;

    r->stopping = true;
    r->stop_cb = cb;
    r->stop_arg = arg;
    uv_timer_stop(&r->round);
    uv_timer_stop(&r->tick);
    uv_idle_stop(&r->soon);
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
    go_on(r);
}
