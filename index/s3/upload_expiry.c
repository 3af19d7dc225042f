/* A round:
 *
 *     records of uploads, each old one: its parts ──▶ ids of parts, some ──▶ strike those that have
 *                                                          ▲                 a record ──┐
 *                                                          └──── the rest is removed ◀──┘
 *
 * Walks go in slices of a millisecond, and see what is there when they come by. A part's key
 * doesn't name the object of its upload, so that ids are compared with all records, many at once.
 */
#include "index/s3/upload_expiry.h"

#include <stdlib.h>
#include <string.h>

#include "index/base/clock.h"
#include "index/s3/completion.h"
#include "index/s3/meta.h"
#include "index/s3/upload_key.h"
#include "index/s3/upload_removal.h"

#define SLICE_NS        1000000 /* that a slice takes, more or less */
#define SLICE_KEYS      32      /* between looks at the clock */
#define SLICE_INTERVAL  20      /* ms from one to the next */
#define ANSWER_INTERVAL 1       /* ms from one answer to the next */
#define ROUNDS          8       /* in the time that an upload may be left alone, but a round */
#define REST_MIN        500     /* follows the last one after this at least, */
#define REST_MAX        3600000 /* and this at most */
#define IDS_MAX         256     /* that are compared at once */

enum phase { RECORDS, IDS, STRIKING };

struct upload_expiry {
    struct s3 *s3;
    uv_timer_t timer;
    enum phase phase;
    bool is_first;   /* round */
    struct key next; /* where the walk goes on; len 0 at its start */
    uint64_t slice_until;
    unsigned looked_at; /* in this slice */
    bool is_found;      /* an old upload, of */
    struct record record;
    char ids[IDS_MAX][UPLOAD_ID_LENGTH]; /* in order */
    bool is_struck[IDS_MAX];
    unsigned n_ids;
    struct key next_id; /* where the ids go on after these; len 0: there are no more */
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

static bool is_slice_over(struct upload_expiry *e, const void *key, size_t len)
{
    if (++e->looked_at % SLICE_KEYS != 0 || uv_hrtime() < e->slice_until)
        return false;
    set_key(&e->next, key, len);
    return true;
}

/* Of a time: it was so long ago. */
static bool is_past(uint64_t time, uint64_t ms)
{
    uint64_t now = clock_now_ms();

    return time < now && now - time >= ms;
}

/* --- Old uploads ----------------------------------------------------------------------------- */

static int record_cb(const void *key, size_t len, const struct record *record, void *arg)
{
    struct upload_expiry *e = arg;
    bool is_completed;

    if (is_slice_over(e, key, len))
        return 1;
    is_completed = meta_is_completed(record->meta, record->meta_len);
    if (!(is_completed && e->is_first) &&
        !is_past(record->time, is_completed ? UPLOAD_ANSWER_KEPT : e->s3->upload_expiry_ms))
        return 0;
    e->is_found = true;
    set_key(&e->next, key, len);
    record_copy(&e->record, record);
    return 1;
}

static int part_cb(const void *key, size_t len, const struct record *record, void *arg)
{
    const struct upload_expiry *e = arg;

    (void)key;
    (void)len;
    return !is_past(record->time, e->s3->upload_expiry_ms);
}

/* Whether none was added to the upload of late, and nobody completes it. */
static bool is_left_alone(struct upload_expiry *e)
{
    char id[UPLOAD_ID_SIZE] = "";
    struct key object;
    struct key parts;

    if (!upload_key_object(e->next.bytes, e->next.len, &object))
        return true;
    memcpy(id, e->next.bytes + e->next.len - UPLOAD_ID_LENGTH, UPLOAD_ID_LENGTH);
    if (completion_find(e->s3, id) != NULL)
        return false;
    upload_key_of_parts(id, &parts);
    return store_list(e->s3->objects->store, parts.bytes, parts.len, "", 0, part_cb, e) == 0;
}

static void close_timer(struct upload_expiry *e);

static void removed_cb(void *arg, int rc)
{
    struct upload_expiry *e = arg;

    (void)rc; /* the next round finds it again */
    e->is_removing = false;
    if (e->stop_cb != NULL)
        close_timer(e);
    else
        go_on_in(e, SLICE_INTERVAL);
}

static void go_on_after(struct key *key)
{
    if (key->len < KEY_MAX)
        key->bytes[key->len++] = '\x01';
    else
        key->bytes[KEY_MAX - 1]++;
}

/* Of one that is completed and stays, parts may be left, since mkv died before they were removed.
 */
static void look_at_answer(struct upload_expiry *e)
{
    char id[UPLOAD_ID_SIZE] = "";

    memcpy(id, e->next.bytes + e->next.len - UPLOAD_ID_LENGTH, UPLOAD_ID_LENGTH);
    upload_remove_parts(e->s3->objects, id);
    go_on_after(&e->next);
    go_on_in(e, ANSWER_INTERVAL);
}

/* The upload at `next`, unless it isn't left alone. Goes on after it. */
static void look_at_found(struct upload_expiry *e)
{
    const struct key key = e->next;
    bool is_completed = meta_is_completed(e->record.meta, e->record.meta_len);

    e->is_found = false;
    if (is_completed && !is_past(e->record.time, UPLOAD_ANSWER_KEPT)) {
        look_at_answer(e);
        return;
    }
    if (is_completed || is_left_alone(e))
        e->is_removing = upload_remove(e->s3->objects, &key, &e->record, removed_cb, e) == 0;
    go_on_after(&e->next);
    if (!e->is_removing)
        go_on_in(e, SLICE_INTERVAL);
}

/* --- Parts without an upload -------------------------------------------------------------------
 */

/* One id: the walk ends at its first part, and goes on after its last one. */
static int id_cb(const void *key, size_t len, const struct record *record, void *arg)
{
    struct upload_expiry *e = arg;
    const size_t before = sizeof(UPLOAD_PARTS) - 1;

    if (len <= before + UPLOAD_ID_LENGTH) { /* none of ours */
        set_key(&e->next, key, len);
        e->next.bytes[len - 1]++;
        return 1;
    }
    if (is_past(record->time, e->s3->upload_expiry_ms))
        memcpy(e->ids[e->n_ids++], (const char *)key + before, UPLOAD_ID_LENGTH);
    set_key(&e->next, key, before + UPLOAD_ID_LENGTH);
    e->next.bytes[e->next.len++] = '/' + 1;
    return 1;
}

/* Some ids more. 0 when there are no more, 1 for one after that, or negative. */
static int collect_ids(struct upload_expiry *e)
{
    int rc;

    do {
        rc = store_list(e->s3->objects->store, UPLOAD_PARTS, sizeof(UPLOAD_PARTS) - 1,
                        e->next.bytes, e->next.len, id_cb, e);
    } while (rc > 0 && e->n_ids < IDS_MAX && uv_hrtime() < e->slice_until);
    return rc;
}

static int compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, UPLOAD_ID_LENGTH);
}

static int strike_cb(const void *key, size_t len, const struct record *record, void *arg)
{
    struct upload_expiry *e = arg;
    const char *end = (const char *)key + len;
    const char(*id)[UPLOAD_ID_LENGTH];

    (void)record;
    if (is_slice_over(e, key, len))
        return 1;
    if (len < UPLOAD_TAIL)
        return 0;
    id = bsearch(end - UPLOAD_ID_LENGTH, e->ids, e->n_ids, UPLOAD_ID_LENGTH, compare_ids);
    if (id != NULL)
        e->is_struck[id - e->ids] = true;
    return 0;
}

static void remove_rest(struct upload_expiry *e)
{
    char id[UPLOAD_ID_SIZE] = "";

    for (unsigned i = 0; i < e->n_ids; i++) {
        memcpy(id, e->ids[i], UPLOAD_ID_LENGTH);
        if (!e->is_struck[i])
            upload_remove_parts(e->s3->objects, id);
    }
}

/* --- A round --------------------------------------------------------------------------------- */

static void begin(struct upload_expiry *e, enum phase phase)
{
    e->phase = phase;
    e->next.len = 0;
    if (phase == IDS)
        e->n_ids = 0;
    else if (phase == STRIKING)
        memset(e->is_struck, 0, sizeof(e->is_struck));
    go_on_in(e, SLICE_INTERVAL);
}

static void rest(struct upload_expiry *e)
{
    uint64_t ms = e->s3->upload_expiry_ms / ROUNDS;

    e->is_first = false;
    begin(e, RECORDS);
    go_on_in(e, ms < REST_MIN ? REST_MIN : ms > REST_MAX ? REST_MAX : ms);
}

static void look_for_ids(struct upload_expiry *e)
{
    int rc = collect_ids(e);

    if (rc < 0 || (rc == 0 && e->n_ids == 0)) {
        rest(e);
    } else if (rc > 0 && e->n_ids < IDS_MAX) {
        go_on_in(e, SLICE_INTERVAL);
    } else {
        e->next_id = e->next;
        e->next_id.len = rc > 0 ? e->next.len : 0;
        begin(e, STRIKING);
    }
}

static void end_striking(struct upload_expiry *e)
{
    remove_rest(e);
    if (e->next_id.len == 0) {
        rest(e);
        return;
    }
    begin(e, IDS);
    e->next = e->next_id;
}

static void walk_records(struct upload_expiry *e, store_list_cb cb)
{
    int rc = store_list(e->s3->objects->store, UPLOAD_RECORDS, sizeof(UPLOAD_RECORDS) - 1,
                        e->next.bytes, e->next.len, cb, e);

    if (rc < 0)
        rest(e);
    else if (e->is_found)
        look_at_found(e);
    else if (rc > 0)
        go_on_in(e, SLICE_INTERVAL);
    else if (e->phase == RECORDS)
        begin(e, IDS);
    else
        end_striking(e);
}

static void slice_cb(uv_timer_t *timer)
{
    struct upload_expiry *e = timer->data;

    e->looked_at = 0;
    e->slice_until = uv_hrtime() + SLICE_NS;
    if (e->phase == IDS)
        look_for_ids(e);
    else
        walk_records(e, e->phase == RECORDS ? record_cb : strike_cb);
}

/* --- Start and stop -------------------------------------------------------------------------- */

int upload_expiry_start(uv_loop_t *loop, struct s3 *s3, struct upload_expiry **expiry)
{
    struct upload_expiry *e = calloc(1, sizeof(*e));

    if (e == NULL)
        return UV_ENOMEM;
    e->s3 = s3;
    uv_timer_init(loop, &e->timer);
    e->timer.data = e;
    e->is_first = true;
    begin(e, RECORDS);
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
