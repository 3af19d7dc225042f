#include "index/objects/objects.h"

#include <assert.h>
#include <search.h>
#include <string.h>

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

static int compare(const void *a, const void *b)
{
    const struct hold *x = a;
    const struct hold *y = b;

    if (x->generation != y->generation)
        return x->generation < y->generation ? -1 : 1;
    if (x->key->len != y->key->len)
        return x->key->len < y->key->len ? -1 : 1;
    return memcmp(x->key->bytes, y->key->bytes, x->key->len);
}

int objects_hold(struct objects *o, struct hold *hold, const struct key *key, uint64_t generation)
{
    const struct hold **found;

    *hold = (struct hold){.key = key, .generation = generation};
    found = tsearch(hold, &o->held, compare);
    if (found == NULL)
        return UV_ENOMEM;
    return *found == hold ? 0 : UV_EBUSY;
}

void objects_release(struct objects *o, struct hold *hold)
{
    void *parent = tdelete(hold, &o->held, compare);

    assert(parent != NULL);
    (void)parent;
}
