/* One request of S3 on its way to its operation, and what all operations need. */
#ifndef MKV_S3_CALL_H
#define MKV_S3_CALL_H

#include "index/s3/respond.h"
#include "index/s3/s3.h"
#include "index/s3/target.h"

/* A plain struct, which an operation that answers later copies. */
struct call {
    struct s3 *s3;
    struct http_request *request;
    struct respond_ids ids; /* added to the answer already */
    struct target target;
};

/* An operation answers now, or later after http_read_body() or http_request_hold(). Its target is
 * what the table of operations says, and the caller may do what it asks for. `call` is gone when it
 * returns. */
typedef void (*operation_cb)(const struct call *call);

/* Picks the operation, and runs it: operations.c. */
void call_run(const struct call *call);

/* Answers with an error; `message` is static text, or NULL for the error's own. */
void call_fail(const struct call *call, enum s3_error error, const char *message);

/* What an operation on objects has failed with. */
enum s3_error call_error_of(int rc);

/* Answers that the object isn't there, or its bucket. */
void call_fail_missing(const struct call *call);

/* --- Operations ------------------------------------------------------------------------------ */

void create_bucket(const struct call *call);
void delete_bucket(const struct call *call);
void get_object(const struct call *call);  /* and HEAD */
void head_bucket(const struct call *call); /* stubs.c, as those below */
void get_location(const struct call *call);
void get_acl(const struct call *call);
void put_acl(const struct call *call);
void get_versioning(const struct call *call);
void get_policy(const struct call *call);
void get_cors(const struct call *call);
void get_tagging(const struct call *call);

#endif
