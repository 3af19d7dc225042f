#include "index/s3/multipart.h"

#include <errno.h>
#include <string.h>

#include "index/http/query.h"
#include "index/s3/meta.h"
#include "index/s3/owner.h"

/* --- An upload ------------------------------------------------------------------------------- */

/* "" where it hasn't the form of one. */
static void read_id(const struct call *call, char id[UPLOAD_ID_SIZE])
{
    size_t query_len;
    const char *query = http_request_query(call->request, &query_len);
    size_t len;

    if (query_find(query, query_len, "uploadId", id, UPLOAD_ID_LENGTH, &len) < 0)
        len = 0;
    id[len] = '\0';
    if (strspn(id, "0123456789abcdef") != UPLOAD_ID_LENGTH)
        id[0] = '\0';
}

enum s3_error multipart_find(const struct call *call, struct multipart *m)
{
    const struct record *record = &m->record;
    int rc;

    read_id(call, m->id);
    if (m->id[0] == '\0')
        return S3_NO_SUCH_UPLOAD;
    upload_key_of_record(&call->target.key, m->id, &m->key);
    rc = objects_look_up(call->s3->objects, &m->key, &m->record);
    if (rc < 0)
        return rc == UV_ENOENT ? S3_NO_SUCH_UPLOAD : call_error_of(rc);
    m->kind = meta_algorithm(record->meta, record->meta_len, &m->is_composite);
    return S3_OK;
}

int multipart_part_number(const struct http_request *request)
{
    size_t len;
    const char *query = http_request_query(request, &len);
    uint64_t number;
    int rc = query_find_number(query, len, "partNumber", &number);

    if (rc < 0)
        return rc == -ENOENT ? 0 : rc;
    return number >= 1 && number <= PART_NUMBER_MAX ? (int)number : -EINVAL;
}

/* --- XML ------------------------------------------------------------------------------------- */

const char *multipart_checksum_type(bool is_composite)
{
    return is_composite ? "COMPOSITE" : "FULL_OBJECT";
}

void multipart_write_algorithm(struct xml_out *xml, enum checksum_kind kind, bool is_composite)
{
    if (kind == CHECKSUM_NONE)
        return;
    xml_out_string(xml, "ChecksumAlgorithm", checksum_name(kind));
    xml_out_string(xml, "ChecksumType", multipart_checksum_type(is_composite));
}

void multipart_write_owner(struct xml_out *xml)
{
    xml_out_open(xml, "Initiator");
    owner_write_fields(xml);
    xml_out_close(xml, "Initiator");
    owner_write(xml);
    xml_out_string(xml, "StorageClass", "STANDARD");
}
