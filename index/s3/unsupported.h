/* What a request of S3 may ask for that isn't done here: a lock, a right, encryption. It must not
 * succeed as if it were. Clients that presign put headers in the query, and then S3 takes the
 * parameter for the header; here a copy's source and metadata count as headers alone. */
#ifndef MKV_S3_UNSUPPORTED_H
#define MKV_S3_UNSUPPORTED_H

#include "index/http/http.h"
#include "index/s3/error.h"

/* Looks at the headers and the query. S3_OK; or how the request is to be refused, and *message,
 * static text. */
enum s3_error unsupported_check(const struct http_request *request, const char **message);

#endif
