/* REBALANCE: brings a key's copies to where a PUT would put them today.
 *
 * Happy path: the volumes that lack a copy are found, and the store is told of orphans-to-be there;
 * one after the other gets the blob from a replica (relay.h) and brings it to disk; one commit
 * makes the record name the new places and calls those it doesn't name any more orphans; they are
 * removed and forgotten, and the client has its 204.
 *
 * Failures: a volume that should have a copy is down or full, or no replica can be read (502, and
 * nothing has changed); the key has too many orphans to add to them (503, likewise); a copy fails
 * (502): what was copied is removed again. */
#include <stdio.h>
#include <string.h>

#include "index/api/operation.h"
#include "index/api/removal.h"
#include "index/api/write_head.h"
#include "index/base/log.h"

#define TEXT_MAX (VOLUME_ADDRESS_MAX + 64)

struct rebalance_op {
    struct operation base;
    struct record record;  /* as it will be */
    struct record old;     /* as it was */
    struct record orphans; /* without this operation */
    struct upload_target targets[RECORD_REPLICAS_MAX];
    size_t n_targets;
    size_t at;       /* the target that is being copied to */
    unsigned source; /* the replica that is copied from */
    char path[PLACEMENT_PATH_MAX];
    char sync_body[UPLOAD_PATH_MAX + 1];
    int status; /* to answer with */
    char text[TEXT_MAX];
    struct transfer transfer;
    struct relay relay;
    struct removal removal;
};

static void copy_next(struct rebalance_op *op);

static void finish(struct rebalance_op *op)
{
    char text[TEXT_MAX];
    int status = op->status;
    struct http_request *request;

    strcpy(text, op->text);
    request = operation_end(&op->base);
    if (request != NULL)
        api_respond_text(request, status, text);
}

static void refuse(struct rebalance_op *op, int status, const char *what, const char *volume)
{
    op->status = status;
    snprintf(op->text, sizeof(op->text), "%.*s%s%.48s\n", VOLUME_ADDRESS_MAX, volume,
             *volume != '\0' ? ": " : "", what);
}

/* --- What isn't named any more --------------------------------------------------------------- */

static void forgotten_cb(struct store_commit *commit, int rc)
{
    (void)rc; /* reclaimed later */
    finish(commit->data);
}

static void removed_cb(struct removal *removal)
{
    struct rebalance_op *op = removal->data;
    struct store_change change = orphans_change(&op->base.key, &removal->left);

    if (store_commit(op->base.api->store, &op->base.commit, &change, 1, forgotten_cb) < 0)
        finish(op);
}

/* The store knows them as orphans. */
static void remove_orphans(struct rebalance_op *op, const struct record *orphans)
{
    op->removal.data = op;
    if (removal_start(&op->removal, op->base.api, &op->base.key, orphans, removed_cb) < 0)
        finish(op);
}

/* All places that this operation may have copied to, and what was an orphan before. */
static bool announced(const struct rebalance_op *op, struct record *orphans)
{
    *orphans = op->orphans;
    return orphans_merge(op->base.api->replicas, orphans, &op->record, &op->old);
}

/* The places that are named no more, likewise. */
static bool outdated(const struct rebalance_op *op, struct record *orphans)
{
    *orphans = op->orphans;
    return orphans_merge(op->base.api->replicas, orphans, &op->old, &op->record);
}

static void fail(struct rebalance_op *op)
{
    struct record orphans;

    announced(op, &orphans); /* as in announce() */
    log_limited(LOG_LEVEL_WARN, "a REBALANCE failed: %.*s", (int)strcspn(op->text, "\n"), op->text);
    remove_orphans(op, &orphans);
}

/* --- Copying --------------------------------------------------------------------------------- */

static void recorded_cb(struct store_commit *commit, int rc)
{
    struct rebalance_op *op = commit->data;
    struct record orphans;

    if (rc < 0) {
        refuse(op, api_store_status(rc), "the index can't be changed", "");
        fail(op);
        return;
    }
    op->status = 204;
    outdated(op, &orphans);
    remove_orphans(op, &orphans);
}

static void record_it(struct rebalance_op *op)
{
    struct record orphans;
    const struct key *key = &op->base.key;
    struct store_change changes[2] = {{STORE_KEYS, key->bytes, key->len, &op->record}};
    int rc;

    outdated(op, &orphans);
    changes[1] = orphans_change(key, &orphans);
    rc = store_commit(op->base.api->store, &op->base.commit, changes, 2, recorded_cb);
    if (rc < 0)
        recorded_cb(&op->base.commit, rc);
}

/* Whether the volume has done what it was asked; else says why not. */
static bool succeeded(struct rebalance_op *op, const struct transfer *transfer, int rc, int status)
{
    const struct upload_target *target = &op->targets[op->at];
    char text[64];

    if (upload_target_succeeded(target, transfer, rc, status))
        return true;
    if (rc < 0) {
        refuse(op, 502, uv_strerror(rc), target->volume->name);
    } else if (!transfer_succeeded(rc, status)) {
        snprintf(text, sizeof(text), "answered %d", status);
        refuse(op, 502, text, target->volume->name);
    } else {
        refuse(op, 502, "has another disk now", target->volume->name);
    }
    return false;
}

static void synced_cb(struct transfer *transfer, int rc, int status)
{
    struct rebalance_op *op = transfer->data;

    volume_report_store(op->targets[op->at].volume, rc, status);
    if (!succeeded(op, transfer, rc, status)) {
        fail(op);
        return;
    }
    op->at++;
    copy_next(op);
}

static void sync_it(struct rebalance_op *op)
{
    const struct upload_target *target = &op->targets[op->at];

    if (!op->base.api->sync) {
        op->at++;
        copy_next(op);
        return;
    }
    op->transfer.data = op;
    if (upload_target_sync(target, op->base.api->transfers, &op->transfer, op->path, op->old.size,
                           op->sync_body, synced_cb) < 0) {
        refuse(op, 503, "can't be asked to sync", target->volume->name);
        fail(op);
    }
}

static void relayed_cb(struct relay *relay, int rc, int status)
{
    struct rebalance_op *op = relay->data;

    if (relay->source_failed)
        volume_report(relay->from, rc, status);
    else
        volume_report_store(relay->to, rc, status);
    if (relay->source_failed) { /* another replica may do better */
        op->source++;
        copy_next(op);
    } else if (succeeded(op, &relay->put, rc, status)) {
        sync_it(op);
    } else {
        fail(op);
    }
}

static int start_relay(struct rebalance_op *op, const struct replica *source)
{
    const struct upload_target *target = &op->targets[op->at];
    struct api *api = op->base.api;
    char from[REPLICA_URL_MAX];
    char to[UPLOAD_URL_MAX];
    const struct relay_options options = {
        .from = replica_live(api->replicas, source),
        .from_url = from,
        .to = target->volume,
        .to_url = to,
        .size = op->old.size,
        .time = op->old.time,
        .md5 = op->old.flags & RECORD_MD5 ? op->old.md5 : NULL,
    };

    if (options.from == NULL || !replica_url(api->replicas, source, &op->base.key, from))
        return UV_ENOENT;
    upload_target_url(target, op->path, to);
    op->relay.data = op;
    return relay_start(&op->relay, api->transfers, &options, relayed_cb);
}

/* The next target that lacks a copy; behind the last one, the record. */
static void copy_next(struct rebalance_op *op)
{
    for (; op->at < op->n_targets; op->at++) {
        struct replica replica = replica_of(&op->targets[op->at]);

        if (!record_has_replica(op->base.api->replicas, &op->old, &replica))
            break;
    }
    if (op->at == op->n_targets) {
        record_it(op);
        return;
    }
    for (; op->source < op->old.n_replicas; op->source++) {
        if (start_relay(op, &op->old.replicas[op->source]) == 0)
            return;
    }
    refuse(op, 502, "no replica can be read", "");
    fail(op);
}

static void announced_cb(struct store_commit *commit, int rc)
{
    struct rebalance_op *op = commit->data;

    if (rc == 0) {
        copy_next(op);
        return;
    }
    refuse(op, api_store_status(rc), "the index can't be changed", "");
    finish(op);
}

/* If all that it may leave behind, done or failed, can be remembered. */
static void announce(struct rebalance_op *op)
{
    struct record orphans;
    struct store_change change;

    if (!outdated(op, &orphans) || !announced(op, &orphans)) {
        refuse(op, 503, ORPHANS_TOO_MANY, "");
        return;
    }
    change = orphans_change(&op->base.key, &orphans);
    op->base.commit.data = op;
    if (store_commit(op->base.api->store, &op->base.commit, &change, 1, announced_cb) < 0)
        refuse(op, 503, "the index can't be changed", "");
}

/* --- The start ------------------------------------------------------------------------------- */

/* Where the copies should be. 0, 204 when they are there, or the status to refuse with. */
static int find_targets(struct rebalance_op *op)
{
    struct api *api = op->base.api;
    unsigned missing = 0;

    op->n_targets = replicas_place(api->replicas, &op->base.key, op->targets, api->copies);
    op->record.n_replicas = 0;
    for (size_t i = 0; i < op->n_targets; i++) {
        struct replica replica = replica_of(&op->targets[i]);

        op->record.replicas[op->record.n_replicas++] = replica;
        if (record_has_replica(op->base.api->replicas, &op->old, &replica))
            continue;
        missing++;
        if (!volume_takes(op->targets[i].volume, (int64_t)op->old.size)) {
            refuse(op, 502, "it is down or full", op->targets[i].volume->name);
            return 502;
        }
    }
    if (op->n_targets < api->copies) {
        refuse(op, 502, "too few volumes", "");
        return 502;
    }
    return missing == 0 && op->old.n_replicas == op->record.n_replicas ? 204 : 0;
}

static int find(struct api *api, const struct key *key, struct record *record,
                struct record *orphans)
{
    int rc = store_get(api->store, STORE_KEYS, key->bytes, key->len, record);

    if (rc == 0 && (record->flags & RECORD_UNLINKED))
        rc = UV_ENOENT;
    return rc == 0 ? orphans_get(api, key, orphans) : rc;
}

void api_rebalance(struct api *api, struct http_request *request, const struct key *key)
{
    struct rebalance_op *op;
    struct record orphans;
    struct record record;
    int rc = find(api, key, &record, &orphans);

    if (rc < 0) {
        if (rc == UV_ENOENT)
            api_respond_text(request, 404, "");
        else
            operation_respond_failure(request, rc);
        return;
    }
    if (!write_head_holds(request, &record))
        return;
    op = operation_new(sizeof(*op), api, request, key);
    if (op == NULL)
        return;
    op->old = op->record = record;
    op->orphans = orphans;
    placement_path(key->bytes, key->len, op->path);
    op->status = find_targets(op);
    if (op->status == 0)
        announce(op);
    if (op->status != 0)
        finish(op);
    else
        operation_drop_body(&op->base);
}
