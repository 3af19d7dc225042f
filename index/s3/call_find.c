/* Looks something up for a call: at once, and then nothing is allocated; or its request waits. */
#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "index/s3/buckets.h"
#include "index/s3/call.h"

struct finding {
    struct call_waiter waiter; /* of one that waits, as the next two */
    struct call call;
    struct access_auth auth;
    call_found_cb found;
    struct store_reading reading;
    struct bucket_look look;
    void *memory; /* itself, where it may have to wait; else NULL */
    bool is_waiting;
    bool is_of_key; /* a record is wanted, and else its bucket is looked at, if it's named */
    size_t bucket_len;
    char bucket[BUCKET_NAME_MAX];
    struct key key;
};

/* --- Memory ---------------------------------------------------------------------------------- */

static void finding_init(struct finding *f)
{
    f->reading = (struct store_reading){.data = f};
    f->look.store = NULL;
    f->is_waiting = false;
    f->call.auth = NULL;
}

/* One that may have to wait is allocated. NULL: it is answered. */
static struct finding *finding_new(const struct call *call, struct finding *here)
{
    bool is_prompt = call->s3->objects->store->is_prompt;
    struct finding *memory = is_prompt ? NULL : malloc(sizeof(*memory));
    struct finding *f = is_prompt ? here : memory;

    if (f == NULL) {
        call_fail(call, S3_SERVICE_UNAVAILABLE, NULL);
        return NULL;
    }
    finding_init(f);
    f->memory = memory;
    return f;
}

static void finding_free(struct finding *f)
{
    if (f->is_waiting && f->call.auth != NULL)
        access_auth_deinit(&f->auth);
    free(f->memory);
}

/* --- Waiting --------------------------------------------------------------------------------- */

static void request_closed_cb(struct http_request *request)
{
    struct call_waiter *waiter = http_request_data(request);

    waiter->closed(waiter);
}

void call_wait(struct call *call, struct call_waiter *waiter)
{
    http_request_set_data(call->request, waiter);
    if (!call->has_waited)
        http_request_wait(call->request, request_closed_cb);
    call->has_waited = true;
}

static void closed_cb(struct call_waiter *waiter)
{
    struct finding *f = (struct finding *)waiter;

    store_cancel(f->call.s3->objects->store, &f->reading);
    bucket_look_cancel(&f->look);
    finding_free(f);
}

static_assert(offsetof(struct finding, waiter) == 0, "closed_cb() wants it so");

static void wait_for_store(struct finding *f, const struct call *call)
{
    f->is_waiting = true;
    f->call = *call;
    if (call->auth != NULL) {
        f->auth = *call->auth;
        keys_hold(f->auth.keys);
        f->call.auth = &f->auth;
    }
    f->waiter.closed = closed_cb;
    call_wait(&f->call, &f->waiter);
}

/* --- The steps ------------------------------------------------------------------------------- */

static void end(struct finding *f, const struct call *call, enum s3_error error,
                const struct record *record)
{
    if (error != S3_OK)
        call_fail(call, error, NULL);
    else
        f->found(call, record);
    finding_free(f);
}

static void end_with_bucket(struct finding *f, const struct call *call, int rc)
{
    enum s3_error error = f->is_of_key ? S3_NO_SUCH_KEY : S3_OK;

    if (rc < 0)
        error = rc == UV_ENOENT ? S3_NO_SUCH_BUCKET : call_error_of(rc);
    end(f, call, error, NULL);
}

static void looked_cb(struct bucket_look *look, int rc)
{
    struct finding *f = look->data;

    end_with_bucket(f, &f->call, rc);
}

static void look_for_bucket(struct finding *f, const struct call *call)
{
    int rc;

    f->look.data = f;
    rc = bucket_find(&f->look, call->s3->objects->store, f->bucket, f->bucket_len, looked_cb);
    if (rc != STORE_LATER)
        end_with_bucket(f, call, rc);
    else if (!f->is_waiting)
        wait_for_store(f, call);
}

static void go_on(struct finding *f, const struct call *call, int rc, const struct record *record)
{
    if (rc < 0 && rc != UV_ENOENT)
        end(f, call, call_error_of(rc), NULL);
    else if (rc == 0 && !(record->flags & RECORD_UNLINKED))
        end(f, call, S3_OK, record);
    else if (f->bucket_len == 0)
        end(f, call, S3_OK, NULL);
    else
        look_for_bucket(f, call);
}

static void got_cb(struct store_reading *reading, int rc, const struct record *record)
{
    struct finding *f = reading->data;

    go_on(f, &f->call, rc, record);
}

/* --- The starts ------------------------------------------------------------------------------ */

static void set_bucket(struct finding *f, const char *bucket, size_t len)
{
    f->bucket_len = len;
    if (len > 0)
        memcpy(f->bucket, bucket, len);
}

static void find_key(const struct call *call, const struct key *key, const char *bucket, size_t len,
                     call_found_cb found)
{
    struct finding here;
    struct finding *f = finding_new(call, &here);
    struct record record;
    int rc;

    if (f == NULL)
        return;
    f->found = found;
    f->is_of_key = true;
    set_bucket(f, bucket, len);
    memcpy(f->key.bytes, key->bytes, key->len);
    f->key.len = key->len;
    rc = objects_look_up(call->s3->objects, &f->reading, &f->key, &record, got_cb);
    if (rc == STORE_LATER)
        wait_for_store(f, call);
    else
        go_on(f, call, rc, &record);
}

void call_find_record(const struct call *call, const struct key *key, call_found_cb found)
{
    find_key(call, key, NULL, 0, found);
}

void call_find_object(const struct call *call, const struct key *key, const char *bucket,
                      size_t len, call_found_cb found)
{
    find_key(call, key, bucket, len, found);
}

static void find_bucket(const struct call *call, call_found_cb found)
{
    struct finding here;
    struct finding *f = finding_new(call, &here);

    if (f == NULL)
        return;
    f->found = found;
    f->is_of_key = false;
    set_bucket(f, call->target.bucket, call->target.bucket_len);
    look_for_bucket(f, call);
}

void call_find_target(const struct call *call, call_found_cb found)
{
    const struct target *target = &call->target;

    if (target->key_len > 0)
        call_find_object(call, &target->key, target->bucket, target->bucket_len, found);
    else
        find_bucket(call, found);
}

void call_check_bucket(const struct call *call, call_found_cb found)
{
    if (call->s3->keys == NULL)
        found(call, NULL);
    else
        find_bucket(call, found);
}

void call_check_target(const struct call *call, call_found_cb found)
{
    if (target_is_utf8(&call->target))
        call_check_bucket(call, found);
    else
        call_fail(call, S3_INVALID_URI, NULL);
}
