/* Happy path: when it is time and something has changed, a write begins (write.h). The loop's time
 * is taken in slices of a millisecond, each followed by a rest, as long as there are lines to dump,
 * to pack and to write; the volumes may set a slower pace. Once the value is stored, the oldest
 * backup is removed, as often as there are too many.
 *
 * Failures: the store can't be read, or the value not be written, as with any PUT. What is written
 * is broken off, the first failure of a row is logged, and after a delay that doubles, and ends at
 * the interval, it is tried again. An old one that can't be removed is removed next time. */
#include "index/maintenance/backup.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/clock.h"
#include "index/base/gzip.h"
#include "index/base/log.h"
#include "index/maintenance/backup_key.h"
#include "index/maintenance/dump.h"
#include "index/objects/change.h"
#include "index/objects/write.h"

#define SLICE_NS    1000000          /* that a slice takes, more or less */
#define SLICE_REST  9                /* ms from a slice's end to the next; at a stop, none */
#define SLICE_BYTES 16384            /* of lines between looks at the clock */
#define FIRST_DELAY (10 * 60 * 1000) /* ms from the start to the first of all, at most */
#define START_DELAY 1000             /* ms from the start to one that is overdue, at least */
#define RETRY       60000            /* ms from a failure to the next try, and from a look for a */
                                     /* change to the next; at most the interval */
#define RETRIES_MAX  16              /* doublings of that */
#define STOP_CHANGES 1000            /* that are many at a stop, if they are */
#define STOP_SHARE   100             /* as many as the 100th part of the keys, too */

/* Where a backup waits, and for whom. */
enum backup_state {
    BACKUP_WAITING,  /* the timer: it isn't time yet */
    BACKUP_STARTING, /* the write, which is to start */
    BACKUP_DUMPING,  /* the timer, for the next slice; or the store */
    BACKUP_PAUSED,   /* the write: it has no room */
    BACKUP_STORING,  /* the write, which has all */
    BACKUP_PRUNING,  /* the store, which removes an old one */
    BACKUP_ENDED,
    BACKUP_STATES
};

static const bool legal_moves[BACKUP_STATES][BACKUP_STATES] = {
    [BACKUP_WAITING] = {[BACKUP_STARTING] = true, [BACKUP_ENDED] = true},
    [BACKUP_STARTING] = {[BACKUP_DUMPING] = true, [BACKUP_WAITING] = true},
    [BACKUP_DUMPING] = {[BACKUP_PAUSED] = true, [BACKUP_STORING] = true, [BACKUP_WAITING] = true},
    [BACKUP_PAUSED] = {[BACKUP_DUMPING] = true, [BACKUP_WAITING] = true},
    [BACKUP_STORING] = {[BACKUP_PRUNING] = true, [BACKUP_WAITING] = true},
    [BACKUP_PRUNING] = {[BACKUP_PRUNING] = true, [BACKUP_WAITING] = true},
};

struct backup {
    struct objects *objects;
    uint64_t interval;
    uv_timer_t timer;
    enum backup_state state;
    struct dump dump;
    struct backups_search search; /* for old ones */
    struct store_reading reading; /* of the oldest */
    struct gzip *gzip;
    struct buf lines;
    struct buf packed;
    struct write *write;
    uint64_t begun;    /* changes() when the dump began */
    uint64_t own;      /* of objects->changes, those that were made here */
    uint64_t covered;  /* changes() that the last backup has */
    bool is_unsure;    /* of what happened before the start: there may be changes */
    uint64_t last;     /* time of the last one, or from when on the interval counts */
    unsigned failures; /* in a row */
    bool aborted;
    bool tried; /* since the stop began */
    void (*stop_cb)(void *arg);
    void *stop_arg;
};

static void turn_cb(uv_timer_t *timer);
static void go_on(struct backup *b);

static void set_state(struct backup *b, enum backup_state state)
{
    assert(legal_moves[b->state][state]);
    b->state = state;
}

/* Of keys, by others. */
static uint64_t changes(const struct backup *b)
{
    return b->objects->changes - b->own;
}

static void wait_for(struct backup *b, uint64_t ms)
{
    uv_timer_start(&b->timer, turn_cb, ms, 0);
}

/* --- Ends ------------------------------------------------------------------------------------ */

static void release(struct backup *b)
{
    dump_cancel(&b->dump);
    gzip_free(b->gzip);
    b->gzip = NULL;
    buf_deinit(&b->lines);
    buf_deinit(&b->packed);
}

static uint64_t at_most(const struct backup *b, uint64_t ms)
{
    return ms < b->interval ? ms : b->interval;
}

/* Waits until it is time; a clock that went back puts that off by an interval at most. */
static void await_next(struct backup *b)
{
    uint64_t now = clock_now_ms();

    if (b->last > now)
        b->last = now;
    wait_for(b, now - b->last < b->interval ? b->interval - (now - b->last) : 0);
}

static void fail(struct backup *b, const char *text)
{
    uint64_t delay = RETRY;

    uv_timer_stop(&b->timer);
    release(b);
    set_state(b, BACKUP_WAITING);
    if (b->failures == 0)
        log_warn("the index can't be backed up on its volumes: %.*s; this is tried again",
                 (int)strcspn(text, "\n"), text);
    if (b->failures < RETRIES_MAX)
        b->failures++;
    delay <<= b->failures - 1;
    if (b->stop_cb != NULL)
        go_on(b);
    else
        wait_for(b, at_most(b, delay));
}

/* --- Old ones -------------------------------------------------------------------------------- */

static void prune(struct backup *b);

static void end(struct backup *b)
{
    set_state(b, BACKUP_WAITING);
    if (b->stop_cb != NULL)
        go_on(b);
    else
        await_next(b);
}

static void removed_cb(void *arg, int rc)
{
    struct backup *b = arg;

    b->own += rc == 0;
    if (rc == 0)
        prune(b);
    else
        end(b);
}

static void remove_oldest(struct backup *b, int rc, const struct store_view *view)
{
    if (rc < 0 || !view->exists ||
        change_remove(b->objects, &b->search.found.oldest, view, removed_cb, b) < 0)
        end(b);
}

static void viewed_cb(struct store_reading *reading, int rc, const struct store_view *view)
{
    remove_oldest(reading->data, rc, view);
}

static void found(struct backup *b, int rc)
{
    struct store_view view;

    if (rc < 0 || b->search.found.n <= BACKUPS_KEPT) {
        end(b);
        return;
    }
    b->reading.data = b;
    rc = objects_view(b->objects, &b->reading, &b->search.found.oldest, &view, viewed_cb);
    if (rc != STORE_LATER)
        remove_oldest(b, rc, &view);
}

static void found_cb(struct backups_search *search, int rc)
{
    found(search->data, rc);
}

static void prune(struct backup *b)
{
    int rc;

    set_state(b, BACKUP_PRUNING);
    b->search.data = b;
    rc = backups_search(&b->search, b->objects->store, found_cb);
    if (rc != STORE_LATER)
        found(b, rc);
}

/* --- One backup ------------------------------------------------------------------------------ */

static void stored_cb(void *arg, int rc, const char *text, const struct record *record)
{
    struct backup *b = arg;

    b->write = NULL;
    if (rc < 0) {
        fail(b, text);
        return;
    }
    log_info("the index is backed up on its volumes, in %llu bytes",
             (unsigned long long)record->size);
    b->own++;
    b->failures = 0;
    b->covered = b->begun;
    b->is_unsure = false;
    b->last = record->time;
    release(b);
    prune(b);
}

/* May fire within libcurl. */
static void drained_cb(void *arg)
{
    struct backup *b = arg;

    if (b->state != BACKUP_PAUSED)
        return;
    set_state(b, BACKUP_DUMPING);
    wait_for(b, 0);
}

static bool skip_orphan_cb(const struct key *key, uint64_t generation, void *arg)
{
    const struct backup *b = arg;

    return objects_is_making(b->objects, key, generation);
}

static void break_off(struct backup *b, const char *text)
{
    write_forget(b->write);
    b->write = NULL;
    fail(b, text);
}

/* Packs the lines that have come into b->packed; 1 when there are more, 0 after the last, or
 * negative. */
static int pack(struct backup *b, int more)
{
    int rc;

    if (more < 0)
        return more;
    rc = gzip_add(b->gzip, buf_bytes(&b->lines), buf_size(&b->lines), &b->packed);
    if (rc == 0 && more == 0)
        rc = gzip_end(b->gzip, &b->packed);
    return rc < 0 ? rc : more;
}

/* Gives the write what is packed. 1 to go on, 0 to wait; or negative with `text`, and it is over.
 */
static int write_some(struct backup *b, char text[UPLOAD_TEXT_MAX])
{
    int rc = 1;

    if (buf_size(&b->packed) > 0)
        rc = write_data(b->write, buf_bytes(&b->packed), buf_size(&b->packed), text);
    buf_clear(&b->packed);
    return rc;
}

/* Lines have come: 1 to go on, 0 when there is something to wait for. */
static int take_lines(struct backup *b, int more)
{
    char text[UPLOAD_TEXT_MAX];
    int rc;

    more = pack(b, more);
    if (more < 0) {
        break_off(b, uv_strerror(more));
        return 0;
    }
    rc = write_some(b, text);
    if (rc >= 0 && more == 0) {
        set_state(b, BACKUP_STORING);
        rc = write_end(b->write, text);
        if (rc == 0)
            return 0;
    }
    if (rc < 0) {
        b->write = NULL;
        fail(b, text);
        return 0;
    }
    if (rc == 0)
        set_state(b, BACKUP_PAUSED);
    return rc;
}

static void rest(struct backup *b)
{
    wait_for(b, b->stop_cb == NULL ? SLICE_REST : 0);
}

static void filled_cb(struct dump *dump, int rc)
{
    struct backup *b = dump->arg;

    if (take_lines(b, rc) > 0)
        rest(b);
}

static void make_slice(struct backup *b)
{
    uint64_t until = uv_hrtime() + SLICE_NS;
    int rc;

    do {
        buf_clear(&b->lines);
        rc = dump_fill(&b->dump, &b->lines, SLICE_BYTES);
        if (rc == STORE_LATER)
            return;
        rc = take_lines(b, rc);
    } while (rc > 0 && uv_hrtime() < until);
    if (rc > 0)
        rest(b);
}

static void started_cb(void *arg)
{
    struct backup *b = arg;

    set_state(b, BACKUP_DUMPING);
    wait_for(b, 0);
}

static void begin(struct backup *b)
{
    struct objects *o = b->objects;
    char text[UPLOAD_TEXT_MAX] = "out of memory";
    struct key key;
    int rc = UV_ENOMEM;

    set_state(b, BACKUP_STARTING);
    b->begun = changes(b);
    b->dump = (struct dump){
        .store = o->store, .skip_orphan_cb = skip_orphan_cb, .filled_cb = filled_cb, .arg = b};
    b->gzip = gzip_new();
    backup_key_make(generations_now(&o->generations, clock_now_ms()), &key);
    if (b->gzip != NULL)
        rc = write_start(o, &key,
                         &(struct write_options){.size = -1,
                                                 .started = started_cb,
                                                 .drained = drained_cb,
                                                 .done = stored_cb,
                                                 .arg = b},
                         &b->write, text);
    if (rc < 0)
        fail(b, text);
}

/* What other indexes have changed isn't known here. */
static bool has_changed(const struct backup *b)
{
    const struct store *store = b->objects->store;

    return store_leads(store) && (b->is_unsure || store->numbers > 1 || changes(b) != b->covered);
}

static void turn_cb(uv_timer_t *timer)
{
    struct backup *b = timer->data;

    if (b->state == BACKUP_DUMPING)
        make_slice(b);
    else if (has_changed(b))
        begin(b);
    else
        wait_for(b, at_most(b, RETRY));
}

/* --- Start and stop -------------------------------------------------------------------------- */

static void schedule_first(struct backup *b, const struct backups *there)
{
    uint64_t now = clock_now_ms();
    uint64_t due;

    if (there->n == 0) {
        b->last = now;
        wait_for(b, at_most(b, FIRST_DELAY));
        return;
    }
    b->last = there->newest < now ? there->newest : now;
    due = now - b->last < b->interval ? b->interval - (now - b->last) : 0;
    wait_for(b, due > START_DELAY ? due : at_most(b, START_DELAY));
}

/* Where they can't be read now, it counts from now on. */
static void first_found_cb(struct backups_search *search, int rc)
{
    struct backup *b = search->data;

    if (rc < 0)
        search->found.n = 0;
    schedule_first(b, &search->found);
}

int backup_start(struct objects *o, uint64_t interval, struct backup **backup)
{
    struct backup *b = calloc(1, sizeof(*b));
    struct store_stats stats;
    int rc;

    if (b == NULL)
        return UV_ENOMEM;
    store_stats(o->store, &stats);
    b->objects = o;
    b->interval = interval;
    b->is_unsure = stats.keys + stats.unlinked > 0;
    uv_timer_init(o->loop, &b->timer);
    b->timer.data = b;
    b->search.data = b;
    rc = interval > 0 ? backups_search(&b->search, o->store, first_found_cb) : STORE_LATER;
    if (rc != STORE_LATER)
        first_found_cb(&b->search, rc);
    *backup = b;
    return 0;
}

static bool many_have_changed(const struct backup *b)
{
    uint64_t n = changes(b) - b->covered;
    struct store_stats stats;

    store_stats(b->objects->store, &stats);
    return n >= STOP_CHANGES && n >= (stats.keys + stats.unlinked) / STOP_SHARE;
}

static void closed_cb(uv_handle_t *handle)
{
    struct backup *b = handle->data;
    void (*cb)(void *arg) = b->stop_cb;
    void *arg = b->stop_arg;

    free(b);
    cb(arg);
}

/* The stop goes on: nothing is being made. */
static void go_on(struct backup *b)
{
    if (b->interval > 0 && !b->aborted && !b->tried && many_have_changed(b) &&
        store_leads(b->objects->store)) {
        b->tried = true;
        begin(b);
        return;
    }
    set_state(b, BACKUP_ENDED);
    uv_close((uv_handle_t *)&b->timer, closed_cb);
}

void backup_stop(struct backup *b, void (*cb)(void *arg), void *arg)
{
    b->stop_cb = cb;
    b->stop_arg = arg;
    if (b->state != BACKUP_WAITING)
        return;
    store_cancel(b->objects->store, &b->search.reading);
    go_on(b);
}

void backup_abort(struct backup *b)
{
    b->aborted = true;
}
