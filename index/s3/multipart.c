#include "index/s3/multipart.h"

#include <errno.h>
#include <string.h>

#include "index/http/query.h"
#include "index/s3/meta.h"
#include "index/s3/owner.h"

/* --- An upload ------------------------------------------------------------------------------- */

bool multipart_read_key(const struct call *call, struct multipart *m)
{
    size_t query_len;
    const char *query = http_request_query(call->request, &query_len);
    size_t len;

    if (query_find(query, query_len, "uploadId", m->id, UPLOAD_ID_LENGTH, &len) < 0)
        len = 0;
    m->id[len] = '\0';
    if (strspn(m->id, "0123456789abcdef") != UPLOAD_ID_LENGTH)
        return false;
    upload_key_of_record(&call->target.key, m->id, &m->key);
    return true;
}

void multipart_read_record(const struct record *record, struct multipart *m)
{
    m->kind = meta_algorithm(record->meta, record->meta_len, &m->is_composite);
}

void multipart_find(const struct call *call, call_found_cb found)
{
    struct multipart m;

    if (multipart_read_key(call, &m))
        call_find_record(call, &m.key, found);
    else
        call_fail(call, S3_NO_SUCH_UPLOAD, NULL);
}

bool multipart_read(const struct call *call, const struct record *record, struct multipart *m)
{
    if (record == NULL || !multipart_read_key(call, m)) {
        call_fail(call, S3_NO_SUCH_UPLOAD, NULL);
        return false;
    }
    multipart_read_record(record, m);
    return true;
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
