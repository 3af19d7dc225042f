/* A copy is picked and asked with a HEAD; when it has the blob, the client is sent there. When
 * it hasn't, or can't be reached, another one is picked, until none is left. */
#include "index/api/check_read.h"

#include <stdlib.h>
#include <string.h>

#include "index/api/get.h"
#include "index/base/log.h"

struct check_op {
    struct api *api;
    struct http_request *request; /* NULL once the client is gone */
    struct key key;
    struct record record;
    int place;      /* that is asked */
    unsigned tried; /* a bit each */
    struct transfer transfer;
};

static void check_next(struct check_op *op);

static void check_end(struct check_op *op)
{
    struct http_request *request = op->request;

    if (request != NULL && op->place >= 0)
        get_respond_with(op->api, request, &op->key, &op->record, &op->record.places[op->place]);
    else if (request != NULL)
        get_respond_none(request);
    objects_end(op->api->objects);
    free(op);
}

static void log_missing(const struct volume *volume, int status)
{
    if (transfer_succeeded(0, status))
        log_limited(LOG_LEVEL_WARN, "a copy is missing: volume %s has another disk now",
                    volume->name);
    else
        log_limited(LOG_LEVEL_WARN, "a copy is missing: volume %s answered %d", volume->name,
                    status);
}

static void checked_cb(struct transfer *transfer, int rc, int status)
{
    struct check_op *op = transfer->data;
    struct volume *volume = transfer->volume;

    volume_report(volume, rc, status);
    if (transfer_failed_here(rc)) { /* nor could another one be asked */
        op->place = -1;
        check_end(op);
        return;
    }
    if (transfer_succeeded(rc, status) && volume_has_answered(volume, transfer)) {
        if (volume_is_live(volume)) { /* it may have gone down since it was asked */
            check_end(op);
            return;
        }
    } else if (rc == 0) {
        log_missing(volume, status);
    }
    op->tried |= 1U << op->place;
    check_next(op);
}

static void check_next(struct check_op *op)
{
    struct api *api = op->api;
    char path[PLACEMENT_PATH_MAX];
    char url[PLACEMENT_URL_MAX];

    placement_path(op->key.bytes, op->key.len, op->record.generation, path);
    while (op->request != NULL &&
           (op->place = get_pick(api, op->request, &op->record, op->tried)) >= 0) {
        const struct place *place = &op->record.places[op->place];

        struct volume *volume = place_live(api->objects->places, place);

        op->transfer.data = op;
        op->transfer.volume = volume;
        placement_url(volume->name, place, path, url);
        if (transfer_head(api->objects->transfers, &op->transfer, url, checked_cb) == 0)
            return;
        op->tried |= 1U << op->place;
    }
    check_end(op);
}

static void check_closed_cb(struct http_request *request)
{
    struct check_op *op = http_request_data(request);

    op->request = NULL;
}

void check_read(struct api *api, struct http_request *request, const struct key *key,
                const struct record *record)
{
    struct check_op *op = calloc(1, sizeof(*op));

    if (op == NULL) {
        http_respond_text(request, 503, "out of memory\n");
        return;
    }
    http_request_set_data(request, op);
    http_request_hold(request, check_closed_cb);
    *op = (struct check_op){.api = api, .request = request, .key = *key, .record = *record};
    objects_begin(api->objects);
    check_next(op);
}
