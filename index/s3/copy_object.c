/* CopyObject. */
#include <string.h>
#include <strings.h>

#include "index/s3/copy_operation.h"

/* "COPY", which it is unless something is said, or "REPLACE". */
static enum s3_error read_directive(const struct call *call, bool *replaces, const char **message)
{
    const char *directive = http_request_header(call->request, "x-amz-metadata-directive");

    *replaces = directive != NULL && strcasecmp(directive, "REPLACE") == 0;
    if (directive == NULL || *replaces || strcasecmp(directive, "COPY") == 0)
        return S3_OK;
    *message = "Unknown metadata directive.";
    return S3_INVALID_ARGUMENT;
}

static bool is_same(const struct key *a, const struct key *b)
{
    return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

/* A checksum of all bytes is that of the copy as well. No other can be given: the bytes don't come
 * by here. */
static void add_checksum(struct meta *meta, const struct record *source)
{
    unsigned char bytes[CHECKSUM_SIZE_MAX];
    struct meta_line line;
    enum checksum_kind kind = meta_checksum(source->meta, source->meta_len, &line);
    unsigned n_parts;

    if (kind != CHECKSUM_NONE &&
        checksum_parse(kind, line.value, line.value_len, bytes, &n_parts) == 0 && n_parts == 0)
        meta_add_checksum(meta, kind, bytes, 0);
}

/* Whether the copy has the checksum that it is to have. */
static enum s3_error check_algorithm(const struct call *call, const struct meta *meta,
                                     const char **message)
{
    const char *name = http_request_header(call->request, "x-amz-checksum-algorithm");
    enum checksum_kind kind = name != NULL ? checksum_of_name(name) : CHECKSUM_NONE;
    struct meta_line line;

    if (name == NULL ||
        (kind != CHECKSUM_NONE && meta_checksum(meta->bytes, meta->len, &line) == kind))
        return S3_OK;
    *message = kind == CHECKSUM_NONE
                   ? "Value for x-amz-checksum-algorithm header is invalid."
                   : "A copy has the checksum that its source has, and no other is computed.";
    return kind == CHECKSUM_NONE ? S3_INVALID_REQUEST : S3_NOT_IMPLEMENTED;
}

static enum s3_error make_meta(const struct call *call, const struct record *source, bool replaces,
                               struct meta *meta, const char **message)
{
    enum s3_error error = replaces ? meta_add_request(meta, call->request)
                                   : meta_add_client_lines(meta, source->meta, source->meta_len);

    if (error != S3_OK)
        return error;
    add_checksum(meta, source);
    return check_algorithm(call, meta, message);
}

static void source_found(const struct call *call, const struct record *record)
{
    struct meta meta = {.len = 0};
    const char *message = NULL;
    bool replaces = false;
    struct copy source;
    enum s3_error error = read_directive(call, &replaces, &message);

    if (!copy_read(call, record, &source))
        return;
    if (error == S3_OK && !replaces && is_same(&source.key, &call->target.key)) {
        message = "This copy request is illegal because it is trying to copy an object to itself "
                  "without changing the object's metadata, storage class, website redirect "
                  "location or encryption attributes.";
        error = S3_INVALID_REQUEST;
    }
    if (error == S3_OK)
        error = make_meta(call, &source.record, replaces, &meta, &message);
    if (error != S3_OK) {
        call_fail(call, error, message);
        return;
    }
    copy_run(call, &(struct copy_options){
                       .source = &source,
                       .range = {.first = 0, .length = source.record.size},
                       .key = &call->target.key,
                       .meta = &meta,
                       .is_conditional = true,
                       .result = "CopyObjectResult",
                   });
}

void copy_object(const struct call *call)
{
    const char *message = NULL;
    bool replaces;
    enum s3_error error = read_directive(call, &replaces, &message);

    if (error != S3_OK)
        call_fail(call, error, message);
    else
        copy_find(call, source_found);
}
