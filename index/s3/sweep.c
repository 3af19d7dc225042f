#include "index/s3/sweep.h"

#include "index/objects/change.h"

/* --- A batch --------------------------------------------------------------------------------- */

static int collect_cb(const void *key, size_t len, const struct record *record, void *arg)
{
    struct sweep *s = arg;
    struct key *to = &s->batch[s->n++];

    (void)record;
    memcpy(to->bytes, key, len);
    to->len = len;
    return s->n == SWEEP_BATCH;
}

static void removed_cb(void *arg, int rc);

static int remove_one(struct sweep *s, const struct key *key)
{
    struct record record;
    int rc = objects_look_up(s->objects, key, &record);

    if (rc == UV_ENOENT)
        return 0;
    if (rc == 0)
        rc = change_remove(s->objects, key, &record, removed_cb, s);
    s->n_running += rc == 0;
    return rc;
}

/* 1 when something runs, 0 when there is nothing left, or negative. */
static int begin_batch(struct sweep *s)
{
    int rc;

    s->n = 0;
    s->again = false;
    rc = store_list(s->objects->store, s->prefix.bytes, s->prefix.len, s->from.bytes, s->from.len,
                    collect_cb, s);
    for (unsigned i = 0; rc >= 0 && i < s->n; i++)
        rc = remove_one(s, &s->batch[i]);
    if (rc < 0)
        s->rc = rc;
    return s->n_running > 0 ? 1 : s->rc;
}

static void removed_cb(void *arg, int rc)
{
    struct sweep *s = arg;

    if (rc == STORE_CONFLICT)
        s->again = true;
    else if (rc < 0)
        s->rc = rc;
    if (--s->n_running > 0)
        return;
    if (!s->again)
        s->from = s->batch[s->n - 1];
    if (s->rc < 0 || begin_batch(s) <= 0)
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
