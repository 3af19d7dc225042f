/* DELETE: in one commit the key goes and its blob becomes an orphan; then the blob goes, and then
 * the orphan is forgotten. The key is gone with the first commit, whatever the volumes say: what
 * one of them doesn't delete now, reclaim.c has it delete later. The key is held to the end: a PUT
 * in between could lose its blob to this. */
#include <stdlib.h>

#include "index/api/removal.h"

struct delete_op {
    struct api *api;
    struct http_request *request; /* NULL once the client is gone */
    struct key key;
    struct record orphans;
    struct store_commit commit;
    struct removal removal;
};

static void respond_failure(struct http_request *request, int rc)
{
    api_respond_text(request, api_store_status(rc), "the index can't be changed\n");
}

static void delete_finish(struct delete_op *op, int rc)
{
    struct http_request *request = op->request;

    api_release_key(op->api, &op->key);
    op->api->n_operations--;
    free(op);
    /* Last: it may run the client's next request, which finds the key free. */
    if (request == NULL)
        return;
    if (rc == 0)
        api_respond_text(request, 204, "");
    else
        respond_failure(request, rc);
}

/* The orphan that the store couldn't forget is reclaimed once more later: no harm. */
static void forgotten_cb(struct store_commit *commit, int rc)
{
    (void)rc;
    delete_finish(commit->data, 0);
}

static void forget(struct delete_op *op, const struct record *left)
{
    struct store_change change = orphans_change(&op->key, left);

    if (left->n_replicas == op->orphans.n_replicas ||
        store_commit(op->api->store, &op->commit, &change, 1, forgotten_cb) < 0)
        delete_finish(op, 0);
}

static void removed_cb(struct removal *removal)
{
    forget(removal->data, &removal->left);
}

static void deleted_cb(struct store_commit *commit, int rc)
{
    struct delete_op *op = commit->data;

    if (rc < 0) {
        delete_finish(op, rc);
        return;
    }
    op->removal.data = op;
    if (removal_start(&op->removal, op->api, &op->key, &op->orphans, removed_cb) < 0)
        delete_finish(op, 0);
}

static void request_closed_cb(struct http_request *request)
{
    struct delete_op *op = http_request_data(request);

    op->request = NULL;
}

static const struct http_body_reader reader = {
    .data = api_drop_body,
    .end = api_ignore_end,
    .closed = request_closed_cb,
};

/* What to delete: the key's replicas, and what was an orphan before. */
static int find_orphans(struct delete_op *op)
{
    struct record record;
    int rc = store_get(op->api->store, STORE_KEYS, op->key.bytes, op->key.len, &record);

    if (rc == 0)
        rc = orphans_get(op->api, &op->key, &op->orphans);
    if (rc < 0)
        return rc;
    if (op->api->protect && !(record.flags & RECORD_UNLINKED))
        return UV_EPERM;
    record.flags = 0;
    if (op->orphans.n_replicas == 0)
        op->orphans = record;
    else if (!orphans_add(&op->orphans, &record))
        rc = UV_ENOBUFS;
    return rc;
}

static int delete_start(struct delete_op *op)
{
    struct store_change changes[] = {
        {.space = STORE_KEYS, .key = op->key.bytes, .len = op->key.len},
        orphans_change(&op->key, &op->orphans),
    };

    op->commit.data = op;
    return store_commit(op->api->store, &op->commit, changes, 2, deleted_cb);
}

void api_delete(struct api *api, struct http_request *request, const struct key *key)
{
    struct delete_op *op = calloc(1, sizeof(*op));
    int rc = UV_ENOMEM;

    if (op == NULL)
        goto err_free;
    op->api = api;
    op->request = request;
    op->key = *key;
    rc = find_orphans(op);
    if (rc < 0)
        goto err_free;
    if (!api_hold_key(api, &op->key)) {
        free(op);
        api_respond_text(request, 409, "the key is being changed\n");
        return;
    }
    rc = delete_start(op);
    if (rc < 0)
        goto err_release;
    api->n_operations++;
    http_request_set_data(request, op);
    http_read_body(request, &reader);
    return;

err_release:
    api_release_key(api, &op->key);
err_free:
    free(op);
    if (rc == UV_ENOENT)
        api_respond_text(request, 404, "");
    else if (rc == UV_EPERM)
        api_respond_text(request, 403, "the key is protected: UNLINK it first\n");
    else
        respond_failure(request, rc);
}
