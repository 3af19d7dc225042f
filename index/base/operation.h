/* What a client can ask an index for, by which requests are counted: the native API's operations
 * and those of S3. */
#ifndef MKV_BASE_OPERATION_H
#define MKV_BASE_OPERATION_H

enum operation {
    OPERATION_OTHER, /* before it is known: what isn't HTTP, or no request of either API */
    OPERATION_HEALTH,
    NATIVE_GET,
    NATIVE_HEAD,
    NATIVE_PUT,
    NATIVE_DELETE,
    NATIVE_UNLINK,
    NATIVE_REBALANCE,
    NATIVE_LIST,
    NATIVE_OTHER,
    S3_OTHER, /* refused before it was known which, or there is none like that */
    S3_LIST_BUCKETS,
    S3_LIST_OBJECTS,
    S3_LIST_VERSIONS,
    S3_LIST_UPLOADS,
    S3_HEAD_BUCKET,
    S3_GET_BUCKET_PROPERTY, /* location, acl, versioning, policy, cors, tagging */
    S3_PUT_ACL,             /* of a bucket or an object */
    S3_CREATE_BUCKET,
    S3_DELETE_BUCKET,
    S3_DELETE_OBJECTS,
    S3_GET_OBJECT,
    S3_HEAD_OBJECT,
    S3_PUT_OBJECT,
    S3_COPY_OBJECT,
    S3_DELETE_OBJECT,
    S3_CREATE_UPLOAD,
    S3_UPLOAD_PART,
    S3_UPLOAD_PART_COPY,
    S3_LIST_PARTS,
    S3_COMPLETE_UPLOAD,
    S3_ABORT_UPLOAD,
    S3_GET_OBJECT_PROPERTY, /* acl, tagging */
    OPERATIONS
};

/* Labels of metrics, static: "native", "s3", "none"; "get", "PutObject". */
const char *operation_api(enum operation operation);
const char *operation_name(enum operation operation);

#endif
