#include "index/s3/stored_part.h"

#include <assert.h>

#include "index/objects/change.h"
#include "index/s3/call.h"
#include "index/s3/upload_key.h"

static void removed_cb(void *arg, int rc)
{
    (void)arg;
    (void)rc; /* else it is found later: upload_expiry.h */
}

static void end(struct stored_part *part, enum s3_error error)
{
    struct objects *o = part->objects;

    part->done(part, error);
    objects_end(o);
}

static int remove_part(const struct stored_part *part, int rc, const struct store_view *view)
{
    if (rc == 0 && view->exists)
        change_remove(part->objects, part->key, view, removed_cb, NULL);
    return S3_NO_SUCH_UPLOAD;
}

static void viewed_cb(struct store_reading *reading, int rc, const struct store_view *view)
{
    struct stored_part *part = reading->data;

    end(part, remove_part(part, rc, view));
}

static int go_on(struct stored_part *part, int rc)
{
    struct store_view view;

    if (rc != UV_ENOENT)
        return (int)(rc < 0 ? call_error_of(rc) : S3_OK);
    rc = objects_view(part->objects, &part->reading, part->key, &view, viewed_cb);
    return rc == STORE_LATER ? STORE_LATER : remove_part(part, rc, &view);
}

static void looked_up_cb(struct store_reading *reading, int rc, const struct record *record)
{
    struct stored_part *part = reading->data;

    (void)record;
    rc = go_on(part, rc);
    if (rc != STORE_LATER)
        end(part, (enum s3_error)rc);
}

int stored_part_check(struct stored_part *part, struct objects *objects, const struct key *key,
                      stored_part_cb done)
{
    bool is_part = upload_key_record_of_part(key, &part->upload);
    struct record record;
    int rc;

    assert(is_part);
    (void)is_part;
    part->objects = objects;
    part->key = key;
    part->reading = (struct store_reading){.data = part};
    part->done = done;
    rc = objects_look_up(objects, &part->reading, &part->upload, &record, looked_up_cb);
    if (rc != STORE_LATER)
        rc = go_on(part, rc);
    if (rc == STORE_LATER)
        objects_begin(objects);
    return rc;
}
