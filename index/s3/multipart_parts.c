/* ListParts. A page is made as it is sent (xml_stream.h). */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "index/http/query.h"
#include "index/s3/meta.h"
#include "index/s3/multipart.h"
#include "index/s3/xml_stream.h"

#define PARTS_MAX     1000 /* of a page; who asks for more gets so many */
#define PARTS_OF_TURN 64   /* after so many, more or less, xml_stream_is_full() */

struct parts_op {
    struct xml_stream stream;
    struct store *store;
    struct store_reading reading;
    struct key prefix;
    struct key from;
    unsigned left; /* that may still be given */
    unsigned last; /* that was given */
    bool is_truncated;
};

/* A number of the query; `otherwise` when it isn't given. False: it is none. */
static bool read_number(const struct call *call, const char *name, unsigned otherwise,
                        unsigned *number)
{
    size_t len;
    const char *query = http_request_query(call->request, &len);
    uint64_t n = otherwise;
    int rc = query_find_number(query, len, name, &n);

    *number = (unsigned)n;
    return (rc == 0 || rc == -ENOENT) && n <= INT_MAX;
}

/* --- XML ------------------------------------------------------------------------------------- */

static void write_start(struct xml_out *xml, const struct call *call, const struct multipart *m,
                        unsigned marker, unsigned max)
{
    const struct target *target = &call->target;

    xml_out_declare(xml);
    xml_out_root(xml, "ListPartsResult");
    xml_out_string(xml, "Bucket", target->bucket);
    xml_out_text(xml, "Key", target_key(target), target->key_len);
    xml_out_string(xml, "UploadId", m->id);
    multipart_write_owner(xml);
    multipart_write_algorithm(xml, m->kind, m->is_composite);
    xml_out_number(xml, "PartNumberMarker", marker);
    xml_out_number(xml, "MaxParts", max);
}

static void write_part(struct xml_out *xml, unsigned number, const struct record *record)
{
    char etag[META_ETAG_SIZE];
    struct meta_line line;
    enum checksum_kind kind = meta_checksum(record->meta, record->meta_len, &line);

    xml_out_open(xml, "Part");
    xml_out_number(xml, "PartNumber", number);
    xml_out_time(xml, "LastModified", record->time / 1000 * 1000);
    meta_etag(record->meta, record->meta_len, record, etag);
    xml_out_string(xml, "ETag", etag);
    xml_out_number(xml, "Size", record->size);
    if (kind != CHECKSUM_NONE)
        xml_out_text(xml, checksum_element(kind), line.value, line.value_len);
    xml_out_close(xml, "Part");
}

static void write_end(struct parts_op *op)
{
    struct xml_out *xml = &op->stream.xml;

    xml_out_number(xml, "NextPartNumberMarker", op->last);
    xml_out_bool(xml, "IsTruncated", op->is_truncated);
    xml_out_close(xml, "ListPartsResult");
}

/* --- The page -------------------------------------------------------------------------------- */

enum { FULL = 1, END };

static int part_cb(const void *key, size_t len, const struct record *record, void *arg)
{
    struct parts_op *op = arg;
    unsigned number = upload_key_part_number(key, len, &op->prefix);

    if (number == 0)
        return 0;
    if (op->left == 0) {
        op->is_truncated = true;
        return END;
    }
    memcpy(op->from.bytes, key, len);
    op->from.len = len;
    if (xml_stream_is_full(&op->stream))
        return FULL;
    op->left--;
    op->last = number;
    write_part(&op->stream.xml, number, record);
    return 0;
}

static int end_turn(struct parts_op *op, int rc)
{
    if (rc < 0 || rc == STORE_LATER)
        return rc;
    if (rc == FULL)
        return XML_STREAM_MORE;
    write_end(op);
    return XML_STREAM_END;
}

static void listed_cb(struct store_reading *reading, int rc)
{
    struct parts_op *op = reading->data;

    xml_stream_turn(&op->stream, end_turn(op, rc));
}

static int go_on(void *arg)
{
    struct parts_op *op = arg;
    const struct store_range range = {
        .prefix = op->prefix.bytes,
        .prefix_len = op->prefix.len,
        .start = op->from.bytes,
        .start_len = op->from.len,
        .want = op->left < PARTS_OF_TURN ? op->left + 1 : PARTS_OF_TURN,
    };

    return end_turn(op, store_list(op->store, &op->reading, &range, part_cb, op, listed_cb));
}

static void parts_free(void *arg)
{
    struct parts_op *op = arg;

    store_cancel(op->store, &op->reading);
    free(op);
}

static void start(const struct call *call, const struct multipart *m, unsigned marker, unsigned max)
{
    struct parts_op *op = calloc(1, sizeof(*op));

    if (op == NULL) {
        call_fail(call, S3_SERVICE_UNAVAILABLE, NULL);
        return;
    }
    xml_stream_init(&op->stream, go_on, parts_free, op);
    op->reading.data = op;
    op->store = call->s3->objects->store;
    op->left = max < PARTS_MAX ? max : PARTS_MAX;
    upload_key_of_parts(m->id, &op->prefix);
    upload_key_of_parts_from(m->id, marker < PART_NUMBER_MAX ? marker + 1 : PART_NUMBER_MAX + 1,
                             &op->from);
    write_start(&op->stream.xml, call, m, marker, op->left);
    xml_stream_start(&op->stream, call->request, &call->ids);
}

static void upload_found(const struct call *call, const struct record *record)
{
    struct multipart multipart;
    unsigned marker;
    unsigned max;

    if (!multipart_read(call, record, &multipart))
        return;
    if (!read_number(call, "part-number-marker", 0, &marker) ||
        !read_number(call, "max-parts", PARTS_MAX, &max))
        call_fail(call, S3_INVALID_ARGUMENT,
                  "part-number-marker and max-parts must be integers from 0 on.");
    else
        start(call, &multipart, marker, max);
}

void list_parts(const struct call *call)
{
    multipart_find(call, upload_found);
}
