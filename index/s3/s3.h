/* What a request of S3 means: the S3 API over the objects. target.h says what a request is about,
 * operations.c which operation it is, call.h what an operation gets. */
#ifndef MKV_S3_S3_H
#define MKV_S3_S3_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "index/http/http.h"
#include "index/objects/objects.h"

struct keys; /* index/access/keys.h */

struct body;
struct completion;

struct s3 {
    struct objects *objects;   /* borrowed */
    struct keys *keys;         /* held; NULL: anybody may do anything */
    const char *domain;        /* a bucket is also at the host BUCKET.DOMAIN; borrowed, or NULL */
    bool protect;              /* only unlinked keys can be deleted */
    bool only_reads;           /* a request that would change something is refused */
    uint64_t upload_expiry_ms; /* after which an upload that is left alone is given up; 0: never */
    LIST_HEAD(body_list, body) bodies; /* that say what is asked for, and are there: s3/body.h */
    LIST_HEAD(completion_list, completion) completions; /* those that run: s3/completion.h */
};

/* Whether it is a request of S3: it came to the port of S3; or to another one with what no request
 * of the native API has, a signature or a header of Amazon's, unless the signature is for the
 * service "mkv", the native API's. */
bool s3_is_wanted(const struct http_request *request);

/* Answers, now or later. */
void s3_handle(struct s3 *s3, struct http_request *request);

#endif
