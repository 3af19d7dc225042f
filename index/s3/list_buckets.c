/* The answer is made as it is sent (xml_stream.h), of two walks: through the buckets' records, and
 * through all keys, from one first component to the next. So the list needs no memory, however many
 * keys or buckets there are, and is in order in each of its halves; a token tells in which one it
 * goes on. */
#include "index/s3/list_buckets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/http/query.h"
#include "index/s3/bucket_name.h"
#include "index/s3/bucket_walk.h"
#include "index/s3/buckets.h"
#include "index/s3/owner.h"
#include "index/s3/token.h"
#include "index/s3/xml_stream.h"

#define LIST_BUCKETS_MAX 10000   /* that a client may ask for; one that doesn't ask gets all */
#define TURN_NS          1000000 /* that a turn takes, more or less */

/* Both walks go through the whole store, where keys begin after their slash. */
#define RECORDS_PREFIX (&BUCKET_RECORDS[1])

enum half { RECORDS, COMPONENTS };

/* The query, decoded. */
struct parameters {
    uint64_t max;
    char prefix[BUCKET_NAME_MAX];
    size_t prefix_len;
    enum half half; /* where it begins, after `after` */
    char after[TOKEN_KEY_MAX];
    size_t after_len;
};

struct list_op {
    struct xml_stream stream;
    struct store *store;
    struct keys *keys;          /* held; NULL where all may know of all */
    const struct identity *who; /* likewise */
    struct bucket_walk walk;
    enum half half;
    uint64_t left;
    bool is_truncated;
    char last[BUCKET_NAME_MAX]; /* that was listed */
    size_t last_len;
    enum half last_half;
    char prefix[BUCKET_NAME_MAX]; /* that names are to have */
    size_t prefix_len;
    /* A first component that is a bucket unless it has a record and was listed by that: */
    size_t component_len; /* of its name; 0: there is none */
    char component_key[sizeof(BUCKET_RECORDS) + BUCKET_NAME_MAX]; /* of its record */
    uint64_t component_time;
    struct store_reading reading; /* of that */
    int walked;                   /* what the walk had said by then */
};

/* --- The query ------------------------------------------------------------------------------- */

static bool read_max(const char *query, size_t len, uint64_t *max)
{
    char text[6];
    size_t n;
    int rc = query_find(query, len, "max-buckets", text, sizeof(text), &n);

    *max = rc == -ENOENT ? UINT64_MAX : 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *max = *max * 10 + (uint64_t)(text[i] - '0');
    }
    return rc == -ENOENT || (*max >= 1 && *max <= LIST_BUCKETS_MAX);
}

static bool read_token(const char *query, size_t len, struct parameters *p)
{
    char token[TOKEN_MAX];
    enum token_kind kind;
    size_t n;
    int rc = query_find(query, len, "continuation-token", token, sizeof(token), &n);

    p->half = RECORDS;
    p->after_len = 0;
    if (rc == -ENOENT || (rc == 0 && n == 0))
        return true;
    if (rc < 0 || token_read(token, n, &kind, p->after, &p->after_len) != S3_OK)
        return false;
    if (kind == TOKEN_AFTER_PREFIX)
        p->half = COMPONENTS;
    return p->after_len <= BUCKET_NAME_MAX;
}

/* NULL, or what is wrong. */
static const char *read_parameters(const char *query, size_t len, struct parameters *p)
{
    int rc = query_find(query, len, "prefix", p->prefix, sizeof(p->prefix), &p->prefix_len);

    if (rc == -ENOENT)
        p->prefix_len = 0;
    else if (rc < 0)
        return "the prefix is too long, or encoded wrongly";
    if (!read_max(query, len, &p->max))
        return "max-buckets must be an integer between 1 and 10000";
    if (!read_token(query, len, p))
        return "the continuation token provided is not valid";
    return NULL;
}

/* --- XML ------------------------------------------------------------------------------------- */

static void write_start(struct list_op *op)
{
    xml_out_declare(&op->stream.xml);
    xml_out_root(&op->stream.xml, "ListAllMyBucketsResult");
    owner_write(&op->stream.xml);
    xml_out_open(&op->stream.xml, "Buckets");
}

static void write_token(struct list_op *op)
{
    char token[TOKEN_MAX];
    enum token_kind kind = op->last_half == RECORDS ? TOKEN_AFTER_KEY : TOKEN_AFTER_PREFIX;
    size_t n = token_write(kind, op->last, op->last_len, token);

    xml_out_text(&op->stream.xml, "ContinuationToken", token, n);
}

static void write_end(struct list_op *op)
{
    xml_out_close(&op->stream.xml, "Buckets");
    if (op->prefix_len > 0)
        xml_out_text(&op->stream.xml, "Prefix", op->prefix, op->prefix_len);
    if (op->is_truncated)
        write_token(op);
    xml_out_close(&op->stream.xml, "ListAllMyBucketsResult");
}

static void write_bucket(struct list_op *op, const char *name, size_t len, uint64_t time)
{
    xml_out_open(&op->stream.xml, "Bucket");
    xml_out_text(&op->stream.xml, "Name", name, len);
    xml_out_time(&op->stream.xml, "CreationDate", time);
    xml_out_close(&op->stream.xml, "Bucket");
}

/* --- The walks ------------------------------------------------------------------------------- */

static bool may_see(const struct list_op *op, const char *name, size_t len)
{
    char bucket[BUCKET_NAME_MAX + 1];

    if (op->who == NULL)
        return true;
    memcpy(bucket, name, len);
    bucket[len] = '\0';
    return access_may_see(op->who, bucket);
}

static bool is_wanted(const struct list_op *op, const char *name, size_t len)
{
    return bucket_name_is_usable(name, len) && may_see(op, name, len);
}

/* As bucket_entry_cb. */
static int give(struct list_op *op, const char *name, size_t len, uint64_t time)
{
    op->is_truncated = op->left == 0;
    if (op->is_truncated)
        return 1;
    op->left--;
    memcpy(op->last, name, len);
    op->last_len = len;
    op->last_half = op->half;
    write_bucket(op, name, len, time);
    return op->stream.xml.failed ? UV_ENOMEM : xml_stream_is_full(&op->stream);
}

static int record_cb(struct list_op *op, const struct bucket_entry *entry)
{
    const char *name = entry->name + strlen(RECORDS_PREFIX);
    size_t len = entry->len - strlen(RECORDS_PREFIX);

    return is_wanted(op, name, len) ? give(op, name, len, entry->record->time) : 0;
}

/* A key without a slash but the first, which is in no bucket; or a first component with its slash,
 * and then the time is that of its first key. The walk takes a break until its record was looked
 * for. */
static int component_cb(struct list_op *op, const struct bucket_entry *entry)
{
    const size_t n = sizeof(BUCKET_RECORDS) - 1;

    if (!entry->is_prefix || !is_wanted(op, entry->name, entry->len - 1))
        return 0;
    op->component_len = entry->len - 1;
    memcpy(op->component_key, BUCKET_RECORDS, n);
    memcpy(op->component_key + n, entry->name, op->component_len);
    op->component_time = entry->record->time;
    return 1;
}

static int entry_cb(const struct bucket_entry *entry, void *arg)
{
    struct list_op *op = arg;

    return op->half == RECORDS ? record_cb(op, entry) : component_cb(op, entry);
}

/* Begins with what comes after the name `after`, or with the first one if that is empty. */
static void begin_half(struct list_op *op, enum half half, const char *after, size_t after_len)
{
    struct bucket_query query = {.only_utf8 = true, .passes_prefix = true, .max = UINT64_MAX};
    const char *lead = half == RECORDS ? RECORDS_PREFIX : "";
    const char *tail = half == RECORDS ? "" : "/";
    char prefix[sizeof(BUCKET_RECORDS) + BUCKET_NAME_MAX];
    char start[sizeof(BUCKET_RECORDS) + BUCKET_NAME_MAX + 1];

    op->half = half;
    query.prefix = prefix;
    query.prefix_len = (size_t)snprintf(prefix, sizeof(prefix), "%s", lead);
    memcpy(prefix + query.prefix_len, op->prefix, op->prefix_len);
    query.prefix_len += op->prefix_len;
    query.delimiter = tail;
    query.delimiter_len = strlen(tail);
    query.after = start;
    if (after_len > 0)
        query.after_len =
            (size_t)snprintf(start, sizeof(start), "%s%.*s%s", lead, (int)after_len, after, tail);
    bucket_walk_init(&op->walk, op->store, &query, entry_cb, op);
}

/* --- The answer ------------------------------------------------------------------------------ */

static int end_walk(struct list_op *op)
{
    if (op->is_truncated || (op->walked == BUCKET_WALK_END && op->half == COMPONENTS)) {
        write_end(op);
        return XML_STREAM_END;
    }
    if (op->walked == BUCKET_WALK_END)
        begin_half(op, COMPONENTS, "", 0);
    return XML_STREAM_MORE;
}

static int end_component(struct list_op *op, int rc, const struct record *record)
{
    size_t len = op->component_len;

    op->component_len = 0;
    if (rc == UV_ENOENT || (rc == 0 && (record->flags & RECORD_UNLINKED)))
        rc = give(op, op->component_key + sizeof(BUCKET_RECORDS) - 1, len, op->component_time);
    return rc < 0 ? rc : end_walk(op);
}

static void got_cb(struct store_reading *reading, int rc, const struct record *record)
{
    struct list_op *op = reading->data;

    xml_stream_turn(&op->stream, end_component(op, rc, record));
}

static int look_for_record(struct list_op *op)
{
    struct record record;
    int rc = store_get(op->store, &op->reading, op->component_key,
                       sizeof(BUCKET_RECORDS) - 1 + op->component_len, &record, got_cb);

    return rc == STORE_LATER ? XML_STREAM_LATER : end_component(op, rc, &record);
}

static int end_turn(struct list_op *op, int rc)
{
    if (rc < 0 || rc == BUCKET_WALK_LATER)
        return rc;
    op->walked = rc;
    return op->component_len > 0 ? look_for_record(op) : end_walk(op);
}

static void walked_cb(struct bucket_walk *walk, int rc)
{
    struct list_op *op = walk->arg;

    rc = end_turn(op, rc);
    if (rc != XML_STREAM_LATER)
        xml_stream_turn(&op->stream, rc);
}

/* Each component ends a walk: some of them make a turn. */
static int go_on(void *arg)
{
    struct list_op *op = arg;
    uint64_t until = uv_hrtime() + TURN_NS;
    int rc;

    do {
        rc = end_turn(op, bucket_walk_on(&op->walk, walked_cb));
    } while (rc == XML_STREAM_MORE && !xml_stream_is_full(&op->stream) && uv_hrtime() < until);
    return rc;
}

static void list_free(void *arg)
{
    struct list_op *op = arg;

    bucket_walk_cancel(&op->walk);
    store_cancel(op->store, &op->reading);
    keys_release(op->keys);
    free(op);
}

static struct list_op *list_new(struct store *store, const struct parameters *p,
                                const struct access_auth *auth)
{
    struct list_op *op = calloc(1, sizeof(*op));

    if (op == NULL)
        return NULL;
    op->store = store;
    op->reading.data = op;
    op->left = p->max;
    memcpy(op->prefix, p->prefix, p->prefix_len);
    op->prefix_len = p->prefix_len;
    xml_stream_init(&op->stream, go_on, list_free, op);
    if (auth != NULL) {
        op->keys = keys_hold(auth->keys);
        op->who = auth->who;
    }
    begin_half(op, p->half, p->after, p->after_len);
    write_start(op);
    return op;
}

void list_buckets(struct http_request *request, struct store *store, const struct respond_ids *ids,
                  const struct access_auth *auth)
{
    size_t len;
    const char *query = http_request_query(request, &len);
    struct parameters parameters;
    const char *problem = read_parameters(query, len, &parameters);
    struct list_op *op;

    if (problem != NULL) {
        respond_error(request, ids, S3_INVALID_ARGUMENT, problem);
        return;
    }
    op = list_new(store, &parameters, auth);
    if (op == NULL) {
        respond_error(request, ids, S3_SERVICE_UNAVAILABLE, NULL);
        return;
    }
    xml_stream_start(&op->stream, request, ids);
}
