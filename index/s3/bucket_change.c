/* A bucket is created by writing its record, a value without bytes.
 *
 * Removing one:
 *
 *     look for keys ──▶ uploads ──▶ look again ──▶ the bucket's record ──▶ done
 *          ▲               │
 *          └───────────────┘ one is about to be completed: that has its end first
 *
 * It looks twice, since uploads take their time: nothing is aborted of a bucket that has keys, and
 * a key that came meanwhile still keeps its bucket. (One that comes after that: buckets.h.) What
 * ends it before its end leaves a bucket that can be removed again. */
#include "index/s3/bucket_change.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "index/objects/change.h"
#include "index/s3/bucket_walk.h"
#include "index/s3/buckets.h"
#include "index/s3/completion.h"
#include "index/s3/mark.h"
#include "index/s3/meta.h"
#include "index/s3/upload_key.h"
#include "index/s3/upload_removal.h"

#define PAUSE 1 /* ms, between slices of a walk */

enum state {
    CREATING,      /* `write` runs */
    FINDING,       /* whether there is such a bucket */
    LOOKING,       /* for keys; the timer runs, or the store is waited for */
    LOOKING_AGAIN, /* likewise */
    WAITING,       /* for a completion */
    ABORTING,      /* the record of an upload is looked for, or removed */
    REMOVING,      /* the record of the bucket is */
    ENDED
};

struct bucket_change {
    struct s3 *s3;
    enum state state;
    bucket_change_cb done; /* NULL: nobody wants to know */
    void *arg;
    int rc;
    struct key record_key;
    struct key uploads; /* what their records' keys begin with */
    struct key upload;  /* the one that is aborted */
    struct completion_waiter waiter;
    struct bucket_look look;
    struct store_reading reading;
    uv_timer_t timer;
    struct bucket_walk walk;
    bool found;
};

static struct bucket_change *change_new(struct s3 *s3, const char *name, size_t len,
                                        enum state state, bucket_change_cb done, void *arg)
{
    struct bucket_change *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return NULL;
    c->s3 = s3;
    c->state = state;
    c->done = done;
    c->arg = arg;
    c->reading.data = c->look.data = c;
    bucket_record_key(name, len, &c->record_key);
    objects_begin(s3->objects);
    return c;
}

static void change_free(struct bucket_change *c)
{
    struct objects *o = c->s3->objects;

    free(c);
    objects_end(o);
}

static void end(struct bucket_change *c)
{
    if (c->done != NULL)
        c->done(c->arg, c->rc);
    change_free(c);
}

void bucket_change_forget(struct bucket_change *c)
{
    c->done = NULL;
}

/* --- Creating -------------------------------------------------------------------------------- */

static void written_cb(void *arg, int rc, const char *text, const struct record *record)
{
    struct bucket_change *c = arg;

    (void)text;
    (void)record;
    c->rc = rc == UV_EEXIST ? 0 : rc;
    end(c);
}

int bucket_create(struct s3 *s3, const char *name, size_t len, const char *location,
                  bucket_change_cb done, void *arg, struct bucket_change **change)
{
    struct bucket_change *c = change_new(s3, name, len, CREATING, done, arg);
    struct meta meta = {.len = 0};
    int rc;

    if (c == NULL)
        return UV_ENOMEM;
    if (*location != '\0')
        meta_add_location(&meta, location);
    rc = mark_write(s3->objects, &c->record_key,
                    &(struct mark_options){.meta = &meta, .done = written_cb, .arg = c});
    if (rc < 0)
        change_free(c);
    else
        *change = c;
    return rc;
}

/* --- Removing -------------------------------------------------------------------------------- */

static void go_on_in(struct bucket_change *c, uint64_t ms);

static void closed_cb(uv_handle_t *handle)
{
    end(handle->data);
}

static void move_to(struct bucket_change *c, enum state state)
{
    c->state = state;
    go_on_in(c, 0);
}

static void finish(struct bucket_change *c, int rc)
{
    c->state = ENDED;
    c->rc = rc;
    uv_close((uv_handle_t *)&c->timer, closed_cb);
}

static int key_cb(const struct bucket_entry *entry, void *arg)
{
    struct bucket_change *c = arg;

    (void)entry;
    c->found = true;
    return 1;
}

/* One key is enough. All of the store is walked as one bucket, so that a key which ends with the
 * bucket's slash, and is no object of S3, counts as well. */
static void begin_to_look(struct bucket_change *c)
{
    const char *name = c->record_key.bytes + sizeof(BUCKET_RECORDS) - 1;
    char prefix[KEY_MAX];
    struct bucket_query query = {.prefix = prefix, .max = 1, .want = 1};

    query.prefix_len = c->record_key.len - (sizeof(BUCKET_RECORDS) - 1);
    memcpy(prefix, name, query.prefix_len);
    prefix[query.prefix_len++] = '/';
    bucket_walk_init(&c->walk, c->s3->objects->store, &query, key_cb, c);
}

static void looked(struct bucket_change *c, int rc)
{
    if (rc < 0)
        finish(c, rc);
    else if (c->found)
        finish(c, -ENOTEMPTY);
    else if (rc == BUCKET_WALK_MORE)
        go_on_in(c, PAUSE);
    else
        move_to(c, c->state == LOOKING ? ABORTING : REMOVING);
}

static void walked_cb(struct bucket_walk *walk, int rc)
{
    looked(walk->arg, rc);
}

static void look(struct bucket_change *c)
{
    int rc = bucket_walk_on(&c->walk, walked_cb);

    if (rc != BUCKET_WALK_LATER)
        looked(c, rc);
}

static void start_to_look(struct bucket_change *c)
{
    begin_to_look(c);
    move_to(c, LOOKING);
}

/* --- Uploads --- */

static int upload_cb(const void *key, size_t len, const struct record *record, void *arg)
{
    struct bucket_change *c = arg;

    (void)record;
    memcpy(c->upload.bytes, key, len);
    c->upload.len = len;
    return 1;
}

/* The record of an upload is gone; or it has changed, and is looked at again. */
static void aborted_cb(void *arg, int rc)
{
    struct bucket_change *c = arg;

    if (rc == 0 || rc == STORE_CONFLICT)
        move_to(c, ABORTING);
    else
        finish(c, rc);
}

static void removed_cb(void *arg, int rc);

/* Removes the key that was looked at: an upload's record, or the bucket's. */
static void remove_viewed(struct bucket_change *c, int rc, const struct store_view *view)
{
    struct objects *o = c->s3->objects;
    bool is_upload = c->state == ABORTING;
    change_done_cb done = is_upload ? aborted_cb : removed_cb;

    if (rc == 0 && !view->exists)
        done(c, 0);
    else if (rc == 0 && is_upload)
        rc = upload_remove(o, &c->upload, view, done, c);
    else if (rc == 0)
        rc = change_remove(o, &c->record_key, view, done, c);
    if (rc < 0)
        finish(c, rc);
}

static void viewed_cb(struct store_reading *reading, int rc, const struct store_view *view)
{
    remove_viewed(reading->data, rc, view);
}

/* Removes a key, which may have a record. */
static void remove_key(struct bucket_change *c, const struct key *key)
{
    struct store_view view;
    int rc = objects_view(c->s3->objects, &c->reading, key, &view, viewed_cb);

    if (rc != STORE_LATER)
        remove_viewed(c, rc, &view);
}

/* The object is there now, or not. */
static void completed_cb(struct completion_waiter *waiter, enum s3_error error, const char *message,
                         const struct meta *meta)
{
    struct bucket_change *c =
        (struct bucket_change *)((char *)waiter - offsetof(struct bucket_change, waiter));

    (void)error;
    (void)message;
    (void)meta;
    start_to_look(c);
}

/* Aborts it, unless it is about to be completed. */
static void abort_upload(struct bucket_change *c)
{
    struct completion *completion = completion_find(c->s3, &c->upload);

    if (completion == NULL) {
        remove_key(c, &c->upload);
        return;
    }
    c->state = WAITING;
    c->waiter.done = completed_cb;
    completion_wait(completion, &c->waiter);
}

static void uploads_listed(struct bucket_change *c, int rc)
{
    if (rc < 0) {
        finish(c, rc);
    } else if (rc == 0) {
        begin_to_look(c);
        move_to(c, LOOKING_AGAIN);
    } else {
        abort_upload(c);
    }
}

static void listed_cb(struct store_reading *reading, int rc)
{
    uploads_listed(reading->data, rc);
}

static void abort_next(struct bucket_change *c)
{
    const struct store_range range = {
        .prefix = c->uploads.bytes, .prefix_len = c->uploads.len, .start = "", .want = 1};
    int rc = store_list(c->s3->objects->store, &c->reading, &range, upload_cb, c, listed_cb);

    if (rc != STORE_LATER)
        uploads_listed(c, rc);
}

/* --- The end --- */

static void removed_cb(void *arg, int rc)
{
    struct bucket_change *c = arg;

    if (rc == STORE_CONFLICT)
        move_to(c, REMOVING);
    else
        finish(c, rc);
}

static void turn_cb(uv_timer_t *timer)
{
    struct bucket_change *c = timer->data;

    switch (c->state) {
    case LOOKING:
    case LOOKING_AGAIN:
        look(c);
        break;
    case ABORTING:
        abort_next(c);
        break;
    case REMOVING:
        remove_key(c, &c->record_key);
        break;
    case CREATING:
    case FINDING:
    case WAITING:
    case ENDED:
        break;
    }
}

static void go_on_in(struct bucket_change *c, uint64_t ms)
{
    uv_timer_start(&c->timer, turn_cb, ms, 0);
}

static void set_uploads(struct bucket_change *c, const char *name, size_t len)
{
    size_t n = sizeof(UPLOAD_RECORDS) - 1;

    memcpy(c->uploads.bytes, UPLOAD_RECORDS, n);
    memcpy(c->uploads.bytes + n, name, len);
    c->uploads.len = n + len;
    c->uploads.bytes[c->uploads.len++] = '/';
}

static void found_cb(struct bucket_look *look, int rc)
{
    struct bucket_change *c = look->data;

    if (rc < 0)
        finish(c, rc);
    else
        start_to_look(c);
}

int bucket_remove(struct s3 *s3, const char *name, size_t len, bucket_change_cb done, void *arg,
                  struct bucket_change **change)
{
    struct bucket_change *c = change_new(s3, name, len, FINDING, done, arg);
    int rc;

    if (c == NULL)
        return UV_ENOMEM;
    rc = bucket_find(&c->look, s3->objects->store, name, len, found_cb);
    if (rc < 0) {
        change_free(c);
        return rc;
    }
    set_uploads(c, name, len);
    uv_timer_init(s3->objects->loop, &c->timer);
    c->timer.data = c;
    if (rc == 0)
        start_to_look(c);
    *change = c;
    return 0;
}
