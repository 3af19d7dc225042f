#include "index/objects/orphans.h"

#include "index/base/clock.h"

bool orphan_add(const struct places *places, struct orphan *orphan, const struct place *place)
{
    if (places_have(places, orphan->places, orphan->n_places, place))
        return true;
    if (orphan->n_places == ORPHAN_PLACES_MAX)
        return false;
    orphan->places[orphan->n_places++] = *place;
    return true;
}

void orphan_change_init(struct orphan_change *change, const struct orphan *was,
                        const struct record *record)
{
    if (was->n_places > 0)
        change->was = *was;
    else
        change->was = (struct orphan){.n_places = 0};
    change->is = change->was;
    change->is.time = record->time;
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
    if (change->is.n_places == change->was.n_places && change->is.until == change->was.until)
        change->is.until++;
    return 0;
}

uint64_t orphan_grace(const struct objects *o, const struct orphan *was)
{
    if (o->store->numbers == 1 || was->n_places == 0 || was->until > clock_now_ms())
        return o->grace;
    return o->grace + transfers_patience(o->transfers);
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
                              const struct store_view *view, struct orphan_change *orphan,
                              struct store_change changes[2])
{
    const struct record *record = &view->record;
    int rc;

    orphan_change_init(orphan, &view->orphan, record);
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

static void take_time(uint64_t time, uint64_t *latest)
{
    if (time > *latest && blob_time_counts(time))
        *latest = time;
}

uint64_t orphans_latest_time(const struct objects *o, const struct key *key,
                             const struct store_view *view)
{
    uint64_t latest = view->latest;

    if (view->exists)
        take_time(view->record.time, &latest);
    take_time(objects_held_time(o, key), &latest);
    return latest;
}
