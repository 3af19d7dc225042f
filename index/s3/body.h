/* The body of a request of S3, as its head announces it (access/payload.h): its bytes without their
 * framing, with whatever was announced verified at its end: hash, signatures, the checksum of a
 * header or a trailer, Content-MD5 where it is asked for here. */
#ifndef MKV_S3_BODY_H
#define MKV_S3_BODY_H

#include "index/access/payload.h"
#include "index/base/md5.h"
#include "index/s3/call.h"
#include "index/s3/checksum.h"

/* Embedded in an operation. */
struct body {
    struct payload payload;
    int64_t length; /* bytes without framing; -1: unknown */
    bool has_md5;   /* Content-MD5 is given, */
    unsigned char md5[MD5_SIZE];
    /* The checksum that is announced; and the body's own after body_end(). */
    enum checksum_kind kind; /* CHECKSUM_NONE: none is */
    unsigned char checksum[CHECKSUM_SIZE_MAX];
    /* The rest is body.c's. */
    bool is_trailer;  /* the checksum comes in the trailer, not in a header */
    bool is_required; /* it isn't announced: body_require() */
    unsigned char announced[CHECKSUM_SIZE_MAX];
    struct checksum running;
    struct md5 running_md5;
    struct s3 *s3;         /* that it is kept by; NULL: it isn't, as one that is an object's */
    LIST_ENTRY(body) link; /* in s3->bodies */
    const struct identity
        *who;    /* who sends it, to be compared and no more; NULL where S3 is open */
    size_t kept; /* bytes */
};

/* Bytes of lists, of parts or of keys to delete, that are held at once for all clients, however
 * slow these are: what a list becomes takes some three times its bytes. */
#define BODY_BYTES_MAX (12UL * 1024 * 1024)
#define BODY_LEAST     (32UL * 1024) /* that a list counts as at least, for its parser */

/* Nobody gets more than half of what is left by the others, so that something is left for one more.
 * A longest list fits where nobody else sends any. */
#define BODY_LONGEST (BODY_BYTES_MAX / 2 - BODY_LEAST)

/* Bytes a second at which such bodies have to come (http_body_reader.least_rate), so that nobody
 * holds for long what others need. */
#define BODY_RATE (16U * 1024)

enum body_use {
    BODY_OF_OBJECT,  /* bytes to keep: whoever keeps them compares their MD5 */
    BODY_OF_REQUEST, /* what the request says */
    BODY_OF_PARTS,   /* the same, but a checksum in the head is of the object that is made */
};

/* Reads what the head announces. S3_OK, and *body, for body_deinit(); or what is wrong with it, and
 * *message, static text or NULL. */
enum s3_error body_init(struct body *body, const struct call *call, enum body_use use,
                        const char **message);
/* May be called again, and for one that is all zero. */
void body_deinit(struct body *body);

/* Has the checksum of that kind computed where none is announced; CHECKSUM_NONE does nothing.
 * S3_OK; or S3_INVALID_REQUEST when one of another kind is announced, and *message. Before the
 * first byte.
 */
enum s3_error body_require(struct body *body, enum checksum_kind kind, const char **message);

/* As payload_next(), but for S3_SLOW_DOWN when more would be kept than there is room for: takes
 * bytes off the front of *at, until there is a piece of the value, or nothing is left: *len is 0.
 * S3_OK, or what is wrong, and *message. */
enum s3_error body_next(struct body *body, const char **at, const char *end, const char **bytes,
                        size_t *len, const char **message);

/* Gives all of these bytes to `add`, without their framing. S3_OK, or what is wrong, also by what
 * `add` says, and *message. */
enum s3_error body_feed(struct body *body, const char *bytes, size_t n,
                        enum s3_error (*add)(void *arg, const char *bytes, size_t n), void *arg,
                        const char **message);

/* It is over. S3_OK: it is what was announced. */
enum s3_error body_end(struct body *body, const char **message);

/* Adds the headers by which a client is told the checksum of what it sent, if it announced one or
 * had to have one. */
void body_add_checksum(const struct body *body, struct http_request *request);

#endif
