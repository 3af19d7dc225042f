/* Headers of S3 that ask for what isn't done here: a lock, a right, encryption. A request must not
 * succeed as if it were. */
#ifndef MKV_S3_UNSUPPORTED_H
#define MKV_S3_UNSUPPORTED_H

#include "index/http/http.h"
#include "index/s3/error.h"

/* S3_OK; or how the request is to be refused, and *message, static text. */
enum s3_error unsupported_headers(const struct http_request *request, const char **message);

#endif
