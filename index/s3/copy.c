#include "index/s3/copy.h"

#include <string.h>
#include <strings.h>

#include "index/http/conditions.h"
#include "index/s3/buckets.h"
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

static enum s3_error error_of_missing(const struct call *call, const struct copy_source *source)
{
    int rc = bucket_exists(call->s3->objects->store, source->bucket, source->bucket_len);

    if (rc < 0)
        return call_error_of(rc);
    return rc > 0 ? S3_NO_SUCH_KEY : S3_NO_SUCH_BUCKET;
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

enum s3_error copy_find(const struct call *call, struct copy *copy, const char **message)
{
    char bucket[BUCKET_NAME_MAX + 1];
    struct copy_source source;
    enum s3_error error;
    int rc;

    error = copy_source_parse(http_request_header(call->request, HEADER), &source);
    if (error != S3_OK) {
        if (error == S3_INVALID_ARGUMENT)
            *message = "Copy Source must mention the source bucket and key: sourcebucket/sourcekey";
        return error;
    }
    memcpy(bucket, source.bucket, source.bucket_len);
    bucket[source.bucket_len] = '\0';
    if (!call_may(call, ACCESS_READ, bucket, source.key, source.key_len))
        return S3_ACCESS_DENIED;
    set_key(&source, &copy->key);
    rc = objects_look_up(call->s3->objects, &copy->key, &copy->record);
    if (rc == UV_ENOENT || (rc == 0 && (copy->record.flags & RECORD_UNLINKED)))
        return error_of_missing(call, &source);
    return rc < 0 ? call_error_of(rc) : check_conditions(call, &copy->record);
}
