#include "index/base/operation.h"

static const char *const names[OPERATIONS] = {
    [OPERATION_OTHER] = "other",
    [OPERATION_HEALTH] = "health",
    [NATIVE_GET] = "get",
    [NATIVE_HEAD] = "head",
    [NATIVE_PUT] = "put",
    [NATIVE_DELETE] = "delete",
    [NATIVE_UNLINK] = "unlink",
    [NATIVE_REBALANCE] = "rebalance",
    [NATIVE_LIST] = "list",
    [NATIVE_OTHER] = "other",
    [S3_OTHER] = "other",
    [S3_LIST_BUCKETS] = "ListBuckets",
    [S3_LIST_OBJECTS] = "ListObjects",
    [S3_LIST_VERSIONS] = "ListObjectVersions",
    [S3_LIST_UPLOADS] = "ListMultipartUploads",
    [S3_HEAD_BUCKET] = "HeadBucket",
    [S3_GET_BUCKET_PROPERTY] = "GetBucketProperty",
    [S3_PUT_ACL] = "PutAcl",
    [S3_CREATE_BUCKET] = "CreateBucket",
    [S3_DELETE_BUCKET] = "DeleteBucket",
    [S3_DELETE_OBJECTS] = "DeleteObjects",
    [S3_GET_OBJECT] = "GetObject",
    [S3_HEAD_OBJECT] = "HeadObject",
    [S3_PUT_OBJECT] = "PutObject",
    [S3_COPY_OBJECT] = "CopyObject",
    [S3_DELETE_OBJECT] = "DeleteObject",
    [S3_CREATE_UPLOAD] = "CreateMultipartUpload",
    [S3_UPLOAD_PART] = "UploadPart",
    [S3_UPLOAD_PART_COPY] = "UploadPartCopy",
    [S3_LIST_PARTS] = "ListParts",
    [S3_COMPLETE_UPLOAD] = "CompleteMultipartUpload",
    [S3_ABORT_UPLOAD] = "AbortMultipartUpload",
    [S3_GET_OBJECT_PROPERTY] = "GetObjectProperty",
};

const char *operation_api(enum operation operation)
{
    if (operation < NATIVE_GET)
        return "none";
    return operation < S3_OTHER ? "native" : "s3";
}

const char *operation_name(enum operation operation)
{
    return names[operation];
}
