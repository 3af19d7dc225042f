/* ListBuckets: those that were created, by name, and then first components of keys that are none of
 * these. */
#ifndef MKV_S3_LIST_BUCKETS_H
#define MKV_S3_LIST_BUCKETS_H

#include "index/access/access.h"
#include "index/http/http.h"
#include "index/s3/respond.h"
#include "index/store/store.h"

/* Answers with the buckets that the caller may know of; all of them where `auth` is NULL. The
 * headers with the ids were added. */
void list_buckets(struct http_request *request, struct store *store, const struct respond_ids *ids,
                  const struct access_auth *auth);

#endif
