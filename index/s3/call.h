/* One request of S3 on its way to its operation, and what all operations need. */
#ifndef MKV_S3_CALL_H
#define MKV_S3_CALL_H

#include "index/access/access.h"
#include "index/s3/respond.h"
#include "index/s3/s3.h"
#include "index/s3/target.h"

/* A plain struct, which an operation that answers later copies. */
struct call {
    struct s3 *s3;
    struct http_request *request;
    const struct access_auth *auth; /* who calls; gone when the operation returns. NULL: S3 is open
                                       to anybody */
    struct respond_ids ids;         /* added to the answer already */
    struct target target;
};

/* An operation answers now, or later after http_read_body() or http_request_hold(). Its target is
 * what the table of operations says, and the caller may do what that says. `call` is gone when it
 * returns. */
typedef void (*operation_cb)(const struct call *call);

/* Picks the operation, and runs it: operations.c. */
void call_run(const struct call *call);

/* Answers with an error; `message` is static text, or NULL for the error's own. */
void call_fail(const struct call *call, enum s3_error error, const char *message);

/* What an operation on objects has failed with. */
enum s3_error call_error_of(int rc);

/* Whether the bucket is there, or the object; if not, it has answered so. */
bool call_finds_target(const struct call *call);

/* Whether something may be put into the bucket: where there is a keys file, somebody has to create
 * it before; where there is none, a PUT makes one. S3_OK, or why not. */
enum s3_error call_check_bucket(const struct call *call);

/* The same, and whether the target's key can be one of an object's. */
enum s3_error call_check_target(const struct call *call);

/* Answers that the object isn't there, or its bucket. */
void call_fail_missing(const struct call *call);

/* --- Who may do what: authorize.c ------------------------------------------------------------- */

/* Finds out who calls, where S3 isn't open. S3_OK and *auth, for access_auth_deinit(); or what is
 * wrong, and *message, static text. */
enum s3_error call_authenticate(const struct call *call, struct access_auth *auth,
                                const char **message);

/* Whether the caller may do that to a key of a bucket, or to the bucket as a whole when key_len is
 * 0; whether it may do that to anything in the bucket; and whether it may know of the bucket. */
bool call_may(const struct call *call, enum access_right right, const char *bucket, const char *key,
              size_t key_len);
bool call_may_somewhere(const struct call *call, enum access_right right, const char *bucket);
bool call_may_see(const struct call *call, const char *bucket);

/* The request as `access` reads it; borrows it. */
void call_access_request(const struct call *call, struct access_request *request);

/* What S3 calls a failure of `access`. */
enum s3_error call_error_of_access(enum access_result result);

/* --- Operations ------------------------------------------------------------------------------ */

void get_object(const struct call *call); /* and HEAD */
void put_object(const struct call *call);
void copy_object(const struct call *call); /* by put_object() */
void delete_object(const struct call *call);
void delete_objects(const struct call *call);
void create_multipart_upload(const struct call *call);
void upload_part(const struct call *call);
void list_parts(const struct call *call);
void complete_multipart_upload(const struct call *call);
void abort_multipart_upload(const struct call *call);
void create_bucket(const struct call *call); /* bucket_calls.c, as the next */
void delete_bucket(const struct call *call);
void head_bucket(const struct call *call); /* stubs.c, as those below */
void get_location(const struct call *call);
void get_acl(const struct call *call);
void put_acl(const struct call *call); /* put_acl.c */
void get_versioning(const struct call *call);
void get_policy(const struct call *call);
void get_cors(const struct call *call);
void get_tagging(const struct call *call);

#endif
