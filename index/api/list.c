/* GET /prefix?list and ?unlinked, with start=KEY and limit=N: a streamed JSON object, as much of it
 * at a time as the client takes, so that no listing has to fit in memory. Each turn looks at a
 * bounded number of keys and remembers the next one, so that a listing neither holds up the loop
 * nor pins anything in the store; keys that come and go meanwhile may or may not be in it.
 *
 *     {"keys":["/a","/b"],"next":"/c"}
 *
 * With a limit, a page may have fewer keys and a `next` all the same, where many others lie between
 * those it lists. `next` is the key to give as start= for the rest, or "". A key that isn't UTF-8
 * can't be a JSON string: it comes as {"percent":"/%FF"}, as `next` too. */
#include "index/api/list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "index/api/auth.h"
#include "index/base/buf.h"
#include "index/base/json.h"
#include "index/base/operation.h"
#include "index/http/meter.h"
#include "index/http/query.h"

#define TURN_KEYS  500    /* looked at, listed or not */
#define LOOK_MAX   100000 /* likewise, of a page with a limit: it ends, and `next` tells where */
#define TURN_BYTES HTTP_STREAM_BOUND

struct list_op {
    struct api *api;
    struct http_request *request;
    struct store_reading reading;
    bool unlinked;
    struct key prefix;
    struct key next; /* where to go on */
    uint64_t left;   /* keys that may still be listed */
    uint64_t listed;
    uint64_t look;      /* keys that may still be looked at */
    unsigned looked_at; /* in this turn */
    bool begun;         /* the head of the object is written */
    bool at_limit;
    bool at_reserved;
    struct buf out;
    int rc; /* UV_ENOMEM once `out` could not grow */
};

static void list_free(struct list_op *op)
{
    buf_deinit(&op->out);
    free(op);
}

static int key_cb(const void *key, size_t len, const struct record *record, void *arg)
{
    struct list_op *op = arg;
    bool wanted = ((record->flags & RECORD_UNLINKED) != 0) == op->unlinked;

    if (key_is_reserved(key, len)) {
        op->at_reserved = len >= sizeof(KEY_RESERVED) - 1;
        return op->at_reserved;
    }
    op->at_limit = (wanted && op->left == 0) || op->look == 0;
    if (op->at_limit || op->looked_at == TURN_KEYS || buf_size(&op->out) >= TURN_BYTES) {
        op->next.len = len;
        memcpy(op->next.bytes, key, len);
        return 1;
    }
    op->looked_at++;
    op->look--;
    if (!wanted)
        return 0;
    if ((op->listed > 0 && buf_append_string(&op->out, ",") < 0) ||
        json_append_bytes(&op->out, key, len) < 0)
        op->rc = UV_ENOMEM;
    op->left--;
    op->listed++;
    return op->rc;
}

static void listed(struct list_op *op, int rc);

static void listed_cb(struct store_reading *reading, int rc)
{
    listed(reading->data, rc);
}

/* Goes on, past all that nobody can ask for. */
static int list_some(struct list_op *op)
{
    if (op->at_reserved) {
        op->next.len = sizeof(KEY_RESERVED_END) - 1;
        memcpy(op->next.bytes, KEY_RESERVED_END, op->next.len);
    }
    op->at_reserved = false;
    return store_list(
        op->api->objects->store, &op->reading,
        &(struct store_range){.prefix = op->prefix.bytes,
                              .prefix_len = op->prefix.len,
                              .start = op->next.bytes,
                              .start_len = op->next.len,
                              .want = op->left < TURN_KEYS ? op->left + 1 : TURN_KEYS},
        key_cb, op, listed_cb);
}

static int append_end(struct list_op *op, bool more)
{
    if (buf_append_string(&op->out, "],\"next\":") < 0 ||
        json_append_bytes(&op->out, op->next.bytes, more ? op->next.len : 0) < 0 ||
        buf_append_string(&op->out, "}\n") < 0)
        return UV_ENOMEM;
    return 0;
}

static void give(struct list_op *op, int rc)
{
    struct http_request *request = op->request;
    bool ended = rc == 0 || op->at_limit;

    if (rc >= 0 && ended && append_end(op, op->at_limit) < 0)
        rc = UV_ENOMEM;
    if (rc < 0) {
        http_fail(request);
        list_free(op);
        return;
    }
    /* White space between turns that found nothing: only a write brings the next turn. */
    if (buf_size(&op->out) == 0)
        http_write(request, "\n", 1);
    else
        http_write(request, buf_bytes(&op->out), buf_size(&op->out));
    if (ended) {
        list_free(op);
        http_finish(request);
    }
}

static void listed(struct list_op *op, int rc)
{
    while (rc != STORE_LATER && op->at_reserved)
        rc = list_some(op);
    if (rc != STORE_LATER)
        give(op, rc);
}

static void more_cb(struct http_request *request)
{
    struct list_op *op = http_request_data(request);
    int rc;

    if (op->reading.request != NULL)
        return;
    op->looked_at = 0;
    buf_clear(&op->out);
    rc = op->begun ? 0 : buf_append_string(&op->out, "{\"keys\":[");
    op->begun = true;
    if (rc == 0)
        rc = list_some(op);
    listed(op, rc);
}

static void closed_cb(struct http_request *request)
{
    struct list_op *op = http_request_data(request);

    store_cancel(op->api->objects->store, &op->reading);
    list_free(op);
}

static const struct http_writer writer = {.more = more_cb, .closed = closed_cb};

/* A decimal number over 0. */
static bool parse_limit(const char *text, size_t len, uint64_t *limit)
{
    uint64_t value = 0;

    if (len == 0 || len > 18)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    *limit = value;
    return value > 0;
}

/* Keys that are too long for the native API are S3's. They are listed all the same, and so what a
 * listing said is next can be one, which lies below the prefix. */
static bool is_start(const struct list_op *op)
{
    return op->next.len <= KEY_NATIVE_MAX ||
           memcmp(op->next.bytes, op->prefix.bytes, op->prefix.len) == 0;
}

/* A mistyped start or limit would list all keys. */
static const char *const parameters[] = {"list",  "unlinked",      "start",
                                         "limit", AUTH_PARAMETERS, NULL};

/* NULL, or what is wrong with the path, for the client. */
static const char *parse_prefix(struct list_op *op, struct http_request *request)
{
    size_t len;
    const char *path = http_request_path(request, &len);

    if (len == 1 && path[0] == '/') {
        op->prefix = (struct key){.len = 1, .bytes = "/"};
        return NULL;
    }
    return key_decode(path, len, &op->prefix);
}

/* The same of the query. */
static const char *parse_query(struct list_op *op, struct http_request *request)
{
    size_t len;
    const char *query = http_request_query(request, &len);
    char limit[32];
    size_t n;
    int rc;

    if (!query_has_only(query, len, parameters))
        return "a listing takes list or unlinked, start and limit, and no other parameter\n";
    op->left = op->look = UINT64_MAX;
    rc = query_find(query, len, "limit", limit, sizeof(limit), &n);
    if (rc != -ENOENT && (rc < 0 || !parse_limit(limit, n, &op->left)))
        return "limit must be a number from 1 to 999999999999999999\n";
    if (rc == 0)
        op->look = LOOK_MAX;
    rc = query_find(query, len, "start", op->next.bytes, sizeof(op->next.bytes), &op->next.len);
    if ((rc < 0 && rc != -ENOENT) || (rc == 0 && !is_start(op)))
        return "start must be a key, encoded as in a form\n";
    return NULL;
}

/* False: answered. */
static bool begin(struct list_op *op, struct http_request *request)
{
    struct access_auth auth = {.who = NULL};
    const char *problem = parse_prefix(op, request);

    if (problem == NULL) {
        if (!auth_admits(op->api, request, ACCESS_READ, op->prefix.bytes, op->prefix.len, &auth))
            return false;
        access_auth_deinit(&auth);
        problem = parse_query(op, request);
    }
    if (problem != NULL)
        http_respond_text(request, 400, problem);
    else if (store_is_away(op->api->objects->store)) /* what has begun can only be cut off */
        http_respond_text(request, 503, "the index can't be read\n");
    else
        return true;
    return false;
}

bool api_list(struct api *api, struct http_request *request)
{
    size_t len;
    const char *query = http_request_query(request, &len);
    bool unlinked;
    char value[1];
    size_t n;
    struct list_op *op;

    unlinked = query_find(query, len, "unlinked", value, sizeof(value), &n) != -ENOENT;
    if (query == NULL ||
        (!unlinked && query_find(query, len, "list", value, sizeof(value), &n) == -ENOENT))
        return false;
    http_request_set_kind(request, NATIVE_LIST);
    op = calloc(1, sizeof(*op));
    if (op == NULL) {
        http_respond_text(request, 503, "out of memory\n");
        return true;
    }
    op->api = api;
    op->request = request;
    op->reading.data = op;
    op->unlinked = unlinked;
    if (!begin(op, request)) {
        list_free(op);
        return true;
    }
    http_request_set_data(request, op);
    http_add_header(request, "Content-Type", "application/json");
    if (!http_respond_start(request, 200, &writer))
        list_free(op);
    return true;
}
