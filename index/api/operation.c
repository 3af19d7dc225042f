#include "index/api/operation.h"

#include <assert.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

/* --- Keys that are held: a tree (tsearch(3)) of borrowed keys -------------------------------- */

static int compare_keys(const void *a, const void *b)
{
    const struct key *x = a;
    const struct key *y = b;

    if (x->len != y->len)
        return x->len < y->len ? -1 : 1;
    return memcmp(x->bytes, y->bytes, x->len);
}

static int hold(struct api *api, const struct key *key)
{
    const struct key **found = tsearch(key, &api->busy, compare_keys);

    if (found == NULL)
        return UV_ENOMEM;
    return *found == key ? 0 : UV_EBUSY;
}

static void let_go(struct api *api, const struct key *key)
{
    void *parent = tdelete(key, &api->busy, compare_keys);

    assert(parent != NULL);
    (void)parent;
}

/* --- Operations ------------------------------------------------------------------------------ */

void operation_count(struct api *api)
{
    api->n_operations++;
}

void operation_uncount(struct api *api)
{
    if (--api->n_operations == 0 && api->idle != NULL)
        api->idle(api->idle_arg);
}

static void refuse(struct http_request *request, int status, const char *text)
{
    if (request != NULL)
        api_respond_text(request, status, text);
}

void *operation_new(size_t size, struct api *api, struct http_request *request,
                    const struct key *key)
{
    struct operation *op = calloc(1, size);
    int rc = UV_ENOMEM;

    if (op != NULL) {
        op->api = api;
        op->request = request;
        op->key = *key;
        rc = hold(api, &op->key);
    }
    if (rc < 0) {
        free(op);
        if (rc == UV_EBUSY)
            refuse(request, 409, "the key is being changed\n");
        else
            refuse(request, 503, "out of memory\n");
        return NULL;
    }
    operation_count(api);
    return op;
}

struct http_request *operation_end(struct operation *op)
{
    struct http_request *request = op->request;
    struct api *api = op->api;

    let_go(api, &op->key);
    free(op);
    operation_uncount(api);
    return request;
}

void operation_respond_failure(struct http_request *request, int rc)
{
    api_respond_text(request, api_store_status(rc), "the index can't be changed\n");
}

void operation_finish(struct operation *op, int rc)
{
    struct http_request *request = operation_end(op);

    if (request == NULL)
        return;
    if (rc == 0)
        api_respond_text(request, 204, "");
    else
        operation_respond_failure(request, rc);
}

/* --- Requests whose body means nothing ------------------------------------------------------- */

static void closed_cb(struct http_request *request)
{
    struct operation *op = http_request_data(request);

    op->request = NULL;
}

void operation_drop_body(struct operation *op)
{
    static const struct http_body_reader reader = {.closed = closed_cb};

    http_request_set_data(op->request, op);
    http_read_body(op->request, &reader);
}
