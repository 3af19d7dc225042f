/* PUT: streams a value to its volumes and then records where it is.
 *
 * Happy path: the head is checked (everything that can be refused before the body is) and the key
 * held. With the first bytes of the body the volumes that may take it are chosen, and the store is
 * told that the blob will be an orphan there: should mkv die from now on, it knows what to reclaim.
 * That done, the upload starts (upload.h); it tells when the client is to pause. With the body's
 * end its MD5 is known and checked, and the volumes get the end. When enough of them hold the blob
 * durably, one commit puts the record and forgets the orphans, and the client has its 201.
 *
 * Failures: the client vanishes before the end (the upload is aborted, and the volumes, which saw
 * half a request, store nothing); the body is empty (411) or its MD5 is not the one announced
 * (400), both found out before the volumes have its end; too few volumes take it (503, 502, 507);
 * the record can't be put (503, 507). Where a volume may have the blob all the same, it is told to
 * delete it, and the orphan is forgotten if it did, with the key still held. */
#include <assert.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/api/operation.h"
#include "index/api/put_head.h"
#include "index/api/removal.h"
#include "index/base/clock.h"
#include "index/base/log.h"
#include "index/cluster/upload.h"

/* Where a PUT waits, and for whom. */
enum put_state {
    PUT_RECEIVING,  /* the client: no byte of the body yet, nothing at the volumes */
    PUT_ANNOUNCING, /* the store, which is to know the orphans-to-be; the client goes on */
    PUT_UPLOADING,  /* the client and the volumes */
    PUT_COMMITTING, /* the store */
    PUT_ABORTING,   /* the end of an announcement or of an aborted upload; answered */
    PUT_CLEANING,   /* the volumes, which are to delete the blob; answered */
    PUT_FORGETTING, /* the store, which is to forget the orphans; answered */
    PUT_ENDED,
    PUT_STATES
};

static const bool legal_moves[PUT_STATES][PUT_STATES] = {
    [PUT_RECEIVING] = {[PUT_ANNOUNCING] = true, [PUT_ENDED] = true},
    [PUT_ANNOUNCING] = {[PUT_UPLOADING] = true, [PUT_ABORTING] = true, [PUT_ENDED] = true},
    [PUT_UPLOADING] = {[PUT_COMMITTING] = true,
                       [PUT_ABORTING] = true,
                       [PUT_CLEANING] = true,
                       [PUT_FORGETTING] = true},
    [PUT_COMMITTING] = {[PUT_CLEANING] = true, [PUT_FORGETTING] = true, [PUT_ENDED] = true},
    [PUT_ABORTING] = {[PUT_CLEANING] = true, [PUT_FORGETTING] = true, [PUT_ENDED] = true},
    [PUT_CLEANING] = {[PUT_FORGETTING] = true, [PUT_ENDED] = true},
    [PUT_FORGETTING] = {[PUT_ENDED] = true},
};

struct put_op {
    struct operation base;
    enum put_state state;
    struct put_head head;
    struct record record;
    EVP_MD_CTX *md5; /* NULL when nobody wants to know */
    bool whole;      /* the body has come to its end */
    char path[PLACEMENT_PATH_MAX];
    struct upload upload;
    struct removal removal;
};

static void set_state(struct put_op *op, enum put_state state)
{
    assert(legal_moves[op->state][state]);
    op->state = state;
}

/* Answers, unless the client has its answer or is gone. May run the client's next request. */
static void answer(struct http_request *request, int status, const char *text)
{
    if (request != NULL)
        api_respond_text(request, status, text);
}

/* Answers now, with the operation still to go on. */
static void answer_early(struct put_op *op, int status, const char *text)
{
    struct http_request *request = op->base.request;

    op->base.request = NULL;
    answer(request, status, text);
}

static void put_end(struct put_op *op, int status, const char *text)
{
    char copy[UPLOAD_TEXT_MAX]; /* it may be the operation's */

    set_state(op, PUT_ENDED);
    snprintf(copy, sizeof(copy), "%s", text);
    EVP_MD_CTX_free(op->md5);
    upload_deinit(&op->upload);
    answer(operation_end(&op->base), status, copy);
}

/* --- Failing --------------------------------------------------------------------------------- */

static void forgotten_cb(struct store_commit *commit, int rc)
{
    (void)rc; /* what wasn't forgotten is reclaimed later, in vain */
    put_end(commit->data, 0, "");
}

/* Takes `left` for the key's orphans. */
static void forget(struct put_op *op, const struct record *left)
{
    struct store_change change = orphans_change(&op->base.key, left);

    set_state(op, PUT_FORGETTING);
    op->base.commit.data = op;
    if (store_commit(op->base.api->store, &op->base.commit, &change, 1, forgotten_cb) < 0)
        put_end(op, 0, "");
}

static void removed_cb(struct removal *removal)
{
    struct put_op *op = removal->data;

    forget(op, &removal->left);
}

/* What the store had as orphans, and where the upload may have left the blob. */
static struct record leftovers(const struct put_op *op)
{
    struct record orphans = op->head.orphans;

    for (size_t i = 0; i < op->upload.n_targets; i++) {
        const struct upload_target *target = &op->upload.targets[i];
        struct record one = {.n_replicas = 1, .replicas = {replica_of(target)}};

        if (target->may_hold || target->holds)
            orphans_add(op->base.api->replicas, &orphans, &one); /* as in announce() */
    }
    return orphans;
}

/* The key is as it was before: what lies at volumes goes, but for an unlinked value's places. The
 * client doesn't wait for that. */
static void clean_up(struct put_op *op, int status, const char *text)
{
    struct record orphans = leftovers(op);
    bool dirty = orphans.n_replicas > op->head.orphans.n_replicas;

    orphans_subtract(op->base.api->replicas, &orphans, &op->head.unlinked);
    answer_early(op, status, text);
    if (!dirty) {
        forget(op, &op->head.orphans);
        return;
    }
    set_state(op, PUT_CLEANING);
    op->removal.data = op;
    if (removal_start(&op->removal, op->base.api, &op->base.key, &orphans, removed_cb) < 0)
        forget(op, &orphans);
}

/* Breaks off what goes on, and answers. */
static void put_abort(struct put_op *op, int status, const char *text)
{
    if (op->state == PUT_RECEIVING) {
        put_end(op, status, text);
        return;
    }
    if (op->state == PUT_UPLOADING)
        upload_abort(&op->upload);
    set_state(op, PUT_ABORTING);
    answer_early(op, status, text);
}

/* --- The volumes' side ----------------------------------------------------------------------- */

static void recorded_cb(struct store_commit *commit, int rc)
{
    struct put_op *op = commit->data;

    if (rc < 0)
        clean_up(op, api_store_status(rc), "the index can't be changed\n");
    else
        put_end(op, 201, "");
}

/* The copies are the record; what else the key has at volumes, orphans. */
static void record_it(struct put_op *op)
{
    struct record orphans = leftovers(op);
    struct store_change changes[2];
    int rc;

    for (size_t i = 0; i < op->upload.n_targets; i++) {
        if (op->upload.targets[i].holds)
            op->record.replicas[op->record.n_replicas++] = replica_of(&op->upload.targets[i]);
    }
    set_state(op, PUT_COMMITTING);
    if (!orphans_merge(op->base.api->replicas, &orphans, &op->head.unlinked, &op->record)) {
        clean_up(op, 503, ORPHANS_TOO_MANY "\n");
        return;
    }
    changes[0] =
        (struct store_change){STORE_KEYS, op->base.key.bytes, op->base.key.len, &op->record};
    changes[1] = orphans_change(&op->base.key, &orphans);
    rc = store_commit(op->base.api->store, &op->base.commit, changes, 2, recorded_cb);
    if (rc < 0)
        clean_up(op, api_store_status(rc), "the index can't be changed\n");
}

static void uploaded_cb(struct upload *upload, int status)
{
    struct put_op *op = upload->data;

    if (op->state == PUT_ABORTING || status != 0) {
        if (op->state != PUT_ABORTING)
            log_limited(LOG_LEVEL_WARN, "a PUT failed: %.*s", (int)strcspn(upload->text, "\n"),
                        upload->text);
        clean_up(op, status, upload->text);
    } else {
        record_it(op);
    }
}

static void drained_cb(struct upload *upload)
{
    struct put_op *op = upload->data;

    if (op->base.request != NULL)
        http_resume_body(op->base.request);
}

static void announced_cb(struct store_commit *commit, int rc)
{
    struct put_op *op = commit->data;
    int status;

    if (rc < 0) {
        put_end(op, api_store_status(rc), "the index can't be changed\n");
        return;
    }
    if (op->state == PUT_ABORTING) {
        clean_up(op, 0, "");
        return;
    }
    set_state(op, PUT_UPLOADING);
    status = upload_start(&op->upload);
    if (status != 0)
        clean_up(op, status, op->upload.text);
    else if (op->whole)
        upload_end(&op->upload);
}

/* The blob at any of the chosen volumes is an orphan until the key is put; unless an unlinked value
 * of the key lies in the same place, and then it is this key's blob, whichever of the two it is. */
static int announce(struct put_op *op)
{
    struct api *api = op->base.api;
    struct record orphans = op->head.orphans;
    struct store_change change;
    int rc;

    for (size_t i = 0; i < op->upload.n_targets; i++) {
        struct record one = {.n_replicas = 1, .replicas = {replica_of(&op->upload.targets[i])}};

        if (!orphans_add(op->base.api->replicas, &orphans, &one))
            return UV_ENOBUFS;
    }
    orphans_subtract(op->base.api->replicas, &orphans, &op->head.unlinked);
    change = orphans_change(&op->base.key, &orphans);
    op->base.commit.data = op;
    rc = store_commit(api->store, &op->base.commit, &change, 1, announced_cb);
    if (rc == 0)
        set_state(op, PUT_ANNOUNCING);
    return rc;
}

/* Volumes that may have an older blob of the key come last: should one of them still carry out a
 * request that was given up, it must not be on this value. They are known as orphans already; of
 * others, those are left out that the store couldn't remember. Returns how many candidates there
 * are then. */
static size_t sort_candidates(struct put_op *op, struct upload_target *candidates, size_t n)
{
    struct upload_target sorted[UPLOAD_TARGETS_MAX];
    unsigned room = RECORD_REPLICAS_MAX - op->head.orphans.n_replicas;
    size_t at = 0;

    for (int leftover = 0; leftover <= 1; leftover++) {
        for (size_t i = 0; i < n; i++) {
            const struct upload_target *c = &candidates[i];

            if (record_has_target(op->base.api->replicas, &op->head.orphans, c) != (leftover != 0))
                continue;
            if (leftover == 0 && volume_takes(c->volume, op->head.content_length) && room-- == 0)
                break;
            sorted[at++] = *c;
        }
    }
    memcpy(candidates, sorted, at * sizeof(sorted[0]));
    return at;
}

/* 0, or the status to refuse the PUT with. */
static int choose_volumes(struct put_op *op)
{
    struct api *api = op->base.api;
    struct upload_target candidates[UPLOAD_TARGETS_MAX];
    size_t placed = replicas_place(api->replicas, &op->base.key, candidates, UPLOAD_TARGETS_MAX);
    size_t n = sort_candidates(op, candidates, placed);
    int status;

    placement_path(op->base.key.bytes, op->base.key.len, op->path);
    op->upload.data = op;
    status = upload_init(&op->upload,
                         &(struct upload_options){
                             .transfers = api->transfers,
                             .budget = &api->budget,
                             .path = op->path,
                             .size = op->head.content_length,
                             .time = op->record.time,
                             .copies = api->copies,
                             .sync = api->sync,
                             .drained = drained_cb,
                             .done = uploaded_cb,
                         },
                         candidates, n);
    if (status != 0 && n < placed && !upload_budget_is_spent(&api->budget)) {
        snprintf(op->upload.text, sizeof(op->upload.text), "%s\n", ORPHANS_TOO_MANY);
        return 503;
    }
    return status;
}

/* --- The client's side ----------------------------------------------------------------------- */

static void body_data_cb(struct http_request *request, const char *bytes, size_t len)
{
    struct put_op *op = http_request_data(request);
    int rc = 0;

    if (op->state == PUT_RECEIVING) {
        rc = announce(op);
        if (rc < 0) {
            put_abort(op, api_store_status(rc), "the index can't be changed\n");
            return;
        }
    }
    op->record.size += len;
    if (op->md5 != NULL && EVP_DigestUpdate(op->md5, bytes, len) != 1)
        rc = UV_ENOMEM;
    if (rc == 0)
        rc = upload_write(&op->upload, bytes, len);
    if (rc < 0)
        put_abort(op, 503, "out of memory\n");
    else if (rc == 0)
        http_pause_body(request);
}

/* Whether the body is the one that the client announced. */
static bool finish_md5(struct put_op *op)
{
    unsigned char md5[EVP_MAX_MD_SIZE];

    if (op->md5 == NULL)
        return true;
    if (EVP_DigestFinal_ex(op->md5, md5, NULL) != 1)
        return false;
    if (op->base.api->md5) {
        op->record.flags |= RECORD_MD5;
        memcpy(op->record.md5, md5, RECORD_MD5_SIZE);
    }
    return !op->head.check_md5 || memcmp(md5, op->head.md5, RECORD_MD5_SIZE) == 0;
}

static void body_end_cb(struct http_request *request)
{
    struct put_op *op = http_request_data(request);

    if (op->state == PUT_RECEIVING) {
        put_abort(op, 411, "an empty value can't be stored\n");
        return;
    }
    if (!finish_md5(op)) {
        put_abort(op, 400, "the value's MD5 is not the one in Content-MD5\n");
        return;
    }
    op->whole = true;
    if (op->state == PUT_UPLOADING)
        upload_end(&op->upload);
}

static void body_closed_cb(struct http_request *request)
{
    struct put_op *op = http_request_data(request);

    op->base.request = NULL;
    /* A value that has come whole is kept, even if nobody hears that it is. */
    if (!op->whole)
        put_abort(op, 0, "");
}

static const struct http_body_reader reader = {
    .data = body_data_cb,
    .end = body_end_cb,
    .closed = body_closed_cb,
};

/* --- The start ------------------------------------------------------------------------------- */

static bool start_md5(struct put_op *op)
{
    if (!op->base.api->md5 && !op->head.check_md5)
        return true;
    op->md5 = EVP_MD_CTX_new();
    return op->md5 != NULL && EVP_DigestInit_ex(op->md5, EVP_md5(), NULL) == 1;
}

void api_put(struct api *api, struct http_request *request, const struct key *key)
{
    struct put_head head;
    const char *text;
    struct put_op *op;
    int status = put_head_read(api, request, key, &head, &text);

    if (status != 0) {
        api_respond_text(request, status, text);
        return;
    }
    op = operation_new(sizeof(*op), api, request, key);
    if (op == NULL)
        return;
    op->head = head;
    op->record.time = clock_now_ms();
    if (!start_md5(op)) {
        put_end(op, 503, "out of memory\n");
        return;
    }
    status = choose_volumes(op);
    if (status != 0) {
        put_end(op, status, op->upload.text);
        return;
    }
    http_request_set_data(request, op);
    http_read_body(request, &reader);
}
