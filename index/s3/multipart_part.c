/* UploadPart and UploadPartCopy: the value of a key of S3's own, which lies where the object will
 * (key_to_place()), so that the volumes can make that of it. One that is sent again replaces it. */
#include "index/s3/copy_operation.h"
#include "index/s3/multipart.h"
#include "index/s3/receive.h"

/* The checksum of a whole object that is copied is the part's. */
static void add_checksum(struct meta *meta, enum checksum_kind kind, const struct record *source)
{
    unsigned char bytes[CHECKSUM_SIZE_MAX];
    struct meta_line line;
    unsigned n_parts;

    if (kind != CHECKSUM_NONE && meta_checksum(source->meta, source->meta_len, &line) == kind &&
        checksum_parse(kind, line.value, line.value_len, bytes, &n_parts) == 0 && n_parts == 0)
        meta_add_checksum(meta, kind, bytes, 0);
}

/* The key of the part; it was looked at before whether the query names one. */
static void set_key(const struct call *call, const char *id, struct key *key)
{
    unsigned number = (unsigned)multipart_part_number(call->request);

    upload_key_of_part(&call->target.key, id, number, key);
}

/* --- UploadPartCopy --------------------------------------------------------------------------- */

static void source_found(const struct call *call, const struct record *record)
{
    struct meta meta = {.len = 0};
    struct multipart multipart;
    struct range range;
    struct copy source;
    enum s3_error error;
    struct key key;

    if (!copy_read(call, record, &source))
        return;
    error = copy_source_range(http_request_header(call->request, "x-amz-copy-source-range"),
                              source.record.size, &range);
    if (error != S3_OK) {
        call_fail(call, error, NULL);
        return;
    }
    if (range.length == source.record.size)
        add_checksum(&meta, call->kind, &source.record);
    multipart_read_key(call, &multipart);
    set_key(call, multipart.id, &key);
    copy_run(call, &(struct copy_options){
                       .source = &source,
                       .range = range,
                       .key = &key,
                       .meta = &meta,
                       .result = "CopyPartResult",
                       .is_part = true,
                   });
}

static void copy_part(const struct call *call, const struct multipart *multipart)
{
    struct call copy = *call;

    copy.kind = multipart->kind;
    copy_find(&copy, source_found);
}

/* --- UploadPart ------------------------------------------------------------------------------- */

static void upload_found(const struct call *call, const struct record *record)
{
    struct multipart multipart;
    struct key key;

    if (!multipart_read(call, record, &multipart))
        return;
    if (copy_is_wanted(call->request)) {
        copy_part(call, &multipart);
        return;
    }
    set_key(call, multipart.id, &key);
    receive(call, &(struct receive_options){.key = &key, .kind = multipart.kind, .is_part = true});
}

void upload_part(const struct call *call)
{
    if (multipart_part_number(call->request) > 0)
        multipart_find(call, upload_found);
    else
        call_fail(call, S3_INVALID_ARGUMENT, MULTIPART_BAD_NUMBER);
}
