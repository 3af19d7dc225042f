/* The removal of one orphan: its volumes are asked all at once, and what is left of it is
 * committed, if that is less. When nothing is left and the key's record names this very blob (a
 * move has left copies of it), the store forgets the orphan at once: the record has its time. Else
 * the orphan waits in `gone` for two seconds at least, until any new blob of the key will have a
 * later second, and so another ETag (generation.h): the clock has passed the orphan's, or the key
 * has a value of a later one.
 *
 * Volumes that could not be asked are in `down` to the round's end, so that a thousand orphans on a
 * dead volume cost one timeout. */
#include <stdlib.h>
#include <string.h>

#include "index/base/clock.h"
#include "index/base/log.h"
#include "index/objects/orphans.h"
#include "index/objects/reclaim_internal.h"

#define FORGET_AFTER 2000     /* ms from a blob's end to its orphan's, or to another look at that */
#define GRACE_MAX    86400000 /* ms, of any index */
#define GONE_MAX     8192     /* more are not remembered: the next round deletes them once more */

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
    if (!is_down(r, volume) && r->n_down < REMOVALS_DOWN_MAX)
        r->down[r->n_down++] = volume;
}

/* --- One orphan ------------------------------------------------------------------------------ */

void removal_free(struct removal *m)
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
    reclaimer_go_on(r);
}

/* Of one that can't be committed, from wherever that was tried: others go on in a turn to come. */
static void removal_drop(struct removal *m)
{
    struct reclaimer *r = m->reclaimer;

    removal_free(m);
    r->n_removals--;
    reclaimer_go_on_soon(r);
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
    if (m->left.n_places == 0 && m->is_value) {
        r->removed++;
        commit_left(m);
    } else if (m->left.n_places == 0 && r->n_gone < GONE_MAX && !r->stopping) {
        r->removed++;
        r->n_removals--;
        r->n_gone++;
        wait_gone(r, m);
        reclaimer_go_on(r);
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
    if (rc < 0 && transfer->tries > 0)
        m->left.until = clock_now_ms() + o->grace;
}

/* It is gone; but where libcurl had to send the DELETE twice, the first one may still be carried
 * out, and the blob may be wanted there again. */
static void note_success(struct removal *m, const struct transfer *transfer, unsigned i)
{
    if (!m->is_value || transfer->tries <= 1)
        return;
    keep(m, i);
    m->left.until = clock_now_ms() + m->reclaimer->objects->grace;
}

static void deleted_cb(struct transfer *transfer, int rc, int status)
{
    struct removal *m = transfer->data;
    unsigned i = (unsigned)(transfer - m->transfers);

    volume_report(transfer->volume, rc, status);
    if (volume_has_answered(transfer->volume, transfer) &&
        (transfer_succeeded(rc, status) || status == 404))
        note_success(m, transfer, i);
    else
        note_failure(m, transfer, i, rc, status);
    if (--m->n_pending == 0)
        removed(m);
}

/* The volume of a place, if it can be asked now. An index that was suspended acts on what it read
 * long ago: another one may have removed the blob since, and a move may have put it there again. */
static struct volume *askable(const struct reclaimer *r, const struct place *place)
{
    struct volume *volume = place_live(r->objects->places, place);

    if (volume == NULL || !store_holds(r->objects->store) || !volume_is_writable(volume) ||
        is_down(r, place->volume))
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
static bool is_named(const struct removal *m, const struct record *named, unsigned i)
{
    return m->is_value && places_have(m->reclaimer->objects->places, named->places, named->n_places,
                                      &m->orphan.places[i]);
}

/* Asks all volumes that can be asked. `named`: the key's record, if it is_value. Whether there is
 * anything to wait for, or to commit. */
static bool ask_all(struct removal *m, const struct record *named)
{
    char path[PLACEMENT_PATH_MAX];

    placement_path(m->key.bytes, m->key.len, m->generation, path);
    for (unsigned i = 0; i < m->orphan.n_places; i++) {
        if (is_named(m, named, i))
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
    m->hold.is_removing = true;
    return m;
}

/* Nothing is to stay for longer than the grace: then the clock has gone back. Where several indexes
 * share the store, it may be another one's. */
static bool is_due(const struct objects *o, const struct orphan *orphan)
{
    uint64_t now = clock_now_ms();
    uint64_t longest = o->store->numbers > 1 ? GRACE_MAX : o->grace;

    return orphan->until <= now || orphan->until > now + longest;
}

static bool any_askable(const struct reclaimer *r, const struct orphan *orphan)
{
    for (unsigned i = 0; i < orphan->n_places; i++) {
        if (askable(r, &orphan->places[i]) != NULL)
            return true;
    }
    return false;
}

/* The key was looked up. */
static void begin(struct removal *m, int rc, const struct record *named)
{
    struct reclaimer *r = m->reclaimer;

    m->is_value = rc == 0 && named->generation == m->generation;
    if ((rc < 0 && rc != UV_ENOENT) || r->stopping || !ask_all(m, named)) {
        r->n_removals--;
        removal_free(m);
    } else if (m->n_pending == 0) {
        STAILQ_INSERT_TAIL(&r->settled, m, link);
    }
}

static void looked_up_cb(struct store_reading *reading, int rc, const struct record *record)
{
    struct removal *m = reading->data;
    struct reclaimer *r = m->reclaimer;

    begin(m, rc, record);
    removals_commit(r);
    reclaimer_go_on(r);
}

void removal_take(struct reclaimer *r, const struct key *key, uint64_t generation,
                  const struct orphan *orphan)
{
    struct record named;
    struct removal *m;
    int rc;

    if (!is_due(r->objects, orphan) || !any_askable(r, orphan))
        return;
    m = removal_new(r, key, generation, orphan);
    if (m == NULL)
        return;
    objects_begin(r->objects);
    r->n_removals++;
    m->reading.data = m;
    rc = objects_look_up(r->objects, &m->reading, &m->key, &named, looked_up_cb);
    if (rc != STORE_LATER)
        begin(m, rc, &named);
}

void removals_commit(struct reclaimer *r)
{
    struct removal *m;

    while ((m = STAILQ_FIRST(&r->settled)) != NULL) {
        STAILQ_REMOVE_HEAD(&r->settled, link);
        commit_left(m);
    }
}

/* --- Those that are gone --------------------------------------------------------------------- */

/* Whether any new blob of the key will have a later second, by the clock. */
static bool is_past(struct objects *o, uint64_t time)
{
    return !blob_time_counts(time) ||
           time / 1000 < generations_now(&o->generations, clock_now_ms()) / 1000;
}

/* Or by the key's record. Only that vouches for it: what became of a later PUT's announcement isn't
 * known. */
static void judge(struct removal *m, int rc, const struct record *record)
{
    struct reclaimer *r = m->reclaimer;
    uint64_t time = orphan_time(&m->orphan, m->generation);

    if (rc == 0 && blob_time_counts(record->time) && record->time / 1000 > time / 1000) {
        r->n_gone--;
        r->n_removals++;
        commit_left(m);
    } else if (r->stopping) {
        r->n_gone--;
        removal_free(m);
    } else {
        wait_gone(r, m);
    }
}

static void judge_cb(struct store_reading *reading, int rc, const struct record *record)
{
    struct removal *m = reading->data;
    struct reclaimer *r = m->reclaimer;

    r->n_judged--;
    judge(m, rc, record);
    if (r->stopping)
        reclaimer_go_on(r);
}

static void forget(struct removal *m)
{
    struct reclaimer *r = m->reclaimer;
    struct record record;
    int rc;

    if (is_past(r->objects, orphan_time(&m->orphan, m->generation))) {
        r->n_gone--;
        r->n_removals++;
        commit_left(m);
        return;
    }
    rc = objects_look_up(r->objects, &m->reading, &m->key, &record, judge_cb);
    if (rc == STORE_LATER)
        r->n_judged++;
    else
        judge(m, rc, &record);
}

void removals_forget(struct reclaimer *r)
{
    struct removal *m;

    while ((m = STAILQ_FIRST(&r->gone)) != NULL && m->look_at <= uv_now(r->objects->loop)) {
        STAILQ_REMOVE_HEAD(&r->gone, link);
        forget(m);
    }
}
