/* Gives up multipart uploads that were left alone: nothing was added to them for some time. Parts
 * without an upload go at once: it was given up, or mkv has died before it had removed them. */
#ifndef MKV_S3_UPLOAD_EXPIRY_H
#define MKV_S3_UPLOAD_EXPIRY_H

#include "index/s3/s3.h"

struct upload_expiry;

/* Looks for them at the start, and then once an hour or more often, by a walk that takes a small
 * part of the loop's time, and by s3->upload_expiry_ms. 0 or UV_ENOMEM. */
int upload_expiry_start(uv_loop_t *loop, struct s3 *s3, struct upload_expiry **expiry);

/* Begins nothing more, and fires `cb` from the loop once what was begun has ended; `expiry` is
 * freed just before. */
void upload_expiry_stop(struct upload_expiry *expiry, void (*cb)(void *arg), void *arg);

#endif
