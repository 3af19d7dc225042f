#include "index/s3/completion.h"

#include <stdlib.h>
#include <string.h>

#include "index/objects/compose.h"
#include "index/s3/parts_check.h"
#include "index/s3/upload_removal.h"
#include "index/s3/write_conditions.h"

#define SLICE_NS 1000000 /* that parts are looked at, before others have their turn */

struct completion {
    struct s3 *s3;
    LIST_ENTRY(completion) link;
    LIST_HEAD(waiter_list, completion_waiter) waiters;
    struct multipart upload;
    struct record record; /* of the upload */
    struct key object;
    struct body_complete *list;
    struct parts_check check;
    struct write_conditions conditions;
    struct meta meta; /* of the object */
    uv_timer_t timer;
    int refused; /* by the conditions: the error */
    struct store_reading reading;
    size_t part;                      /* of the list, that is looked up for the compose: */
    struct compose_source *asked_for; /* what is to be filled, */
    struct compose_asked *asked;      /* and who asks */
};

struct completion *completion_find(struct s3 *s3, const struct key *upload)
{
    struct completion *c;

    LIST_FOREACH(c, &s3->completions, link)
    {
        if (c->upload.key.len == upload->len &&
            memcmp(c->upload.key.bytes, upload->bytes, upload->len) == 0)
            return c;
    }
    return NULL;
}

/* --- Who waits ------------------------------------------------------------------------------- */

void completion_wait(struct completion *c, struct completion_waiter *waiter)
{
    LIST_INSERT_HEAD(&c->waiters, waiter, link);
}

void completion_leave(struct completion_waiter *waiter)
{
    LIST_REMOVE(waiter, link);
}

/* --- The end --------------------------------------------------------------------------------- */

static void completion_free(struct completion *c)
{
    struct objects *o = c->s3->objects;

    body_complete_free(c->list);
    parts_check_deinit(&c->check);
    write_conditions_deinit(&c->conditions);
    free(c);
    objects_end(o);
}

static void closed_cb(uv_handle_t *handle)
{
    completion_free(handle->data);
}

static void end(struct completion *c, enum s3_error error, const char *message)
{
    struct completion_waiter *waiter;

    LIST_REMOVE(c, link);
    while ((waiter = LIST_FIRST(&c->waiters)) != NULL) {
        LIST_REMOVE(waiter, link);
        waiter->done(waiter, error, message, &c->meta);
    }
    uv_close((uv_handle_t *)&c->timer, closed_cb);
}

/* --- The upload's end ------------------------------------------------------------------------ */

static void finish(struct completion *c);

static void removed_cb(void *arg, int rc)
{
    struct completion *c = arg;

    if (rc == STORE_CONFLICT)
        finish(c);
    else
        end(c, rc < 0 ? call_error_of(rc) : S3_OK, NULL);
}

static void finish_viewed(struct completion *c, int rc, const struct store_view *view)
{
    struct objects *o = c->s3->objects;

    if (rc == 0 && !view->exists) {
        upload_remove_parts(o, c->upload.id);
        end(c, S3_OK, NULL);
        return;
    }
    if (rc == 0)
        rc = upload_remove(o, &c->upload.key, view, removed_cb, c);
    if (rc < 0)
        end(c, call_error_of(rc), NULL);
}

static void viewed_cb(struct store_reading *reading, int rc, const struct store_view *view)
{
    finish_viewed(reading->data, rc, view);
}

/* The object's commit has removed the upload's record; unless the object counts as one that was
 * replaced. */
static void finish(struct completion *c)
{
    struct store_view view;
    int rc = objects_view(c->s3->objects, &c->reading, &c->upload.key, &view, viewed_cb);

    if (rc != STORE_LATER)
        finish_viewed(c, rc, &view);
}

/* --- The object ------------------------------------------------------------------------------ */

static int condition_cb(void *arg, const struct record *record)
{
    struct completion *c = arg;

    c->refused = write_conditions_check_kept(&c->conditions, record);
    return c->refused;
}

/* Gives a part of the list, as it was when it was checked. */
static int give_part(struct completion *c, int rc, const struct record *record,
                     struct compose_source *source)
{
    if (rc == 0 && record->generation != c->check.generations[c->part])
        rc = UV_ENOENT;
    if (rc < 0)
        return rc;
    if (record != &source->record)
        record_copy(&source->record, record);
    source->offset = 0;
    source->length = c->check.sizes[c->part];
    return 0;
}

static void part_cb(struct store_reading *reading, int rc, const struct record *record)
{
    struct completion *c = reading->data;

    compose_answer(c->asked, give_part(c, rc, record, c->asked_for));
}

static int source_cb(void *arg, size_t i, struct compose_source *source,
                     struct compose_asked *asked)
{
    struct completion *c = arg;
    int rc;

    c->part = i;
    c->asked_for = source;
    c->asked = asked;
    upload_key_of_part(&c->object, c->upload.id, c->check.listed[i].number, &source->key);
    rc = objects_look_up(c->s3->objects, &c->reading, &source->key, &source->record, part_cb);
    return rc == STORE_LATER ? rc : give_part(c, rc, &source->record, source);
}

/* What the volumes, or the store, have failed with: a part may be gone, or all of the upload. */
static void fail_without(struct completion *c, int rc)
{
    if (rc < 0 && rc != UV_ENOENT)
        end(c, call_error_of(rc), NULL);
    else
        end(c, rc == UV_ENOENT ? S3_NO_SUCH_UPLOAD : S3_INVALID_PART, NULL);
}

static void upload_cb(struct store_reading *reading, int rc, const struct record *record)
{
    (void)record;
    fail_without(reading->data, rc);
}

static void fail_composed(struct completion *c, int rc)
{
    struct record record;

    if (rc != UV_ENOENT) {
        end(c, call_error_of(rc), NULL);
        return;
    }
    rc = objects_look_up(c->s3->objects, &c->reading, &c->upload.key, &record, upload_cb);
    if (rc != STORE_LATER)
        fail_without(c, rc);
}

static void composed_cb(void *arg, int rc, const char *text, const struct record *record)
{
    struct completion *c = arg;

    (void)text;
    (void)record;
    if (rc == 0)
        finish(c);
    else if (c->refused < 0 || rc == STORE_CONFLICT)
        end(c, write_conditions_error_of(rc), NULL);
    else
        fail_composed(c, rc);
}

static void compose(struct completion *c)
{
    bool is_conditional = write_conditions_exist_kept(&c->conditions);
    char text[UPLOAD_TEXT_MAX];
    int rc = compose_start(c->s3->objects, &c->object,
                           &(struct compose_options){
                               .n_sources = c->check.n,
                               .next = source_cb,
                               .size = c->check.size,
                               .replaces = true,
                               .condition = is_conditional ? condition_cb : NULL,
                               .removes = &c->upload.key,
                               .meta = c->meta.bytes,
                               .meta_len = c->meta.len,
                               .done = composed_cb,
                               .arg = c,
                           },
                           text);

    if (rc < 0)
        composed_cb(c, rc, text, NULL);
}

/* --- The check ------------------------------------------------------------------------------- */

static enum s3_error make_meta(struct completion *c)
{
    const struct record *record = &c->record;
    enum s3_error error = meta_add_client_lines(&c->meta, record->meta, record->meta_len);

    if (error != S3_OK)
        return error;
    parts_check_add_meta(&c->check, &c->meta);
    meta_add_upload(&c->meta, c->upload.id);
    meta_add_parts(&c->meta, c->check.sizes, c->check.n);
    return S3_OK;
}

static void check_on(uv_timer_t *timer);

static void checked(struct completion *c, enum s3_error error)
{
    if (error == S3_OK && c->check.at < c->check.n) {
        uv_timer_start(&c->timer, check_on, 0, 0);
        return;
    }
    if (error == S3_OK)
        error = make_meta(c);
    if (error != S3_OK)
        end(c, error, NULL);
    else
        compose(c);
}

static void checked_cb(struct parts_check *check, enum s3_error error)
{
    checked(check->data, error);
}

static void check_on(uv_timer_t *timer)
{
    struct completion *c = timer->data;
    int error = parts_check_on(&c->check, SLICE_NS, checked_cb);

    if (error != STORE_LATER)
        checked(c, (enum s3_error)error);
}

/* --- The start ------------------------------------------------------------------------------- */

static struct completion *completion_new(const struct call *call, const struct multipart *upload,
                                         const struct record *record)
{
    struct completion *c = calloc(1, sizeof(*c));

    if (c == NULL || write_conditions_keep(call, &c->conditions) < 0) {
        free(c);
        return NULL;
    }
    c->s3 = call->s3;
    c->upload = *upload;
    record_copy(&c->record, record);
    c->object = call->target.key;
    c->timer.data = c->reading.data = c->check.data = c;
    return c;
}

static enum s3_error init_check(struct completion *c, const struct completion_wanted *wanted)
{
    struct parts_check *check = &c->check;

    check->objects = c->s3->objects;
    check->object = &c->object;
    memcpy(check->id, c->upload.id, sizeof(check->id));
    check->listed = body_complete_parts(c->list, &check->n);
    check->kind = c->upload.kind;
    check->is_composite = c->upload.is_composite;
    check->wanted_kind = wanted->kind;
    memcpy(check->wanted, wanted->checksum, sizeof(check->wanted));
    check->has_wanted_size = wanted->has_size;
    check->wanted_size = wanted->size;
    return parts_check_init(check);
}

enum s3_error completion_start(const struct call *call, const struct multipart *upload,
                               const struct record *record, struct body_complete *list,
                               const struct completion_wanted *wanted,
                               struct completion **completion)
{
    struct completion *c = completion_new(call, upload, record);

    if (c == NULL)
        return S3_SERVICE_UNAVAILABLE;
    objects_begin(c->s3->objects);
    c->list = list;
    if (init_check(c, wanted) != S3_OK) {
        c->list = NULL;
        completion_free(c);
        return S3_SERVICE_UNAVAILABLE;
    }
    LIST_INSERT_HEAD(&c->s3->completions, c, link);
    uv_timer_init(c->s3->objects->loop, &c->timer);
    uv_timer_start(&c->timer, check_on, 0, 0);
    *completion = c;
    return S3_OK;
}
