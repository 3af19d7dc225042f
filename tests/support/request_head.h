/* A request with headers and no connection, for what only looks at headers. */
#ifndef MKV_TESTS_REQUEST_HEAD_H
#define MKV_TESTS_REQUEST_HEAD_H

#include "index/http/internal.h"

/* Makes `request` one of that target, with the headers that `lines` has: a name, ':' and the value,
 * each line ended by a newline; no more than a client may send. Needs request_head_deinit(). */
void request_head_init(struct http_request *request, const char *target, const char *lines,
                       size_t n);
void request_head_deinit(struct http_request *request);

#endif
