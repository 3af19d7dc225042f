/* Happy path: assemble_start() adds to `waiting`, and from the loop the first ones are sent, as
 * many as have a place; empty lines come while the volume is at one, and then "done"; the next that
 * waits has its place.
 *
 * Failures: the volume has no place for one (503), since other indexes ask it, too. That one waits
 * at the front, and nothing is sent until a moment has passed, or another one has ended. Or the
 * volume says which sources it lacks, and "none"; it says why it can't; or its answer is cut off,
 * and the blob may be there or not. */
#include "index/cluster/assemble.h"

#include <assert.h>
#include <stdlib.h>

#include "index/base/log.h"
#include "index/cluster/internal.h"

#define AGAIN 500 /* ms after which a busy volume is asked again */

STAILQ_HEAD(assemble_list, assemble);

struct assembles {
    struct transfers *transfers;
    struct assemble_list waiting;
    unsigned n_sent;
    unsigned n_large;  /* of them, of large values */
    uint64_t again_at; /* loop time before which nothing is sent; 0: the volume isn't busy */
    bool is_listed;    /* the engine's: some wait */
    LIST_ENTRY(assembles) link;
};

struct assembles *assembles_new(void)
{
    struct assembles *q = calloc(1, sizeof(*q));

    if (q == NULL)
        return NULL;
    STAILQ_INIT(&q->waiting);
    return q;
}

void assembles_free(struct assembles *assembles)
{
    assert(assembles == NULL || (!assembles->is_listed && assembles->n_sent == 0));
    free(assembles);
}

static bool is_large(const struct assemble *a)
{
    return a->recipe->size >= ASSEMBLE_LARGE_BYTES;
}

/* Has what waits sent from the loop, or after the moment that the volume is given. */
static void schedule(struct assembles *q)
{
    uint64_t now = transfers_now(q->transfers);

    if (STAILQ_EMPTY(&q->waiting))
        return;
    if (!q->is_listed)
        LIST_INSERT_HEAD(&q->transfers->waiting, q, link);
    q->is_listed = true;
    multi_send_in(q->transfers, q->again_at > now ? q->again_at - now : 0);
}

/* --- The answer ------------------------------------------------------------------------------ */

static bool write_cb(struct transfer *transfer, const char *bytes, size_t n)
{
    struct assemble *a = transfer->data;

    assemble_answer_add(&a->answer, bytes, n);
    return true;
}

/* Whether the volume, or nginx without mkv, has begun nothing, by this status. */
static bool is_refusal(int status)
{
    return (status >= 400 && status < 500) || status == 501;
}

static enum assemble_outcome outcome_of_word(struct assemble *a)
{
    static const enum assemble_outcome said[] = {
        [ASSEMBLE_WORD_MISSING] = ASSEMBLE_FAILED, [ASSEMBLE_WORD_DONE] = ASSEMBLE_MADE,
        [ASSEMBLE_WORD_NONE] = ASSEMBLE_UNABLE,    [ASSEMBLE_WORD_FULL] = ASSEMBLE_FULL,
        [ASSEMBLE_WORD_ERROR] = ASSEMBLE_FAILED,
    };

    if (a->answer.lines.is_bad)
        a->rc = UV_EPROTO;
    else if (a->answer.word == ASSEMBLE_WORD_MISSING)
        a->rc = UV_ECONNRESET;
    return a->rc < 0 ? ASSEMBLE_FAILED : said[a->answer.word];
}

static enum assemble_outcome outcome_of(struct assemble *a, int rc, int status)
{
    a->rc = rc;
    if (rc < 0)
        return ASSEMBLE_FAILED;
    if (status == 200)
        return outcome_of_word(a);
    log_limited(LOG_LEVEL_WARN, "volume %s answered POST /_mkv/assemble with %d", a->volume->name,
                status);
    if (status == 503)
        return ASSEMBLE_BUSY;
    return is_refusal(status) ? ASSEMBLE_UNABLE : ASSEMBLE_FAILED;
}

/* What the answer says of the volume, told as nginx would say it of a PUT. */
static void report(struct assemble *a, enum assemble_outcome outcome, int status)
{
    if (outcome == ASSEMBLE_UNABLE)
        volume_report(a->volume, 0, status);
    else if (outcome == ASSEMBLE_FULL)
        volume_report_store(a->volume, 0, 507);
    else if (outcome == ASSEMBLE_FAILED && a->rc == 0 && status == 200)
        volume_report_store(a->volume, 0, 500);
    else if (outcome != ASSEMBLE_BUSY)
        volume_report_store(a->volume, a->rc, a->rc < 0 ? 0 : status);
}

/* A volume that hasn't said its last word, after a 200, may still be at it. */
static void tell(struct assemble *a, enum assemble_outcome outcome, int status)
{
    a->is_late = a->may_hold && (a->rc < 0 || status != 200);
    assemble_answer_deinit(&a->answer);
    a->done(a, outcome);
}

/* Lets it wait for a place. False when it has waited for too long. */
static bool wait_again(struct assembles *q, struct assemble *a)
{
    uint64_t now = transfers_now(q->transfers);

    if (a->busy_until == 0)
        a->busy_until = transfers_durable_by(q->transfers, a->recipe->size);
    if (a->is_canceled || now >= a->busy_until)
        return false;
    q->again_at = now + AGAIN;
    STAILQ_INSERT_HEAD(&q->waiting, a, link);
    return true;
}

/* What is answered is said of the last try alone: one before it may have made the blob, and its
 * connection have broken. */
static bool may_have_made(const struct transfer *transfer, enum assemble_outcome outcome)
{
    return outcome == ASSEMBLE_MADE || transfer->tries > 1 ||
           (outcome == ASSEMBLE_FAILED && transfer->tries > 0);
}

static void answered_cb(struct transfer *transfer, int rc, int status)
{
    struct assemble *a = transfer->data;
    struct assembles *q = a->volume->assembles;
    enum assemble_outcome outcome = outcome_of(a, rc, status);

    a->is_sent = false;
    a->may_hold |= may_have_made(transfer, outcome);
    q->n_sent--;
    q->n_large -= is_large(a);
    q->again_at = 0;
    if (outcome != ASSEMBLE_BUSY || !wait_again(q, a)) {
        report(a, outcome, status);
        tell(a, outcome, status);
    }
    schedule(q);
}

/* --- The request ----------------------------------------------------------------------------- */

static int send_it(struct assembles *q, struct assemble *a)
{
    const char *body = recipe_body(a->recipe, a->volume, &a->target);
    char url[PLACEMENT_URL_MAX];
    int rc;

    if (body == NULL)
        return UV_ENOMEM;
    a->until = transfers_durable_by(q->transfers, a->recipe->size);
    a->answer = (struct assemble_answer){.volume = a->volume->name};
    a->transfer = (struct transfer){.data = a, .volume = a->volume, .until = a->until};
    placement_url(a->volume->name, NULL, "/_mkv/assemble", url);
    rc = transfer_post(q->transfers, &a->transfer, url, body, 0, write_cb, answered_cb);
    if (rc < 0)
        return rc;
    a->is_sent = true;
    q->n_sent++;
    q->n_large += is_large(a);
    return 0;
}

static bool has_place(const struct assembles *q, const struct assemble *a)
{
    return transfers_now(q->transfers) >= q->again_at && q->n_sent < ASSEMBLE_REQUESTS &&
           (!is_large(a) || q->n_large < ASSEMBLE_LARGE);
}

static struct assemble *take_next(struct assembles *q)
{
    struct assemble *a;

    STAILQ_FOREACH(a, &q->waiting, link)
    {
        if (!a->is_canceled && !has_place(q, a))
            continue;
        STAILQ_REMOVE(&q->waiting, a, assemble, link);
        return a;
    }
    return NULL;
}

static void send_waiting(struct assembles *q)
{
    struct assemble *a;

    while ((a = take_next(q)) != NULL) {
        a->rc = a->is_canceled ? UV_ECANCELED : send_it(q, a);
        if (a->rc < 0)
            tell(a, ASSEMBLE_FAILED, 0);
    }
}

void assembles_send(struct transfers *engine)
{
    struct assembles *q = LIST_FIRST(&engine->waiting);

    while (q != NULL) {
        struct assembles *next;

        send_waiting(q);
        next = LIST_NEXT(q, link);
        if (STAILQ_EMPTY(&q->waiting)) {
            LIST_REMOVE(q, link);
            q->is_listed = false;
        } else if (q->again_at > transfers_now(engine)) {
            schedule(q);
        }
        q = next;
    }
}

/* --- What the caller asks for ---------------------------------------------------------------- */

void assemble_start(struct assemble *a, struct transfers *transfers, struct volume *volume,
                    struct recipe *recipe, const struct recipe_target *target,
                    assemble_done_cb done)
{
    struct assembles *q = volume->assembles;

    *a = (struct assemble){
        .data = a->data, .volume = volume, .recipe = recipe, .target = *target, .done = done};
    q->transfers = transfers;
    STAILQ_INSERT_TAIL(&q->waiting, a, link);
    schedule(q);
}

void assemble_cancel(struct assemble *a)
{
    a->is_canceled = true;
    if (a->is_sent)
        transfer_cancel(&a->transfer);
    else
        multi_send_in(a->volume->assembles->transfers, 0);
}
