/* Happy path: the volumes that are to have a copy and have none are found, and the store is told
 * that the blob will be an orphan there; one after the other gets it from another place (relay.h),
 * is found to have the right bytes, and brings it to disk; one commit makes the record name the new
 * places, and those that it names no more an orphan's. Where more copies go than are made, those
 * that there are are read first: the one that goes may be the last good one.
 *
 * Failures: a volume that should have a copy is down or full, or no place can be read; a copy
 * fails, or one that was to stay is no good; the key has changed meanwhile. What was copied is an
 * orphan, and the reclaimer's. The blob keeps its generation: while the reclaimer is to remove it
 * from a place, it can't move there. */
#include "index/objects/move_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/clock.h"
#include "index/base/log.h"
#include "index/cluster/annotate.h"
#include "index/objects/leftovers.h"
#include "index/objects/orphans.h"
#include "index/objects/reclaim.h"

#define LARGE (1U << 20) /* bytes */

static const bool legal_moves[MOVE_STATES][MOVE_STATES] = {
    [MOVE_STARTING] = {[MOVE_LOOKING] = true,
                       [MOVE_INSPECTING] = true,
                       [MOVE_ANNOUNCING] = true,
                       [MOVE_COMMITTING] = true,
                       [MOVE_ENDED] = true},
    [MOVE_LOOKING] = {[MOVE_INSPECTING] = true,
                      [MOVE_ANNOUNCING] = true,
                      [MOVE_COMMITTING] = true,
                      [MOVE_ENDED] = true},
    [MOVE_INSPECTING] = {[MOVE_ANNOUNCING] = true, [MOVE_COMMITTING] = true, [MOVE_ENDED] = true},
    [MOVE_ANNOUNCING] = {[MOVE_COPYING] = true,
                         [MOVE_COMMITTING] = true,
                         [MOVE_SETTLING] = true,
                         [MOVE_ENDED] = true},
    [MOVE_COPYING] = {[MOVE_COPYING] = true,
                      [MOVE_READING] = true,
                      [MOVE_FLUSHING] = true,
                      [MOVE_COMMITTING] = true,
                      [MOVE_SETTLING] = true,
                      [MOVE_ENDED] = true},
    [MOVE_READING] = {[MOVE_COPYING] = true,
                      [MOVE_FLUSHING] = true,
                      [MOVE_COMMITTING] = true,
                      [MOVE_SETTLING] = true,
                      [MOVE_ENDED] = true},
    [MOVE_FLUSHING] = {[MOVE_COPYING] = true,
                       [MOVE_COMMITTING] = true,
                       [MOVE_SETTLING] = true,
                       [MOVE_ENDED] = true},
    [MOVE_COMMITTING] = {[MOVE_SETTLING] = true, [MOVE_ENDED] = true},
    [MOVE_SETTLING] = {[MOVE_ENDED] = true},
};

static void copy_next(struct move *m);

static void set_state(struct move *m, enum move_state state)
{
    assert(legal_moves[m->state][state]);
    m->state = state;
}

static void move_free(struct move *m)
{
    struct objects *o = m->objects;

    set_state(m, MOVE_ENDED);
    objects_release(o, &m->hold);
    free(m);
    objects_end(o);
}

int move_refuse(struct move *m, int rc, const char *what, const char *volume)
{
    m->rc = rc;
    snprintf(m->text, sizeof(m->text), "%.*s%s%.48s\n", VOLUME_ADDRESS_MAX, volume,
             *volume != '\0' ? ": " : "", what);
    return rc;
}

static void leave_to_reclaimer(struct move *m)
{
    struct reclaimer *reclaimer = m->objects->reclaimer;
    struct key key = m->key;
    uint64_t generation = m->old.generation;

    move_free(m);
    reclaimer_add(reclaimer, &key, generation);
}

/* If that can't be changed, the announcement is what the store knows, if it is still there. */
static void settled_cb(struct store_commit *commit, int rc)
{
    struct move *m = commit->data;
    struct orphan left = m->announced;

    if (m->is_late)
        left.until = clock_now_ms() + m->grace;
    if (rc < 0)
        leftovers_tell(m->objects, &m->key, m->old.generation, &left);
    leave_to_reclaimer(m);
}

/* Nobody was sent to what this has copied: it need not stay as long as was announced. But where a
 * volume may still carry out a request, of this index or of another one, it stays for its grace. */
static void settle(struct move *m)
{
    struct orphan_change left;
    struct store_change change;
    int rc;

    orphan_change_init(&left, &m->announced, &m->old);
    left.is.until =
        m->is_late || m->grace > m->objects->grace ? clock_now_ms() + m->grace : m->until_before;
    change = orphan_change_of(&m->key, m->old.generation, &left);
    set_state(m, MOVE_SETTLING);
    rc = store_commit(m->objects->store, &m->commit, &change, 1, settled_cb);
    if (rc < 0)
        settled_cb(&m->commit, rc);
}

/* Answers. From here on the store's orphan covers whatever was copied. */
static void finish(struct move *m)
{
    if (m->rc < 0 && m->rc != STORE_CONFLICT)
        log_limited(LOG_LEVEL_WARN, "a value could not be moved: %.*s", (int)strcspn(m->text, "\n"),
                    m->text);
    m->done(m->arg, m->rc, m->text);
    if (m->rc < 0 && m->announced.n_places > 0)
        settle(m);
    else
        leave_to_reclaimer(m);
}

/* --- The commit ------------------------------------------------------------------------------ */

static void committed_cb(struct store_commit *commit, int rc)
{
    struct move *m = commit->data;

    m->rc = rc;
    m->objects->changes += rc == 0;
    if (rc == 0 && m->is_short)
        move_refuse(m, rc, "no other volume can take a copy", "");
    else if (rc == STORE_CONFLICT)
        move_refuse(m, rc, "the key has been changed", "");
    else if (rc < 0)
        move_refuse(m, rc, "the index can't be changed", "");
    finish(m);
}

/* The places that the old record names and the new one doesn't; of the orphan's, those that the new
 * one names are none any more. */
static int find_outdated(struct move *m, struct orphan_change *change)
{
    const struct places *places = m->objects->places;
    int rc = 0;

    orphan_change_init(change, &m->orphan, &m->old);
    change->is.n_places = 0;
    change->is.until = clock_now_ms() + m->grace;
    for (unsigned i = 0; i < change->was.n_places; i++) {
        const struct place *place = &change->was.places[i];

        if (!places_have(places, m->record.places, m->record.n_places, place))
            change->is.places[change->is.n_places++] = *place;
    }
    for (unsigned i = 0; i < m->old.n_places && rc == 0; i++) {
        const struct place *place = &m->old.places[i];

        if (!places_have(places, m->record.places, m->record.n_places, place) &&
            !orphan_add(places, &change->is, place))
            rc = UV_ENOBUFS;
    }
    return rc;
}

/* Where copies were made, their announcement has to be ours still: an index that has taken it over
 * may be removing them, whatever the orphan says. 0, or negative when nothing was started. */
static int commit_it(struct move *m)
{
    struct orphan_change outdated;
    struct store_change changes[2] = {{.space = STORE_KEYS,
                                       .key = m->key.bytes,
                                       .len = m->key.len,
                                       .record = &m->record,
                                       .expect = STORE_EXACTLY,
                                       .was = &m->old}};
    int rc = find_outdated(m, &outdated);

    set_state(m, MOVE_COMMITTING);
    if (rc < 0)
        return rc;
    changes[1] = orphan_change_of(&m->key, m->old.generation, &outdated);
    if (m->announced.n_places > 0)
        changes[1].expect = STORE_OWN;
    return store_commit(m->objects->store, &m->commit, changes, 2, committed_cb);
}

/* --- Copying --------------------------------------------------------------------------------- */

/* Whether the volume has done what it was asked; else says why not. */
static bool succeeded(struct move *m, const struct transfer *transfer, int rc, int status)
{
    const struct upload_target *target = &m->targets[m->at];
    char text[64];

    if (upload_target_succeeded(target, transfer, rc, status))
        return true;
    if (rc < 0) {
        move_refuse(m, UV_EREMOTEIO, uv_strerror(rc), target->volume->name);
    } else if (!transfer_succeeded(rc, status)) {
        snprintf(text, sizeof(text), "answered %d", status);
        move_refuse(m, UV_EREMOTEIO, text, target->volume->name);
    } else {
        move_refuse(m, UV_EREMOTEIO, "has another disk now", target->volume->name);
    }
    return false;
}

static void flushed_cb(struct flush *flush, const struct transfer *transfer, int rc, int status)
{
    struct move *m = flush->data;

    if (!succeeded(m, transfer, rc, status)) {
        finish(m);
        return;
    }
    m->at++;
    copy_next(m);
}

static void sync_it(struct move *m)
{
    const struct upload_target *target = &m->targets[m->at];
    size_t note_len = note_of_record(&m->old, m->note);

    if (!m->objects->sync) {
        annotate(target->volume, &target->place, m->path, m->note, note_len);
        m->at++;
        copy_next(m);
        return;
    }
    set_state(m, MOVE_FLUSHING);
    m->flush.data = m;
    m->flush.until = transfers_durable_by(m->objects->transfers, m->old.size);
    m->flush.size = m->old.size;
    m->flush.note = m->note;
    m->flush.note_len = note_len;
    flush_start(&m->flush, m->objects->transfers, target->volume, &target->place, m->path,
                flushed_cb);
}

/* A large value is read by the volume that has got it, and not on its way through here: that would
 * hold up the loop, which is the clients'. */
static bool is_read_there(const struct move *m)
{
    return (m->old.flags & RECORD_MD5) != 0 && m->old.size >= LARGE && !m->reads_here;
}

static void read_cb(struct hash *hash, int rc)
{
    struct move *m = hash->data;
    const struct upload_target *target = &m->targets[m->at];

    if (rc == UV_ENOTSUP) {
        m->reads_here = true; /* once more */
        copy_next(m);
    } else if (rc < 0 || hash->found != HASH_READ) {
        move_refuse(m, UV_EREMOTEIO, rc < 0 ? uv_strerror(rc) : "what was copied can't be read",
                    target->volume->name);
        finish(m);
    } else if (hash->size == m->old.size && memcmp(hash->md5, m->old.md5, MD5_SIZE) == 0) {
        sync_it(m);
    } else { /* another copy may do better */
        m->source++;
        copy_next(m);
    }
}

static void read_it(struct move *m)
{
    const struct upload_target *target = &m->targets[m->at];
    int rc;

    set_state(m, MOVE_READING);
    m->hash.data = m;
    m->hash.bytes = m->old.size;
    rc = hash_start(&m->hash, m->objects->transfers, target->volume, &target->place, m->path,
                    read_cb);
    if (rc == 0)
        return;
    move_refuse(m, rc, uv_strerror(rc), target->volume->name);
    finish(m);
}

static void relayed_cb(struct relay *relay, int rc, int status)
{
    struct move *m = relay->data;

    if (relay->source_failed)
        volume_report(relay->from, rc, status);
    else
        volume_report_store(relay->to, rc, status);
    m->is_late |= rc < 0 && relay->may_hold;
    if (relay->source_failed) { /* another copy may do better */
        m->source++;
        copy_next(m);
    } else if (succeeded(m, &relay->put, rc, status)) {
        if (is_read_there(m))
            read_it(m);
        else
            sync_it(m);
    } else {
        finish(m);
    }
}

static int start_relay(struct move *m, const struct place *source)
{
    const struct upload_target *target = &m->targets[m->at];
    char from[PLACEMENT_URL_MAX];
    char to[PLACEMENT_URL_MAX];
    const struct relay_options options = {
        .from = place_live(m->objects->places, source),
        .from_url = from,
        .to = target->volume,
        .to_url = to,
        .size = m->old.size,
        .time = m->old.time,
        .md5 = m->old.flags & RECORD_MD5 && !is_read_there(m) ? m->old.md5 : NULL,
        .yields = m->options.yields,
    };

    if (options.from == NULL)
        return UV_ENOENT;
    placement_url(options.from->name, source, m->path, from);
    placement_url(target->volume->name, &target->place, m->path, to);
    set_state(m, MOVE_COPYING);
    m->relay.data = m;
    return relay_start(&m->relay, m->objects->transfers, &options, relayed_cb);
}

/* The next target that lacks a copy; after the last one, the commit. */
static void copy_next(struct move *m)
{
    while (m->at < m->n_targets && move_has_copy(m, &m->targets[m->at].place))
        m->at++;
    if (m->at == m->n_targets) {
        int rc = commit_it(m);

        if (rc < 0)
            committed_cb(&m->commit, rc);
        return;
    }
    for (; m->source < m->old.n_places; m->source++) {
        if (!move_is_one_of(m->options.lost, m->source) &&
            start_relay(m, &m->old.places[m->source]) == 0)
            return;
    }
    move_refuse(m, UV_EREMOTEIO, "no copy can be read", "");
    finish(m);
}

/* A volume that is to get a copy and was drained since it was chosen, by another index perhaps;
 * NULL: none was. */
static const struct volume *find_drained(const struct move *m)
{
    for (unsigned i = 0; i < m->n_targets; i++) {
        if (m->targets[i].volume->is_drained && !move_has_copy(m, &m->targets[i].place))
            return m->targets[i].volume;
    }
    return NULL;
}

static void announced_cb(struct store_commit *commit, int rc)
{
    struct move *m = commit->data;
    const struct volume *drained = find_drained(m);

    if (rc < 0) {
        m->announced.n_places = 0;
        move_refuse(m, rc, "the index can't be changed", "");
        finish(m);
        return;
    }
    m->orphan = m->announced;
    if (drained == NULL) {
        copy_next(m);
        return;
    }
    move_refuse(m, UV_EAGAIN, "it is drained", drained->name);
    finish(m);
}

/* --- The start ------------------------------------------------------------------------------- */

/* Says which places will have a copy that the record doesn't name yet. */
static int announce(struct move *m)
{
    const struct objects *o = m->objects;
    struct orphan_change announced;
    struct store_change change;
    uint64_t until;
    int rc = 0;

    m->grace = orphan_grace(o, &m->orphan);
    until = clock_now_ms() + m->grace;
    orphan_change_init(&announced, &m->orphan, &m->old);
    m->until_before = announced.was.until;
    for (unsigned i = 0; i < m->n_targets && rc == 0; i++) {
        const struct place *place = &m->targets[i].place;

        if (move_has_copy(m, place))
            continue;
        if (places_have(o->places, announced.was.places, announced.was.n_places, place))
            return move_refuse(m, UV_EAGAIN, "an older copy is still to be removed there",
                               m->targets[i].volume->name);
        rc = orphan_change_add(o, &announced, place, 1, until);
    }
    change = orphan_change_of(&m->key, m->old.generation, &announced);
    if (rc == 0 && announced.is.n_places == announced.was.n_places) /* copies only go */
        rc = commit_it(m);
    else if (rc == 0)
        rc = store_commit(o->store, &m->commit, &change, 1, announced_cb);
    if (rc == 0 && m->state != MOVE_COMMITTING) {
        m->announced = announced.is;
        set_state(m, MOVE_ANNOUNCING);
    }
    return rc < 0 ? move_refuse(m, rc, "the index can't be changed", "") : 0;
}

static unsigned find_good(const struct inspection *inspection)
{
    unsigned good = 0;

    for (unsigned i = 0; i < inspection->record.n_places; i++)
        good |= inspection->states[i] == COPY_GOOD ? 1U << i : 0;
    return good;
}

static void inspected_cb(struct inspection *inspection)
{
    struct move *m = inspection->data;
    int rc;

    if (move_keeps_enough(m, find_good(inspection)))
        rc = announce(m);
    else
        rc = move_refuse(m, UV_EREMOTEIO, "a copy that would stay is not good", "");
    if (rc < 0)
        finish(m);
}

/* Looks at the copies that there are, where some of them are to go. */
static int inspect(struct move *m)
{
    int rc;

    if (m->old.n_places <= m->record.n_places)
        return announce(m);
    m->inspection.data = m;
    rc = inspection_start(&m->inspection, m->objects, &m->key, &m->old, true, inspected_cb);
    if (rc < 0)
        return move_refuse(m, rc, "no copy can be read", "");
    set_state(m, MOVE_INSPECTING);
    return 0;
}

static int viewed(struct move *m, int rc, const struct store_view *view)
{
    if (rc < 0)
        return move_refuse(m, rc, "the index can't be read", "");
    if (!view->exists || !record_equal(&view->record, &m->old))
        return move_refuse(m, STORE_CONFLICT, "the key has been changed", "");
    m->orphan = view->orphan;
    return inspect(m);
}

static void viewed_cb(struct store_reading *reading, int rc, const struct store_view *view)
{
    struct move *m = reading->data;

    if (viewed(m, rc, view) < 0)
        finish(m);
}

static int begin(struct move *m)
{
    struct store_view view;
    int rc = objects_view(m->objects, &m->reading, &m->key, &view, viewed_cb);

    if (rc != STORE_LATER)
        return viewed(m, rc, &view);
    set_state(m, MOVE_LOOKING);
    return 0;
}

/* Keeps the reclaimer, and other moves, away from the blob. */
static int hold(struct move *m)
{
    int rc = objects_hold(m->objects, &m->hold, &m->key, m->old.generation, m->old.time);

    if (rc == UV_EBUSY)
        return move_refuse(m, UV_EAGAIN, "copies are being made or removed", "");
    return rc < 0 ? move_refuse(m, rc, "out of memory", "") : 0;
}

int move_start(struct objects *o, const struct key *key, const struct record *record,
               const struct move_options *options, move_done_cb done, void *arg,
               char text[MOVE_TEXT_MAX])
{
    struct move *m = calloc(1, sizeof(*m));
    int rc = UV_ENOMEM;

    strcpy(text, "out of memory\n");
    if (m == NULL)
        return rc;
    *m = (struct move){.objects = o, .options = *options, .done = done, .arg = arg, .key = *key};
    record_copy(&m->old, record);
    record_copy(&m->record, record);
    m->commit.data = m->reading.data = m;
    placement_path(key->bytes, key->len, record->generation, m->path);
    rc = move_find_targets(m);
    if (rc == 0)
        rc = hold(m);
    if (rc < 0) {
        strcpy(text, m->text);
        free(m);
        return rc;
    }
    objects_begin(o);
    rc = begin(m);
    if (rc == 0)
        return 0;
    strcpy(text, m->text);
    move_free(m);
    return rc;
}
