/* What goes wrong with a request of the S3 API: Amazon S3 API Reference, "Error responses". The
 * room's codecs return these, too: S3_OK is 0, so `if (error)` reads as with any other code. */
#ifndef MKV_S3_ERROR_H
#define MKV_S3_ERROR_H

enum s3_error {
    S3_OK,
    S3_ACCESS_DENIED,
    S3_AUTHORIZATION_HEADER_MALFORMED,
    S3_AUTHORIZATION_QUERY_PARAMETERS,
    S3_BAD_DIGEST,
    S3_BUCKET_NOT_EMPTY,
    S3_ENTITY_TOO_LARGE,
    S3_ENTITY_TOO_SMALL,
    S3_ILLEGAL_LOCATION_CONSTRAINT,
    S3_INCOMPLETE_BODY,
    S3_INTERNAL_ERROR,
    S3_INVALID_ACCESS_KEY_ID,
    S3_INVALID_ARGUMENT,
    S3_INVALID_BUCKET_NAME,
    S3_INVALID_DIGEST,
    S3_INVALID_PART,
    S3_INVALID_PART_ORDER,
    S3_INVALID_RANGE,
    S3_INVALID_REQUEST,
    S3_INVALID_STORAGE_CLASS,
    S3_INVALID_URI,
    S3_KEY_TOO_LONG,
    S3_MALFORMED_TRAILER,
    S3_MALFORMED_XML,
    S3_METADATA_TOO_LARGE,
    S3_METHOD_NOT_ALLOWED,
    S3_MISSING_CONTENT_LENGTH,
    S3_MISSING_REQUEST_BODY,
    S3_NO_SUCH_BUCKET,
    S3_NO_SUCH_BUCKET_POLICY,
    S3_NO_SUCH_CORS_CONFIGURATION,
    S3_NO_SUCH_KEY,
    S3_NO_SUCH_UPLOAD,
    S3_NO_SUCH_VERSION,
    S3_NOT_IMPLEMENTED,
    S3_NOT_MODIFIED, /* 304, which has no body */
    S3_PRECONDITION_FAILED,
    S3_REQUEST_TIME_TOO_SKEWED,
    S3_SERVICE_UNAVAILABLE, /* 503, as the next: with Retry-After */
    S3_SIGNATURE_DOES_NOT_MATCH,
    S3_SLOW_DOWN,
    S3_STORAGE_FULL, /* none of Amazon's */
    S3_X_AMZ_CONTENT_SHA256_MISMATCH,
    S3_ERRORS /* how many there are */
};

/* How one is told to a client. */
struct s3_error_form {
    const char *code;
    int status;          /* of HTTP */
    const char *message; /* for people, where a request has no better one */
};

/* The form of an error, but S3_OK, which has none. Static. */
const struct s3_error_form *s3_error_form(enum s3_error error);

#endif
