/* ListBuckets: those that were created, by name, and then first components of keys that are none of
 * these. */
#ifndef MKV_S3_LIST_BUCKETS_H
#define MKV_S3_LIST_BUCKETS_H

#include "index/http/http.h"
#include "index/s3/respond.h"
#include "index/store/store.h"

/* Answers with the buckets. The headers with the ids were added. */
void list_buckets(struct http_request *request, struct store *store, const struct respond_ids *ids);

#endif
