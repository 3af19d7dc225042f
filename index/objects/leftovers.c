#include "index/objects/leftovers.h"

#include <stdlib.h>

#include "index/base/log.h"
#include "index/objects/orphans.h"
#include "index/objects/reclaim.h"

#define AGAIN_MS 1000

struct leftovers {
    struct objects *objects;
    struct key key;
    uint64_t generation;
    struct orphan left;
    struct orphan_change change;
    struct store_reading reading;
    struct store_commit commit;
    uv_timer_t again;
};

static void closed_cb(uv_handle_t *handle)
{
    struct leftovers *l = handle->data;
    struct objects *o = l->objects;

    free(l);
    objects_end(o);
}

static void end(struct leftovers *l)
{
    uv_close((uv_handle_t *)&l->again, closed_cb);
}

static void again_cb(uv_timer_t *timer);

static void try_again(struct leftovers *l)
{
    if (objects_is_stopping(l->objects))
        end(l);
    else
        uv_timer_start(&l->again, again_cb, AGAIN_MS, 0);
}

static void committed_cb(struct store_commit *commit, int rc)
{
    struct leftovers *l = commit->data;

    if (rc < 0) {
        try_again(l);
        return;
    }
    reclaimer_add(l->objects->reclaimer, &l->key, l->generation);
    end(l);
}

/* Adds what neither the orphan nor the record names. 0 or UV_ENOBUFS. */
static int add_places(struct leftovers *l, const struct record *record)
{
    const struct places *places = l->objects->places;
    bool is_named = record != NULL && record->generation == l->generation;
    int rc = 0;

    for (unsigned i = 0; i < l->left.n_places && rc == 0; i++) {
        const struct place *place = &l->left.places[i];

        if (!is_named || !places_have(places, record->places, record->n_places, place))
            rc = orphan_change_add(l->objects, &l->change, place, 1, l->left.until);
    }
    return rc;
}

static void looked_up(struct leftovers *l, int rc, const struct record *record)
{
    struct store_change change;

    if (rc == 0 || rc == UV_ENOENT)
        rc = add_places(l, rc == 0 ? record : NULL);
    if (rc == 0 && l->change.is.n_places == l->change.was.n_places) {
        end(l); /* all of it is known */
        return;
    }
    change = orphan_change_of(&l->key, l->generation, &l->change);
    if (rc == 0)
        rc = store_commit(l->objects->store, &l->commit, &change, 1, committed_cb);
    if (rc < 0)
        try_again(l);
}

static void looked_up_cb(struct store_reading *reading, int rc, const struct record *record)
{
    looked_up(reading->data, rc, record);
}

/* The orphan was read first: who makes the record name such a place later changes the orphan. */
static void got_orphan(struct leftovers *l, int rc, const struct orphan *orphan)
{
    static const struct orphan none = {.n_places = 0};
    const struct record blob = {.generation = l->generation, .time = l->left.time};
    struct record record;

    if (rc < 0 && rc != UV_ENOENT) {
        try_again(l);
        return;
    }
    orphan_change_init(&l->change, rc == 0 ? orphan : &none, &blob);
    rc = objects_look_up(l->objects, &l->reading, &l->key, &record, looked_up_cb);
    if (rc != STORE_LATER)
        looked_up(l, rc, &record);
}

static void got_orphan_cb(struct store_reading *reading, int rc, const struct orphan *orphan)
{
    got_orphan(reading->data, rc, orphan);
}

static void look(struct leftovers *l)
{
    struct orphan orphan;
    int rc = store_get_orphan(l->objects->store, &l->reading, l->key.bytes, l->key.len,
                              l->generation, &orphan, got_orphan_cb);

    if (rc != STORE_LATER)
        got_orphan(l, rc, &orphan);
}

static void again_cb(uv_timer_t *timer)
{
    look(timer->data);
}

void leftovers_tell(struct objects *o, const struct key *key, uint64_t generation,
                    const struct orphan *left)
{
    struct leftovers *l;

    if (o->store->numbers == 1 || left->n_places == 0)
        return;
    l = calloc(1, sizeof(*l));
    if (l == NULL) {
        log_error("out of memory: a value that was given up may stay at volumes: run mkv verify");
        return;
    }
    l->objects = o;
    l->key = *key;
    l->generation = generation;
    l->left = *left;
    l->reading.data = l->commit.data = l->again.data = l;
    objects_begin(o);
    uv_timer_init(o->loop, &l->again);
    look(l);
}
