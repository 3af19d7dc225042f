/* DeleteObject. One that isn't there is deleted, whatever the request's conditions are. */
#include <stdlib.h>

#include "index/s3/buckets.h"
#include "index/s3/call.h"
#include "index/s3/erase.h"
#include "index/s3/write_conditions.h"

struct delete_op {
    struct call call; /* `request` NULL once the client is gone */
    struct erase erase;
    struct bucket_look look; /* for the bucket of an object that isn't there */
    bool is_looking;
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

/* --- An object that isn't there --------------------------------------------------------------- */

static void respond_missing(struct delete_op *op, int rc)
{
    const struct call call = op->call;

    free(op);
    if (rc == UV_ENOENT)
        call_fail(&call, S3_NO_SUCH_BUCKET, NULL);
    else
        respond(&call, rc);
}

static void looked_cb(struct bucket_look *look, int rc)
{
    respond_missing(look->data, rc);
}

/* Where buckets are made by somebody, one that isn't there is told. True: it is answered. */
static bool look_for_bucket(struct delete_op *op)
{
    const struct target *target = &op->call.target;
    int rc = 0;

    op->look.data = op;
    if (op->call.s3->keys != NULL)
        rc = bucket_find(&op->look, op->call.s3->objects->store, target->bucket, target->bucket_len,
                         looked_cb);
    op->is_looking = rc == STORE_LATER;
    if (op->is_looking)
        return false;
    respond_missing(op, rc);
    return true;
}

/* --- The object ------------------------------------------------------------------------------- */

static void erased_cb(void *arg, int rc)
{
    struct delete_op *op = arg;
    const struct call call = op->call;

    if (call.request != NULL && rc == 0 && !op->erase.was_there) {
        look_for_bucket(op);
        return;
    }
    free(op);
    if (call.request != NULL)
        respond(&call, rc);
}

static void closed_cb(struct http_request *request)
{
    struct delete_op *op = http_request_data(request);

    op->call.request = NULL;
    if (op->is_looking) {
        bucket_look_cancel(&op->look);
        free(op);
    }
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
    op->is_looking = false;
    op->erase = (struct erase){.objects = call->s3->objects,
                               .key = &op->call.target.key,
                               .judge = judge_cb,
                               .done = erased_cb,
                               .arg = op};
    rc = erase_start(&op->erase);
    if (rc < 0) {
        free(op);
        respond(call, rc);
    } else if (rc == 1 || !look_for_bucket(op)) {
        http_request_set_data(call->request, op);
        http_request_hold(call->request, closed_cb);
    }
}
