#include "index/api/check_read.h"

#include <stdlib.h>

#include "index/api/get.h"
#include "index/objects/copy_search.h"

struct check_op {
    struct api *api;
    struct http_request *request; /* NULL once the client is gone */
    struct copy_search search;
};

static void found_cb(struct copy_search *search, int place)
{
    struct check_op *op = search->data;

    if (op->request != NULL && place >= 0)
        get_respond_with(op->api, op->request, &search->key, &search->record,
                         &search->record.places[place]);
    else if (op->request != NULL)
        get_respond_none(op->request);
    free(op);
}

static void closed_cb(struct http_request *request)
{
    struct check_op *op = http_request_data(request);

    op->request = NULL;
    copy_search_cancel(&op->search);
}

void check_read(struct api *api, struct http_request *request, const struct key *key,
                const struct record *record)
{
    struct check_op *op = malloc(sizeof(*op));

    if (op == NULL) {
        http_respond_text(request, 503, "out of memory\n");
        return;
    }
    op->api = api;
    op->request = request;
    op->search.data = op;
    if (copy_search_start(&op->search, api->objects, key, record, get_tried(api, request, record),
                          found_cb) < 0) {
        free(op);
        get_respond_none(request);
        return;
    }
    http_request_set_data(request, op);
    http_request_hold(request, closed_cb);
}
