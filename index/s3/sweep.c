#include "index/s3/sweep.h"

#include <string.h>

#include "index/objects/change.h"

static void leave(struct sweep *s);

/* --- A key ----------------------------------------------------------------------------------- */

static void removed_cb(void *arg, int rc)
{
    struct sweep *s = arg;

    if (rc == STORE_CONFLICT)
        s->again = true;
    else if (rc < 0)
        s->rc = rc;
    leave(s);
}

static int remove_viewed(struct sweep_item *item, int rc, const struct store_view *view)
{
    struct sweep *s = item->sweep;

    if (rc < 0 || !view->exists)
        return rc;
    rc = change_remove(s->objects, &item->key, view, removed_cb, s);
    s->n_running += rc == 0;
    return rc;
}

static void viewed_cb(struct store_reading *reading, int rc, const struct store_view *view)
{
    struct sweep_item *item = reading->data;
    struct sweep *s = item->sweep;

    rc = remove_viewed(item, rc, view);
    if (rc < 0)
        s->rc = rc;
    leave(s);
}

static int remove_one(struct sweep_item *item)
{
    struct sweep *s = item->sweep;
    struct store_view view;
    int rc = objects_view(s->objects, &item->reading, &item->key, &view, viewed_cb);

    if (rc != STORE_LATER)
        return remove_viewed(item, rc, &view);
    s->n_running++;
    return 0;
}

/* --- A batch --------------------------------------------------------------------------------- */

static int collect_cb(const void *key, size_t len, const struct record *record, void *arg)
{
    struct sweep *s = arg;
    struct sweep_item *item = &s->batch[s->n++];

    (void)record;
    *item = (struct sweep_item){.sweep = s, .key.len = len, .reading.data = item};
    memcpy(item->key.bytes, key, len);
    return s->n == SWEEP_BATCH;
}

static void remove_batch(struct sweep *s, int rc)
{
    for (unsigned i = 0; rc >= 0 && i < s->n; i++)
        rc = remove_one(&s->batch[i]);
    if (rc < 0)
        s->rc = rc;
}

static void listed_cb(struct store_reading *reading, int rc)
{
    struct sweep *s = reading->data;

    remove_batch(s, rc);
    leave(s);
}

/* 1 when something runs, 0 when there is nothing left, or negative. */
static int begin_batch(struct sweep *s)
{
    const struct store_range range = {.prefix = s->prefix.bytes,
                                      .prefix_len = s->prefix.len,
                                      .start = s->from.bytes,
                                      .start_len = s->from.len,
                                      .want = SWEEP_BATCH};
    int rc;

    s->n = 0;
    s->again = false;
    s->reading.data = s;
    rc = store_list(s->objects->store, &s->reading, &range, collect_cb, s, listed_cb);
    if (rc == STORE_LATER)
        s->n_running++;
    else
        remove_batch(s, rc);
    return s->n_running > 0 ? 1 : s->rc;
}

/* Something that ran has ended. A batch of which nothing could be removed was the last one. */
static void leave(struct sweep *s)
{
    if (--s->n_running > 0)
        return;
    if (s->n > 0 && !s->again)
        s->from = s->batch[s->n - 1].key;
    if (s->rc < 0 || s->n == 0 || begin_batch(s) <= 0)
        s->done(s, s->rc);
}

int sweep_start(struct sweep *s, struct objects *objects, const struct key *prefix,
                sweep_done_cb done)
{
    s->objects = objects;
    s->prefix = s->from = *prefix;
    s->done = done;
    s->rc = 0;
    return begin_batch(s);
}
