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
#include "index/s3/bucket_name.h"
#include "index/store/store.h"

#define BUCKET_RECORDS "/_mkv/s3/bucket/"

/* The key of the record that a bucket of that name has; len is BUCKET_NAME_MAX at most. */
void bucket_record_key(const char *name, size_t len, struct key *key);

struct bucket_look;

/* What bucket_find() would have returned at once. Fires once, from the loop. */
typedef void (*bucket_found_cb)(struct bucket_look *look, int rc);

/* Embedded in an operation. */
struct bucket_look {
    void *data; /* the operation's */
    /* The rest is buckets.c's. */
    struct store *store;
    struct store_reading reading;
    bucket_found_cb done;
    char key[sizeof(BUCKET_RECORDS) + BUCKET_NAME_MAX]; /* of the record */
    size_t name_len;
    unsigned left; /* unlinked keys that may still be looked at */
};

/* Whether there is a bucket of that name, BUCKET_NAME_MAX bytes at most: 0; UV_ENOENT, there is
 * none; another error of store_get(); or STORE_LATER, and `done` will fire unless
 * bucket_look_cancel(). Of a bucket without a record it looks at a bounded number of keys, and
 * finds it if all of so many are unlinked. */
int bucket_find(struct bucket_look *look, struct store *store, const char *name, size_t len,
                bucket_found_cb done);

/* Nobody wants to know any more; nothing when nobody does. */
static inline void bucket_look_cancel(struct bucket_look *look)
{
    if (look->store != NULL)
        store_cancel(look->store, &look->reading);
}

#endif
