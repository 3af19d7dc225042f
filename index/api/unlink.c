/* UNLINK: the key is marked and so is missing to a GET; the blob stays until a DELETE. */
#include <stdlib.h>

#include "index/api/api.h"

struct unlink_op {
    struct api *api;
    struct http_request *request; /* NULL once the client is gone */
    struct key key;
    struct store_commit commit;
};

static void respond(struct http_request *request, int rc)
{
    if (rc == 0)
        api_respond_text(request, 204, "");
    else if (rc == UV_ENOENT)
        api_respond_text(request, 404, "");
    else
        api_respond_text(request, api_store_status(rc), "the index can't be changed\n");
}

static void unlinked_cb(struct store_commit *commit, int rc)
{
    struct unlink_op *op = commit->data;
    struct http_request *request = op->request;

    api_release_key(op->api, &op->key);
    op->api->n_operations--;
    free(op);
    if (request != NULL)
        respond(request, rc);
}

static void request_closed_cb(struct http_request *request)
{
    struct unlink_op *op = http_request_data(request);

    op->request = NULL;
}

static const struct http_body_reader reader = {
    .data = api_drop_body,
    .end = api_ignore_end,
    .closed = request_closed_cb,
};

static int unlink_start(struct unlink_op *op)
{
    struct store_change change = {.space = STORE_KEYS, .key = op->key.bytes, .len = op->key.len};
    struct record record;
    int rc = store_get(op->api->store, STORE_KEYS, op->key.bytes, op->key.len, &record);

    if (rc < 0)
        return rc;
    if (record.flags & RECORD_UNLINKED)
        return UV_ENOENT;
    record.flags |= RECORD_UNLINKED;
    change.record = &record;
    op->commit.data = op;
    return store_commit(op->api->store, &op->commit, &change, 1, unlinked_cb);
}

void api_unlink(struct api *api, struct http_request *request, const struct key *key)
{
    struct unlink_op *op = calloc(1, sizeof(*op));
    int rc;

    if (op == NULL) {
        respond(request, UV_ENOMEM);
        return;
    }
    *op = (struct unlink_op){.api = api, .request = request, .key = *key};
    if (!api_hold_key(api, &op->key)) {
        free(op);
        api_respond_text(request, 409, "the key is being changed\n");
        return;
    }
    rc = unlink_start(op);
    if (rc < 0) {
        api_release_key(api, &op->key);
        free(op);
        respond(request, rc);
        return;
    }
    api->n_operations++;
    http_request_set_data(request, op);
    http_read_body(request, &reader);
}
