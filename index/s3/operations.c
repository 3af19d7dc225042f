/* Which operation a request of S3 is: by its method, by whether it is about the service, a bucket
 * or an object, and by the sub-resource that its query names. What is named and not served is
 * refused: a client must not believe that a lock or a right is there. */
#include <errno.h>
#include <string.h>

#include "index/base/operation.h"
#include "index/http/meter.h"
#include "index/http/query.h"
#include "index/s3/call.h"
#include "index/s3/copy.h"
#include "index/s3/list_buckets.h"
#include "index/s3/list_objects.h"
#include "index/s3/unsupported.h"

/* What of Amazon's can stand in a query and makes the request another operation. A name that stands
 * before another one here counts when both are there. */
static const char *const subresources[] = {
    "uploadId",
    "uploads",
    "delete",
    "acl",
    "location",
    "versioning",
    "versions",
    "policy",
    "policyStatus",
    "cors",
    "tagging",
    "accelerate",
    "analytics",
    "attributes",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "legal-hold",
    "lifecycle",
    "logging",
    "metadataTable",
    "metrics",
    "notification",
    "object-lock",
    "append",
    "publicAccessBlock",
    "ownershipControls",
    "renameObject",
    "replication",
    "requestPayment",
    "restore",
    "retention",
    "select",
    "session",
    "torrent",
    "website",
};

enum level { SERVICE, BUCKET, OBJECT };

/* What the caller must have a grant for. */
enum need {
    NOTHING, /* or the operation looks itself */
    SIGHT,   /* anything in the bucket */
    CHANGE,  /* to write anything in the bucket; the operation looks at each key */
    READ,
    WRITE,
    BUCKETS,
};

struct row {
    enum http_method method;
    enum level level;
    const char *subresource; /* or NULL */
    enum need need;
    operation_cb run;
    enum operation kind; /* by which it is counted */
};

/* --- Those of other files that want less than a call ------------------------------------------ */

static bool can_list(const struct call *call)
{
    bool is_away = store_is_away(call->s3->objects->store);

    if (is_away)
        call_fail(call, S3_SERVICE_UNAVAILABLE, NULL);
    return !is_away;
}

static void run_list_buckets(const struct call *call)
{
    if (call->auth != NULL && call->auth->scheme == ACCESS_ANONYMOUS)
        call_fail(call, S3_ACCESS_DENIED, NULL);
    else if (can_list(call))
        list_buckets(call->request, call->s3->objects->store, &call->ids, call->auth);
}

/* What is listed begins with the prefix, and so must the grant's. */
static bool may_list(const struct call *call)
{
    size_t len;
    const char *query = http_request_query(call->request, &len);
    char prefix[S3_KEY_MAX];
    size_t prefix_len;

    if (query_find(query, len, "prefix", prefix, sizeof(prefix), &prefix_len) < 0)
        prefix_len = 0;
    return call_may(call, ACCESS_READ, call->target.bucket, prefix, prefix_len);
}

static void list_found(const struct call *call, const struct record *record)
{
    (void)record;
    if (!can_list(call))
        return;
    list_objects(call->request, call->s3->objects->store, &call->ids, call->target.bucket,
                 call->target.bucket_len);
}

static void run_list_objects(const struct call *call)
{
    if (may_list(call))
        call_find_target(call, list_found);
    else
        call_fail(call, S3_ACCESS_DENIED, NULL);
}

/* Where buckets are implicit, one has uploads before it has its first key. */
static void run_list_uploads(const struct call *call)
{
    if (may_list(call))
        call_check_bucket(call, list_found);
    else
        call_fail(call, S3_ACCESS_DENIED, NULL);
}

/* --- The table ---------------------------------------------------------------------------------
 */

static const struct row operations[] = {
    {HTTP_METHOD_GET, SERVICE, NULL, NOTHING, run_list_buckets, S3_LIST_BUCKETS},

    {HTTP_METHOD_GET, BUCKET, NULL, NOTHING, run_list_objects, S3_LIST_OBJECTS},
    {HTTP_METHOD_GET, BUCKET, "versions", NOTHING, run_list_objects, S3_LIST_VERSIONS},
    {HTTP_METHOD_GET, BUCKET, "uploads", NOTHING, run_list_uploads, S3_LIST_UPLOADS},
    {HTTP_METHOD_HEAD, BUCKET, NULL, SIGHT, head_bucket, S3_HEAD_BUCKET},
    {HTTP_METHOD_GET, BUCKET, "location", SIGHT, get_location, S3_GET_BUCKET_PROPERTY},
    {HTTP_METHOD_GET, BUCKET, "acl", SIGHT, get_acl, S3_GET_BUCKET_PROPERTY},
    {HTTP_METHOD_PUT, BUCKET, "acl", WRITE, put_acl, S3_PUT_ACL},
    {HTTP_METHOD_GET, BUCKET, "versioning", SIGHT, get_versioning, S3_GET_BUCKET_PROPERTY},
    {HTTP_METHOD_GET, BUCKET, "policy", SIGHT, get_policy, S3_GET_BUCKET_PROPERTY},
    {HTTP_METHOD_GET, BUCKET, "cors", SIGHT, get_cors, S3_GET_BUCKET_PROPERTY},
    {HTTP_METHOD_GET, BUCKET, "tagging", SIGHT, get_tagging, S3_GET_BUCKET_PROPERTY},

    {HTTP_METHOD_PUT, BUCKET, NULL, BUCKETS, create_bucket, S3_CREATE_BUCKET},
    {HTTP_METHOD_DELETE, BUCKET, NULL, BUCKETS, delete_bucket, S3_DELETE_BUCKET},
    {HTTP_METHOD_POST, BUCKET, "delete", CHANGE, delete_objects, S3_DELETE_OBJECTS},

    {HTTP_METHOD_GET, OBJECT, NULL, READ, get_object, S3_GET_OBJECT},
    {HTTP_METHOD_HEAD, OBJECT, NULL, READ, get_object, S3_HEAD_OBJECT},
    {HTTP_METHOD_PUT, OBJECT, NULL, WRITE, put_object, S3_PUT_OBJECT},
    {HTTP_METHOD_DELETE, OBJECT, NULL, WRITE, delete_object, S3_DELETE_OBJECT},
    {HTTP_METHOD_POST, OBJECT, "uploads", WRITE, create_multipart_upload, S3_CREATE_UPLOAD},
    {HTTP_METHOD_PUT, OBJECT, "uploadId", WRITE, upload_part, S3_UPLOAD_PART},
    {HTTP_METHOD_GET, OBJECT, "uploadId", WRITE, list_parts, S3_LIST_PARTS},
    {HTTP_METHOD_POST, OBJECT, "uploadId", WRITE, complete_multipart_upload, S3_COMPLETE_UPLOAD},
    {HTTP_METHOD_DELETE, OBJECT, "uploadId", WRITE, abort_multipart_upload, S3_ABORT_UPLOAD},
    {HTTP_METHOD_GET, OBJECT, "acl", READ, get_acl, S3_GET_OBJECT_PROPERTY},
    {HTTP_METHOD_PUT, OBJECT, "acl", WRITE, put_acl, S3_PUT_ACL},
    {HTTP_METHOD_GET, OBJECT, "tagging", READ, get_tagging, S3_GET_OBJECT_PROPERTY},
};

#define N_OPERATIONS (sizeof(operations) / sizeof(operations[0]))

/* The sub-resource that the query names, or NULL. */
static const char *find_subresource(const char *query, size_t len)
{
    char none[1];
    size_t n;

    for (size_t i = 0; len > 0 && i < sizeof(subresources) / sizeof(subresources[0]); i++) {
        if (query_find(query, len, subresources[i], none, 0, &n) != -ENOENT)
            return subresources[i];
    }
    return NULL;
}

static enum level level_of(const struct target *target)
{
    if (target->bucket_len == 0)
        return SERVICE;
    return target->key_len == 0 ? BUCKET : OBJECT;
}

static const struct row *find_operation(enum http_method method, enum level level,
                                        const char *subresource)
{
    for (size_t i = 0; i < N_OPERATIONS; i++) {
        const struct row *o = &operations[i];

        if (o->method == method && o->level == level &&
            (subresource == o->subresource || (subresource != NULL && o->subresource != NULL &&
                                               strcmp(subresource, o->subresource) == 0)))
            return o;
    }
    return NULL;
}

/* A version of an object can be named that is its only one. */
static enum s3_error check_version(const char *query, size_t query_len)
{
    char version[8];
    size_t len;
    int rc = query_find(query, query_len, "versionId", version, sizeof(version), &len);

    if (rc == -ENOENT)
        return S3_OK;
    if (rc == 0 && len == 0)
        return S3_INVALID_ARGUMENT;
    return rc == 0 && len == 4 && memcmp(version, "null", 4) == 0 ? S3_OK : S3_NO_SUCH_VERSION;
}

static bool may_run(const struct call *call, enum need need)
{
    static const enum access_right rights[] = {
        [READ] = ACCESS_READ, [WRITE] = ACCESS_WRITE, [BUCKETS] = ACCESS_BUCKETS};
    const struct target *target = &call->target;

    switch (need) {
    case NOTHING:
        return true;
    case SIGHT:
        return call_may_see(call, target->bucket);
    case CHANGE:
        return call_may_somewhere(call, ACCESS_WRITE, target->bucket);
    default:
        return call_may(call, rights[need], target->bucket, target_key(target), target->key_len);
    }
}

/* Amazon takes a streamed payload of PutObject and UploadPart, and of nothing else: what has no
 * body, or a small one, must not be let pass under the announcement of another. */
static enum s3_error check_payload(const struct call *call, const struct row *operation,
                                   const char **message)
{
    const char *payload = http_request_header(call->request, "x-amz-content-sha256");
    const bool uploads = operation->run == put_object || operation->run == upload_part;

    if (payload == NULL || strncmp(payload, "STREAMING-", 10) != 0 ||
        (uploads && !copy_is_wanted(call->request)))
        return S3_OK;
    *message = "A streaming x-amz-content-sha256 is for uploads alone.";
    return S3_INVALID_REQUEST;
}

/* A copy is a PUT with a header more. */
static void count_as(const struct call *call, const struct row *operation)
{
    enum operation kind = operation->kind;

    if (kind == S3_PUT_OBJECT && copy_is_wanted(call->request))
        kind = S3_COPY_OBJECT;
    else if (kind == S3_UPLOAD_PART && copy_is_wanted(call->request))
        kind = S3_UPLOAD_PART_COPY;
    http_request_set_kind(call->request, kind);
}

void call_run(const struct call *call)
{
    enum http_method method = http_request_method(call->request);
    size_t len;
    const char *query = http_request_query(call->request, &len);
    const char *subresource = find_subresource(query, len);
    const struct row *operation = find_operation(method, level_of(&call->target), subresource);
    const char *message = NULL;
    enum s3_error error = S3_OK;

    if (operation != NULL)
        count_as(call, operation);
    if (operation == NULL)
        error = subresource != NULL || method == HTTP_METHOD_POST ? S3_NOT_IMPLEMENTED
                                                                  : S3_METHOD_NOT_ALLOWED;
    else if (!may_run(call, operation->need))
        error = S3_ACCESS_DENIED;
    if (error == S3_OK)
        error = check_payload(call, operation, &message);
    if (error == S3_OK)
        error = unsupported_check(call->request, &message);
    if (error == S3_OK)
        error = check_version(query, len);
    if (error != S3_OK)
        call_fail(call, error, message);
    else
        operation->run(call);
}

/* --- What they share ---------------------------------------------------------------------------
 */

enum s3_error call_error_of(int rc)
{
    switch (rc) {
    case UV_ENOSPC:
        return S3_STORAGE_FULL;
    case UV_ENAMETOOLONG:
        return S3_KEY_TOO_LONG;
    case UV_EBUSY:
        return S3_SLOW_DOWN;
    case UV_EAGAIN:
    case UV_EIO:
    case UV_ENOBUFS:
    case UV_ENOMEM:
    case UV_ETIMEDOUT:
    case STORE_AWAY:
        return S3_SERVICE_UNAVAILABLE;
    default:
        return S3_INTERNAL_ERROR;
    }
}
