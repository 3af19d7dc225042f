/* Happy path: a copy for each volume that is wanted begins with a target of its own and streams
 * from the window. The window drops what all have taken, but keeps a small value whole. At the
 * value's end each volume answers 201, is asked to sync, and the copy is done; with the last one,
 * so is the upload.
 *
 * Failures: a copy whose volume fails takes the next candidate, and streams again from the window's
 * start, if that is the value's. If not, it waits for another copy to be done and is relayed from
 * there. When no candidate is left the upload has failed: all is cancelled, and what may lie at
 * volumes is marked in their targets. */
#include "index/cluster/upload.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/log.h"

#define LAG_HIGH                                                                                   \
    (256 * 1024)                /* bytes that the slowest may lack before the client is paused ... \
                                 */
#define LAG_LOW    (64 * 1024)  /* ... until it has taken all but so many */
#define KEEP       (256 * 1024) /* a value up to this is kept whole */
#define BUDGET     (64UL << 20) /* with more than this in buffers, each gets LAG_LOW only */
#define RELAYS_MAX 4            /* tries of one copy */

enum copy_state {
    COPY_IDLE,
    COPY_STREAMING, /* the client, and the volume */
    COPY_WAITING,   /* another copy, to be relayed from */
    COPY_RELAYING,
    COPY_SYNCING,
    COPY_DONE,
    COPY_STATES
};

static const bool legal_moves[COPY_STATES][COPY_STATES] = {
    [COPY_IDLE] = {[COPY_STREAMING] = true, [COPY_WAITING] = true},
    [COPY_STREAMING] = {[COPY_IDLE] = true, [COPY_SYNCING] = true, [COPY_DONE] = true},
    [COPY_WAITING] = {[COPY_RELAYING] = true},
    [COPY_RELAYING] =
        {[COPY_IDLE] = true, [COPY_WAITING] = true, [COPY_SYNCING] = true, [COPY_DONE] = true},
    [COPY_SYNCING] = {[COPY_IDLE] = true, [COPY_DONE] = true},
};

struct upload_copy {
    struct upload *upload;
    enum copy_state state;
    struct upload_target *target;
    uint64_t at;     /* bytes that the volume has taken */
    unsigned relays; /* tried */
    struct transfer transfer;
    struct relay relay;
    char sync_body[UPLOAD_PATH_MAX + 1]; /* a line */
};

static void copy_begin(struct upload_copy *c);
static void relay_waiting(struct upload *u);

static void set_state(struct upload_copy *c, enum copy_state state)
{
    assert(legal_moves[c->state][state]);
    c->state = state;
}

void upload_target_path(const struct upload_target *t, const char *path, char text[UPLOAD_PATH_MAX])
{
    if (t->has_subvolume)
        snprintf(text, UPLOAD_PATH_MAX, "/sv%02X%s", t->subvolume & 0xff, path);
    else
        snprintf(text, UPLOAD_PATH_MAX, "%s", path);
}

void upload_target_url(const struct upload_target *t, const char *path, char url[UPLOAD_URL_MAX])
{
    char text[UPLOAD_PATH_MAX];

    upload_target_path(t, path, text);
    snprintf(url, UPLOAD_URL_MAX, "http://%s%s", t->volume->name, text);
}

/* --- The end --------------------------------------------------------------------------------- */

static void end_if_idle(struct upload *u)
{
    if (!u->ending || u->n_busy > 0)
        return;
    u->options.done(u, u->status);
}

/* Everything that runs is cancelled; the last one to end tells. */
static void stop(struct upload *u, int status)
{
    if (u->ending)
        return;
    u->ending = true;
    u->status = status;
    for (unsigned i = 0; i < u->n_copies; i++) {
        struct upload_copy *c = &u->copies[i];

        if (c->state == COPY_STREAMING || c->state == COPY_SYNCING)
            transfer_cancel(&c->transfer);
        else if (c->state == COPY_RELAYING)
            relay_cancel(&c->relay);
    }
}

static void end_if_all_done(struct upload *u)
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
    u->status = 0;
}

/* Remembers what went wrong at a volume, for the log and for the client. */
static void note_failure(struct upload *u, const struct volume *volume, int rc, int status)
{
    if (rc == UV_ECANCELED)
        return;
    if (rc < 0)
        snprintf(u->text, sizeof(u->text), "volume %s: %s\n", volume->name, uv_strerror(rc));
    else if (status >= 200 && status < 300)
        snprintf(u->text, sizeof(u->text), "volume %s has another disk now\n", volume->name);
    else
        snprintf(u->text, sizeof(u->text), "volume %s answered %d\n", volume->name, status);
    log_warn("a copy failed: %.*s", (int)strcspn(u->text, "\n"), u->text);
    if (rc < 0)
        u->failure = 503;
    else
        u->failure = status == 507 ? 507 : 502;
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

static void trim(struct upload *u)
{
    uint64_t taken = slowest(u);
    size_t n = (size_t)(taken - u->base);

    if (n > 0 && (u->received > KEEP || u->options.budget->used > BUDGET)) {
        buf_consume(&u->window, n);
        u->base = taken;
        u->options.budget->used -= n;
    }
    if (u->paused && u->received - taken <= LAG_LOW) {
        u->paused = false;
        u->options.drained(u);
    }
}

static ssize_t read_cb(struct transfer *transfer, char *bytes, size_t n)
{
    struct upload_copy *c = transfer->data;
    struct upload *u = c->upload;
    size_t left = (size_t)(u->received - c->at);

    if (left == 0)
        return u->ended ? 0 : UV_EAGAIN;
    if (n > left)
        n = left;
    memcpy(bytes, buf_bytes(&u->window) + (c->at - u->base), n);
    c->at += n;
    trim(u);
    return (ssize_t)n;
}

/* --- One copy -------------------------------------------------------------------------------- */

static bool takes(struct upload *u, const struct upload_target *t)
{
    int64_t size = u->ended ? (int64_t)u->received : u->options.size;

    return volume_takes(t->volume, size) && t->volume->id == t->id;
}

/* The next candidate that can take it, or NULL. */
static struct upload_target *next_target(struct upload *u)
{
    for (size_t i = 0; i < u->n_targets; i++) {
        struct upload_target *t = &u->targets[i];

        if (t->tried || !takes(u, t))
            continue;
        t->tried = true;
        return t;
    }
    return NULL;
}

static int refuse(struct upload *u)
{
    size_t n = strcspn(u->text, "\n");

    if (u->failure == 507)
        snprintf(u->text, sizeof(u->text), "the volumes are full\n");
    else if (n == 0)
        snprintf(u->text, sizeof(u->text), "too few volumes are up\n");
    return u->failure != 0 ? u->failure : 503;
}

static void copy_done(struct upload_copy *c)
{
    set_state(c, COPY_DONE);
    relay_waiting(c->upload);
    end_if_all_done(c->upload);
}

/* Its volume has failed: on to the next one. */
static void copy_failed(struct upload_copy *c, int rc, int status)
{
    struct upload *u = c->upload;

    note_failure(u, c->target->volume, rc, status);
    set_state(c, COPY_IDLE);
    if (u->ending)
        return;
    copy_begin(c);
    trim(u);
}

/* Success is an answer 2xx of the volume that we meant. */
static bool succeeded(struct upload_copy *c, const struct transfer *transfer, int rc, int status)
{
    const struct volume *volume = c->target->volume;

    if (rc < 0 || status < 200 || status >= 300)
        return false;
    return c->target->id == volume->id && strcmp(transfer->volume_id, volume->identity) == 0;
}

static void synced_cb(struct transfer *transfer, int rc, int status)
{
    struct upload_copy *c = transfer->data;
    struct upload *u = c->upload;

    u->n_busy--;
    volume_report(c->target->volume, rc, status);
    if (rc == 0 && (status == 404 || status == 405))
        log_error("volume %s doesn't answer POST /_mkv/sync: is it run by mkv volume? (mkv index "
                  "--no-sync does without)",
                  c->target->volume->name);
    if (succeeded(c, transfer, rc, status))
        copy_done(c);
    else
        copy_failed(c, rc, status);
    end_if_idle(u);
}

/* The volume has the blob, but a power cut might take it away. */
static void copy_stored(struct upload_copy *c)
{
    struct upload *u = c->upload;
    char url[UPLOAD_URL_MAX];
    int rc;

    c->target->may_hold = true;
    if (u->ending)
        return;
    if (!u->options.sync) {
        copy_done(c);
        return;
    }
    set_state(c, COPY_SYNCING);
    snprintf(url, sizeof(url), "http://%s/_mkv/sync", c->target->volume->name);
    upload_target_path(c->target, u->options.path, c->sync_body);
    strcat(c->sync_body, "\n");
    rc = transfer_post(u->options.transfers, &c->transfer, url, c->sync_body, synced_cb);
    if (rc == 0)
        u->n_busy++;
    else
        copy_failed(c, rc, 0);
}

static void put_cb(struct transfer *transfer, int rc, int status)
{
    struct upload_copy *c = transfer->data;
    struct upload *u = c->upload;
    bool stored = succeeded(c, transfer, rc, status);

    u->n_busy--;
    volume_report(c->target->volume, rc, status);
    if (stored && u->ended && c->at == u->received) {
        copy_stored(c);
    } else {
        if (stored || (rc < 0 && transfer_body_sent(transfer)))
            c->target->may_hold = true;
        copy_failed(c, rc, status);
    }
    end_if_idle(u);
}

static int stream(struct upload_copy *c)
{
    struct upload *u = c->upload;
    char url[UPLOAD_URL_MAX];
    int rc;

    c->at = 0;
    c->transfer.data = c;
    c->transfer.is_suspect = &c->target->volume->is_suspect;
    upload_target_url(c->target, u->options.path, url);
    rc = transfer_put(u->options.transfers, &c->transfer, url, u->options.size, u->options.time,
                      read_cb, put_cb);
    if (rc < 0)
        return rc;
    u->n_busy++;
    set_state(c, COPY_STREAMING);
    return 0;
}

/* Takes a candidate; without one the upload has failed. */
static void copy_begin(struct upload_copy *c)
{
    struct upload *u = c->upload;
    int rc = 0;

    c->target = next_target(u);
    if (c->target == NULL) {
        stop(u, refuse(u));
        return;
    }
    if (u->base > 0) {
        set_state(c, COPY_WAITING);
        relay_waiting(u);
        return;
    }
    rc = stream(c);
    if (rc < 0) {
        snprintf(u->text, sizeof(u->text), "the value can't be sent to a volume\n");
        stop(u, 503);
    }
}

/* --- Relays ---------------------------------------------------------------------------------- */

static void relayed_cb(struct relay *relay, int rc, int status)
{
    struct upload_copy *c = relay->data;
    struct upload *u = c->upload;

    u->n_busy--;
    volume_report(relay->source_failed ? relay->from : relay->to, rc, status);
    c->target->may_hold = c->target->may_hold || relay->may_hold;
    if (rc == 0 && succeeded(c, &relay->put, rc, status)) {
        copy_stored(c);
    } else if (relay->source_failed && ++c->relays < RELAYS_MAX && !u->ending) {
        note_failure(u, relay->from, rc, status);
        set_state(c, COPY_WAITING);
        relay_waiting(u);
    } else {
        copy_failed(c, rc, status);
    }
    end_if_idle(u);
}

static int relay_copy(struct upload_copy *c, const struct upload_target *from)
{
    struct upload *u = c->upload;
    char from_url[UPLOAD_URL_MAX];
    char to_url[UPLOAD_URL_MAX];
    int rc;

    upload_target_url(from, u->options.path, from_url);
    upload_target_url(c->target, u->options.path, to_url);
    c->relay.data = c;
    rc = relay_start(&c->relay, u->options.transfers,
                     &(struct relay_options){.from = from->volume,
                                             .from_url = from_url,
                                             .to = c->target->volume,
                                             .to_url = to_url,
                                             .size = u->received,
                                             .time = u->options.time},
                     relayed_cb);
    if (rc < 0)
        return rc;
    u->n_busy++;
    set_state(c, COPY_RELAYING);
    return 0;
}

/* A copy that is done, another one for each try. */
static struct upload_copy *source(struct upload *u, unsigned skip)
{
    struct upload_copy *found = NULL;

    for (unsigned i = 0; i < u->n_copies; i++) {
        if (u->copies[i].state != COPY_DONE)
            continue;
        found = &u->copies[i];
        if (skip-- == 0)
            break;
    }
    return found;
}

static bool any_under_way(const struct upload *u)
{
    for (unsigned i = 0; i < u->n_copies; i++) {
        if (u->copies[i].state == COPY_STREAMING || u->copies[i].state == COPY_SYNCING)
            return true;
    }
    return false;
}

/* Starts the relays that wait, if there is a copy to relay from, or there may still be. */
static void relay_waiting(struct upload *u)
{
    for (unsigned i = 0; i < u->options.copies && !u->ending; i++) {
        struct upload_copy *c = &u->copies[i];
        struct upload_copy *from = source(u, c->relays);

        if (c->state != COPY_WAITING)
            continue;
        if (from == NULL && any_under_way(u))
            continue;
        if (from == NULL || relay_copy(c, from->target) < 0)
            stop(u, refuse(u));
    }
}

/* --- The caller's side ----------------------------------------------------------------------- */

int upload_init(struct upload *u, const struct upload_options *options,
                const struct upload_target *candidates, size_t n)
{
    u->options = *options;
    for (size_t i = 0; i < n; i++) {
        assert(i < UPLOAD_TARGETS_MAX);
        u->targets[u->n_targets] = candidates[i];
        u->targets[u->n_targets].id = candidates[i].volume->id;
        if (takes(u, &u->targets[u->n_targets]))
            u->n_targets++;
        else if (volume_is_live(candidates[i].volume))
            u->failure = 507;
    }
    return u->n_targets >= options->copies ? 0 : refuse(u);
}

int upload_start(struct upload *u)
{
    u->copies = calloc(u->options.copies, sizeof(*u->copies));
    if (u->copies == NULL) {
        snprintf(u->text, sizeof(u->text), "out of memory\n");
        return 503;
    }
    u->n_copies = u->options.copies;
    for (unsigned i = 0; i < u->n_copies; i++)
        u->copies[i].upload = u;
    for (unsigned i = 0; i < u->n_copies && !u->ending; i++)
        copy_begin(&u->copies[i]);
    /* What was started tells when it has ended. */
    return u->ending && u->n_busy == 0 ? u->status : 0;
}

int upload_write(struct upload *u, const char *bytes, size_t n)
{
    if (u->ending)
        return 1;
    if (buf_append(&u->window, bytes, n) < 0)
        return UV_ENOMEM;
    u->options.budget->used += n;
    u->received += n;
    for (unsigned i = 0; i < u->n_copies; i++) {
        if (u->copies[i].state == COPY_STREAMING)
            transfer_wake(&u->copies[i].transfer);
    }
    u->paused = is_full(u);
    return !u->paused;
}

void upload_end(struct upload *u)
{
    assert(u->received > 0);
    u->ended = true;
    for (unsigned i = 0; i < u->n_copies; i++) {
        if (u->copies[i].state == COPY_STREAMING)
            transfer_wake(&u->copies[i].transfer);
    }
}

void upload_abort(struct upload *u)
{
    stop(u, -1);
}

void upload_deinit(struct upload *u)
{
    if (u->options.budget != NULL)
        u->options.budget->used -= buf_size(&u->window);
    buf_deinit(&u->window);
    free(u->copies);
    u->copies = NULL;
    u->n_copies = 0;
}
