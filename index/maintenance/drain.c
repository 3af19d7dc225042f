/* Happy path: the volume is marked (drained.h); keys with a copy there get one elsewhere, in passes
 * until one finds none; what lay there are orphans then, and the reclaimer removes them when their
 * last readers have had their time. A PUT that had chosen the volume before has an orphan there
 * from its head on until it has ended, too. So when no orphan is there, one more pass finds
 * what came meanwhile, and with nothing found the volume is empty.
 *
 * Where several indexes share the store, another one may choose the volume until it has heard of
 * the mark. It has, store->settle_ms after the mark was put, or can change nothing. What it
 * announced just before that is in the store at most MAKING_LATE later, or isn't written
 * (making.h). Orphans are looked for only after that time.
 *
 * Failures: keys that can't be moved stay, and the drain ends with their number. From a volume that
 * is away or read-only nothing is removed: it ends without that. Where another index still reaches
 * the volume then, a value that it had begun to write there may come yet. */
#include "index/maintenance/drain.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/maintenance/drained.h"
#include "index/maintenance/moves.h"
#include "index/objects/making.h"

#define LOOK_AGAIN 2000 /* ms */

enum drain_state {
    DRAIN_MARKING, /* the volume */
    DRAIN_MOVING,  /* keys */
    DRAIN_PAUSING, /* before it looks for orphans again */
    DRAIN_LOOKING, /* for orphans */
    DRAIN_UNDONE   /* about to end */
};

struct drain {
    struct job *job;
    struct volume *volume;
    enum drain_state state;
    struct store_reading marking;
    uint64_t known_at; /* loop time from which on every index keeps values away */
    struct moves moves;
    struct key_walk walk; /* through orphans */
    uv_timer_t timer;
    uint64_t n_orphans;
    uint64_t moved_before; /* the pass that runs */
    bool was_drained;      /* before */
    bool looked;           /* no orphan was there, before the pass that runs */
    int rc;
    char text[JOB_TEXT_MAX];
};

static void look_soon(struct drain *d, uint64_t ms);

/* --- The end --------------------------------------------------------------------------------- */

static void closed_cb(uv_handle_t *handle)
{
    struct drain *d = handle->data;
    struct job *job = d->job;
    char text[JOB_TEXT_MAX];
    int rc = d->rc;

    strcpy(text, d->text);
    free(d);
    job_end(job, rc, text);
}

static void end(struct drain *d, int rc)
{
    d->rc = rc;
    uv_close((uv_handle_t *)&d->timer, closed_cb);
}

static void end_empty(struct drain *d)
{
    const char *name = d->volume->name;

    d->job->is_clean = true;
    snprintf(d->text, sizeof(d->text),
             d->n_orphans == 0 ? "%s holds nothing any more: it can be unplugged"
                               : "no key is on %s any more: it can be unplugged",
             name);
    if (d->n_orphans > 0)
        snprintf(d->text + strlen(d->text), sizeof(d->text) - strlen(d->text),
                 ". It is %s, so %" PRIu64
                 " removed values still lie there; `mkv forget %s` gives them up",
                 volume_is_live(d->volume) ? "read-only" : "away", d->n_orphans, name);
    end(d, 0);
}

static void end_early(struct drain *d, int rc)
{
    char moved[MOVES_TEXT_MAX];

    moves_text(d->job, rc, moved);
    snprintf(d->text, sizeof(d->text),
             "%s. %s takes no new values until `mkv drain --undo %s`; to go on, drain it again",
             moved, d->volume->name, d->volume->name);
    end(d, rc);
}

/* --- Keys ------------------------------------------------------------------------------------ */

static bool picks(const struct walked_key *key, struct move_options *options, void *arg)
{
    struct drain *d = arg;

    *options = (struct move_options){.goal = MOVE_TOP_UP, .yields = true};
    for (unsigned i = 0; i < key->record.n_places; i++) {
        if (place_is_of(d->job->objects->places, &key->record.places[i], d->volume))
            options->leaving |= 1U << i;
    }
    return options->leaving != 0;
}

static void moved_cb(int rc, void *arg)
{
    struct drain *d = arg;
    uint64_t moved = job_counted(d->job, "moved") - d->moved_before;

    if (rc < 0 || d->job->is_canceled || job_counted(d->job, "failed") > 0) {
        end_early(d, rc);
    } else if (d->looked && moved == 0) {
        end_empty(d);
    } else {
        look_soon(d, 0);
    }
}

static void move_keys(struct drain *d)
{
    d->state = DRAIN_MOVING;
    d->moved_before = job_counted(d->job, "moved");
    d->moves = (struct moves){
        .job = d->job, .arg = d, .picks = picks, .ended = moved_cb, .until_none = true};
    if (moves_start(&d->moves) < 0)
        end_early(d, UV_ENOMEM);
}

/* --- Orphans --------------------------------------------------------------------------------- */

static bool counts(const struct walked_key *key, void *arg)
{
    struct drain *d = arg;
    bool found = false;

    for (unsigned i = 0; i < key->orphan.n_places && !found; i++)
        found = place_is_of(d->job->objects->places, &key->orphan.places[i], d->volume);
    d->n_orphans += found;
    return false;
}

static void looked_cb(int rc, void *arg)
{
    struct drain *d = arg;

    if (rc < 0 || d->job->is_canceled) {
        end_early(d, rc);
    } else if (d->n_orphans == 0 || !volume_is_writable(d->volume)) {
        d->looked = true;
        move_keys(d);
    } else {
        d->looked = false;
        d->job->total = d->n_orphans;
        d->job->done = 0;
        look_soon(d, LOOK_AGAIN);
    }
}

static void look_cb(uv_timer_t *timer)
{
    struct drain *d = timer->data;

    d->n_orphans = 0;
    d->state = DRAIN_LOOKING;
    d->walk = (struct key_walk){.job = d->job,
                                .arg = d,
                                .at_once = 1,
                                .of_orphans = true,
                                .wants = counts,
                                .ended = looked_cb};
    if (d->job->is_canceled || key_walk_start(&d->walk) < 0)
        end_early(d, d->job->is_canceled ? 0 : UV_ENOMEM);
}

static void look_soon(struct drain *d, uint64_t ms)
{
    uint64_t now = uv_now(d->job->objects->loop);

    d->state = DRAIN_PAUSING;
    d->job->phase = "waiting for what was moved to go (--grace)";
    if (now + ms < d->known_at) {
        d->job->phase = "waiting until all indexes know of it";
        ms = d->known_at - now;
    }
    uv_timer_start(&d->timer, look_cb, ms, 0);
}

/* --- The start ------------------------------------------------------------------------------- */

static void undone_cb(uv_timer_t *timer)
{
    struct drain *d = timer->data;

    d->job->is_clean = true;
    snprintf(d->text, sizeof(d->text),
             d->was_drained ? "%s takes new values again; `mkv rebalance` moves its keys back"
                            : "%s was not drained",
             d->volume->name);
    end(d, 0);
}

static int find_volume(struct job *job, struct volume **volume)
{
    struct objects *o = job->objects;
    const char *name = job->options.volume;
    size_t left;

    *volume = volumes_find(places_volumes(o->places), name, strlen(name));
    if (*volume == NULL)
        return job_refuse(job, UV_EINVAL, "the index knows no volume of that name");
    left = places_count(o->places) - ((*volume)->is_listed && !(*volume)->is_drained);
    if (job->options.undo || left >= o->copies)
        return 0;
    snprintf(job->text, sizeof(job->text),
             "%zu volume%s would be left, and each value needs %u: add others first", left,
             left == 1 ? "" : "s", o->copies);
    return UV_EINVAL;
}

static void begin(struct drain *d)
{
    struct objects *o = d->job->objects;

    drained_load(o);
    d->known_at = uv_now(o->loop) + o->store->settle_ms;
    if (o->store->settle_ms > 0)
        d->known_at += MAKING_LATE;
    if (!d->job->options.undo) {
        move_keys(d);
        return;
    }
    d->state = DRAIN_UNDONE;
    uv_timer_start(&d->timer, undone_cb, 0, 0);
}

static void marked_cb(struct store_reading *reading, int rc);

static int mark(struct drain *d)
{
    return drained_put(d->job->objects, &d->marking, d->volume, !d->job->options.undo, marked_cb);
}

/* Another index may have changed the list meanwhile, and drained too many others. */
static void marked_cb(struct store_reading *reading, int rc)
{
    struct drain *d = reading->data;

    strcpy(d->text, "the list of drained volumes can't be written");
    if (rc == STORE_CONFLICT) {
        drained_load(d->job->objects);
        rc = find_volume(d->job, &d->volume);
        if (rc < 0)
            strcpy(d->text, d->job->text);
        else
            rc = mark(d);
    }
    if (rc == STORE_LATER)
        return;
    if (rc < 0)
        end(d, rc);
    else
        begin(d);
}

static int start(struct job *job)
{
    struct volume *volume;
    struct drain *d;
    int rc = find_volume(job, &volume);

    if (rc < 0)
        return rc;
    d = calloc(1, sizeof(*d));
    if (d == NULL)
        return job_refuse(job, UV_ENOMEM, "out of memory");
    *d = (struct drain){.job = job, .volume = volume, .was_drained = volume->is_drained};
    d->marking.data = d;
    rc = mark(d);
    if (rc < 0) {
        free(d);
        return job_refuse(job, rc, "the list of drained volumes can't be written");
    }
    job->data = d;
    uv_timer_init(job->objects->loop, &d->timer);
    d->timer.data = d;
    if (rc != STORE_LATER)
        begin(d);
    return 0;
}

/* What was to be marked may be all the same, a moment later. */
static void cancel_marking(struct drain *d)
{
    store_cancel(d->job->objects->store, &d->marking);
    snprintf(d->text, sizeof(d->text), "cancelled while the list of drained volumes was written");
    end(d, 0);
}

static void cancel(struct job *job)
{
    struct drain *d = job->data;

    if (uv_is_closing((uv_handle_t *)&d->timer))
        return;
    if (d->state == DRAIN_MARKING)
        cancel_marking(d);
    else if (d->state == DRAIN_MOVING)
        moves_cancel(&d->moves);
    else if (d->state == DRAIN_LOOKING)
        key_walk_cancel(&d->walk);
    else if (d->state == DRAIN_PAUSING)
        uv_timer_start(&d->timer, look_cb, 0, 0);
}

const struct job_type drain_type = {
    .name = "drain", .noun = "keys", .needs_volume = true, .start = start, .cancel = cancel};
