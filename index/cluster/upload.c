/* Happy path: a copy for each volume that is wanted begins with a target of its own and streams
 * from the window. The window drops what all have taken, but keeps a small value whole. At the
 * value's end each volume answers 201, is asked to sync, and the copy is done; with the last one,
 * so is the upload.
 *
 * Failures: a copy whose volume fails takes the next candidate, and streams again from the window's
 * start, if that is the value's. If not, it waits for another copy to be done and is relayed from
 * there. When no candidate is left the upload has failed: all is cancelled, and what may lie at
 * volumes is marked in their targets. */
#include "index/cluster/upload_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LAG_HIGH   (256 * 1024)  /* bytes the slowest may lack before the client is paused ... */
#define LAG_LOW    (64 * 1024)   /* ... until it has taken all but so many */
#define KEEP       (256 * 1024)  /* a value up to this is kept whole */
#define BUDGET_MAX (256UL << 20) /* with more than this no upload begins */
#define BUDGET     (64UL << 20)  /* with more than this in buffers, each gets LAG_LOW only */

bool upload_target_succeeded(const struct upload_target *t, const struct transfer *transfer, int rc,
                             int status)
{
    return transfer_succeeded(rc, status) && t->place.volume == t->volume->id &&
           volume_has_answered(t->volume, transfer);
}

/* --- The end --------------------------------------------------------------------------------- */

void upload_end_if_idle(struct upload *u)
{
    if (!u->ending || u->n_busy > 0)
        return;
    u->options.done(u, u->rc);
}

void upload_stop(struct upload *u, int rc)
{
    if (u->ending)
        return;
    u->ending = true;
    u->rc = rc;
    for (unsigned i = 0; i < u->n_copies; i++)
        copy_cancel(&u->copies[i]);
}

void upload_end_if_all_done(struct upload *u)
{
    for (unsigned i = 0; i < u->n_copies; i++) {
        if (u->copies[i].state != COPY_DONE)
            return;
    }
    for (unsigned i = 0; i < u->n_copies; i++) {
        u->copies[i].target->holds = true;
        u->copies[i].target->may_hold = false;
    }
    u->ending = true;
    u->rc = 0;
}

/* --- The window ------------------------------------------------------------------------------ */

/* What the slowest copy has taken. */
static uint64_t slowest(const struct upload *u)
{
    uint64_t at = u->n_copies > 0 ? u->received : 0;

    for (unsigned i = 0; i < u->n_copies; i++) {
        const struct upload_copy *c = &u->copies[i];

        if (c->state == COPY_STREAMING && c->at < at)
            at = c->at;
    }
    return at;
}

static bool is_full(const struct upload *u)
{
    size_t high = u->options.budget->used > BUDGET ? LAG_LOW : LAG_HIGH;

    return u->received - slowest(u) >= high;
}

void upload_trim(struct upload *u)
{
    uint64_t taken = slowest(u);
    size_t n = (size_t)(taken - u->base);

    if (u->recipe != NULL) /* nothing is streamed */
        return;
    if (n > 0 && (u->received > KEEP || u->options.budget->used > BUDGET)) {
        buf_consume(&u->window, n);
        u->base = taken;
        u->options.budget->used -= n;
        if (buf_size(&u->window) == 0 && u->options.budget->used > BUDGET)
            buf_deinit(&u->window);
    }
    if (u->paused && u->received - taken <= LAG_LOW) {
        u->paused = false;
        u->options.drained(u);
    }
}

static bool takes(struct upload *u, const struct upload_target *t)
{
    int64_t size = u->ended ? (int64_t)u->received : u->options.size;

    return volume_takes(t->volume, u->options.path, size) && t->volume->id == t->place.volume;
}

static bool is_too_late(const struct upload *u)
{
    return u->until != 0 && transfers_now(u->options.transfers) > u->until;
}

/* The copies that are in the zone, or on their way there. */
static unsigned copies_in(const struct upload *u, uint32_t zone)
{
    unsigned n = 0;

    for (unsigned i = 0; i < u->n_copies; i++)
        n += u->copies[i].target != NULL && u->copies[i].target->zone == zone;
    return n;
}

/* A volume that is paused would fail, most likely: it comes after one whose zone has a copy. */
static bool suits_better(const struct upload *u, const struct upload_target *a,
                         const struct upload_target *b)
{
    bool a_paused = volume_is_paused(a->volume);

    if (a_paused != volume_is_paused(b->volume))
        return !a_paused;
    return copies_in(u, a->zone) < copies_in(u, b->zone);
}

/* Of those that suit as well as any, the best. */
struct upload_target *upload_next_target(struct upload *u)
{
    struct upload_target *found = NULL;

    if (is_too_late(u))
        return NULL;
    for (size_t i = 0; i < u->n_targets; i++) {
        struct upload_target *t = &u->targets[i];

        if (t->tried || !takes(u, t))
            continue;
        if (found == NULL || suits_better(u, t, found))
            found = t;
    }
    if (found != NULL)
        found->tried = true;
    return found;
}

static unsigned count_takers(struct upload *u)
{
    unsigned n = 0;

    for (size_t i = 0; i < u->n_targets; i++)
        n += takes(u, &u->targets[i]);
    return n;
}

int upload_refuse(struct upload *u)
{
    size_t n = strcspn(u->text, "\n");

    if (u->failure == UV_ENOSPC)
        snprintf(u->text, sizeof(u->text), "the volumes are full\n");
    else if (u->failure == UV_ENAMETOOLONG)
        snprintf(u->text, sizeof(u->text),
                 "the key is too long for the names that the volumes' file systems have\n");
    else if (n == 0)
        snprintf(u->text, sizeof(u->text),
                 "the value needs %u volume%s, and only %u can store it now\n", u->options.copies,
                 u->options.copies == 1 ? "" : "s", count_takers(u));
    return u->failure != 0 ? u->failure : UV_EAGAIN;
}

/* --- The caller's side ----------------------------------------------------------------------- */

bool upload_budget_is_spent(const struct upload_budget *budget, unsigned copies)
{
    if (budget->connections_max > 0 && budget->connections + copies > budget->connections_max)
        return true;
    return budget->used > BUDGET_MAX;
}

int upload_init(struct upload *u, const struct upload_options *options,
                const struct upload_target *candidates, size_t n)
{
    size_t n_able = n; /* that will do once they are up and have room */

    u->options = *options;
    if (upload_budget_is_spent(options->budget, options->copies)) {
        snprintf(u->text, sizeof(u->text), "too many values are on their way\n");
        return UV_EAGAIN;
    }
    options->budget->connections += options->copies;
    u->is_counted = true;
    for (size_t i = 0; i < n; i++) {
        assert(i < PLACES_MAX);
        u->targets[u->n_targets] = candidates[i];
        u->targets[u->n_targets].place.volume = candidates[i].volume->id;
        if (takes(u, &u->targets[u->n_targets]))
            u->n_targets++;
        else if (!volume_can_name(candidates[i].volume, options->path))
            n_able--;
        else if (volume_is_writable(candidates[i].volume))
            u->failure = UV_ENOSPC;
    }
    if (n >= options->copies && n_able < options->copies)
        u->failure = UV_ENAMETOOLONG;
    return u->n_targets >= options->copies ? 0 : upload_refuse(u);
}

int upload_start(struct upload *u)
{
    u->copies = calloc(u->options.copies, sizeof(*u->copies));
    if (u->copies == NULL) {
        snprintf(u->text, sizeof(u->text), "out of memory\n");
        return UV_EAGAIN;
    }
    u->n_copies = u->options.copies;
    for (unsigned i = 0; i < u->n_copies; i++)
        u->copies[i].upload = u;
    for (unsigned i = 0; i < u->n_copies && !u->ending; i++)
        copy_begin(&u->copies[i]);
    copy_relay_waiting(u); /* those that can't make the value, if none can */
    /* What was started tells when it has ended. */
    return u->ending && u->n_busy == 0 ? u->rc : 0;
}

int upload_write(struct upload *u, const char *bytes, size_t n)
{
    if (u->ending)
        return 1;
    if (buf_append(&u->window, bytes, n) < 0)
        return UV_ENOMEM;
    u->options.budget->used += n;
    u->received += n;
    for (unsigned i = 0; i < u->n_copies; i++)
        copy_wake(&u->copies[i]);
    u->paused = is_full(u);
    return !u->paused;
}

void upload_end(struct upload *u, const char *note, size_t note_len)
{
    u->ended = true;
    if (u->n_copies == 0) /* no request has begun, which would be chunked without a size */
        u->options.size = (int64_t)u->received;
    u->note = note;
    u->note_len = note_len;
    u->until = transfers_durable_by(u->options.transfers, u->received);
    for (unsigned i = 0; i < u->n_copies; i++)
        copy_set_deadline(&u->copies[i]);
    for (unsigned i = 0; i < u->n_copies; i++)
        copy_wake(&u->copies[i]);
}

bool upload_can_make(const struct upload *u, const struct recipe *recipe)
{
    for (size_t i = 0; i < u->n_targets && i < u->options.copies; i++) {
        if (recipe_is_for(recipe, u->targets[i].volume))
            return true;
    }
    return false;
}

void upload_make(struct upload *u, struct recipe *recipe, const char *note, size_t note_len)
{
    u->recipe = recipe;
    u->received = recipe->size;
    upload_end(u, note, note_len);
}

void upload_abort(struct upload *u)
{
    upload_stop(u, UV_ECANCELED);
}

void upload_deinit(struct upload *u)
{
    if (u->is_counted) {
        u->options.budget->used -= buf_size(&u->window);
        u->options.budget->connections -= u->options.copies;
    }
    u->is_counted = false;
    buf_deinit(&u->window);
    free(u->copies);
    u->copies = NULL;
    u->n_copies = 0;
}
