/* Gives up multipart uploads that were left alone: nothing was added to them for some time. Answers
 * of those that are completed are kept for a day. And parts that have no open upload any more,
 * since mkv died while they were made or removed, go as well. */
#ifndef MKV_S3_UPLOAD_EXPIRY_H
#define MKV_S3_UPLOAD_EXPIRY_H

#include "index/s3/s3.h"

#define UPLOAD_ANSWER_KEPT (24ULL * 60 * 60 * 1000) /* ms */

struct upload_expiry;

/* Looks for them now and then, by a walk that takes a small part of the loop's time, and by
 * s3->upload_expiry_ms. 0 or UV_ENOMEM. */
int upload_expiry_start(uv_loop_t *loop, struct s3 *s3, struct upload_expiry **expiry);

/* Begins nothing more, and fires `cb` from the loop once what was begun has ended; `expiry` is
 * freed just before. */
void upload_expiry_stop(struct upload_expiry *expiry, void (*cb)(void *arg), void *arg);

#endif
