#include "index/s3/error.h"

#include <assert.h>
#include <stddef.h>

static const struct s3_error_form forms[S3_ERRORS] = {
    [S3_ACCESS_DENIED] = {"AccessDenied", 403, "Access Denied"},
    [S3_AUTHORIZATION_HEADER_MALFORMED] = {"AuthorizationHeaderMalformed", 400,
                                           "The authorization header is malformed."},
    [S3_AUTHORIZATION_QUERY_PARAMETERS] = {"AuthorizationQueryParametersError", 400,
                                           "The query parameters of the signature are not valid."},
    [S3_BAD_DIGEST] =
        {"BadDigest", 400,
         "The Content-MD5 or checksum you specified did not match what was received."},
    [S3_BUCKET_NOT_EMPTY] = {"BucketNotEmpty", 409, "The bucket you tried to delete is not empty."},
    [S3_ENTITY_TOO_LARGE] = {"EntityTooLarge", 400,
                             "Your upload exceeds the largest size that is allowed."},
    [S3_ENTITY_TOO_SMALL] = {"EntityTooSmall", 400,
                             "A part other than the last is smaller than 5 MiB."},
    [S3_ILLEGAL_LOCATION_CONSTRAINT] = {"IllegalLocationConstraintException", 400,
                                        "The specified location constraint is not valid."},
    [S3_INCOMPLETE_BODY] = {"IncompleteBody", 400,
                            "The body has not the number of bytes that its headers announce."},
    [S3_INTERNAL_ERROR] = {"InternalError", 500, "An internal error occurred. Try again."},
    [S3_INVALID_ACCESS_KEY_ID] = {"InvalidAccessKeyId", 403,
                                  "The access key that you provided is not known here."},
    [S3_INVALID_ARGUMENT] = {"InvalidArgument", 400, "An argument is not valid."},
    [S3_INVALID_BUCKET_NAME] = {"InvalidBucketName", 400, "The specified bucket is not valid."},
    [S3_INVALID_DIGEST] = {"InvalidDigest", 400,
                           "The Content-MD5 or checksum you specified is not valid."},
    [S3_INVALID_PART] = {"InvalidPart", 400,
                         "A part was not found, or its entity tag is another than its own."},
    [S3_INVALID_PART_ORDER] = {"InvalidPartOrder", 400,
                               "The list of parts is not in ascending order of part numbers."},
    [S3_INVALID_RANGE] = {"InvalidRange", 416, "The requested range is not satisfiable."},
    [S3_INVALID_REQUEST] = {"InvalidRequest", 400, "The request is not valid."},
    [S3_INVALID_STORAGE_CLASS] = {"InvalidStorageClass", 400,
                                  "The storage class you specified is not valid."},
    [S3_INVALID_URI] = {"InvalidURI", 400, "Couldn't parse the specified URI."},
    [S3_KEY_TOO_LONG] = {"KeyTooLongError", 400,
                         "Your key is too long: 1,024 bytes at most, and less where volumes have "
                         "file systems with short names."},
    [S3_MALFORMED_TRAILER] = {"MalformedTrailerError", 400,
                              "The trailer is missing or has not the form that was announced."},
    [S3_MALFORMED_XML] = {"MalformedXML", 400,
                          "The XML you provided is not well-formed, or has not the form of this "
                          "request's."},
    [S3_METADATA_TOO_LARGE] = {"MetadataTooLarge", 400,
                               "Your metadata headers exceed the largest size that is allowed."},
    [S3_METHOD_NOT_ALLOWED] = {"MethodNotAllowed", 405,
                               "The specified method is not allowed against this resource."},
    [S3_MISSING_CONTENT_LENGTH] = {"MissingContentLength", 411,
                                   "You must provide the Content-Length header."},
    [S3_MISSING_REQUEST_BODY] = {"MissingRequestBodyError", 400, "The request has no body."},
    [S3_NO_SUCH_BUCKET] = {"NoSuchBucket", 404, "The specified bucket does not exist."},
    [S3_NO_SUCH_BUCKET_POLICY] = {"NoSuchBucketPolicy", 404, "The bucket has no policy."},
    [S3_NO_SUCH_CORS_CONFIGURATION] = {"NoSuchCORSConfiguration", 404,
                                       "The bucket has no CORS configuration."},
    [S3_NO_SUCH_KEY] = {"NoSuchKey", 404, "The specified key does not exist."},
    [S3_NO_SUCH_UPLOAD] = {"NoSuchUpload", 404,
                           "The upload does not exist. It may have been aborted or completed."},
    [S3_NO_SUCH_VERSION] = {"NoSuchVersion", 404, "The specified version does not exist."},
    [S3_NOT_IMPLEMENTED] = {"NotImplemented", 501,
                            "The request asks for something that is not implemented."},
    [S3_NOT_MODIFIED] = {"NotModified", 304, "Not Modified"},
    [S3_PRECONDITION_FAILED] = {"PreconditionFailed", 412,
                                "At least one of the preconditions you specified did not hold."},
    [S3_REQUEST_TIME_TOO_SKEWED] = {"RequestTimeTooSkewed", 403,
                                    "The request's time and the server's differ too much."},
    [S3_SERVICE_UNAVAILABLE] = {"ServiceUnavailable", 503, "Please try again later."},
    [S3_SIGNATURE_DOES_NOT_MATCH] = {"SignatureDoesNotMatch", 403,
                                     "The signature that was calculated here is another than the "
                                     "one you provided. Check your key and signing method."},
    [S3_SLOW_DOWN] = {"SlowDown", 503, "Please reduce your request rate."},
    [S3_STORAGE_FULL] = {"StorageFull", 507, "The storage has no room for this."},
    [S3_X_AMZ_CONTENT_SHA256_MISMATCH] = {"XAmzContentSHA256Mismatch", 400,
                                          "The body's SHA-256 is another than the header "
                                          "x-amz-content-sha256 says."},
};

const struct s3_error_form *s3_error_form(enum s3_error error)
{
    assert(error > S3_OK && error < S3_ERRORS && forms[error].code != NULL);
    return &forms[error];
}
