/* What can be said of a write (PUT, DELETE, UNLINK, REBALANCE) by its head alone. A write that asks
 * for something must not be done without it. */
#ifndef MKV_API_WRITE_HEAD_H
#define MKV_API_WRITE_HEAD_H

#include "index/api/api.h"

/* Looks for what no write can do here. 0, or the status to refuse the request with, and *text. */
int write_head_refuses(struct http_request *request, const char **text);

/* Looks at the request's preconditions, by the ETag that a GET shows and the time of the PUT.
 * `record` is what the key has, NULL for none; the commit must expect just that. A request that
 * would fail anyway must not ask (RFC 9110, section 13.2.1), but for a PUT of a key that exists. 0,
 * or the status to refuse the request with, and *text. */
int write_head_conditions(const struct http_request *request, const struct record *record,
                          const char **text);

#endif
