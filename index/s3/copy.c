#include "index/s3/copy.h"

#include <string.h>
#include <strings.h>

#include "index/http/conditions.h"
#include "index/s3/meta.h"

#define HEADER    "x-amz-copy-source"
#define CONDITION HEADER "-"

bool copy_is_wanted(const struct http_request *request)
{
    return http_request_header(request, HEADER) != NULL;
}

static void set_key(const struct copy_source *source, struct key *key)
{
    char *at = key->bytes;

    *at++ = '/';
    memcpy(at, source->bucket, source->bucket_len);
    at += source->bucket_len;
    *at++ = '/';
    memcpy(at, source->key, source->key_len);
    key->len = 2 + source->bucket_len + source->key_len;
}

/* They are those of a GET of the source, and what isn't modified isn't copied either. */
static enum s3_error check_conditions(const struct call *call, const struct record *record)
{
    struct conditions_target target = {.takes_bare_tags = true};
    struct conditions conditions;
    char etag[META_ETAG_SIZE];
    const char *name;
    const char *value;

    meta_etag(record->meta, record->meta_len, record, etag);
    target.etag = etag;
    target.modified = (int64_t)(record->time / 1000);
    conditions_init(&conditions, &target);
    for (unsigned i = 0; (value = http_request_header_at(call->request, i, &name)) != NULL; i++) {
        if (strncasecmp(name, CONDITION, sizeof(CONDITION) - 1) == 0)
            conditions_add(&conditions, name + sizeof(CONDITION) - 1, value);
    }
    switch (conditions_outcome(&conditions, true)) {
    case CONDITIONS_MALFORMED:
        return S3_INVALID_ARGUMENT;
    case CONDITIONS_FAIL:
    case CONDITIONS_NOT_MODIFIED:
        return S3_PRECONDITION_FAILED;
    case CONDITIONS_HOLD:
        break;
    }
    return S3_OK;
}

static enum s3_error parse(const struct call *call, struct copy_source *source)
{
    return copy_source_parse(http_request_header(call->request, HEADER), source);
}

void copy_find(const struct call *call, call_found_cb found)
{
    char bucket[BUCKET_NAME_MAX + 1];
    struct copy_source source;
    enum s3_error error = parse(call, &source);
    struct key key;

    if (error == S3_INVALID_ARGUMENT) {
        call_fail(call, error,
                  "Copy Source must mention the source bucket and key: sourcebucket/sourcekey");
        return;
    }
    if (error != S3_OK) {
        call_fail(call, error, NULL);
        return;
    }
    memcpy(bucket, source.bucket, source.bucket_len);
    bucket[source.bucket_len] = '\0';
    if (!call_may(call, ACCESS_READ, bucket, source.key, source.key_len)) {
        call_fail(call, S3_ACCESS_DENIED, NULL);
        return;
    }
    set_key(&source, &key);
    call_find_object(call, &key, source.bucket, source.bucket_len, found);
}

bool copy_read(const struct call *call, const struct record *record, struct copy *copy)
{
    struct copy_source source;
    enum s3_error error = parse(call, &source);

    if (error == S3_OK)
        error = check_conditions(call, record);
    if (error != S3_OK) {
        call_fail(call, error, NULL);
        return false;
    }
    set_key(&source, &copy->key);
    record_copy(&copy->record, record);
    return true;
}
