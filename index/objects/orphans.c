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

int orphan_change_init(const struct objects *o, const struct key *key, uint64_t generation,
                       struct orphan_change *change)
{
    int rc = store_get_orphan(o->store, key->bytes, key->len, generation, &change->was);

    if (rc == UV_ENOENT) {
        change->was.n_places = 0;
        change->was.until = 0;
        rc = 0;
    }
    if (rc == 0)
        change->is = change->was;
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

static int last_cb(const void *key, size_t len, uint64_t generation, const struct orphan *orphan,
                   void *arg)
{
    uint64_t *last = arg;

    (void)key;
    (void)len;
    (void)orphan;
    if (generation > *last)
        *last = generation;
    return 0;
}

int orphans_last_generation(const struct objects *o, const struct key *key, uint64_t least,
                            uint64_t *last)
{
    *last = least;
    return store_list_orphans(o->store, key->bytes, key->len, 0, true, last_cb, last);
}
