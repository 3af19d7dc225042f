/* UNLINK: the key is marked and so is missing to a GET; the blob stays until a DELETE. */
#include "index/api/operation.h"
#include "index/api/write_head.h"

static void unlinked_cb(struct store_commit *commit, int rc)
{
    operation_finish(commit->data, rc);
}

static int unlink_start(struct operation *op, struct record *record)
{
    struct store_change change = {STORE_KEYS, op->key.bytes, op->key.len, record};

    record->flags |= RECORD_UNLINKED;
    op->commit.data = op;
    return store_commit(op->api->store, &op->commit, &change, 1, unlinked_cb);
}

void api_unlink(struct api *api, struct http_request *request, const struct key *key)
{
    struct operation *op;
    struct record record;
    int rc = store_get(api->store, STORE_KEYS, key->bytes, key->len, &record);

    if (rc == UV_ENOENT || (rc == 0 && (record.flags & RECORD_UNLINKED))) {
        api_respond_text(request, 404, "");
        return;
    }
    if (rc < 0) {
        operation_respond_failure(request, rc);
        return;
    }
    if (!write_head_holds(request, &record))
        return;
    op = operation_new(sizeof(*op), api, request, key);
    if (op == NULL)
        return;
    rc = unlink_start(op, &record);
    if (rc < 0)
        unlinked_cb(&op->commit, rc);
    else
        operation_drop_body(op);
}
