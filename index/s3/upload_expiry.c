/* A round:
 *
 *     records of uploads ──▶ an old one: its parts ──▶ all are old: the record goes
 *             ▲                                                           │
 *             └───────────────────────────────────────────────────────────┘
 *     parts, the first one of each upload ──▶ there is no record: all of its parts go, and on
 *
 * Walks go in slices of a millisecond, or as far as the store reads at once, and see what is there
 * when they come by. They wait while something is removed, so that one thing is at a time. Where
 * several indexes share the store, the one that leads does it. */
#include "index/s3/upload_expiry.h"

#include <stdlib.h>
#include <string.h>

#include "index/base/clock.h"
#include "index/objects/change.h"
#include "index/s3/completion.h"
#include "index/s3/sweep.h"
#include "index/s3/upload_key.h"

#define SLICE_NS       1000000 /* that a slice takes, more or less */
#define SLICE_KEYS     32      /* between looks at the clock */
#define FETCH_KEYS     256     /* at once, where that takes a while */
#define SLICE_INTERVAL 20      /* ms from one to the next */
#define ROUNDS         8       /* in the time that an upload may be left alone, but a round */
#define REST_MIN       500     /* follows the last one after this at least, */
#define REST_MAX       3600000 /* and this at most */

enum phase {
    RECORDS,
    PARTS_OF_OLD,
    OLD, /* it is looked at again, to be removed */
    PARTS,
};

struct upload_expiry {
    struct s3 *s3;
    uv_timer_t timer;
    struct store_reading reading;
    enum phase phase;
    struct key next; /* where the walk goes on; len 0 at its start */
    uint64_t slice_until;
    unsigned looked_at; /* in this slice */
    bool is_found;      /* an old record; a part that isn't old; or parts without a record */
    struct key found;   /* the first; or what the keys of the last begin with */
    struct record record;
    struct key upload; /* of a part */
    struct sweep sweep;
    bool is_late; /* what is listed comes later: the slice begins then */
    bool goes_on; /* with the next list, in this slice */
    bool is_removing;
    void (*stop_cb)(void *arg);
    void *stop_arg;
};

static void slice_cb(uv_timer_t *timer);
static void list(struct upload_expiry *e, const char *prefix, size_t len, store_list_cb each);
static void walk_on(struct upload_expiry *e);

static void go_on_in(struct upload_expiry *e, uint64_t ms)
{
    uv_timer_start(&e->timer, slice_cb, ms, 0);
}

static void set_key(struct key *key, const void *bytes, size_t len)
{
    memcpy(key->bytes, bytes, len);
    key->len = len;
}

static void go_on_after(struct upload_expiry *e, const struct key *key)
{
    e->next = *key;
    if (key->len < KEY_MAX)
        e->next.bytes[e->next.len++] = '\x01';
    else
        e->next.bytes[KEY_MAX - 1]++;
}

static bool is_slice_over(struct upload_expiry *e)
{
    if (e->is_late)
        e->slice_until = uv_hrtime() + SLICE_NS;
    e->is_late = false;
    return ++e->looked_at % SLICE_KEYS == 0 && uv_hrtime() >= e->slice_until;
}

/* Whether it was left alone for so long; with 0 none ever is. */
static bool is_old(const struct upload_expiry *e, const struct record *record)
{
    uint64_t ms = e->s3->upload_expiry_ms;
    uint64_t now = clock_now_ms();

    return ms > 0 && record->time < now && now - record->time >= ms;
}

/* --- A round --------------------------------------------------------------------------------- */

static void begin(struct upload_expiry *e, enum phase phase, uint64_t ms)
{
    e->phase = phase;
    e->next.len = 0;
    go_on_in(e, ms);
}

static void rest(struct upload_expiry *e)
{
    uint64_t ms = e->s3->upload_expiry_ms / ROUNDS;

    if (e->s3->upload_expiry_ms == 0)
        ms = REST_MAX;
    begin(e, RECORDS, ms < REST_MIN ? REST_MIN : ms > REST_MAX ? REST_MAX : ms);
}

static void close_timer(struct upload_expiry *e);

/* What has failed is found by the next round. */
static void end_removal(struct upload_expiry *e)
{
    e->is_removing = false;
    if (e->stop_cb != NULL)
        close_timer(e);
    else
        go_on_in(e, SLICE_INTERVAL);
}

/* Something may be removed, by what has this result: 1, and end_removal() comes later. */
static void wait_for(struct upload_expiry *e, int rc)
{
    e->is_removing = rc > 0;
    if (!e->is_removing)
        go_on_in(e, SLICE_INTERVAL);
}

/* --- Old uploads ----------------------------------------------------------------------------- */

static int record_cb(const void *key, size_t len, const struct record *record, void *arg)
{
    struct upload_expiry *e = arg;

    if (is_slice_over(e)) {
        set_key(&e->next, key, len);
        return 1;
    }
    if (!is_old(e, record))
        return 0;
    e->is_found = true;
    set_key(&e->found, key, len);
    record_copy(&e->record, record);
    return 1;
}

static int part_cb(const void *key, size_t len, const struct record *record, void *arg)
{
    struct upload_expiry *e = arg;

    if (is_slice_over(e)) {
        set_key(&e->next, key, len);
        return 1;
    }
    e->is_found = !is_old(e, record);
    return e->is_found;
}

static void removed_cb(void *arg, int rc)
{
    (void)rc;
    end_removal(arg);
}

/* Its parts are without a record then. What is completed, or has changed, was not left alone. */
static void remove_old(struct upload_expiry *e, int rc, const struct store_view *view)
{
    bool removes = rc == 0 && view->exists && record_equal(&view->record, &e->record) &&
                   completion_find(e->s3, &e->found) == NULL &&
                   change_remove(e->s3->objects, &e->found, view, removed_cb, e) == 0;

    e->phase = RECORDS;
    wait_for(e, removes);
}

static void viewed_cb(struct store_reading *reading, int rc, const struct store_view *view)
{
    remove_old(reading->data, rc, view);
}

static void look_at_old_again(struct upload_expiry *e)
{
    struct store_view view;
    int rc;

    e->phase = OLD;
    go_on_after(e, &e->found);
    rc = objects_view(e->s3->objects, &e->reading, &e->found, &view, viewed_cb);
    if (rc != STORE_LATER)
        remove_old(e, rc, &view);
}

static void parts_walked(struct upload_expiry *e, int rc)
{
    if (rc > 0 && !e->is_found) {
        go_on_in(e, SLICE_INTERVAL);
        return;
    }
    if (rc == 0) {
        look_at_old_again(e);
        return;
    }
    e->phase = RECORDS;
    go_on_after(e, &e->found);
    go_on_in(e, SLICE_INTERVAL);
}

static void walk_parts_of_old(struct upload_expiry *e)
{
    char id[UPLOAD_ID_SIZE] = "";
    struct key parts;

    memcpy(id, e->found.bytes + e->found.len - UPLOAD_ID_LENGTH, UPLOAD_ID_LENGTH);
    upload_key_of_parts(id, &parts);
    list(e, parts.bytes, parts.len, part_cb);
}

/* What isn't an upload has no parts. */
static void look_at_old(struct upload_expiry *e)
{
    struct key object;

    e->is_found = false;
    if (upload_key_object(e->found.bytes, e->found.len, &object)) {
        e->phase = PARTS_OF_OLD;
        e->next.len = 0;
        walk_parts_of_old(e);
    } else {
        look_at_old_again(e);
    }
}

static void records_walked(struct upload_expiry *e, int rc)
{
    if (rc < 0)
        rest(e);
    else if (e->is_found)
        look_at_old(e);
    else if (rc > 0)
        go_on_in(e, SLICE_INTERVAL);
    else
        begin(e, PARTS, SLICE_INTERVAL);
}

/* --- Parts without an upload ------------------------------------------------------------------ */

/* The first part of an upload. */
static int first_part_cb(const void *key, size_t len, const struct record *record, void *arg)
{
    struct upload_expiry *e = arg;

    (void)record;
    set_key(&e->found, key, len);
    return 1;
}

static void swept_cb(struct sweep *sweep, int rc)
{
    (void)rc;
    end_removal(sweep->data);
}

/* The walk goes on, in a while if this slice is over. */
static void go_on(struct upload_expiry *e)
{
    if (is_slice_over(e))
        go_on_in(e, SLICE_INTERVAL);
    else
        e->goes_on = true;
}

/* The upload's record was looked up: the walk goes on after its last part. */
static void upload_looked_up(struct upload_expiry *e, int rc)
{
    e->found.len = sizeof(UPLOAD_PARTS) - 1 + UPLOAD_ID_LENGTH + 1;
    e->next = e->found;
    e->next.bytes[e->next.len - 1]++;
    if (rc == UV_ENOENT)
        wait_for(e, sweep_start(&e->sweep, e->s3->objects, &e->found, swept_cb));
    else if (rc < 0)
        rest(e);
    else
        go_on(e);
}

static void upload_cb(struct store_reading *reading, int rc, const struct record *record)
{
    struct upload_expiry *e = reading->data;

    (void)record;
    upload_looked_up(e, rc);
    walk_on(e);
}

static void first_part_found(struct upload_expiry *e, int rc)
{
    struct record record;

    if (rc <= 0) {
        rest(e);
        return;
    }
    if (!upload_key_record_of_part(&e->found, &e->upload)) {
        go_on_after(e, &e->found);
        go_on(e);
        return;
    }
    rc = objects_look_up(e->s3->objects, &e->reading, &e->upload, &record, upload_cb);
    if (rc != STORE_LATER)
        upload_looked_up(e, rc);
}

/* --- Slices ----------------------------------------------------------------------------------- */

static void walked(struct upload_expiry *e, int rc)
{
    if (e->phase == RECORDS)
        records_walked(e, rc);
    else if (e->phase == PARTS_OF_OLD)
        parts_walked(e, rc);
    else
        first_part_found(e, rc);
}

static void listed_cb(struct store_reading *reading, int rc)
{
    struct upload_expiry *e = reading->data;

    walked(e, rc);
    walk_on(e);
}

static void list(struct upload_expiry *e, const char *prefix, size_t len, store_list_cb each)
{
    const struct store_range range = {.prefix = prefix,
                                      .prefix_len = len,
                                      .start = e->next.bytes,
                                      .start_len = e->next.len,
                                      .want = e->phase == PARTS ? 1 : FETCH_KEYS};
    int rc = store_list(e->s3->objects->store, &e->reading, &range, each, e, listed_cb);

    e->is_late = rc == STORE_LATER;
    if (!e->is_late)
        walked(e, rc);
}

static void walk(struct upload_expiry *e)
{
    e->goes_on = false;
    if (e->phase == RECORDS)
        list(e, UPLOAD_RECORDS, sizeof(UPLOAD_RECORDS) - 1, record_cb);
    else if (e->phase == PARTS_OF_OLD)
        walk_parts_of_old(e);
    else
        list(e, UPLOAD_PARTS, sizeof(UPLOAD_PARTS) - 1, first_part_cb);
}

static void walk_on(struct upload_expiry *e)
{
    while (e->goes_on)
        walk(e);
}

static void slice_cb(uv_timer_t *timer)
{
    struct upload_expiry *e = timer->data;

    if (!store_leads(e->s3->objects->store)) {
        rest(e);
        return;
    }
    e->looked_at = 0;
    e->is_found = false;
    e->goes_on = true;
    e->slice_until = uv_hrtime() + SLICE_NS;
    walk_on(e);
}

/* --- Start and stop -------------------------------------------------------------------------- */

int upload_expiry_start(uv_loop_t *loop, struct s3 *s3, struct upload_expiry **expiry)
{
    struct upload_expiry *e = calloc(1, sizeof(*e));

    if (e == NULL)
        return UV_ENOMEM;
    e->s3 = s3;
    uv_timer_init(loop, &e->timer);
    e->timer.data = e->sweep.data = e->reading.data = e;
    begin(e, RECORDS, SLICE_INTERVAL);
    *expiry = e;
    return 0;
}

static void closed_cb(uv_handle_t *handle)
{
    struct upload_expiry *e = handle->data;
    void (*cb)(void *arg) = e->stop_cb;
    void *arg = e->stop_arg;

    free(e);
    cb(arg);
}

static void close_timer(struct upload_expiry *e)
{
    store_cancel(e->s3->objects->store, &e->reading);
    uv_close((uv_handle_t *)&e->timer, closed_cb);
}

void upload_expiry_stop(struct upload_expiry *e, void (*cb)(void *arg), void *arg)
{
    e->stop_cb = cb;
    e->stop_arg = arg;
    if (!e->is_removing)
        close_timer(e);
}
