/* One copy of an upload: the states of its way to a volume. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "index/base/log.h"
#include "index/cluster/annotate.h"
#include "index/cluster/upload_internal.h"

#define RELAYS_MAX 4 /* tries of one copy */

static const bool legal_moves[COPY_STATES][COPY_STATES] = {
    [COPY_IDLE] = {[COPY_STREAMING] = true, [COPY_MAKING] = true, [COPY_WAITING] = true},
    [COPY_STREAMING] = {[COPY_IDLE] = true, [COPY_SYNCING] = true, [COPY_DONE] = true},
    [COPY_MAKING] =
        {[COPY_IDLE] = true, [COPY_WAITING] = true, [COPY_SYNCING] = true, [COPY_DONE] = true},
    [COPY_WAITING] = {[COPY_RELAYING] = true},
    [COPY_RELAYING] =
        {[COPY_IDLE] = true, [COPY_WAITING] = true, [COPY_SYNCING] = true, [COPY_DONE] = true},
    [COPY_SYNCING] = {[COPY_IDLE] = true, [COPY_DONE] = true},
};

static void set_state(struct upload_copy *c, enum copy_state state)
{
    assert(legal_moves[c->state][state]);
    c->state = state;
}

/* Remembers what went wrong, which is in u->text, for the log and for the client. */
static void note_text(struct upload *u, int failure)
{
    log_limited(LOG_LEVEL_WARN, "a copy failed: %.*s", (int)strcspn(u->text, "\n"), u->text);
    u->failure = failure;
}

/* The same of what a request to a volume ended with. */
static void note_failure(struct upload *u, const struct volume *volume, int rc, int status)
{
    if (transfer_failed_here(rc))
        return;
    if (rc < 0)
        snprintf(u->text, sizeof(u->text), "volume %s: %s\n", volume->name, uv_strerror(rc));
    else if (transfer_succeeded(rc, status))
        snprintf(u->text, sizeof(u->text), "volume %s has another disk now\n", volume->name);
    else
        snprintf(u->text, sizeof(u->text), "volume %s answered %d\n", volume->name, status);
    note_text(u, rc < 0 ? UV_EAGAIN : status == 507 ? UV_ENOSPC : UV_EREMOTEIO);
}

/* Once the volume has the whole value, it will be asked to flush it. */
static void expect_flush(struct upload_copy *c)
{
    const struct upload *u = c->upload;

    if (c->announced || !u->options.sync || !u->ended || c->at < u->received)
        return;
    c->announced = true;
    flush_expect(c->target->volume);
}

static void expect_no_flush(struct upload_copy *c)
{
    if (c->announced)
        flush_expect_less(c->target->volume);
    c->announced = false;
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
    expect_flush(c);
    upload_trim(u);
    return (ssize_t)n;
}

static void copy_done(struct upload_copy *c)
{
    set_state(c, COPY_DONE);
    copy_relay_waiting(c->upload);
    upload_end_if_all_done(c->upload);
}

/* Its volume has failed: on to the next one. */
static void copy_failed(struct upload_copy *c, int rc, int status)
{
    struct upload *u = c->upload;

    set_state(c, COPY_IDLE);
    if (u->ending)
        return;
    if (transfer_failed_here(rc)) { /* any other volume would have to wait for the same */
        snprintf(u->text, sizeof(u->text), "the index can't connect to volumes now: %s\n",
                 uv_strerror(rc));
        upload_stop(u, UV_EAGAIN);
        return;
    }
    note_failure(u, c->target->volume, rc, status);
    copy_begin(c);
    upload_trim(u);
}

static void flushed_cb(struct flush *flush, const struct transfer *transfer, int rc, int status)
{
    struct upload_copy *c = flush->data;
    struct upload *u = c->upload;

    u->n_busy--;
    if (rc == 0 && (status == 404 || status == 405))
        log_limited(LOG_LEVEL_ERROR,
                    "volume %s doesn't answer POST /_mkv/sync: is it run by mkv volume? (mkv index "
                    "--no-sync does without)",
                    c->target->volume->name);
    if (upload_target_succeeded(c->target, transfer, rc, status))
        copy_done(c);
    else
        copy_failed(c, rc, status);
    upload_end_if_idle(u);
}

/* The volume has the blob, but a power cut might take it away. */
static void copy_stored(struct upload_copy *c)
{
    struct upload *u = c->upload;

    if (u->ending)
        return;
    if (!u->options.sync) {
        annotate(c->target->volume, &c->target->place, u->options.path, u->note, u->note_len);
        copy_done(c);
        return;
    }
    set_state(c, COPY_SYNCING);
    c->flush.data = c;
    c->flush.until = u->until;
    c->flush.size = u->received;
    c->flush.note = u->note;
    c->flush.note_len = u->note_len;
    u->n_busy++;
    flush_start(&c->flush, u->options.transfers, c->target->volume, &c->target->place,
                u->options.path, flushed_cb);
}

static void put_cb(struct transfer *transfer, int rc, int status)
{
    struct upload_copy *c = transfer->data;
    struct upload *u = c->upload;

    u->n_busy--;
    expect_no_flush(c);
    volume_report_store(c->target->volume, rc, status);
    c->target->may_hold |= transfer_may_have_stored(transfer, rc, status);
    c->target->is_late |= rc < 0 && transfer->body_sent;
    if (u->ended && c->at == u->received &&
        upload_target_succeeded(c->target, transfer, rc, status))
        copy_stored(c);
    else
        copy_failed(c, rc, status);
    upload_end_if_idle(u);
}

static int stream(struct upload_copy *c)
{
    struct upload *u = c->upload;
    bool knows_end = u->ended || !u->options.is_framed;
    char url[PLACEMENT_URL_MAX];
    int rc;

    c->at = 0;
    c->transfer.data = c;
    c->transfer.volume = c->target->volume;
    c->transfer.request_id = u->options.request_id;
    copy_set_deadline(c);
    placement_url(c->target->volume->name, &c->target->place, u->options.path, url);
    rc = transfer_put(u->options.transfers, &c->transfer, url, knows_end ? u->options.size : -1,
                      u->options.time, read_cb, put_cb);
    if (rc < 0)
        return rc;
    u->n_busy++;
    set_state(c, COPY_STREAMING);
    return 0;
}

/* --- Values that volumes make ---------------------------------------------------------------- */

/* The volumes must have made the same. False when the upload is over by that. */
static bool take_md5(struct upload_copy *c)
{
    struct upload *u = c->upload;
    const struct assemble_answer *a = &c->assemble.answer;
    int rc;

    if (!u->recipe->wants_md5 || u->ending)
        return true;
    if (u->has_md5 || !a->has_md5) {
        if (a->has_md5 && memcmp(a->md5, u->md5, MD5_SIZE) == 0)
            return true;
        snprintf(u->text, sizeof(u->text), "volume %s has made something else\n", a->volume);
        upload_stop(u, UV_EREMOTEIO);
        return false;
    }
    u->has_md5 = true;
    memcpy(u->md5, a->md5, MD5_SIZE);
    rc = u->options.made(u, u->md5, &u->note, &u->note_len);
    if (rc < 0)
        upload_stop(u, rc);
    return rc == 0;
}

/* The volume can still have a copy of what another one makes. */
static void copy_unmade(struct upload_copy *c)
{
    struct upload *u = c->upload;

    if (u->ending)
        return;
    u->failure = UV_EREMOTEIO;
    snprintf(u->text, sizeof(u->text), "volume %s can't make the value\n", c->target->volume->name);
    set_state(c, COPY_WAITING);
    copy_relay_waiting(u);
}

/* Nothing is to be moved over the network because volumes have too much to do. */
static void copy_has_no_place(struct upload_copy *c)
{
    struct upload *u = c->upload;

    set_state(c, COPY_IDLE);
    if (u->ending)
        return;
    snprintf(u->text, sizeof(u->text), "volume %s has too much to make now\n",
             c->target->volume->name);
    upload_stop(u, UV_EBUSY);
}

static void making_failed(struct upload_copy *c, enum assemble_outcome outcome)
{
    struct upload *u = c->upload;
    bool is_full = outcome == ASSEMBLE_FULL;

    set_state(c, COPY_IDLE);
    if (u->ending)
        return;
    snprintf(u->text, sizeof(u->text), "volume %s %s\n", c->target->volume->name,
             is_full ? "is full" : "has failed to make the value");
    note_text(u, is_full ? UV_ENOSPC : UV_EREMOTEIO);
    copy_begin(c);
}

static void made(struct upload_copy *c)
{
    if (!upload_target_succeeded(c->target, &c->assemble.transfer, 0, 200))
        copy_failed(c, 0, 200);
    else if (take_md5(c))
        copy_stored(c);
}

static void made_cb(struct assemble *assemble, enum assemble_outcome outcome)
{
    struct upload_copy *c = assemble->data;
    struct upload *u = c->upload;

    u->n_busy--;
    c->target->may_hold |= assemble->may_hold;
    c->target->is_late |= assemble->is_late;
    if (assemble->until > u->until) /* it has waited for its place */
        u->until = assemble->until;
    if (outcome == ASSEMBLE_MADE)
        made(c);
    else if (outcome == ASSEMBLE_UNABLE)
        copy_unmade(c);
    else if (outcome == ASSEMBLE_BUSY)
        copy_has_no_place(c);
    else if (assemble->rc < 0)
        copy_failed(c, assemble->rc, 0);
    else
        making_failed(c, outcome);
    upload_end_if_idle(u);
}

static void make(struct upload_copy *c)
{
    struct upload *u = c->upload;

    c->assemble.data = c;
    assemble_start(&c->assemble, u->options.transfers, c->target->volume, u->recipe,
                   &(struct recipe_target){.place = &c->target->place,
                                           .path = u->options.path,
                                           .time = u->options.time,
                                           .sync = u->options.sync},
                   made_cb);
    u->n_busy++;
    set_state(c, COPY_MAKING);
}

/* --- The beginning --------------------------------------------------------------------------- */

/* Whether the volume can get the value only from another one. */
static bool needs_relay(const struct upload_copy *c)
{
    const struct upload *u = c->upload;

    return u->recipe != NULL ? !recipe_is_for(u->recipe, c->target->volume) : u->base > 0;
}

static bool all_have_begun(const struct upload *u)
{
    for (unsigned i = 0; i < u->n_copies; i++) {
        if (u->copies[i].target == NULL)
            return false;
    }
    return true;
}

void copy_begin(struct upload_copy *c)
{
    struct upload *u = c->upload;

    c->target = NULL;
    c->target = upload_next_target(u);
    if (c->target == NULL) {
        upload_stop(u, upload_refuse(u));
        return;
    }
    if (needs_relay(c)) {
        set_state(c, COPY_WAITING);
        if (all_have_begun(u))
            copy_relay_waiting(u);
        return;
    }
    if (u->recipe != NULL) {
        make(c);
    } else if (stream(c) < 0) {
        snprintf(u->text, sizeof(u->text), "the value can't be sent to a volume\n");
        upload_stop(u, UV_EAGAIN);
    }
}

/* --- Relays ---------------------------------------------------------------------------------- */

static void relayed_cb(struct relay *relay, int rc, int status)
{
    struct upload_copy *c = relay->data;
    struct upload *u = c->upload;

    u->n_busy--;
    if (relay->source_failed)
        volume_report(relay->from, rc, status);
    else
        volume_report_store(relay->to, rc, status);
    c->target->may_hold |= relay->may_hold;
    c->target->is_late |= rc < 0 && relay->may_hold;
    if (upload_target_succeeded(c->target, &relay->put, rc, status)) {
        copy_stored(c);
    } else if (relay->source_failed && ++c->relays < RELAYS_MAX && !u->ending) {
        note_failure(u, relay->from, rc, status);
        set_state(c, COPY_WAITING);
        copy_relay_waiting(u);
    } else {
        copy_failed(c, rc, status);
    }
    upload_end_if_idle(u);
}

static int relay_copy(struct upload_copy *c, const struct upload_target *from)
{
    struct upload *u = c->upload;
    char from_url[PLACEMENT_URL_MAX];
    char to_url[PLACEMENT_URL_MAX];
    int rc;

    placement_url(from->volume->name, &from->place, u->options.path, from_url);
    placement_url(c->target->volume->name, &c->target->place, u->options.path, to_url);
    c->relay.data = c;
    rc = relay_start(&c->relay, u->options.transfers,
                     &(struct relay_options){.from = from->volume,
                                             .from_url = from_url,
                                             .to = c->target->volume,
                                             .to_url = to_url,
                                             .size = u->received,
                                             .time = u->options.time,
                                             .until = u->until},
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
        enum copy_state state = u->copies[i].state;

        if (state == COPY_STREAMING || state == COPY_MAKING || state == COPY_SYNCING)
            return true;
    }
    return false;
}

/* Starts the relays that wait, if there is a copy to relay from, or there may still be. */
void copy_relay_waiting(struct upload *u)
{
    for (unsigned i = 0; i < u->options.copies && !u->ending; i++) {
        struct upload_copy *c = &u->copies[i];
        struct upload_copy *from = source(u, c->relays);

        if (c->state != COPY_WAITING)
            continue;
        if (from == NULL && any_under_way(u))
            continue;
        if (from == NULL || relay_copy(c, from->target) < 0)
            upload_stop(u, upload_refuse(u));
    }
}

/* --- What the upload asks for ---------------------------------------------------------------- */

void copy_wake(struct upload_copy *c)
{
    if (c->state != COPY_STREAMING)
        return;
    expect_flush(c);
    transfer_wake(&c->transfer);
}

void copy_set_deadline(struct upload_copy *c)
{
    c->transfer.until = c->upload->until;
    c->relay.get.until = c->relay.put.until = c->upload->until;
}

void copy_cancel(struct upload_copy *c)
{
    if (c->state == COPY_STREAMING)
        transfer_cancel(&c->transfer);
    else if (c->state == COPY_MAKING)
        assemble_cancel(&c->assemble);
    else if (c->state == COPY_SYNCING)
        flush_cancel(&c->flush);
    else if (c->state == COPY_RELAYING)
        relay_cancel(&c->relay);
}
