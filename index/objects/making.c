/* Happy path: the store is told that the blob will be an orphan at the volumes that are to get it:
 * should mkv die from now on, it knows what to reclaim. When enough of them hold the blob durably,
 * one commit makes it the key's and no orphan, and the blob that it replaces one.
 *
 * A prompt store is asked first what the key has, and refuses what it can at once. One that isn't
 * tells it with the announcement, which saves a round trip: so the blob's generation is chosen
 * before. Where that, or its second, turns out not to be the key's latest, the blob gets another.
 * Only who may have the key holds a second of it: those that are refused must not use them up.
 *
 * Failures: the blob is given up, the commit fails, or the key has got another record. That is
 * looked at as the first one was: it was a DELETE or UNLINK perhaps, and the blob can have its
 * place all the same. A later value than ours isn't replaced. Where values may replace each other,
 * ours is then superseded; with a condition it has lost, for nobody knows whether the condition
 * held just before that value came. */
#include "index/objects/making.h"

#include <stdlib.h>

#include "index/base/clock.h"
#include "index/objects/leftovers.h"
#include "index/objects/orphans.h"
#include "index/objects/reclaim.h"

#define VAIN_MAX 4 /* commits; what a value takes the place of may have changed instead */

/* --- What is left ---------------------------------------------------------------------------- */

/* The places to reclaim: those that may have the blob and aren't in the record. If a request had no
 * answer, they stay for the grace. */
static void find_leftovers(const struct making *m, bool stored, struct orphan *orphan)
{
    bool late = false;

    orphan->n_places = 0;
    orphan->time = m->record.time;
    for (size_t i = 0; i < m->n_targets; i++) {
        const struct upload_target *t = &m->targets[i];

        if (!t->may_hold && (stored || !t->holds))
            continue;
        orphan->places[orphan->n_places++] = t->place;
        late |= t->is_late;
    }
    orphan->until = late ? clock_now_ms() + m->objects->grace : 0;
}

/* The change that makes that the orphan of the blob's generation. */
static struct store_change leftovers_change(const struct making *m, const struct orphan *left)
{
    return (struct store_change){
        .space = STORE_ORPHANS,
        .key = m->key.bytes,
        .len = m->key.len,
        .generation = m->record.generation,
        .orphan = left->n_places > 0 ? left : NULL,
    };
}

static void end(struct making *m)
{
    free(m->removed);
    objects_release(m->objects, &m->hold);
    m->options.ended(m);
}

static void end_with_orphan(struct making *m)
{
    reclaimer_add(m->objects->reclaimer, &m->key, m->record.generation);
    end(m);
}

/* If that can't be changed, the announcement is what the store knows, if it is still there. */
static void settled_cb(struct store_commit *commit, int rc)
{
    struct making *m = commit->data;
    struct orphan left;

    find_leftovers(m, false, &left);
    if (rc < 0)
        leftovers_tell(m->objects, &m->key, m->record.generation, &left);
    if (rc < 0 || left.n_places > 0)
        end_with_orphan(m);
    else
        end(m);
}

void making_settle(struct making *m)
{
    struct orphan left;
    struct store_change change;

    if (!m->is_announced) {
        end(m);
        return;
    }
    find_leftovers(m, false, &left);
    change = leftovers_change(m, &left);
    if (store_commit(m->objects->store, &m->commit, &change, 1, settled_cb) < 0)
        settled_cb(&m->commit, UV_ENOMEM);
}

/* --- What the key has ------------------------------------------------------------------------ */

static int ask_condition(struct making *m, const struct record *record)
{
    if (!m->has_condition)
        return 0;
    return m->options.condition != NULL ? m->options.condition(m->options.arg, record)
                                        : UV_ECANCELED;
}

static bool has_value(const struct making *m)
{
    return m->view.exists && !(m->view.record.flags & RECORD_UNLINKED);
}

/* Whether the key's value may be replaced, by the view. */
static int judge(struct making *m)
{
    bool has = has_value(m);
    int rc = ask_condition(m, has ? &m->view.record : NULL);

    if (rc < 0)
        return rc;
    return has && !m->options.replaces ? UV_EEXIST : 0;
}

/* A blob that another index has made meanwhile may have our second, whatever its generation. */
static bool is_later(const struct record *old, const struct record *record)
{
    return old->generation >= record->generation ||
           (blob_time_counts(old->time) && old->time / 1000 >= record->time / 1000);
}

/* The same once more, after a commit that met something else. A later value, unlinked since or not,
 * is not to be replaced by an older one. (Orphans say nothing here: those of PUTs that are on their
 * way are among them, which may come to nothing.) */
static int judge_again(struct making *m)
{
    int rc = judge(m);

    if (rc < 0 || !m->view.exists || !is_later(&m->view.record, &m->record))
        return rc;
    if (!m->options.replaces)
        return UV_EEXIST;
    m->is_superseded = !m->has_condition;
    return m->has_condition ? STORE_CONFLICT : 0;
}

static const char *text_of(int rc)
{
    if (rc == UV_EEXIST)
        return "the key exists\n";
    if (rc == STORE_CONFLICT)
        return "the key has got another value meanwhile\n";
    if (rc == UV_ENOENT)
        return "what the value takes the place of is gone\n";
    if (rc == UV_ENOMEM)
        return "out of memory\n";
    if (rc == UV_EIO || rc == UV_EBUSY || rc == STORE_AWAY)
        return "the index can't be read\n";
    return "a condition does not hold\n";
}

/* --- The commit ------------------------------------------------------------------------------ */

const char making_lost_track[] = "the index has lost track of the value: send it again\n";

static void fail(struct making *m, int rc, const char *text)
{
    m->options.done(m, rc, text);
    making_settle(m);
}

static bool is_same(const struct store_view *a, const struct store_view *b)
{
    return a->exists == b->exists && (!a->exists || record_equal(&a->record, &b->record)) &&
           a->orphan.n_places == b->orphan.n_places &&
           (a->orphan.n_places == 0 || a->orphan.until == b->orphan.until);
}

/* Where nothing that the commit goes by has changed, it is the blob's own announcement that isn't
 * there any more: another index has taken it over, or the database has lost it. */
static void seen_again(struct making *m, int rc, const struct store_view *view)
{
    bool is_lost = false;

    if (rc == 0) {
        m->vain = is_same(&m->view, view) ? m->vain + 1 : 0;
        is_lost = m->vain == VAIN_MAX;
        store_view_copy(&m->view, view);
        rc = judge_again(m);
    }
    if (rc < 0)
        fail(m, rc, text_of(rc));
    else if (m->is_superseded)
        m->options.done(m, 0, "");
    else if (is_lost)
        fail(m, UV_EAGAIN, making_lost_track);
    else
        making_commit(m);
}

static void viewed_again_cb(struct store_reading *reading, int rc, const struct store_view *view)
{
    seen_again(reading->data, rc, view);
}

static void conflict(struct making *m)
{
    struct store_view view;
    int rc = objects_view(m->objects, &m->reading, &m->key, &view, viewed_again_cb);

    if (rc != STORE_LATER)
        seen_again(m, rc, &view);
}

static void succeed(struct making *m)
{
    struct objects *o = m->objects;

    objects_changed(o, &m->key, has_value(m), true);
    if (m->removed != NULL) {
        objects_changed(o, m->options.removes, true, false);
        reclaimer_add(o->reclaimer, m->options.removes, m->removed->record.generation);
    }
    m->options.done(m, 0, "");
    if (m->leaves)
        end_with_orphan(m);
    else
        end(m);
}

static void committed_cb(struct store_commit *commit, int rc)
{
    struct making *m = commit->data;

    if (rc == STORE_CONFLICT) {
        conflict(m);
    } else if (rc < 0) {
        fail(m, rc, "the index can't be changed\n");
    } else {
        succeed(m);
    }
}

/* What is replaced stays for a while, for those who were sent to it. */
static int replace_old(struct making *m, struct orphan_change *replaced,
                       struct store_change *change)
{
    struct objects *o = m->objects;
    const struct record *old = &m->view.record;
    int rc;

    orphan_change_init(replaced, &m->view.orphan, old);
    rc = orphan_change_add(o, replaced, old->places, old->n_places, clock_now_ms() + o->grace);
    if (rc == 0)
        *change = orphan_change_of(&m->key, old->generation, replaced);
    return rc;
}

/* Where this index has become another instance since the announcement, another index may have taken
 * that over, and begun to remove the blob. */
bool making_is_ours(const struct making *m)
{
    return m->objects->store->instance == m->instance;
}

static void commit_it(struct making *m)
{
    bool replaces = m->view.exists;
    struct store_change changes[5] = {{
        .space = STORE_KEYS,
        .key = m->key.bytes,
        .len = m->key.len,
        .record = &m->record,
        .expect = replaces ? STORE_EXACTLY : STORE_NOTHING,
        .was = &m->view.record,
    }};
    struct orphan_change replaced;
    struct orphan_change removed;
    struct orphan left;
    size_t n = 2;
    int rc = 0;

    if (!making_is_ours(m)) {
        fail(m, UV_EAGAIN, making_lost_track);
        return;
    }
    find_leftovers(m, true, &left);
    m->leaves = left.n_places > 0;
    changes[1] = leftovers_change(m, &left);
    changes[1].expect = STORE_OWN;
    if (replaces)
        rc = replace_old(m, &replaced, &changes[n++]);
    if (rc == 0 && m->removed != NULL) {
        rc = orphan_changes_of_removal(m->objects, m->options.removes, m->removed, &removed,
                                       &changes[n]);
        n += 2;
    }
    if (rc == 0)
        rc = store_commit(m->objects->store, &m->commit, changes, n, committed_cb);
    if (rc < 0)
        fail(m, rc, "the index can't be changed\n");
}

static void seen_removed(struct making *m, int rc)
{
    if (rc == 0 && !m->removed->exists)
        rc = UV_ENOENT;
    if (rc == 0)
        commit_it(m);
    else
        fail(m, rc, text_of(rc));
}

static void viewed_removed_cb(struct store_reading *reading, int rc, const struct store_view *view)
{
    struct making *m = reading->data;

    if (rc == 0)
        store_view_copy(m->removed, view);
    seen_removed(m, rc);
}

/* Looks at what the value takes the place of, first. */
static void commit_with_removal(struct making *m)
{
    int rc;

    if (m->removed == NULL)
        m->removed = calloc(1, sizeof(*m->removed));
    rc = m->removed == NULL ? UV_ENOMEM
                            : objects_view(m->objects, &m->reading, m->options.removes, m->removed,
                                           viewed_removed_cb);
    if (rc != STORE_LATER)
        seen_removed(m, rc);
}

void making_commit(struct making *m)
{
    if (m->options.removes != NULL)
        commit_with_removal(m);
    else
        commit_it(m);
}

/* --- The start ------------------------------------------------------------------------------- */

/* One that is greater than what is replaced has, which an index may have made whose clock is ahead:
 * who rebuilds the index takes a key's greatest. The number is another one with another lease. */
static uint64_t make_generation(struct objects *o, const struct store_view *view)
{
    uint64_t made;

    o->generations.number = o->store->number;
    made = generation_make(&o->generations, clock_now_ms());
    if (view->exists && made <= view->record.generation)
        made = generation_make(&o->generations, generation_time(view->record.generation) + 1);
    return made;
}

static int hold(struct making *m)
{
    return objects_hold(m->objects, &m->hold, &m->key, m->record.generation, m->record.time);
}

/* Gives the blob a generation and a time, by what is known of the key. Blobs of one key that are
 * made at once have different seconds too: one may replace the other. */
static int take(struct making *m)
{
    struct objects *o = m->objects;

    m->record.generation = make_generation(o, &m->view);
    m->record.time =
        blob_time_make(m->record.generation, orphans_latest_time(o, &m->key, &m->view));
    return hold(m);
}

/* The same where nothing is known yet. */
static void take_blindly(struct making *m)
{
    m->record.generation = make_generation(m->objects, &m->view);
    m->record.time = blob_time_make(m->record.generation, 0);
}

/* Of several indexes, another one may have drained one of the volumes since they were chosen. It
 * waits for a while for what is announced (drain.h), and then no more. */
static bool is_too_late(const struct making *m)
{
    const struct objects *o = m->objects;
    bool drained = false;

    for (size_t i = 0; i < m->n_targets; i++)
        drained |= m->targets[i].volume->is_drained;
    return drained && o->store->settle_ms > 0 && uv_now(o->loop) - m->announced_at > MAKING_LATE;
}

static void announced(struct making *m, int rc, const char *text)
{
    if (rc == 0 && is_too_late(m)) {
        rc = UV_EAGAIN;
        text = "volumes were drained meanwhile\n";
    }
    m->options.announced(m, rc, text);
}

static void renamed_cb(struct store_commit *commit, int rc)
{
    struct making *m = commit->data;

    m->is_announced = rc == 0;
    if (rc == STORE_CONFLICT)
        announced(m, UV_EAGAIN, making_lost_track);
    else
        announced(m, rc, rc < 0 ? "the index can't be changed\n" : "");
}

/* The blob at any of the chosen volumes is an orphan until the key names it. */
static struct store_change announcement(const struct making *m, struct orphan *orphan)
{
    struct store_change change;

    orphan->until = clock_now_ms() + m->objects->grace;
    orphan->time = m->record.time;
    orphan->n_places = 0;
    for (size_t i = 0; i < m->n_targets; i++)
        orphan->places[orphan->n_places++] = m->targets[i].place;
    change = leftovers_change(m, orphan);
    change.expect = STORE_NOTHING;
    return change;
}

/* Announces the blob by another name in place of the first, which no volume has heard of. Should
 * that fail, a round of the reclaimer finds the first. */
static void rename_blob(struct making *m)
{
    struct orphan none = {.n_places = 0};
    struct orphan orphan;
    struct store_change changes[2] = {leftovers_change(m, &none)};
    int rc;

    changes[0].expect = STORE_OWN;
    m->is_announced = false;
    rc = take(m);
    changes[1] = announcement(m, &orphan);
    if (rc == 0)
        rc = store_commit(m->objects->store, &m->commit, changes, 2, renamed_cb);
    if (rc < 0)
        announced(m, rc, "the index can't be changed\n");
}

/* Whether the blob is later than all that the key is known to have had. It isn't where a reading
 * has seen the blob's own announcement: then it gets another name in vain. */
static bool is_latest(const struct making *m)
{
    const struct store_view *view = &m->view;

    return !(view->exists && is_later(&view->record, &m->record)) &&
           orphans_latest_time(m->objects, &m->key, view) / 1000 < m->record.time / 1000;
}

static void looked(struct making *m, int rc, const struct store_view *view)
{
    if (rc == 0) {
        store_view_copy(&m->view, view);
        rc = judge(m);
    }
    if (rc == 0 && !is_latest(m)) {
        rename_blob(m);
        return;
    }
    if (rc == 0)
        rc = hold(m);
    announced(m, rc, rc < 0 ? text_of(rc) : "");
}

static void looked_cb(struct store_reading *reading, int rc, const struct store_view *view)
{
    looked(reading->data, rc, view);
}

/* Looks at the key, if the announcement didn't. */
static void announced_cb(struct store_commit *commit, int rc)
{
    struct making *m = commit->data;
    struct store_view view;

    m->is_announced = rc == 0;
    if (rc < 0) {
        announced(m, rc, "the index can't be changed\n");
    } else if (m->objects->store->is_prompt) {
        announced(m, 0, "");
    } else if (commit->view != NULL) {
        looked(m, 0, commit->view);
    } else {
        rc = objects_view(m->objects, &m->reading, &m->key, &view, looked_cb);
        if (rc != STORE_LATER)
            looked(m, rc, &view);
    }
}

int making_announce(struct making *m, const struct upload_target *targets, size_t n)
{
    struct orphan orphan;
    struct store_change change;

    m->targets = targets;
    m->n_targets = n;
    m->announced_at = uv_now(m->objects->loop);
    m->instance = m->objects->store->instance;
    change = announcement(m, &orphan);
    return store_announce(m->objects->store, &m->commit, &change, announced_cb);
}

int making_init(struct making *m, struct objects *o, const struct key *key,
                const struct making_options *options, const char **text)
{
    int rc;

    m->objects = o;
    m->options = *options;
    m->has_condition = options->condition != NULL;
    m->key = *key;
    m->commit.data = m->reading.data = m;
    store_view_begin(&m->view, false);
    if (!o->store->is_prompt) {
        take_blindly(m);
        return 0;
    }
    rc = objects_view(o, &m->reading, &m->key, &m->view, looked_cb);
    if (rc == 0)
        rc = judge(m);
    if (rc == 0)
        rc = take(m);
    if (rc < 0)
        *text = text_of(rc);
    return rc;
}

void making_deinit(struct making *m)
{
    objects_release(m->objects, &m->hold);
}

void making_forget(struct making *m)
{
    m->options.condition = NULL;
}
