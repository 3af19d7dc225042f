/* Files and keys come in the same order. Of each key all files are at hand before it is looked at:
 * those at its places and of its size are its copies; what else lies there is a stray, unless the
 * store knows it as an orphan, which verify_stray.c sees.
 *
 * Both may have changed since they were listed, so that everything found here is only a suspicion.
 */
#include <string.h>

#include "index/maintenance/verify_internal.h"
#include "index/store/key_order.h"

#define SLICE_NS   1000000
#define SLICE_KEYS 32

static bool is_out_of_room(const struct verify *v)
{
    return v->n >= VERIFY_BATCH;
}

/* --- Strays ---------------------------------------------------------------------------------- */

static bool has_place(const struct objects *o, const struct place *list, unsigned n,
                      const struct found *found)
{
    for (unsigned i = 0; i < n; i++) {
        const struct volume *volume = place_volume(o->places, &list[i]);

        if (volume != NULL && volume->number == found->place.volume &&
            list[i].has_subvolume == found->place.has_subvolume &&
            list[i].subvolume == found->place.subvolume)
            return true;
    }
    return false;
}

static void take_stray(struct verify *v, const struct found *found)
{
    struct suspect *suspect = &v->suspects[v->n];
    struct volumes *volumes = places_volumes(v->job->objects->places);

    suspect->is_stray = true;
    suspect->key = found->key;
    suspect->generation = found->generation;
    suspect->place = found->place;
    suspect->place.volume = volumes_at(volumes, found->place.volume)->id;
    suspect->size = found->size;
    suspect->time = found->time;
    v->n++;
}

/* --- Keys ------------------------------------------------------------------------------------ */

struct comparison {
    struct verify *verify;
    const struct record *record;
    unsigned seen;   /* bits of its places that have a file of its size */
    unsigned n_away; /* of the others, those that can't be asked */
};

/* The place that the file is at; n_places: none. */
static unsigned find_place(const struct comparison *c, const struct found *found)
{
    const struct record *record = c->record;
    const struct objects *o = c->verify->job->objects;
    unsigned i = 0;

    if (found->generation != record->generation)
        return record->n_places;
    while (i < record->n_places && !has_place(o, &record->places[i], 1, found))
        i++;
    return i;
}

static void take_file(struct comparison *c, const struct found *found)
{
    unsigned i = find_place(c, found);

    if (i == c->record->n_places)
        take_stray(c->verify, found);
    else if (found->size == c->record->size)
        c->seen |= 1U << i;
}

/* Whether some copy was not seen that should have been. */
static bool lacks_copy(struct comparison *c)
{
    struct verify *v = c->verify;
    const struct record *record = c->record;
    bool lacks = record->n_places < v->job->objects->copies;

    for (unsigned i = 0; i < record->n_places; i++) {
        const struct volume *volume;

        if (c->seen >> i & 1U)
            continue;
        volume = place_live(v->job->objects->places, &record->places[i]);
        if (volume == NULL)
            c->n_away++;
        else
            lacks = true;
    }
    return lacks;
}

/* Of one that isn't looked at any more, those that are away are counted here. */
static void take_key(struct comparison *c, const void *key, size_t len)
{
    struct verify *v = c->verify;
    struct suspect *suspect = &v->suspects[v->n];
    bool lacks = lacks_copy(c);

    if (!lacks && !v->job->options.deep) {
        v->job->done++;
        job_count(v->job, "away", c->n_away);
        return;
    }
    suspect->is_stray = false;
    memcpy(suspect->key.bytes, key, len);
    suspect->key.len = len;
    record_copy(&suspect->record, c->record);
    v->n++;
}

/* The files before this key are of keys that the store doesn't have. False where the slice ends. */
static bool take_files_before(struct verify *v, const void *key, size_t len)
{
    const struct found *found;

    while ((found = inventory_at(&v->inventory)) != NULL && !is_out_of_room(v) &&
           (key == NULL || key_compare(found->key.bytes, found->key.len, key, len) < 0)) {
        take_stray(v, found);
        inventory_next(&v->inventory);
    }
    return !is_out_of_room(v);
}

static int compare_key(struct verify *v, const void *key, size_t len, const struct record *record)
{
    struct comparison c = {.verify = v, .record = record};
    const struct found *found;

    while ((found = inventory_at(&v->inventory)) != NULL &&
           key_compare(found->key.bytes, found->key.len, key, len) == 0) {
        if (v->n + 1 == VERIFY_ROOM)
            break; /* the rest is strays, as files before the next key; or else is looked at */
        take_file(&c, found);
        inventory_next(&v->inventory);
    }
    take_key(&c, key, len);
    return 0;
}

/* --- Slices ---------------------------------------------------------------------------------- */

static bool is_late(const struct verify *v)
{
    return !v->job->objects->store->is_prompt;
}

/* A store that has entries later gives them a page a turn of the loop, each of which is as long as
 * a slice. */
static bool is_slice_over(struct verify *v)
{
    return !is_late(v) && ++v->looked_at % SLICE_KEYS == 0 && uv_hrtime() >= v->slice_until;
}

static int key_cb(const void *key, size_t len, const struct record *record, void *arg)
{
    struct verify *v = arg;
    int rc = 0;

    if (resume_has_seen(&v->at, key, len, 0))
        return 0;
    if (is_slice_over(v) || !take_files_before(v, key, len))
        rc = 1;
    else if (!inventory_has_all_of(&v->inventory, key, len))
        rc = UV_EAGAIN;
    if (rc != 0 || is_late(v)) /* which may fail half-way */
        resume_set(&v->at, key, len, 0, rc == 0);
    return rc == 0 ? compare_key(v, key, len, record) : rc;
}

/* What the listing of a slice has ended with. */
static int listed(struct verify *v, int rc)
{
    if (rc != 0)
        return rc > 0 ? 0 : rc;
    v->store_ended = true;
    if (!take_files_before(v, NULL, 0))
        return 0;
    return v->inventory.at_end ? 1 : UV_EAGAIN;
}

static void listed_cb(struct store_reading *reading, int rc)
{
    struct verify *v = reading->data;

    verify_compared(v, listed(v, rc));
}

int verify_compare(struct verify *v)
{
    const struct store_range range = resume_keys(&v->at, VERIFY_BATCH);
    int rc = 0;

    v->looked_at = 0;
    v->slice_until = uv_hrtime() + SLICE_NS;
    v->reading.data = v;
    if (!v->store_ended)
        rc = store_list(v->job->objects->store, &v->reading, &range, key_cb, v, listed_cb);
    return rc == STORE_LATER ? rc : listed(v, rc);
}
