#include "index/objects/orphans.h"

bool orphan_add(const struct places *places, struct orphan *orphan, const struct place *place)
{
    if (places_have(places, orphan->places, orphan->n_places, place))
        return true;
    if (orphan->n_places == ORPHAN_PLACES_MAX)
        return false;
    orphan->places[orphan->n_places++] = *place;
    return true;
}

int orphan_change_init(const struct objects *o, const struct key *key, const struct record *record,
                       struct orphan_change *change)
{
    int rc = store_get_orphan(o->store, key->bytes, key->len, record->generation, &change->was);

    if (rc == UV_ENOENT) {
        change->was = (struct orphan){.n_places = 0};
        rc = 0;
    }
    if (rc == 0) {
        change->is = change->was;
        change->is.time = record->time;
    }
    return rc;
}

int orphan_change_add(const struct objects *o, struct orphan_change *change,
                      const struct place *places, unsigned n, uint64_t until)
{
    for (unsigned i = 0; i < n; i++) {
        if (!orphan_add(o->places, &change->is, &places[i]))
            return UV_ENOBUFS;
    }
    if (until > change->is.until)
        change->is.until = until;
    return 0;
}

struct store_change orphan_change_of(const struct key *key, uint64_t generation,
                                     const struct orphan_change *change)
{
    return (struct store_change){
        .space = STORE_ORPHANS,
        .key = key->bytes,
        .len = key->len,
        .generation = generation,
        .orphan = change->is.n_places > 0 ? &change->is : NULL,
        .expect = change->was.n_places > 0 ? STORE_EXACTLY : STORE_NOTHING,
        .orphan_was = &change->was,
    };
}

int orphan_changes_of_removal(const struct objects *o, const struct key *key,
                              const struct record *record, struct orphan_change *orphan,
                              struct store_change changes[2])
{
    int rc = orphan_change_init(o, key, record, orphan);

    if (rc == 0)
        rc = orphan_change_add(o, orphan, record->places, record->n_places, 0);
    if (rc < 0)
        return rc;
    changes[0] = (struct store_change){.space = STORE_KEYS,
                                       .key = key->bytes,
                                       .len = key->len,
                                       .expect = STORE_EXACTLY,
                                       .was = record};
    changes[1] = orphan_change_of(key, record->generation, orphan);
    return 0;
}

uint64_t orphan_time(const struct orphan *orphan, uint64_t generation)
{
    return orphan->time > 0 ? orphan->time : generation_time(generation);
}

static void take_time(uint64_t time, uint64_t *latest)
{
    if (time > *latest && blob_time_counts(time))
        *latest = time;
}

static int latest_cb(const void *key, size_t len, uint64_t generation, const struct orphan *orphan,
                     void *arg)
{
    (void)key;
    (void)len;
    take_time(orphan_time(orphan, generation), arg);
    return 0;
}

int orphans_latest_time(const struct objects *o, const struct key *key, const struct record *record,
                        uint64_t *latest)
{
    uint64_t found = 0;
    int rc = store_list_orphans(o->store, key->bytes, key->len,
                                record != NULL ? record->generation : 0, true, latest_cb, &found);

    if (rc < 0)
        return rc;
    if (record != NULL)
        take_time(record->time, &found);
    take_time(objects_held_time(o, key), &found);
    *latest = found;
    return 0;
}
