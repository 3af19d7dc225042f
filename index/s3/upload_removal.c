#include "index/s3/upload_removal.h"

#include <stdlib.h>
#include <string.h>

#include "index/s3/sweep.h"
#include "index/s3/upload_key.h"

struct upload_removal {
    struct objects *objects;
    char id[UPLOAD_ID_SIZE]; /* "": the record is of no upload */
    change_done_cb done;
    void *arg;
    struct sweep sweep;
};

static struct upload_removal *removal_new(struct objects *o)
{
    struct upload_removal *r = calloc(1, sizeof(*r));

    if (r == NULL)
        return NULL;
    r->objects = o;
    objects_begin(o);
    return r;
}

static void removal_free(struct upload_removal *r)
{
    struct objects *o = r->objects;

    free(r);
    objects_end(o);
}

static void swept_cb(struct sweep *sweep, int rc)
{
    (void)rc;
    removal_free(sweep->data);
}

static void sweep_parts(struct upload_removal *r)
{
    struct key parts;

    upload_key_of_parts(r->id, &parts);
    r->sweep.data = r;
    if (sweep_start(&r->sweep, r->objects, &parts, swept_cb) <= 0)
        removal_free(r);
}

static void removed_cb(void *arg, int rc)
{
    struct upload_removal *r = arg;

    r->done(r->arg, rc);
    if (rc < 0 || r->id[0] == '\0')
        removal_free(r);
    else
        sweep_parts(r);
}

int upload_remove(struct objects *o, const struct key *key, const struct store_view *view,
                  change_done_cb done, void *arg)
{
    struct upload_removal *r = removal_new(o);
    struct key object;
    int rc;

    if (r == NULL)
        return UV_ENOMEM;
    r->done = done;
    r->arg = arg;
    if (upload_key_object(key->bytes, key->len, &object))
        memcpy(r->id, key->bytes + key->len - UPLOAD_ID_LENGTH, UPLOAD_ID_LENGTH);
    rc = change_remove(o, key, view, removed_cb, r);
    if (rc < 0)
        removal_free(r);
    return rc;
}

void upload_remove_parts(struct objects *o, const char *id)
{
    struct upload_removal *r = removal_new(o);

    if (r == NULL)
        return;
    memcpy(r->id, id, UPLOAD_ID_LENGTH);
    sweep_parts(r);
}
