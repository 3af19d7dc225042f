#include "index/objects/objects.h"

#include <assert.h>
#include <search.h>
#include <string.h>

#define HIDDEN_HOLDS 10000 /* ms that a count is as good as a new one */

void objects_add_to_recipe(struct objects *o, struct recipe *recipe, const struct key *key,
                           const struct record *record, uint64_t offset, uint64_t length)
{
    char path[PLACEMENT_PATH_MAX];
    struct recipe_source source = {
        .path = path,
        .size = record->size,
        .offset = offset,
        .length = length,
    };

    placement_path(key->bytes, key->len, record->generation, path);
    for (unsigned i = 0; i < record->n_places; i++) {
        struct volume *volume = place_live(o->places, &record->places[i]);

        if (volume != NULL)
            source.copies[source.n_copies++] =
                (struct recipe_copy){.volume = volume, .place = record->places[i]};
    }
    recipe_add(recipe, &source);
}

void objects_changed(struct objects *o, const struct key *key, bool had, bool has)
{
    o->changes++;
    if (had == has || !o->hidden_counted || !key_is_reserved(key->bytes, key->len))
        return;
    if (has)
        o->hidden++;
    else if (o->hidden > 0) /* else another index made it since they were counted */
        o->hidden--;
}

static int count_cb(const void *key, size_t len, const struct record *record, void *arg)
{
    struct objects *o = arg;

    (void)key;
    (void)len;
    o->hidden_now += !(record->flags & RECORD_UNLINKED);
    return 0;
}

static void hidden_counted(struct objects *o, int rc)
{
    if (rc < 0)
        return;
    o->hidden = o->hidden_now;
    o->hidden_at = uv_now(o->loop);
    o->hidden_counted = true;
}

static void counted_cb(struct store_reading *reading, int rc)
{
    hidden_counted(reading->data, rc);
}

static int count_hidden(struct objects *o)
{
    const struct store_range range = {.prefix = KEY_RESERVED,
                                      .prefix_len = sizeof(KEY_RESERVED) - 1};
    int rc;

    o->hidden_now = 0;
    o->hidden_reading.data = o;
    rc = store_list(o->store, &o->hidden_reading, &range, count_cb, o, counted_cb);
    if (rc != STORE_LATER)
        hidden_counted(o, rc);
    return rc;
}

/* Of keys that only this index changes, objects_changed() tells. */
static bool must_count(const struct objects *o)
{
    if (o->hidden_reading.request != NULL)
        return false;
    return !o->hidden_counted ||
           (o->store->numbers > 1 && uv_now(o->loop) > o->hidden_at + HIDDEN_HOLDS);
}

int objects_hidden(struct objects *o, uint64_t *hidden)
{
    int rc = must_count(o) ? count_hidden(o) : 0;

    if (rc < 0)
        return rc;
    if (!o->hidden_counted)
        return UV_EAGAIN;
    *hidden = o->hidden;
    return 0;
}

void objects_deinit(struct objects *o)
{
    store_cancel(o->store, &o->hidden_reading);
}

void objects_begin(struct objects *o)
{
    o->n_running++;
}

void objects_end(struct objects *o)
{
    if (--o->n_running == 0 && o->idle != NULL)
        o->idle(o->idle_arg);
}

/* --- Blobs that are held: a tree (tsearch(3)) ------------------------------------------------ */

static int compare_keys(const struct key *a, const struct key *b)
{
    if (a->len != b->len)
        return a->len < b->len ? -1 : 1;
    return memcmp(a->bytes, b->bytes, a->len);
}

/* By key, and then by generation. */
static int compare(const void *a, const void *b)
{
    const struct hold *x = a;
    const struct hold *y = b;
    int order = compare_keys(x->key, y->key);

    if (order != 0)
        return order;
    return x->generation < y->generation ? -1 : x->generation > y->generation;
}

int objects_hold(struct objects *o, struct hold *hold, const struct key *key, uint64_t generation,
                 uint64_t time)
{
    const struct hold **found;

    *hold = (struct hold){.key = key, .generation = generation, .time = time};
    found = tsearch(hold, &o->held, compare);
    if (found != NULL && *found == hold)
        return 0;
    hold->key = NULL;
    return found == NULL ? UV_ENOMEM : UV_EBUSY;
}

void objects_release(struct objects *o, struct hold *hold)
{
    void *parent;

    if (hold->key == NULL)
        return;
    parent = tdelete(hold, &o->held, compare);
    assert(parent != NULL);
    (void)parent;
    hold->key = NULL;
}

bool objects_is_making(const struct objects *o, const struct key *key, uint64_t generation)
{
    const struct hold wanted = {.key = key, .generation = generation};
    const struct hold *const *found = tfind(&wanted, &o->held, compare);

    return found != NULL && !(*found)->is_removing;
}

/* Looks for what comes after all that is held of the key. */
struct latest {
    const struct key *key;
    const struct hold **last; /* the last of the key's that the search has passed */
};

/* On the way to where that would be, the search passes the one before it. tfind(3) gives what is
 * looked for first. */
static int compare_latest(const void *a, const void *b)
{
    const struct latest *latest = a;
    const struct hold *held = b;
    int order = compare_keys(latest->key, held->key);

    if (order == 0)
        *latest->last = held;
    return order == 0 ? 1 : order;
}

uint64_t objects_held_time(const struct objects *o, const struct key *key)
{
    const struct hold *last = NULL;
    const struct latest latest = {.key = key, .last = &last};

    tfind(&latest, &o->held, compare_latest);
    return last != NULL ? last->time : 0;
}
