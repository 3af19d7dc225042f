/* What a key must have for it to be written or removed: the request's preconditions, and with
 * --protect, that it was unlinked before. */
#ifndef MKV_S3_WRITE_CONDITIONS_H
#define MKV_S3_WRITE_CONDITIONS_H

#include "index/s3/call.h"

/* Whether there is anything to check. */
bool write_conditions_exist(const struct call *call);

/* Whether a key with that record, NULL for none, may get a value: 0, or a negative error that
 * write_conditions_error_of() knows. */
int write_conditions_check(const struct call *call, const struct record *record);

/* The preconditions of a request that may be gone when they are asked about. */
struct write_conditions {
    bool protect;
    struct buf headers; /* a name and a value each, with their NULs */
};

/* Keeps those of the request. 0, and `kept` is for write_conditions_deinit(), or UV_ENOMEM. */
int write_conditions_keep(const struct call *call, struct write_conditions *kept);
void write_conditions_deinit(struct write_conditions *kept);

/* As write_conditions_exist() and write_conditions_check(). */
bool write_conditions_exist_kept(const struct write_conditions *kept);
int write_conditions_check_kept(const struct write_conditions *kept, const struct record *record);

/* Of write_conditions_check(), and of a write or change that was refused. */
enum s3_error write_conditions_error_of(int rc);

#endif
