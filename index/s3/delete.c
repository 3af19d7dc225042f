/* DeleteObject. One that isn't there is deleted, whatever the request's conditions are. */
#include <stdlib.h>

#include "index/s3/call.h"
#include "index/s3/erase.h"
#include "index/s3/write_conditions.h"

struct delete_op {
    struct call call; /* `request` NULL once the client is gone */
    struct erase erase;
};

static int judge_cb(void *arg, const struct record *record)
{
    struct delete_op *op = arg;

    return op->call.request != NULL ? write_conditions_check(&op->call, record) : UV_ECANCELED;
}

static void respond(const struct call *call, int rc)
{
    if (rc < 0)
        call_fail(call, write_conditions_error_of(rc), NULL);
    else
        http_respond(call->request, 204, "", 0);
}

static void erased_cb(void *arg, int rc)
{
    struct delete_op *op = arg;
    const struct call call = op->call;

    free(op);
    if (call.request != NULL)
        respond(&call, rc);
}

static void closed_cb(struct http_request *request)
{
    struct delete_op *op = http_request_data(request);

    op->call.request = NULL;
}

/* Where buckets are made by somebody, one that isn't there is told. */
static void respond_missing(const struct call *call)
{
    enum s3_error error = call_check_bucket(call);

    if (error != S3_OK)
        call_fail(call, error, NULL);
    else
        respond(call, 0);
}

void delete_object(const struct call *call)
{
    struct delete_op *op = malloc(sizeof(*op));
    int rc;

    if (op == NULL) {
        call_fail(call, S3_SERVICE_UNAVAILABLE, NULL);
        return;
    }
    op->call = *call;
    op->call.auth = NULL;
    op->erase = (struct erase){.objects = call->s3->objects,
                               .key = &op->call.target.key,
                               .judge = judge_cb,
                               .done = erased_cb,
                               .arg = op};
    rc = erase_start(&op->erase);
    if (rc == 1) {
        http_request_set_data(call->request, op);
        http_request_hold(call->request, closed_cb);
        return;
    }
    free(op);
    if (rc == 0)
        respond_missing(call);
    else
        respond(call, rc);
}
