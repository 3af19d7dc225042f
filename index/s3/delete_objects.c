/* DeleteObjects: the body names up to 1,000 keys of a bucket. Some are removed at once, so that
 * their commits share the disk's flushes; the answer says how each went, in the order in which they
 * were done. A client that goes ends what hasn't begun. */
#include <stdlib.h>
#include <string.h>

#include "index/http/conditions.h"
#include "index/s3/body.h"
#include "index/s3/body_delete.h"
#include "index/s3/buckets.h"
#include "index/s3/call.h"
#include "index/s3/conditional.h"
#include "index/s3/erase.h"
#include "index/s3/meta.h"

#define AT_ONCE 32

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
    unsigned next; /* entry */
    unsigned n_running;
    struct buf out;
    struct xml_out xml;
    struct slot slots[AT_ONCE];
};

static void op_free(struct delete_objects_op *op)
{
    keys_release(op->keys);
    body_deinit(&op->body);
    body_delete_free(op->list);
    buf_deinit(&op->out);
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
    if (body_delete_is_quiet(op->list))
        return;
    xml_out_open(&op->xml, "Deleted");
    xml_out_text(&op->xml, "Key", entry->key, entry->key_len);
    xml_out_close(&op->xml, "Deleted");
}

static void write_failure(struct delete_objects_op *op, const struct delete_entry *entry,
                          enum s3_error error)
{
    const struct s3_error_form *form = s3_error_form(error);

    xml_out_open(&op->xml, "Error");
    xml_out_text(&op->xml, "Key", entry->key, entry->key_len);
    xml_out_string(&op->xml, "Code", form->code);
    xml_out_string(&op->xml, "Message", form->message);
    xml_out_close(&op->xml, "Error");
}

static void write_result(struct delete_objects_op *op, unsigned i, enum s3_error error)
{
    const struct delete_entry entry = body_delete_entry(op->list, i);

    if (error == S3_OK)
        write_deleted(op, &entry);
    else
        write_failure(op, &entry, error);
}

static void finish(struct delete_objects_op *op)
{
    if (op->call.request != NULL) {
        xml_out_close(&op->xml, "DeleteResult");
        respond_xml(op->call.request, 200, &op->xml);
    }
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

    write_result(op, slot->entry, rc < 0 ? conditional_error_of(rc) : S3_OK);
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
        error = conditional_error_of(rc);
    if (!slot->is_used)
        write_result(op, slot->entry, error);
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
    if (error != S3_OK) {
        op_fail(op, error, message);
        return;
    }
    xml_out_declare(&op->xml);
    xml_out_root(&op->xml, "DeleteResult");
    go_on(op);
}

static void closed_cb(struct http_request *request)
{
    struct delete_objects_op *op = http_request_data(request);

    op->call.request = NULL;
    if (op->n_running == 0)
        op_free(op);
}

static const struct http_body_reader reader = {
    .data = data_cb,
    .end = end_cb,
    .closed = closed_cb,
};

static enum s3_error check_bucket(const struct call *call)
{
    int rc = 1;

    if (call->s3->keys != NULL)
        rc = bucket_exists(call->s3->objects->store, call->target.bucket, call->target.bucket_len);
    return rc > 0 ? S3_OK : rc < 0 ? call_error_of(rc) : S3_NO_SUCH_BUCKET;
}

void delete_objects(const struct call *call)
{
    struct delete_objects_op *op = NULL;
    const char *message = NULL;
    enum s3_error error = S3_ACCESS_DENIED;

    if (call_may_see(call, call->target.bucket))
        error = check_bucket(call);
    if (error == S3_OK)
        op = calloc(1, sizeof(*op));
    if (op == NULL) {
        call_fail(call, error != S3_OK ? error : S3_SERVICE_UNAVAILABLE, NULL);
        return;
    }
    op->call = *call;
    op->call.auth = NULL;
    op->xml.buf = &op->out;
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
