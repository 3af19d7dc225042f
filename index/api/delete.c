/* DELETE: the record goes first, so that no key is ever without bytes; then the blob. When the
 * volume can't be told, the key is gone all the same, and an orphan blob stays behind that the log
 * names. The key is held until the volume has answered: a PUT in between could lose its blob to
 * this. */
#include <stdlib.h>

#include "index/api/removal.h"

struct delete_op {
    struct api *api;
    struct http_request *request; /* NULL once the client is gone */
    struct key key;
    struct record record;
    struct removal removal;
};

static void delete_finish(struct delete_op *op)
{
    struct http_request *request = op->request;

    api_release_key(op->api, &op->key);
    op->api->n_operations--;
    free(op);
    /* Last: it may run the client's next request, which finds the key free. */
    if (request != NULL)
        api_respond_text(request, 204, "");
}

static void removed_cb(struct removal *removal)
{
    delete_finish(removal->data);
}

/* The body of a DELETE means nothing and is dropped. */
static void request_data_cb(struct http_request *request, const char *bytes, size_t len)
{
    (void)request;
    (void)bytes;
    (void)len;
}

static void request_end_cb(struct http_request *request)
{
    (void)request;
}

static void request_closed_cb(struct http_request *request)
{
    struct delete_op *op = http_request_data(request);

    op->request = NULL;
}

static const struct http_body_reader reader = {
    .data = request_data_cb,
    .end = request_end_cb,
    .closed = request_closed_cb,
};

static void delete_start(struct delete_op *op)
{
    struct record *record = &op->record;

    op->removal.data = op;
    http_request_set_data(op->request, op);
    http_read_body(op->request, &reader);
    if (removal_start(&op->removal, op->api, &op->key, record->replicas, record->n_replicas,
                      removed_cb) < 0)
        delete_finish(op);
}

void api_delete(struct api *api, struct http_request *request, const struct key *key)
{
    struct delete_op *op = malloc(sizeof(*op));
    int rc = op != NULL ? store_get(api->store, key->bytes, key->len, &op->record) : UV_ENOMEM;

    if (rc < 0)
        goto err_free;
    op->api = api;
    op->request = request;
    op->key = *key;
    if (!api_hold_key(api, &op->key)) {
        free(op);
        api_respond_text(request, 409, "the key is being changed\n");
        return;
    }
    rc = store_delete(api->store, key->bytes, key->len);
    if (rc < 0)
        goto err_release;
    api->n_operations++;
    delete_start(op);
    return;

err_release:
    api_release_key(api, &op->key);
err_free:
    free(op);
    if (rc == UV_ENOENT)
        api_respond_text(request, 404, "");
    else
        api_respond_text(request, rc == UV_ENOSPC ? 507 : 500, "the index can't be changed\n");
}
