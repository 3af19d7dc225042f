/* Happy path: a walk through the keys takes the volume's places out of their records, and one
 * through the orphans out of those; each in a commit that expects what was found.
 *
 * Failures: a key that is changed meanwhile is looked at again at once. A commit that fails ends
 * the job. */
#include "index/maintenance/forget.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/maintenance/finding.h"
#include "index/maintenance/key_walk.h"

struct forget {
    struct job *job;
    struct volume *volume;
    bool *gone; /* by id in the store, of n_gone: it is a disk that is given up */
    uint32_t n_gone;
    struct key_walk walk;
    int rc; /* of a commit that has failed */
};

/* The change of a key, or of an orphan. */
struct forgetting {
    struct forget *forget;
    struct walked_key was;
    struct record record;
    struct orphan orphan;
    struct store_commit commit;
    struct store_reading reading; /* of what it is by now, after a conflict */
};

static int begin_pass(struct forget *f, bool of_orphans);
static int start_one(const struct walked_key *key, void *arg);

static bool is_gone(const struct forget *f, const struct place *place)
{
    struct places *places = f->job->objects->places;

    return place->volume < f->n_gone && f->gone[place->volume] && place_live(places, place) == NULL;
}

static unsigned keep_others(const struct forget *f, const struct place *places, unsigned n,
                            struct place *kept)
{
    unsigned n_kept = 0;

    for (unsigned i = 0; i < n; i++) {
        if (!is_gone(f, &places[i]))
            kept[n_kept++] = places[i];
    }
    return n_kept;
}

static bool wants(const struct walked_key *key, void *arg)
{
    struct forget *f = arg;
    const struct place *places = f->walk.of_orphans ? key->orphan.places : key->record.places;
    unsigned n = f->walk.of_orphans ? key->orphan.n_places : key->record.n_places;
    bool found = false;

    for (unsigned i = 0; i < n && !found; i++)
        found = is_gone(f, &places[i]);
    return found;
}

/* The other keys would have no better luck. */
static int give_up(struct forget *f, int rc)
{
    f->rc = rc;
    key_walk_cancel(&f->walk);
    return rc;
}

/* It is known what it is by now, in g->was; negative: there is none. */
static void seen_again(struct forgetting *g, int rc)
{
    struct forget *f = g->forget;
    struct walked_key now = g->was;

    free(g);
    if (rc < 0 && rc != UV_ENOENT)
        give_up(f, rc);
    if (rc == 0 && !f->job->is_canceled && wants(&now, f) && start_one(&now, f) == 0)
        return;
    key_walk_ended(&f->walk);
}

static void got_cb(struct store_reading *reading, int rc, const struct record *record)
{
    struct forgetting *g = reading->data;

    if (rc == 0)
        record_copy(&g->was.record, record);
    seen_again(g, rc);
}

static void got_orphan_cb(struct store_reading *reading, int rc, const struct orphan *orphan)
{
    struct forgetting *g = reading->data;

    if (rc == 0)
        g->was.orphan = *orphan;
    seen_again(g, rc);
}

static void look_again(struct forgetting *g)
{
    const struct objects *o = g->forget->job->objects;
    struct walked_key *was = &g->was;
    int rc;

    g->reading.data = g;
    if (g->forget->walk.of_orphans)
        rc = store_get_orphan(o->store, &g->reading, was->key.bytes, was->key.len, was->generation,
                              &was->orphan, got_orphan_cb);
    else
        rc = objects_look_up(o, &g->reading, &was->key, &was->record, got_cb);
    if (rc != STORE_LATER)
        seen_again(g, rc);
}

static void committed_cb(struct store_commit *commit, int rc)
{
    struct forgetting *g = commit->data;
    struct forget *f = g->forget;

    if (rc == STORE_CONFLICT && !f->job->is_canceled) {
        look_again(g);
        return;
    }
    free(g);
    if (rc == 0)
        job_count(f->job, f->walk.of_orphans ? "orphans" : "forgotten", 1);
    else if (rc != STORE_CONFLICT)
        give_up(f, rc);
    key_walk_ended(&f->walk);
}

static struct store_change change_of_key(struct forgetting *g)
{
    const struct forget *f = g->forget;
    const struct record *was = &g->was.record;

    g->record = *was;
    g->record.n_places = keep_others(f, was->places, was->n_places, g->record.places);
    g->record.placed_by = was->generation > 0 ? places_mark(f->job->objects->places, false) : 0;
    return (struct store_change){.space = STORE_KEYS,
                                 .key = g->was.key.bytes,
                                 .len = g->was.key.len,
                                 .record = &g->record,
                                 .expect = STORE_EXACTLY,
                                 .was = was};
}

static struct store_change change_of_orphan(struct forgetting *g)
{
    const struct orphan *was = &g->was.orphan;

    g->orphan = *was;
    g->orphan.n_places = keep_others(g->forget, was->places, was->n_places, g->orphan.places);
    return (struct store_change){.space = STORE_ORPHANS,
                                 .key = g->was.key.bytes,
                                 .len = g->was.key.len,
                                 .generation = g->was.generation,
                                 .orphan = g->orphan.n_places > 0 ? &g->orphan : NULL,
                                 .expect = STORE_EXACTLY,
                                 .orphan_was = was};
}

static int start_one(const struct walked_key *key, void *arg)
{
    struct forget *f = arg;
    struct forgetting *g = malloc(sizeof(*g));
    struct store_change change;
    int rc;

    if (g == NULL)
        return give_up(f, UV_ENOMEM);
    *g = (struct forgetting){.forget = f, .was = *key};
    g->commit.data = g;
    change = f->walk.of_orphans ? change_of_orphan(g) : change_of_key(g);
    if (!f->walk.of_orphans && g->record.n_places == 0) {
        job_count(f->job, "lost", 1);
        finding_tell(f->job, "lost", &key->key, f->volume->name, "it has no other copy");
        free(g);
        return UV_ENOENT;
    }
    rc = store_commit(f->job->objects->store, &g->commit, &change, 1, committed_cb);
    if (rc < 0) {
        give_up(f, rc);
        free(g);
    }
    return rc;
}

static void forget_free(struct forget *f)
{
    free(f->gone);
    free(f);
}

static void end(struct forget *f, int rc)
{
    struct job *job = f->job;
    uint64_t lost = job_counted(job, "lost");
    char text[JOB_TEXT_MAX];
    uint64_t forgotten = job_counted(job, "forgotten");
    int n = snprintf(text, sizeof(text), "copies of %" PRIu64 " key%s on %s are forgotten",
                     forgotten, forgotten == 1 ? "" : "s", f->volume->name);

    if (rc < 0)
        snprintf(text + n, sizeof(text) - (size_t)n, "; then the index can't be changed: %s",
                 uv_strerror(rc));
    else if (lost > 0)
        snprintf(text + n, sizeof(text) - (size_t)n,
                 "; %" PRIu64 " keys are lost, since they had no other copy: DELETE them", lost);
    else if (forgotten > 0)
        snprintf(text + n, sizeof(text) - (size_t)n, "; `mkv verify --repair` makes new ones");
    job->is_clean = lost == 0;
    forget_free(f);
    job_end(job, rc, text);
}

static void walked_cb(int rc, void *arg)
{
    struct forget *f = arg;
    bool of_orphans = f->walk.of_orphans;

    if (rc == 0)
        rc = f->rc;
    if (rc < 0 || f->job->is_canceled || of_orphans || (rc = begin_pass(f, true)) < 0)
        end(f, rc);
}

static int begin_pass(struct forget *f, bool of_orphans)
{
    struct job *job = f->job;
    struct store_stats stats;

    store_stats(job->objects->store, &stats);
    job->phase = of_orphans ? "forgetting its orphans" : "forgetting its copies";
    job->total = of_orphans ? stats.orphans : stats.keys + stats.unlinked;
    job->done = 0;
    f->walk = (struct key_walk){.job = job,
                                .arg = f,
                                .at_once = KEY_WALK_BATCH,
                                .of_orphans = of_orphans,
                                .wants = wants,
                                .start = start_one,
                                .ended = walked_cb};
    return key_walk_start(&f->walk);
}

/* Notes the disks that have stood at the volume's address and aren't there: that of a volume which
 * goes down while the job runs is none of them. 0, or UV_ENOMEM. */
static int find_gone(struct forget *f, bool *any)
{
    const struct objects *o = f->job->objects;

    *any = false;
    while (store_volume_name(o->store, f->n_gone) != NULL)
        f->n_gone++;
    f->gone = calloc(f->n_gone + 1, sizeof(*f->gone));
    if (f->gone == NULL)
        return UV_ENOMEM;
    for (uint32_t id = 0; id < f->n_gone; id++) {
        const struct place place = {.volume = id};

        f->gone[id] =
            place_is_of(o->places, &place, f->volume) && place_live(o->places, &place) == NULL;
        *any = *any || f->gone[id];
    }
    return 0;
}

static int begin(struct forget *f)
{
    struct job *job = f->job;
    bool any;

    if (f->volume == NULL)
        return job_refuse(job, UV_EINVAL, "the index knows no volume of that name");
    if (find_gone(f, &any) < 0)
        return job_refuse(job, UV_ENOMEM, "out of memory");
    if (!any)
        return job_refuse(job, UV_EINVAL,
                          volume_is_live(f->volume) ? "its disk is there: drain it instead"
                                                    : "no disk was ever there");
    return begin_pass(f, false) < 0 ? job_refuse(job, UV_ENOMEM, "out of memory") : 0;
}

static int start(struct job *job)
{
    const char *name = job->options.volume;
    struct forget *f = calloc(1, sizeof(*f));
    int rc;

    if (f == NULL)
        return job_refuse(job, UV_ENOMEM, "out of memory");
    f->job = job;
    f->volume = volumes_find(places_volumes(job->objects->places), name, strlen(name));
    rc = begin(f);
    if (rc < 0)
        forget_free(f);
    else
        job->data = f;
    return rc;
}

static void cancel(struct job *job)
{
    struct forget *f = job->data;

    key_walk_cancel(&f->walk);
}

const struct job_type forget_type = {
    .name = "forget", .noun = "keys", .needs_volume = true, .start = start, .cancel = cancel};
