/* A page is made as it is sent (xml_stream.h). So keys and common prefixes come in one order, and
 * what is known only at the end of the page comes at the end of the answer: the order of elements
 * means nothing in S3. A store that can't be read cuts the answer off. */
#include "index/s3/list_objects.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "index/s3/bucket_walk.h"
#include "index/s3/list_parameters.h"
#include "index/s3/meta.h"
#include "index/s3/multipart.h"
#include "index/s3/owner.h"
#include "index/s3/xml_stream.h"

#define KEYS_OF_TURN 64 /* after so many, more or less, xml_stream_is_full() */

struct list_op {
    struct xml_stream stream;
    struct bucket_walk walk;
    enum list_form form;
    bool encode_url;
    bool fetch_owner;
    bool has_delimiter;
    uint64_t n_entries;
};

/* --- XML ------------------------------------------------------------------------------------- */

/* A key, or what a key may hold. */
static void write_name(struct xml_out *xml, bool encode_url, const char *element, const char *name,
                       size_t len)
{
    if (encode_url)
        xml_out_url(xml, element, name, len);
    else
        xml_out_text(xml, element, name, len);
}

static void write_if_given(struct xml_out *xml, bool encode_url, const char *element,
                           const struct list_text *text)
{
    if (text->is_given)
        write_name(xml, encode_url, element, text->bytes, text->len);
}

/* Whether these bytes are what they are to a client that decodes them, and to one that doesn't. */
static bool is_its_own_url(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)text[i];

        if (byte == '%' || byte == '+' || byte >= 0x7f ||
            (byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r'))
            return false;
    }
    return true;
}

/* boto3 asks for encoding-type=url on its own, and decodes all but the prefix of V1. */
static void write_asked_prefix(struct xml_out *xml, const struct list_parameters *p)
{
    bool is_plain = p->form == LIST_V1 && is_its_own_url(p->prefix.bytes, p->prefix.len);

    write_name(xml, p->encode_url && !is_plain, "Prefix", p->prefix.bytes, p->prefix.len);
}

/* Each form names what it was asked to begin after in its own way. */
static void write_markers(struct xml_out *xml, const struct list_parameters *p)
{
    switch (p->form) {
    case LIST_V1:
        write_name(xml, p->encode_url, "Marker", p->marker.bytes, p->marker.len);
        break;
    case LIST_V2:
        write_if_given(xml, p->encode_url, "StartAfter", &p->marker);
        if (p->has_token)
            xml_out_text(xml, "ContinuationToken", p->token, p->token_len);
        break;
    case LIST_VERSIONS:
        write_name(xml, p->encode_url, "KeyMarker", p->marker.bytes, p->marker.len);
        xml_out_text(xml, "VersionIdMarker", p->version_marker.bytes, p->version_marker.len);
        break;
    case LIST_UPLOADS:
        write_name(xml, p->encode_url, "KeyMarker", p->marker.bytes, p->marker.len);
        xml_out_text(xml, "UploadIdMarker", p->version_marker.bytes, p->version_marker.len);
        break;
    }
}

/* What the forms call the same thing. */
static const struct form {
    const char *root;
    const char *bucket;
    const char *max;
} forms[] = {
    [LIST_V1] = {"ListBucketResult", "Name", "MaxKeys"},
    [LIST_V2] = {"ListBucketResult", "Name", "MaxKeys"},
    [LIST_VERSIONS] = {"ListVersionsResult", "Name", "MaxKeys"},
    [LIST_UPLOADS] = {"ListMultipartUploadsResult", "Bucket", "MaxUploads"},
};

/* What the client asked for. */
static void write_start(struct xml_out *xml, const struct list_parameters *p, const char *bucket,
                        size_t bucket_len)
{
    xml_out_declare(xml);
    xml_out_root(xml, forms[p->form].root);
    xml_out_text(xml, forms[p->form].bucket, bucket, bucket_len);
    write_asked_prefix(xml, p);
    write_markers(xml, p);
    xml_out_number(xml, forms[p->form].max, p->max_keys);
    if (p->delimiter.len > 0)
        write_name(xml, p->encode_url, "Delimiter", p->delimiter.bytes, p->delimiter.len);
    if (p->encode_url)
        xml_out_string(xml, "EncodingType", "url");
}

static void write_prefix(struct list_op *op, const struct bucket_entry *entry)
{
    xml_out_open(&op->stream.xml, "CommonPrefixes");
    write_name(&op->stream.xml, op->encode_url, "Prefix", entry->name, entry->len);
    xml_out_close(&op->stream.xml, "CommonPrefixes");
}

static void write_key(struct list_op *op, const struct bucket_entry *entry)
{
    const struct record *record = entry->record;
    const char *element = op->form == LIST_VERSIONS ? "Version" : "Contents";
    char etag[META_ETAG_SIZE];

    xml_out_open(&op->stream.xml, element);
    write_name(&op->stream.xml, op->encode_url, "Key", entry->name, entry->len);
    if (op->form == LIST_VERSIONS) {
        xml_out_string(&op->stream.xml, "VersionId", "null");
        xml_out_bool(&op->stream.xml, "IsLatest", true);
    }
    xml_out_time(&op->stream.xml, "LastModified", record->time / 1000 * 1000);
    meta_etag(record->meta, record->meta_len, record, etag);
    xml_out_string(&op->stream.xml, "ETag", etag);
    xml_out_number(&op->stream.xml, "Size", record->size);
    xml_out_string(&op->stream.xml, "StorageClass", "STANDARD");
    if (op->fetch_owner)
        owner_write(&op->stream.xml);
    xml_out_close(&op->stream.xml, element);
}

static void write_upload(struct list_op *op, const struct bucket_entry *entry)
{
    const struct record *record = entry->record;
    struct xml_out *xml = &op->stream.xml;
    size_t key_len = entry->len - UPLOAD_TAIL;
    bool is_composite;
    enum checksum_kind kind = meta_algorithm(record->meta, record->meta_len, &is_composite);

    xml_out_open(xml, "Upload");
    write_name(xml, op->encode_url, "Key", entry->name, key_len);
    xml_out_text(xml, "UploadId", entry->name + key_len + 1, UPLOAD_ID_LENGTH);
    multipart_write_owner(xml);
    xml_out_time(xml, "Initiated", record->time / 1000 * 1000);
    multipart_write_algorithm(xml, kind, is_composite);
    xml_out_close(xml, "Upload");
}

static int entry_cb(const struct bucket_entry *entry, void *arg)
{
    struct list_op *op = arg;

    op->n_entries++;
    if (entry->is_prefix)
        write_prefix(op, entry);
    else if (op->form == LIST_UPLOADS)
        write_upload(op, entry);
    else
        write_key(op, entry);
    if (op->stream.xml.failed)
        return UV_ENOMEM;
    return xml_stream_is_full(&op->stream);
}

/* --- The next page --------------------------------------------------------------------------- */

static void write_token(struct list_op *op, const char *last, size_t len)
{
    enum token_kind kind = op->walk.last_is_prefix ? TOKEN_AFTER_PREFIX : TOKEN_AFTER_KEY;
    char token[TOKEN_MAX];
    size_t n = token_write(kind, last, len, token);

    xml_out_text(&op->stream.xml, "NextContinuationToken", token, n);
}

static void write_next_upload(struct list_op *op, const char *last, size_t len)
{
    size_t key_len = op->walk.last_is_prefix ? len : len - UPLOAD_TAIL;

    write_name(&op->stream.xml, op->encode_url, "NextKeyMarker", last, key_len);
    if (!op->walk.last_is_prefix)
        xml_out_text(&op->stream.xml, "NextUploadIdMarker", last + key_len + 1, UPLOAD_ID_LENGTH);
}

static void write_next(struct list_op *op)
{
    size_t len;
    const char *last = bucket_walk_last(&op->walk, &len);

    switch (op->form) {
    case LIST_V1: /* without a delimiter the client takes the last key */
        if (op->has_delimiter)
            write_name(&op->stream.xml, op->encode_url, "NextMarker", last, len);
        break;
    case LIST_V2:
        write_token(op, last, len);
        break;
    case LIST_VERSIONS:
        write_name(&op->stream.xml, op->encode_url, "NextKeyMarker", last, len);
        if (!op->walk.last_is_prefix)
            xml_out_string(&op->stream.xml, "NextVersionIdMarker", "null");
        break;
    case LIST_UPLOADS:
        write_next_upload(op, last, len);
        break;
    }
}

static void write_end(struct list_op *op)
{
    if (op->form == LIST_V2)
        xml_out_number(&op->stream.xml, "KeyCount", op->n_entries);
    xml_out_bool(&op->stream.xml, "IsTruncated", op->walk.is_truncated);
    if (op->walk.is_truncated)
        write_next(op);
    xml_out_close(&op->stream.xml, forms[op->form].root);
}

/* --- The answer ------------------------------------------------------------------------------ */

static int end_turn(struct list_op *op, int rc)
{
    if (rc == BUCKET_WALK_END)
        write_end(op);
    return rc;
}

static void walked_cb(struct bucket_walk *walk, int rc)
{
    struct list_op *op = walk->arg;

    xml_stream_turn(&op->stream, end_turn(op, rc));
}

static int go_on(void *arg)
{
    struct list_op *op = arg;

    return end_turn(op, bucket_walk_on(&op->walk, walked_cb));
}

static_assert((int)BUCKET_WALK_END == (int)XML_STREAM_END &&
                  (int)BUCKET_WALK_MORE == (int)XML_STREAM_MORE &&
                  (int)BUCKET_WALK_LATER == (int)XML_STREAM_LATER,
              "xml_stream.h has them so");

static void list_free(void *arg)
{
    struct list_op *op = arg;

    bucket_walk_cancel(&op->walk);
    free(op);
}

static struct list_op *list_new(struct store *store, const struct list_parameters *p,
                                const char *bucket, size_t bucket_len)
{
    struct list_op *op = calloc(1, sizeof(*op));
    struct bucket_query query = list_parameters_query(p, bucket, bucket_len);

    if (op == NULL)
        return NULL;
    query.want = KEYS_OF_TURN;
    xml_stream_init(&op->stream, go_on, list_free, op);
    op->form = p->form;
    op->encode_url = p->encode_url;
    op->fetch_owner = p->fetch_owner;
    op->has_delimiter = p->delimiter.len > 0;
    bucket_walk_init(&op->walk, store, &query, entry_cb, op);
    write_start(&op->stream.xml, p, bucket, bucket_len);
    return op;
}

void list_objects(struct http_request *request, struct store *store, const struct respond_ids *ids,
                  const char *bucket, size_t bucket_len)
{
    size_t len;
    const char *query = http_request_query(request, &len);
    struct list_parameters parameters;
    const char *message;
    enum s3_error error = list_parameters_read(query, len, &parameters, &message);
    struct list_op *op;

    if (error != S3_OK) {
        respond_error(request, ids, error, message);
        return;
    }
    op = list_new(store, &parameters, bucket, bucket_len);
    if (op == NULL) {
        respond_error(request, ids, S3_SERVICE_UNAVAILABLE, NULL);
        return;
    }
    xml_stream_start(&op->stream, request, ids);
}
