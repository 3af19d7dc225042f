#include "index/s3/erase.h"

#include "index/objects/change.h"

static void changed_cb(void *arg, int rc)
{
    struct erase *erase = arg;

    if (rc == STORE_CONFLICT)
        rc = erase_start(erase);
    if (rc <= 0)
        erase->done(erase->arg, rc);
}

/* As erase_start(). */
static int go_on(struct erase *erase, int rc, const struct store_view *view)
{
    if (rc == 0 && (!view->exists || (view->record.flags & RECORD_UNLINKED)))
        return 0;
    erase->was_there = true;
    if (rc == 0)
        rc = erase->judge(erase->arg, &view->record);
    if (rc == 0)
        rc = change_remove(erase->objects, erase->key, view, changed_cb, erase);
    return rc < 0 ? rc : 1;
}

static void viewed_cb(struct store_reading *reading, int rc, const struct store_view *view)
{
    struct erase *erase = reading->data;
    struct objects *o = erase->objects;

    rc = go_on(erase, rc, view);
    if (rc <= 0)
        erase->done(erase->arg, rc);
    objects_end(o);
}

int erase_start(struct erase *erase)
{
    struct store_view view;
    int rc;

    erase->reading.data = erase;
    rc = objects_view(erase->objects, &erase->reading, erase->key, &view, viewed_cb);
    if (rc != STORE_LATER)
        return go_on(erase, rc, &view);
    objects_begin(erase->objects);
    return 1;
}
