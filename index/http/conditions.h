/* The preconditions of a request, RFC 9110, section 13: If-Match, If-None-Match, If-Modified-Since
 * and If-Unmodified-Since, and what they say of one value. */
#ifndef MKV_HTTP_CONDITIONS_H
#define MKV_HTTP_CONDITIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "index/http/http.h"

/* Section 13.2.2. */
enum conditions_outcome {
    CONDITIONS_HOLD,         /* or there are none */
    CONDITIONS_NOT_MODIFIED, /* of a read: the client has the value */
    CONDITIONS_FAIL,         /* the method must not be performed */
    CONDITIONS_MALFORMED,    /* a list of entity tags isn't one */
};

#define CONDITIONS_NO_TIME INT64_MIN

/* The value that the preconditions are about. */
struct conditions_target {
    const char *etag;     /* strong, with its quotes, borrowed; NULL: there is no value */
    int64_t modified;     /* seconds since 1970; CONDITIONS_NO_TIME: dates are ignored */
    bool takes_bare_tags; /* a tag without quotes is one, too, as clients of S3 send them */
    bool volume_knows; /* A volume will judge the request, too, by an ETag of its own, which has the
                          form of nginx's ("hex-hex"): an If-Match that lists such a tag holds. */
};

/* What one of the two lists of entity tags says. */
struct conditions_tags {
    bool given;
    bool malformed;
    bool star;        /* "*" is in it; */
    unsigned members; /* and then must be alone */
    bool own;         /* the target's tag is in it, weak or strong */
    bool own_strong;
    bool volume; /* a strong tag that has the form of nginx's is in it */
};

struct conditions_date {
    unsigned given; /* how often: more than once is no date */
    bool valid;
    int64_t seconds; /* since 1970 */
};

/* The fields are conditions.c's. */
struct conditions {
    struct conditions_target target;
    struct conditions_tags match;
    struct conditions_tags none_match;
    struct conditions_date modified_since;
    struct conditions_date unmodified_since;
};

/* Begins without any. */
void conditions_init(struct conditions *conditions, const struct conditions_target *target);

/* Takes up one header line; those that are no precondition say nothing. Several lines of a list are
 * one list. */
void conditions_add(struct conditions *conditions, const char *name, const char *value);

/* Takes up all headers of the request. */
void conditions_add_request(struct conditions *conditions, const struct http_request *request);

/* What follows for a GET or a HEAD, or for another method. */
enum conditions_outcome conditions_outcome(const struct conditions *conditions, bool is_read);

#endif
