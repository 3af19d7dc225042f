/* Buckets. One that was created has a record: the key BUCKET_RECORDS and its name, with an empty
 * value, which is kept as any other. And the first component of a key is a bucket while there are
 * keys in it, as the native API or an S3 without a keys file makes them.
 *
 * A PUT that meets a DeleteBucket: the bucket was empty when its record went, and the PUT's commit
 * comes later. Then the key is in a bucket without a record, which is there as long as the key is.
 * Both were answered that they are done, and nothing is lost. */
#ifndef MKV_S3_BUCKETS_H
#define MKV_S3_BUCKETS_H

#include <stddef.h>

#include "index/base/key.h"
#include "index/store/store.h"

#define BUCKET_RECORDS "/_mkv/s3/bucket/"

/* The key of the record that a bucket of that name has; len is BUCKET_NAME_MAX at most. */
void bucket_record_key(const char *name, size_t len, struct key *key);

/* Whether there is a bucket of that name: 1 or 0, or UV_EIO or UV_ENOMEM. Of a bucket without a
 * record it looks at a bounded number of keys, and says 1 if all of so many are unlinked. */
int bucket_exists(struct store *store, const char *name, size_t len);

/* Whether it has a record. The same, but for UV_ENOMEM. */
int bucket_has_record(struct store *store, const char *name, size_t len);

/* The same of a bucket with a record, and *record if it is 1. */
int bucket_find_record(struct store *store, const char *name, size_t len, struct record *record);

#endif
