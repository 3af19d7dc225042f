#include "index/s3/write_conditions.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "index/http/conditions.h"
#include "index/s3/meta.h"

static bool is_condition(const char *name)
{
    return strncasecmp(name, "If-", 3) == 0;
}

static bool has_conditions(const struct http_request *request)
{
    const char *name;

    for (unsigned i = 0; http_request_header_at(request, i, &name) != NULL; i++) {
        if (is_condition(name))
            return true;
    }
    return false;
}

bool write_conditions_exist(const struct call *call)
{
    return call->s3->protect || has_conditions(call->request);
}

typedef void (*add_fn)(struct conditions *conditions, const void *arg);

static int check(const struct record *record, bool protect, add_fn add, const void *arg)
{
    struct conditions_target target = {.takes_bare_tags = true};
    struct conditions conditions;
    char etag[META_ETAG_SIZE];

    if (record != NULL) {
        meta_etag(record->meta, record->meta_len, record, etag);
        target.etag = etag;
        target.modified = (int64_t)(record->time / 1000);
    }
    conditions_init(&conditions, &target);
    add(&conditions, arg);
    switch (conditions_outcome(&conditions, false)) {
    case CONDITIONS_MALFORMED:
        return UV_EINVAL;
    case CONDITIONS_FAIL: /* as S3 says it of an object that isn't there */
        return record == NULL && conditions.match.given ? UV_ENOENT : UV_ECANCELED;
    case CONDITIONS_HOLD:
    case CONDITIONS_NOT_MODIFIED:
        break;
    }
    return record != NULL && protect ? UV_EPERM : 0;
}

static void add_request(struct conditions *conditions, const void *arg)
{
    conditions_add_request(conditions, arg);
}

int write_conditions_check(const struct call *call, const struct record *record)
{
    return check(record, call->s3->protect, add_request, call->request);
}

/* --- Kept ones ------------------------------------------------------------------------------- */

int write_conditions_keep(const struct call *call, struct write_conditions *kept)
{
    const char *name;
    const char *value;

    *kept = (struct write_conditions){.protect = call->s3->protect};
    for (unsigned i = 0; (value = http_request_header_at(call->request, i, &name)) != NULL; i++) {
        if (is_condition(name) && (buf_append(&kept->headers, name, strlen(name) + 1) < 0 ||
                                   buf_append(&kept->headers, value, strlen(value) + 1) < 0)) {
            write_conditions_deinit(kept);
            return UV_ENOMEM;
        }
    }
    return 0;
}

void write_conditions_deinit(struct write_conditions *kept)
{
    buf_deinit(&kept->headers);
}

static void add_kept(struct conditions *conditions, const void *arg)
{
    const struct buf *headers = arg;
    const char *at = buf_bytes(headers);
    const char *end = at + buf_size(headers);

    while (at < end) {
        const char *value = at + strlen(at) + 1;

        conditions_add(conditions, at, value);
        at = value + strlen(value) + 1;
    }
}

bool write_conditions_exist_kept(const struct write_conditions *kept)
{
    return kept->protect || buf_size(&kept->headers) > 0;
}

int write_conditions_check_kept(const struct write_conditions *kept, const struct record *record)
{
    return check(record, kept->protect, add_kept, &kept->headers);
}

enum s3_error write_conditions_error_of(int rc)
{
    switch (rc) {
    case UV_EPERM:
        return S3_ACCESS_DENIED;
    case UV_EINVAL:
        return S3_INVALID_ARGUMENT;
    case UV_ENOENT:
        return S3_NO_SUCH_KEY;
    case UV_ECANCELED:
    case STORE_CONFLICT: /* a later value came: the condition was about another one */
        return S3_PRECONDITION_FAILED;
    default:
        return call_error_of(rc);
    }
}
