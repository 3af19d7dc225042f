/* Answers of the S3 API that are the same for every operation: the two ids that each answer has,
 * and errors. */
#ifndef MKV_S3_RESPOND_H
#define MKV_S3_RESPOND_H

#include "index/base/buf.h"
#include "index/http/http.h"
#include "index/s3/error.h"
#include "index/s3/xml_out.h"

/* The names of a request, by which its client and the server's log mean the same one. */
struct respond_ids {
    char request[HTTP_REQUEST_ID_SIZE]; /* http_request_id() */
    char host[HTTP_PROCESS_ID_SIZE];
};

/* Makes the ids of a request. Not for several threads at once. */
void respond_ids_make(struct respond_ids *ids, struct http_request *request);

/* Adds the headers x-amz-request-id and x-amz-id-2. Once a request, before its answer. */
void respond_add_ids(struct http_request *request, const struct respond_ids *ids);

/* Answers with what is in `out`, as XML: 500 instead if that isn't whole. Ends the handler's hold
 * on `request`, as http_respond() does; `out` stays the caller's. */
void respond_xml(struct http_request *request, int status, const struct xml_out *out);

/* Answers with an error; with Retry-After if it is a 503, and without a body if it is
 * S3_NOT_MODIFIED or the request is HEAD. `message`, static text or NULL for the error's own;
 * `ids`, which were added to the answer. The resource is the request's path, as sent. Ends the
 * handler's hold. */
void respond_error(struct http_request *request, const struct respond_ids *ids, enum s3_error error,
                   const char *message);

/* Writes the same error as an element, for the end of an answer whose status is sent already. */
void respond_write_error(struct xml_out *out, const struct respond_ids *ids, enum s3_error error,
                         const char *message, const char *resource, size_t resource_len);

#endif
