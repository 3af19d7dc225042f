/* GET of a bucket: ListObjects, ListObjectsV2, ListObjectVersions, in which each object is its only
 * version, "null", and ListMultipartUploads. */
#ifndef MKV_S3_LIST_OBJECTS_H
#define MKV_S3_LIST_OBJECTS_H

#include "index/http/http.h"
#include "index/s3/respond.h"
#include "index/store/store.h"

/* Answers with the page that the query asks for, of a bucket that exists. `bucket` is bucket_len
 * bytes, copied; the headers with the ids were added. */
void list_objects(struct http_request *request, struct store *store, const struct respond_ids *ids,
                  const char *bucket, size_t bucket_len);

#endif
