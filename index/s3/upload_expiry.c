/* A round:
 *
 *     records of uploads ──▶ an old one: its parts ──▶ all are old: the record goes
 *             ▲                                                           │
 *             └───────────────────────────────────────────────────────────┘
 *     parts, the first one of each upload ──▶ there is no record: all of its parts go, and on
 *
 * Walks go in slices of a millisecond, and see what is there when they come by. They wait while
 * something is removed, so that one thing is at a time. */
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
#define SLICE_INTERVAL 20      /* ms from one to the next */
#define ROUNDS         8       /* in the time that an upload may be left alone, but a round */
#define REST_MIN       500     /* follows the last one after this at least, */
#define REST_MAX       3600000 /* and this at most */

enum phase { RECORDS, PARTS_OF_OLD, PARTS };

struct upload_expiry {
    struct s3 *s3;
    uv_timer_t timer;
    enum phase phase;
    struct key next; /* where the walk goes on; len 0 at its start */
    uint64_t slice_until;
    unsigned looked_at; /* in this slice */
    bool is_found;      /* an old record; a part that isn't old; or parts without a record */
    struct key found;   /* the first; or what the keys of the last begin with */
    struct record record;
    struct sweep sweep;
    bool is_removing;
    void (*stop_cb)(void *arg);
    void *stop_arg;
};

static void slice_cb(uv_timer_t *timer);

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
static bool remove_old(struct upload_expiry *e)
{
    return completion_find(e->s3, &e->found) == NULL &&
           change_remove(e->s3->objects, &e->found, &e->record, removed_cb, e) == 0;
}

static void walk_parts_of_old(struct upload_expiry *e)
{
    char id[UPLOAD_ID_SIZE] = "";
    struct key parts;
    int rc;

    memcpy(id, e->found.bytes + e->found.len - UPLOAD_ID_LENGTH, UPLOAD_ID_LENGTH);
    upload_key_of_parts(id, &parts);
    rc = store_list(e->s3->objects->store, parts.bytes, parts.len, e->next.bytes, e->next.len,
                    part_cb, e);
    if (rc > 0 && !e->is_found) {
        go_on_in(e, SLICE_INTERVAL);
        return;
    }
    e->phase = RECORDS;
    go_on_after(e, &e->found);
    wait_for(e, rc == 0 && remove_old(e));
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
        go_on_after(e, &e->found);
        wait_for(e, remove_old(e));
    }
}

static void walk_records(struct upload_expiry *e)
{
    int rc = store_list(e->s3->objects->store, UPLOAD_RECORDS, sizeof(UPLOAD_RECORDS) - 1,
                        e->next.bytes, e->next.len, record_cb, e);

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

/* The first part of an upload: the walk goes on after its last one. */
static int first_part_cb(const void *key, size_t len, const struct record *record, void *arg)
{
    struct upload_expiry *e = arg;
    struct record of_upload;
    struct key upload;
    int rc;

    (void)record;
    set_key(&e->found, key, len);
    if (!upload_key_record_of_part(&e->found, &upload)) {
        go_on_after(e, &e->found);
        return 1;
    }
    rc = objects_look_up(e->s3->objects, &upload, &of_upload);
    e->is_found = rc == UV_ENOENT;
    e->found.len = sizeof(UPLOAD_PARTS) - 1 + UPLOAD_ID_LENGTH + 1;
    e->next = e->found;
    e->next.bytes[e->next.len - 1]++;
    return rc < 0 && rc != UV_ENOENT ? rc : 1;
}

static void swept_cb(struct sweep *sweep, int rc)
{
    (void)rc;
    end_removal(sweep->data);
}

static void walk_parts(struct upload_expiry *e)
{
    int rc;

    do {
        rc = store_list(e->s3->objects->store, UPLOAD_PARTS, sizeof(UPLOAD_PARTS) - 1,
                        e->next.bytes, e->next.len, first_part_cb, e);
    } while (rc > 0 && !e->is_found && !is_slice_over(e));
    if (rc <= 0)
        rest(e);
    else if (!e->is_found)
        go_on_in(e, SLICE_INTERVAL);
    else
        wait_for(e, sweep_start(&e->sweep, e->s3->objects, &e->found, swept_cb));
}

static void slice_cb(uv_timer_t *timer)
{
    struct upload_expiry *e = timer->data;

    e->looked_at = 0;
    e->is_found = false;
    e->slice_until = uv_hrtime() + SLICE_NS;
    if (e->phase == RECORDS)
        walk_records(e);
    else if (e->phase == PARTS_OF_OLD)
        walk_parts_of_old(e);
    else
        walk_parts(e);
}

/* --- Start and stop -------------------------------------------------------------------------- */

int upload_expiry_start(uv_loop_t *loop, struct s3 *s3, struct upload_expiry **expiry)
{
    struct upload_expiry *e = calloc(1, sizeof(*e));

    if (e == NULL)
        return UV_ENOMEM;
    e->s3 = s3;
    uv_timer_init(loop, &e->timer);
    e->timer.data = e->sweep.data = e;
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
    uv_close((uv_handle_t *)&e->timer, closed_cb);
}

void upload_expiry_stop(struct upload_expiry *e, void (*cb)(void *arg), void *arg)
{
    e->stop_cb = cb;
    e->stop_arg = arg;
    if (!e->is_removing)
        close_timer(e);
}
