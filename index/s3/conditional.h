/* What a key must have for it to be written or removed: the request's preconditions, and with
 * --protect, that it was unlinked before. */
#ifndef MKV_S3_CONDITIONAL_H
#define MKV_S3_CONDITIONAL_H

#include "index/s3/call.h"

/* Whether there is anything to check. */
bool conditional_is_needed(const struct call *call);

/* Whether a key with that record, NULL for none, may get a value: 0, or a negative error that
 * conditional_error_of() knows. */
int conditional_check(const struct call *call, const struct record *record);

/* The preconditions of a request that may be gone when they are asked about. */
struct conditional {
    bool protect;
    struct buf headers; /* a name and a value each, with their NULs */
};

/* Keeps those of the request. 0, and `kept` is for conditional_deinit(), or UV_ENOMEM. */
int conditional_keep(const struct call *call, struct conditional *kept);
void conditional_deinit(struct conditional *kept);

/* As conditional_is_needed() and conditional_check(). */
bool conditional_is_needed_kept(const struct conditional *kept);
int conditional_check_kept(const struct conditional *kept, const struct record *record);

/* Of conditional_check(), and of a write or change that was refused. */
enum s3_error conditional_error_of(int rc);

/* Whether the request's target can be an object: its key is one, and its bucket is there. S3_OK, or
 * why not. */
enum s3_error conditional_check_target(const struct call *call);

#endif
