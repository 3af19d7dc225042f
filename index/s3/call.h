/* One request of S3 on its way to its operation, and what all operations need. */
#ifndef MKV_S3_CALL_H
#define MKV_S3_CALL_H

#include "index/access/access.h"
#include "index/s3/checksum.h"
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
    bool has_waited;         /* for the store: http_request_wait() was called */
    enum checksum_kind kind; /* for the operation to keep while something is looked up */
};

/* What waits for the store before the body of its request is read: embedded. */
struct call_waiter {
    /* The client is gone, as http_body_reader.closed has it. */
    void (*closed)(struct call_waiter *waiter);
};

/* Leaves the call's request alone for now, whose data the waiter is then: until the operation
 * answers, holds it, or reads its body, after it has set its own data; or until the next wait. */
void call_wait(struct call *call, struct call_waiter *waiter);

/* An operation answers now, or later after http_read_body() or http_request_hold(), or looks
 * something up first. Its target is what the table of operations says, and the caller may do what
 * that says. `call` is gone when it returns. */
typedef void (*operation_cb)(const struct call *call);

/* Picks the operation, and runs it: operations.c. */
void call_run(const struct call *call);

/* Answers with an error; `message` is static text, or NULL for the error's own. */
void call_fail(const struct call *call, enum s3_error error, const char *message);

/* What an operation on objects has failed with. */
enum s3_error call_error_of(int rc);

/* --- What is looked up first: call_find.c ----------------------------------------------------- */

/* Goes on with the call, within the look-up or later from the loop, as an operation begins: `call`,
 * which may be another copy, and `record` are gone when it returns. It isn't called when the
 * look-up has failed, which is answered, nor when the client is gone by then. */
typedef void (*call_found_cb)(const struct call *call, const struct record *record);

/* The record of a key; NULL when it has none, or an unlinked one. */
void call_find_record(const struct call *call, const struct key *key, call_found_cb found);

/* The record of an object. One that isn't there is answered, by whether its bucket is, whose name
 * has `len` bytes, at least 1. */
void call_find_object(const struct call *call, const struct key *key, const char *bucket,
                      size_t len, call_found_cb found);

/* The record of the target, likewise; NULL of a bucket that is there. */
void call_find_target(const struct call *call, call_found_cb found);

/* Whether something may be put into the bucket: where there is a keys file, somebody has to create
 * it before; where there is none, a PUT makes one. Goes on if it may, with NULL. */
void call_check_bucket(const struct call *call, call_found_cb found);

/* The same, and whether the target's key can be one of an object's. */
void call_check_target(const struct call *call, call_found_cb found);

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
