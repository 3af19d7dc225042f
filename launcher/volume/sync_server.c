/* Happy path: the body is read, its files are submitted, and synced_cb() answers. A client that is
 * gone by then gets no answer, and its files are made durable all the same. */
#include "launcher/volume/sync_server.h"

#include <stdlib.h>
#include <string.h>

#include "index/base/disk_error.h"
#include "launcher/volume/blob_body.h"
#include "launcher/volume/sync_path.h"

struct exchange {
    struct sync_request request; /* first, so that it is its exchange */
    struct blob_body body;
    struct sync *sync;
};

static struct exchange *exchange_of(struct blob_body *body)
{
    return (struct exchange *)(void *)((char *)body - offsetof(struct exchange, body));
}

/* Answers and is done, unless the client is. */
static void exchange_end(struct exchange *x, int status, const char *text, const char *path)
{
    struct http_request *http = x->body.http;
    char copy[SYNC_PATH_MAX];

    if (path != NULL)
        path = strcpy(copy, path);
    free(x);
    if (http != NULL && status == 204)
        http_respond(http, 204, NULL, 0);
    else if (http != NULL)
        blob_body_respond(http, status, text, path);
}

static void synced_cb(struct sync_request *request, int status, const char *path)
{
    struct exchange *x = (struct exchange *)request;

    attribute_log_refusal();
    if (status == 0)
        exchange_end(x, 204, NULL, NULL);
    else if (status == -ENOENT)
        exchange_end(x, 404, "there is no file", path);
    else if (disk_is_full(-status))
        exchange_end(x, 507, strerror(-status), path);
    else if (status == UV_ETIMEDOUT)
        exchange_end(x, 503, "the disk hangs", NULL);
    else
        exchange_end(x, status == UV_ECANCELED ? 503 : 500, strerror(-status), path);
}

static void whole_cb(struct blob_body *body)
{
    struct exchange *x = exchange_of(body);
    int rc;

    x->request.paths = body->lines.paths;
    x->request.n_paths = body->lines.n;
    x->request.attributes = body->lines.attributes;
    x->request.cb = synced_cb;
    rc = sync_submit(x->sync, &x->request);
    if (rc == 0)
        return;
    free(body->lines.paths);
    if (rc == UV_ETIMEDOUT)
        exchange_end(x, 503, "the disk hangs", NULL);
    else
        exchange_end(x, 503, rc == UV_EAGAIN ? "too many are waiting" : "out of memory", NULL);
}

static void over_cb(struct blob_body *body)
{
    free(exchange_of(body));
}

void sync_server_post(struct sync *sync, struct http_request *http)
{
    static const struct blob_body_owner owner = {
        .form = BLOB_LINES_MAY_HAVE, .whole = whole_cb, .over = over_cb};
    struct exchange *x = calloc(1, sizeof(*x));

    if (x == NULL) {
        blob_body_respond(http, 503, "out of memory", NULL);
        return;
    }
    x->sync = sync;
    blob_body_read(&x->body, http, &owner);
}
