/* DELETE: in one commit the key goes and its blob becomes an orphan; then the blob goes, and then
 * the orphan is forgotten. The key is gone with the first commit, whatever the volumes say: what
 * one of them doesn't delete now, reclaim.c has it delete later. The key is held to the end: a PUT
 * in between could lose its blob to this. */
#include <stdlib.h>

#include "index/api/operation.h"
#include "index/api/removal.h"
#include "index/api/write_head.h"

struct delete_op {
    struct operation base;
    struct record orphans;
    struct removal removal;
};

/* The orphan that the store couldn't forget is reclaimed once more later: no harm. */
static void forgotten_cb(struct store_commit *commit, int rc)
{
    (void)rc;
    operation_finish(commit->data, 0);
}

static void removed_cb(struct removal *removal)
{
    struct delete_op *op = removal->data;
    struct store_change change = orphans_change(&op->base.key, &removal->left);

    if (removal->left.n_replicas == op->orphans.n_replicas ||
        store_commit(op->base.api->store, &op->base.commit, &change, 1, forgotten_cb) < 0)
        operation_finish(&op->base, 0);
}

static void deleted_cb(struct store_commit *commit, int rc)
{
    struct delete_op *op = commit->data;

    if (rc < 0) {
        operation_finish(&op->base, rc);
        return;
    }
    op->removal.data = op;
    if (removal_start(&op->removal, op->base.api, &op->base.key, &op->orphans, removed_cb) < 0)
        operation_finish(&op->base, 0);
}

/* What to delete: the key's replicas, and what was an orphan before. */
static int find_orphans(struct api *api, const struct key *key, struct record *record,
                        struct record *orphans)
{
    int rc = store_get(api->store, STORE_KEYS, key->bytes, key->len, record);

    if (rc == 0)
        rc = orphans_get(api, key, orphans);
    if (rc < 0)
        return rc;
    if (api->protect && !(record->flags & RECORD_UNLINKED))
        return UV_EPERM;
    return orphans_add(api->replicas, orphans, record) ? 0 : UV_EMLINK;
}

static int delete_start(struct delete_op *op)
{
    const struct key *key = &op->base.key;
    struct store_change changes[] = {
        {.space = STORE_KEYS, .key = key->bytes, .len = key->len},
        orphans_change(key, &op->orphans),
    };

    op->base.commit.data = op;
    return store_commit(op->base.api->store, &op->base.commit, changes, 2, deleted_cb);
}

static void refuse(struct http_request *request, int rc)
{
    if (rc == UV_ENOENT)
        api_respond_text(request, 404, "");
    else if (rc == UV_EPERM)
        api_respond_text(request, 403, "the key is protected: UNLINK it first\n");
    else if (rc == UV_EMLINK)
        api_respond_text(request, 503, ORPHANS_TOO_MANY "\n");
    else
        operation_respond_failure(request, rc);
}

void api_delete(struct api *api, struct http_request *request, const struct key *key)
{
    struct record record;
    struct record orphans;
    int rc = find_orphans(api, key, &record, &orphans);
    struct delete_op *op;

    if (rc < 0) {
        refuse(request, rc);
        return;
    }
    if (!write_head_holds(request, &record))
        return;
    op = (struct delete_op *)operation_new(sizeof(*op), api, request, key);
    if (op == NULL)
        return;
    op->orphans = orphans;
    rc = delete_start(op);
    if (rc < 0)
        operation_finish(&op->base, rc);
    else
        operation_drop_body(&op->base);
}
