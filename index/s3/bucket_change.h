/* Creating and removing a bucket (buckets.h). */
#ifndef MKV_S3_BUCKET_CHANGE_H
#define MKV_S3_BUCKET_CHANGE_H

#include "index/s3/s3.h"

struct bucket_change;

/* How it ended: 0, or a negative error. Fires once, from the loop, and never inside the call that
 * starts the change, which is gone then. */
typedef void (*bucket_change_cb)(void *arg, int rc);

/* Creates a bucket, at a location that its client is told again, "" for none. 0 and *change;
 * UV_EEXIST, it has a record already; or as bucket_change_cb, which has what write_done_cb says,
 * but 0 for a bucket that turns out later to have one. */
int bucket_create(struct s3 *s3, const char *name, size_t len, const char *location,
                  bucket_change_cb done, void *arg, struct bucket_change **change);

/* Removes a bucket without keys. Uploads to it that are open are aborted first; one that is about
 * to be completed has its end before. 0 and *change; or as bucket_change_cb, which has: UV_ENOENT,
 * there is no such bucket; -ENOTEMPTY, it has keys; or what store_commit_cb says. */
int bucket_remove(struct s3 *s3, const char *name, size_t len, bucket_change_cb done, void *arg,
                  struct bucket_change **change);

/* Nobody wants to know any more: `done` doesn't fire. The change goes on. */
void bucket_change_forget(struct bucket_change *change);

#endif
