#include "index/objects/change.h"

#include <stdlib.h>

#include "index/objects/orphans.h"
#include "index/objects/reclaim.h"

struct change {
    struct objects *objects;
    struct key key;
    uint64_t generation; /* of the blob that may be an orphan afterwards */
    bool had;            /* a value, which wasn't unlinked */
    change_done_cb done;
    void *arg;
    struct store_commit commit;
};

static struct change *change_new(struct objects *o, const struct key *key,
                                 const struct record *record, change_done_cb done, void *arg)
{
    struct change *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return NULL;
    *c = (struct change){.objects = o,
                         .key = *key,
                         .generation = record->generation,
                         .had = !(record->flags & RECORD_UNLINKED),
                         .done = done,
                         .arg = arg};
    c->commit.data = c;
    objects_begin(o);
    return c;
}

static void change_free(struct change *c)
{
    struct objects *o = c->objects;

    free(c);
    objects_end(o);
}

static void committed_cb(struct store_commit *commit, int rc)
{
    struct change *c = commit->data;

    if (rc == 0)
        objects_changed(c->objects, &c->key, c->had, false);
    c->done(c->arg, rc);
    if (rc == 0)
        reclaimer_add(c->objects->reclaimer, &c->key, c->generation);
    change_free(c);
}

static int change_commit(struct change *c, const struct store_change *changes, size_t n)
{
    int rc = store_commit(c->objects->store, &c->commit, changes, n, committed_cb);

    if (rc < 0)
        change_free(c);
    return rc;
}

int change_remove(struct objects *o, const struct key *key, const struct store_view *view,
                  change_done_cb done, void *arg)
{
    struct change *c = change_new(o, key, &view->record, done, arg);
    struct store_change changes[2];
    struct orphan_change orphan;
    int rc;

    if (c == NULL)
        return UV_ENOMEM;
    rc = orphan_changes_of_removal(o, key, view, &orphan, changes);
    if (rc < 0) {
        change_free(c);
        return rc;
    }
    return change_commit(c, changes, 2);
}

int change_unlink(struct objects *o, const struct key *key, const struct store_view *view,
                  change_done_cb done, void *arg)
{
    const struct record *record = &view->record;
    struct change *c = change_new(o, key, record, done, arg);
    struct record unlinked;
    const struct store_change change = {.space = STORE_KEYS,
                                        .key = key->bytes,
                                        .len = key->len,
                                        .record = &unlinked,
                                        .expect = STORE_EXACTLY,
                                        .was = record};

    if (c == NULL)
        return UV_ENOMEM;
    record_copy(&unlinked, record);
    unlinked.flags |= RECORD_UNLINKED;
    return change_commit(c, &change, 1);
}
