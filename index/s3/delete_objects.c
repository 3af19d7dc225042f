/* DeleteObjects: the body names up to 1,000 keys of a bucket. Some are removed at once, so that
 * their commits share the disk's flushes. Once all are, the answer says how each went; a long one
 * is written as its client takes it, out of the list, which counts in body.h's bound until then. A
 * client that goes ends what hasn't begun. */
#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "index/http/conditions.h"
#include "index/s3/body.h"
#include "index/s3/body_delete.h"
#include "index/s3/call.h"
#include "index/s3/erase.h"
#include "index/s3/meta.h"
#include "index/s3/write_conditions.h"
#include "index/s3/xml_stream.h"

#define AT_ONCE 32

static_assert(S3_ERRORS <= UCHAR_MAX, "a byte has room for how an entry went");

struct delete_objects_op;

struct slot {
    struct delete_objects_op *op;
    bool is_used;
    unsigned entry; /* that is removed */
    struct key key;
    struct erase erase;
};

struct delete_objects_op {
    struct call call;  /* `request` NULL once the client is gone */
    struct keys *keys; /* held; NULL where S3 is open */
    const struct identity *who;
    struct body body;
    struct body_delete *list;
    unsigned next; /* entry to be removed, and then to be written */
    unsigned n_running;
    struct slot *slots;                          /* AT_ONCE of them, while entries are removed */
    unsigned char results[BODY_DELETE_KEYS_MAX]; /* enum s3_error, of the entries */
    struct xml_stream stream;
};

static void op_free(struct delete_objects_op *op)
{
    keys_release(op->keys);
    body_deinit(&op->body);
    body_delete_free(op->list);
    free(op->slots);
    buf_deinit(&op->stream.out);
    free(op);
}

static void op_fail(struct delete_objects_op *op, enum s3_error error, const char *message)
{
    const struct call call = op->call;

    op_free(op);
    call_fail(&call, error, message);
}

/* --- The answer ------------------------------------------------------------------------------- */

static void write_deleted(struct delete_objects_op *op, const struct delete_entry *entry)
{
    struct xml_out *xml = &op->stream.xml;

    if (body_delete_is_quiet(op->list))
        return;
    xml_out_open(xml, "Deleted");
    xml_out_text(xml, "Key", entry->key, entry->key_len);
    xml_out_close(xml, "Deleted");
}

static void write_failure(struct delete_objects_op *op, const struct delete_entry *entry,
                          enum s3_error error)
{
    const struct s3_error_form *form = s3_error_form(error);
    struct xml_out *xml = &op->stream.xml;

    xml_out_open(xml, "Error");
    xml_out_text(xml, "Key", entry->key, entry->key_len);
    xml_out_string(xml, "Code", form->code);
    xml_out_string(xml, "Message", form->message);
    xml_out_close(xml, "Error");
}

/* As xml_stream.h has it. */
static int write_some(void *arg)
{
    struct delete_objects_op *op = arg;

    for (; op->next < body_delete_count(op->list); op->next++) {
        const struct delete_entry entry = body_delete_entry(op->list, op->next);
        enum s3_error error = op->results[op->next];

        if (xml_stream_is_full(&op->stream))
            return 1;
        if (error == S3_OK)
            write_deleted(op, &entry);
        else
            write_failure(op, &entry, error);
    }
    xml_out_close(&op->stream.xml, "DeleteResult");
    return 0;
}

static void free_cb(void *arg)
{
    op_free(arg);
}

static void answer(struct delete_objects_op *op)
{
    xml_stream_init(&op->stream, write_some, free_cb, op);
    xml_out_declare(&op->stream.xml);
    xml_out_root(&op->stream.xml, "DeleteResult");
    op->next = 0;
    if (write_some(op) > 0) {
        xml_stream_start(&op->stream, op->call.request, &op->call.ids);
        return;
    }
    respond_xml(op->call.request, 200, &op->stream.xml);
    op_free(op);
}

static void finish(struct delete_objects_op *op)
{
    free(op->slots);
    op->slots = NULL;
    if (op->call.request != NULL)
        answer(op);
    else
        op_free(op);
}

/* --- Removing --------------------------------------------------------------------------------- */

static void go_on(struct delete_objects_op *op);

/* The ETag that the entry wants the object to have, if any. */
static int judge_cb(void *arg, const struct record *record)
{
    const struct slot *slot = arg;
    const struct delete_entry entry = body_delete_entry(slot->op->list, slot->entry);
    struct conditions conditions;
    char etag[META_ETAG_SIZE];

    if (slot->op->call.s3->protect)
        return UV_EPERM;
    if (entry.etag == NULL)
        return 0;
    meta_etag(record->meta, record->meta_len, record, etag);
    conditions_init(&conditions, &(struct conditions_target){.etag = etag,
                                                             .modified = CONDITIONS_NO_TIME,
                                                             .takes_bare_tags = true});
    conditions_add(&conditions, "If-Match", entry.etag);
    return conditions_outcome(&conditions, false) == CONDITIONS_HOLD ? 0 : UV_ECANCELED;
}

static void erased_cb(void *arg, int rc)
{
    struct slot *slot = arg;
    struct delete_objects_op *op = slot->op;

    op->results[slot->entry] = (unsigned char)(rc < 0 ? write_conditions_error_of(rc) : S3_OK);
    slot->is_used = false;
    op->n_running--;
    go_on(op);
}

/* The object that an entry names. S3_OK and *key, or why it can't be removed. */
static enum s3_error find_key(const struct delete_objects_op *op, const struct delete_entry *entry,
                              struct key *key)
{
    const struct target *target = &op->call.target;

    if (entry->version != NULL)
        return S3_NO_SUCH_VERSION;
    if (entry->key_len > S3_KEY_MAX)
        return S3_KEY_TOO_LONG;
    if (op->who != NULL &&
        !access_may(op->who, ACCESS_WRITE, target->bucket, entry->key, entry->key_len))
        return S3_ACCESS_DENIED;
    key->len = target->bucket_len + 2 + entry->key_len;
    key->bytes[0] = '/';
    memcpy(key->bytes + 1, target->bucket, target->bucket_len);
    key->bytes[target->bucket_len + 1] = '/';
    memcpy(key->bytes + target->bucket_len + 2, entry->key, entry->key_len);
    return S3_OK;
}

/* Begins with the next entry. */
static void begin(struct delete_objects_op *op, struct slot *slot)
{
    const struct delete_entry entry = body_delete_entry(op->list, op->next);
    enum s3_error error = find_key(op, &entry, &slot->key);
    int rc = 0;

    slot->op = op;
    slot->entry = op->next++;
    slot->erase = (struct erase){.objects = op->call.s3->objects,
                                 .key = &slot->key,
                                 .judge = judge_cb,
                                 .done = erased_cb,
                                 .arg = slot};
    if (error == S3_OK)
        rc = erase_start(&slot->erase);
    slot->is_used = rc == 1;
    op->n_running += slot->is_used;
    if (rc < 0)
        error = write_conditions_error_of(rc);
    op->results[slot->entry] = (unsigned char)error;
}

static struct slot *free_slot(struct delete_objects_op *op)
{
    for (unsigned i = 0; i < AT_ONCE; i++) {
        if (!op->slots[i].is_used)
            return &op->slots[i];
    }
    return NULL;
}

static void go_on(struct delete_objects_op *op)
{
    struct slot *slot;

    while (op->call.request != NULL && op->next < body_delete_count(op->list) &&
           (slot = free_slot(op)) != NULL)
        begin(op, slot);
    if (op->n_running == 0)
        finish(op);
}

/* --- The body --------------------------------------------------------------------------------- */

static enum s3_error add_cb(void *arg, const char *bytes, size_t n)
{
    return body_delete_add(arg, bytes, n);
}

static void data_cb(struct http_request *request, const char *bytes, size_t n)
{
    struct delete_objects_op *op = http_request_data(request);
    const char *message;
    enum s3_error error = body_feed(&op->body, bytes, n, add_cb, op->list, &message);

    if (error != S3_OK)
        op_fail(op, error, message);
}

static void end_cb(struct http_request *request)
{
    struct delete_objects_op *op = http_request_data(request);
    const char *message;
    enum s3_error error = body_end(&op->body, &message);

    if (error == S3_OK)
        error = body_delete_end(op->list);
    if (error == S3_OK)
        op->slots = calloc(AT_ONCE, sizeof(*op->slots));
    if (error == S3_OK && op->slots == NULL)
        error = S3_SERVICE_UNAVAILABLE;
    if (error != S3_OK) {
        op_fail(op, error, message);
        return;
    }
    go_on(op);
}

static void closed_cb(struct http_request *request)
{
    struct delete_objects_op *op = http_request_data(request);

    op->call.request = NULL;
    if (op->n_running == 0)
        op_free(op);
}

static_assert(BODY_DELETE_MAX <= BODY_LONGEST, "the longest list fits");

static const struct http_body_reader reader = {
    .data = data_cb,
    .end = end_cb,
    .closed = closed_cb,
    .least_rate = BODY_RATE,
};

static void bucket_checked(const struct call *call, const struct record *record)
{
    struct delete_objects_op *op = calloc(1, sizeof(*op));
    const char *message = NULL;
    enum s3_error error;

    (void)record;
    if (op == NULL) {
        call_fail(call, S3_SERVICE_UNAVAILABLE, NULL);
        return;
    }
    op->call = *call;
    op->call.auth = NULL;
    op->list = body_delete_new();
    error = op->list != NULL ? body_init(&op->body, call, BODY_OF_REQUEST, &message)
                             : S3_SERVICE_UNAVAILABLE;
    if (error != S3_OK) {
        op_fail(op, error, message);
        return;
    }
    if (call->auth != NULL) {
        op->keys = keys_hold(call->auth->keys);
        op->who = call->auth->who;
    }
    http_request_set_data(call->request, op);
    http_read_body(call->request, &reader);
}

void delete_objects(const struct call *call)
{
    call_check_bucket(call, bucket_checked);
}
