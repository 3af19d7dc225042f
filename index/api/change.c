/* DELETE, UNLINK and REBALANCE: each looks at the key's record, and has it changed as long as the
 * key has just that one. When it has another one by then, somebody else was first, and it is looked
 * at again. */
#include <stdio.h>
#include <stdlib.h>

#include "index/api/api.h"
#include "index/api/write_head.h"
#include "index/objects/change.h"
#include "index/objects/inspection.h"
#include "index/objects/move.h"

struct change_op;

/* What a verb does with the record of a key that isn't missing to it. 0 when it has begun; or the
 * status to answer with, 204 included, and op->text. */
typedef int (*change_start)(struct change_op *op, const struct store_view *view);

struct change_op {
    struct api *api;
    struct http_request *request; /* NULL once the client is gone */
    struct key key;
    bool finds_unlinked; /* an unlinked key isn't missing */
    change_start begin;
    const char *text;
    struct store_reading reading;
    struct inspection inspection; /* of a REBALANCE */
    char why[MOVE_TEXT_MAX];
};

static void try_it(struct change_op *op);
static int look_and_start(struct change_op *op);

static void answer(struct change_op *op, int status, const char *text)
{
    struct http_request *request = op->request;
    char why[MOVE_TEXT_MAX];

    if (request != NULL)
        snprintf(why, sizeof(why), "%s", text);
    free(op);
    if (request != NULL)
        http_respond_text(request, status, why);
}

static void changed_cb(void *arg, int rc)
{
    struct change_op *op = arg;

    if (rc == STORE_CONFLICT)
        try_it(op);
    else if (rc < 0)
        answer(op, api_status(rc), "the index can't be changed\n");
    else
        answer(op, 204, "");
}

static int status_of_start(struct change_op *op, int rc)
{
    op->text = "the index can't be changed\n";
    return rc < 0 ? api_status(rc) : 0;
}

static int delete_it(struct change_op *op, const struct store_view *view)
{
    return status_of_start(op, change_remove(op->api->objects, &op->key, view, changed_cb, op));
}

static int unlink_it(struct change_op *op, const struct store_view *view)
{
    return status_of_start(op, change_unlink(op->api->objects, &op->key, view, changed_cb, op));
}

static void moved_cb(void *arg, int rc, const char *text)
{
    struct change_op *op = arg;

    if (rc == STORE_CONFLICT)
        try_it(op);
    else
        answer(op, rc < 0 ? api_status(rc) : 204, rc < 0 ? text : "");
}

/* `lost`: the copies that are known to be no good. */
static int move_now(struct change_op *op, const struct record *record, unsigned lost)
{
    const struct move_options options = {.goal = MOVE_TO_BEST, .lost = lost};
    int rc = move_start(op->api->objects, &op->key, record, &options, moved_cb, op, op->why);

    if (rc == 0)
        return 0;
    if (rc == STORE_CONFLICT)
        return look_and_start(op);
    op->text = rc == UV_EALREADY ? "" : op->why;
    return rc == UV_EALREADY ? 204 : api_status(rc);
}

static void inspected_cb(struct inspection *inspection)
{
    struct change_op *op = inspection->data;
    int status = move_now(op, &inspection->record, inspection_lost(inspection));

    if (status != 0)
        answer(op, status, op->text);
}

/* Copies that are missing, or of another size, are made anew, too. */
static int move_it(struct change_op *op, const struct store_view *view)
{
    const struct record *record = &view->record;

    op->inspection.data = op;
    if (inspection_start(&op->inspection, op->api->objects, &op->key, record, false,
                         inspected_cb) == 0)
        return 0;
    return move_now(op, record, 0);
}

/* --- The request ----------------------------------------------------------------------------- */

/* What the key has is known. 0 when it has begun, or the status to answer with, and op->text. */
static int start(struct change_op *op, int rc, const struct store_view *view)
{
    bool is_unlinked = rc == 0 && view->exists && (view->record.flags & RECORD_UNLINKED);
    int status;

    op->text = "";
    if (rc == 0 && (!view->exists || (is_unlinked && !op->finds_unlinked)))
        return 404;
    if (rc < 0) {
        op->text = "the index can't be read\n";
        return api_status(rc);
    }
    if (op->begin == delete_it && op->api->protect && !is_unlinked) {
        op->text = "the key is protected: UNLINK it first\n";
        return 403;
    }
    status = write_head_conditions(op->request, &view->record, &op->text);
    return status != 0 ? status : op->begin(op, view);
}

static void viewed_cb(struct store_reading *reading, int rc, const struct store_view *view)
{
    struct change_op *op = reading->data;
    int status = op->request != NULL ? start(op, rc, view) : 204;

    if (status != 0)
        answer(op, status, op->text);
}

static int look_and_start(struct change_op *op)
{
    struct store_view view;
    int rc = objects_view(op->api->objects, &op->reading, &op->key, &view, viewed_cb);

    return rc == STORE_LATER ? 0 : start(op, rc, &view);
}

static void try_it(struct change_op *op)
{
    int status = op->request != NULL ? look_and_start(op) : 204;

    if (status != 0)
        answer(op, status, op->text);
}

static void closed_cb(struct http_request *request)
{
    struct change_op *op = http_request_data(request);

    op->request = NULL;
}

static void handle(struct api *api, struct http_request *request, const struct key *key,
                   change_start begin, bool finds_unlinked)
{
    struct change_op *op = calloc(1, sizeof(*op));
    int status;

    if (op == NULL) {
        http_respond_text(request, 503, "out of memory\n");
        return;
    }
    *op = (struct change_op){.api = api,
                             .request = request,
                             .key = *key,
                             .begin = begin,
                             .finds_unlinked = finds_unlinked};
    op->reading.data = op;
    status = look_and_start(op);
    if (status != 0) {
        answer(op, status, op->text);
        return;
    }
    http_request_set_data(request, op);
    http_request_hold(request, closed_cb);
}

void api_delete(struct api *api, struct http_request *request, const struct key *key)
{
    handle(api, request, key, delete_it, true);
}

void api_unlink(struct api *api, struct http_request *request, const struct key *key)
{
    handle(api, request, key, unlink_it, false);
}

void api_rebalance(struct api *api, struct http_request *request, const struct key *key)
{
    handle(api, request, key, move_it, false);
}
