/* Happy path: flush_start() adds to `waiting` and sends a request where none runs; its answer is
 * that of all who went with it, and then the next one goes. A request costs the same with one file
 * as with twenty. So it is held back for a moment while the volume owes answers to PUTs whose blobs
 * could go with it.
 *
 * Failures: an answer other than success may be about one file alone. So each of several that
 * shared the request is asked for once more, by itself. A request without an answer has failed for
 * all of them. */
#include "index/cluster/flush.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/base64.h"
#include "index/cluster/internal.h"

#define BODY_MAX  (64 * 1024) /* what a volume takes */
#define LINE_LONG (PLACEMENT_FULL_PATH_MAX + 1 + BASE64_SIZE(FLUSH_NOTE_MAX) + 1)
#define HOLD      1 /* ms that a request is held back at most */

static_assert(LINE_LONG < BODY_MAX, "one fits");

STAILQ_HEAD(flush_queue, flush);

struct flusher {
    struct volume *volume;
    struct transfers *transfers;
    struct flush_queue waiting;
    size_t n_expected;       /* the PUTs of flush_expect() */
    struct flush_queue sent; /* while `running` */
    bool running;
    uint64_t hold_until; /* loop time to which its next request is held back; 0: none is due */
    bool busy;           /* in the engine's list: files wait, or a request runs */
    LIST_ENTRY(flusher) link;
    char *body;
    struct transfer transfer;
};

struct flusher *flusher_new(struct volume *volume)
{
    struct flusher *f = calloc(1, sizeof(*f));

    if (f == NULL)
        return NULL;
    f->volume = volume;
    STAILQ_INIT(&f->waiting);
    STAILQ_INIT(&f->sent);
    return f;
}

void flusher_free(struct flusher *f)
{
    if (f == NULL)
        return;
    assert(!f->busy && f->n_expected == 0);
    free(f);
}

/* --- The end of a request -------------------------------------------------------------------- */

static void end_all(struct flusher *f, struct flush_queue *queue, int rc, int status)
{
    struct flush *flush;

    while ((flush = STAILQ_FIRST(queue)) != NULL) {
        STAILQ_REMOVE_HEAD(queue, link);
        flush->done(flush, &f->transfer, flush->canceled ? UV_ECANCELED : rc, status);
    }
}

static bool is_shared(const struct flush_queue *queue)
{
    const struct flush *first = STAILQ_FIRST(queue);

    return first != NULL && STAILQ_NEXT(first, link) != NULL;
}

/* Those of a request that failed go first, each alone. */
static void separate(struct flusher *f, struct flush_queue *queue)
{
    struct flush *flush;

    STAILQ_FOREACH(flush, queue, link)
    {
        flush->alone = true;
    }
    STAILQ_CONCAT(queue, &f->waiting);
    STAILQ_CONCAT(&f->waiting, queue);
}

/* Has what waits sent from the loop: soon, or when it has been held back for long enough. */
static void schedule(struct flusher *f)
{
    if (f->running || STAILQ_EMPTY(&f->waiting))
        return;
    if (f->hold_until == 0)
        f->hold_until = transfers_now(f->transfers) + HOLD;
    multi_send_in(f->transfers, f->n_expected > 0 ? HOLD : 0);
}

/* After what may have been the last file. */
static void leave_if_idle(struct flusher *f)
{
    if (f->busy && !f->running && STAILQ_EMPTY(&f->waiting)) {
        LIST_REMOVE(f, link);
        f->busy = false;
    }
}

static void sent_cb(struct transfer *transfer, int rc, int status)
{
    struct flusher *f = transfer->data;
    struct flush_queue sent = STAILQ_HEAD_INITIALIZER(sent);

    STAILQ_CONCAT(&sent, &f->sent);
    free(f->body);
    f->body = NULL;
    volume_report_store(f->volume, rc, status);
    if (rc == 0 && !transfer_succeeded(rc, status) && is_shared(&sent))
        separate(f, &sent);
    end_all(f, &sent, rc, status); /* may start others, which wait */
    f->running = false;
    schedule(f);
    leave_if_idle(f);
}

/* --- Its start ------------------------------------------------------------------------------- */

/* The line of a request's body: the path and, after a TAB, the note in base64. Returns its length,
 * without the NUL. */
static size_t write_line(const struct flush *flush, char line[LINE_LONG])
{
    size_t n;

    placement_full_path(&flush->place, flush->path, line);
    n = strlen(line);
    if (flush->note_len > 0) {
        line[n++] = '\t';
        n += base64_encode(flush->note, flush->note_len, line + n);
    }
    strcpy(line + n, "\n");
    return n + 1;
}

/* Takes as many of those that wait as fit into one request, and returns their size. */
static uint64_t fill_body(struct flusher *f)
{
    char line[LINE_LONG];
    struct flush *flush;
    uint64_t size = 0;
    size_t used = 0;

    f->transfer.until = 0;
    while ((flush = STAILQ_FIRST(&f->waiting)) != NULL) {
        size_t n = write_line(flush, line);

        if (used + n >= BODY_MAX || (used > 0 && flush->alone))
            break;
        memcpy(f->body + used, line, n + 1);
        used += n;
        size += flush->size;
        if (flush->until > f->transfer.until)
            f->transfer.until = flush->until;
        STAILQ_REMOVE_HEAD(&f->waiting, link);
        STAILQ_INSERT_TAIL(&f->sent, flush, link);
        if (flush->alone)
            break;
    }
    return size;
}

static int start_request(struct flusher *f)
{
    char url[PLACEMENT_URL_MAX];
    uint64_t size;

    f->body = malloc(BODY_MAX);
    if (f->body == NULL)
        return UV_ENOMEM;
    size = fill_body(f);
    placement_url(f->volume->name, NULL, "/_mkv/sync", url);
    f->transfer.data = f;
    f->transfer.volume = f->volume;
    return transfer_post(f->transfers, &f->transfer, url, f->body, size, NULL, sent_cb);
}

static void send_waiting(struct flusher *f)
{
    struct flush_queue failed = STAILQ_HEAD_INITIALIZER(failed);
    int rc = start_request(f);

    f->hold_until = 0;
    f->running = rc == 0;
    if (rc == 0)
        return;
    free(f->body);
    f->body = NULL;
    STAILQ_CONCAT(&failed, &f->sent);
    STAILQ_CONCAT(&failed, &f->waiting);
    end_all(f, &failed, rc, 0);
    leave_if_idle(f);
}

void flushers_send(struct transfers *engine)
{
    struct flusher *f = LIST_FIRST(&engine->flushers);

    while (f != NULL) {
        struct flusher *next = LIST_NEXT(f, link);

        if (f->running || STAILQ_EMPTY(&f->waiting))
            ;
        else if (f->n_expected == 0 || transfers_now(engine) >= f->hold_until)
            send_waiting(f);
        else
            multi_send_in(engine, HOLD);
        f = next;
    }
}

/* --- Deadlines ------------------------------------------------------------------------------- */

/* Moves those that are too late. */
static void take_late(struct flush_queue *queue, uint64_t now, struct flush_queue *late)
{
    struct flush_queue all = STAILQ_HEAD_INITIALIZER(all);
    struct flush *flush;

    STAILQ_CONCAT(&all, queue);
    while ((flush = STAILQ_FIRST(&all)) != NULL) {
        STAILQ_REMOVE_HEAD(&all, link);
        STAILQ_INSERT_TAIL(now > flush->until ? late : queue, flush, link);
    }
}

/* A request goes on without those whose time is over. */
void flushers_expire(struct transfers *engine)
{
    struct flusher *f = LIST_FIRST(&engine->flushers);
    uint64_t now = transfers_now(engine);

    while (f != NULL) {
        struct flusher *next = LIST_NEXT(f, link);
        struct flush_queue late = STAILQ_HEAD_INITIALIZER(late);

        take_late(&f->waiting, now, &late);
        take_late(&f->sent, now, &late);
        end_all(f, &late, UV_ETIMEDOUT, 0);
        leave_if_idle(f);
        f = next;
    }
}

/* --- What the caller asks for ---------------------------------------------------------------- */

void flush_expect(struct volume *volume)
{
    volume->flusher->n_expected++;
}

void flush_expect_less(struct volume *volume)
{
    assert(volume->flusher->n_expected > 0);
    volume->flusher->n_expected--;
}

void flush_start(struct flush *flush, struct transfers *transfers, struct volume *volume,
                 const struct place *place, const char *path, flush_done_cb done)
{
    struct flusher *f = volume->flusher;

    flush->done = done;
    flush->canceled = flush->alone = false;
    assert(flush->note_len <= FLUSH_NOTE_MAX);
    flush->place = *place;
    flush->path = path;
    f->transfers = transfers;
    if (!f->busy)
        LIST_INSERT_HEAD(&transfers->flushers, f, link);
    f->busy = true;
    STAILQ_INSERT_TAIL(&f->waiting, flush, link);
    schedule(f);
}

void flush_cancel(struct flush *flush)
{
    flush->canceled = true;
}
