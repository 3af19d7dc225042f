/* Makes an object of an upload's parts: what CompleteMultipartUpload asks for, and what goes on
 * when its client is gone.
 *
 *     check the list ──▶ join the parts at the volumes ──▶ commit ──▶ parts go
 *
 * One commit makes the object and removes the upload: one that was cut off before it has left the
 * upload as it was, and after it only parts, which upload_expiry.h finds. The object's metadata has
 * the upload's id, so that a client who asks again is answered for as long as it is there. While
 * one runs, others who want to complete the same upload wait for its end, as do those who want to
 * abort it: of the two, the one that began first wins. Of those that other indexes run, and of what
 * else they do to the upload, nothing is seen here: the commits decide, each of which expects the
 * upload's record to be there, and the others find no such upload. */
#ifndef MKV_S3_COMPLETION_H
#define MKV_S3_COMPLETION_H

#include "index/s3/meta.h"
#include "index/s3/multipart.h"

struct completion;

/* Somebody who waits for the end: embedded in an operation, which sets `done`. It fires once,
 * unless completion_leave(): the object is stored, with this metadata; or what is wrong, and
 * `message`, static text or NULL for the error's own. */
struct completion_waiter {
    void (*done)(struct completion_waiter *waiter, enum s3_error error, const char *message,
                 const struct meta *meta);
    LIST_ENTRY(completion_waiter) link;
};

/* What the object is to be, by the request's headers. */
struct completion_wanted {
    enum checksum_kind kind; /* CHECKSUM_NONE: any */
    unsigned char checksum[CHECKSUM_SIZE_MAX];
    bool has_size;
    uint64_t size;
};

/* The completion of the upload that has its record there, if one runs, or NULL. */
struct completion *completion_find(struct s3 *s3, const struct key *upload);

/* Starts to complete the upload of that record by a list of parts that was read whole. S3_OK and
 * *completion, which takes `list` over; or S3_SERVICE_UNAVAILABLE. The request may go afterwards.
 */
enum s3_error completion_start(const struct call *call, const struct multipart *upload,
                               const struct record *record, struct body_complete *list,
                               const struct completion_wanted *wanted,
                               struct completion **completion);

/* Waits for its end; and doesn't any more. */
void completion_wait(struct completion *completion, struct completion_waiter *waiter);
void completion_leave(struct completion_waiter *waiter);

#endif
