/* The body of a request, as its head announces it: plain, with its SHA-256 or without; or in
 * aws-chunked, each chunk signed or not, with a checksum after the last one or not.
 *
 * aws-chunked is there if any of these holds: x-amz-content-sha256 begins with "STREAMING-",
 * x-amz-decoded-content-length is there, or Content-Encoding names it (and the body, if
 * x-amz-content-sha256 is a hash, isn't what that is of: then "aws-chunked" is a word that a client
 * put there, and the body is plain). A hash is of the body as it is sent, with its framing.
 *
 *     HEX[;chunk-signature=SIGNATURE]\r\n DATA \r\n    ... and so on, the last one of 0 bytes, then
 *     [x-amz-checksum-NAME:VALUE\r\n [x-amz-trailer-signature:SIGNATURE\r\n]] \r\n
 *
 * A chunk is never held back: its bytes are given on as they come, and its signature is checked
 * when its last byte is there, before any byte of the next chunk. So what was given on is known to
 * be the sender's only once payload_end() says ACCESS_OK: nothing may become visible before that.
 *
 * Sources: "Signature calculations for the Authorization header: transferring payload in multiple
 * chunks" and "... including trailing headers" of the Amazon S3 API reference. */
#ifndef MKV_ACCESS_PAYLOAD_H
#define MKV_ACCESS_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/access/access.h"
#include "index/base/sha256.h"

#define PAYLOAD_LINE_MAX    512 /* bytes of a chunk's head, or of a trailer */
#define PAYLOAD_TRAILER_MAX 64  /* characters of a trailer's name */
#define PAYLOAD_VALUE_MAX   128 /* of its value */

/* Where the next byte belongs: payload.c. */
enum payload_state {
    PAYLOAD_PLAIN,
    PAYLOAD_HEAD,     /* a chunk's head */
    PAYLOAD_DATA,     /* a chunk's bytes */
    PAYLOAD_DATA_END, /* the end of line after them */
    PAYLOAD_TRAILER,  /* lines after the last chunk */
    PAYLOAD_DONE,
    PAYLOAD_FAILED,
};

struct payload {
    /* What the head says; for everybody to read. */
    bool is_chunked;        /* in aws-chunked */
    bool is_streaming;      /* by x-amz-content-sha256: only uploads of objects and parts may be */
    int64_t decoded_length; /* bytes without framing that are announced, -1 for unknown */
    char trailer[PAYLOAD_TRAILER_MAX + 1]; /* the announced one's name, lower-case; "" for none */
    char value[PAYLOAD_VALUE_MAX + 1];     /* what came as its value: after payload_end() */

    /* The rest is payload.c's. */
    enum payload_state state;
    enum access_result failure;
    bool is_hashed;           /* `hash` is to be the body's, as it is sent */
    bool is_verified;         /* chunks are signed, and the key is known */
    bool signs_trailer;       /* x-amz-trailer-signature is to come */
    bool may_be_empty;        /* only Content-Encoding says that it is chunked */
    bool has_begun;           /* a byte came */
    bool has_trailer;         /* `value` came */
    bool lacks_trailer;       /* an empty line came before it */
    bool signature_came;      /* that of the trailer */
    uint64_t decoded;         /* bytes given on */
    uint64_t left;            /* bytes of this chunk */
    struct sha256 sha256;     /* of the body where `is_hashed`, of this chunk where `is_verified` */
    char hash[65];            /* announced */
    char signature[65];       /* of what came last: the next one is made from it */
    char chunk_signature[65]; /* that this chunk claims to have */
    unsigned char key[SHA256_SIZE];
    char date[17];
    char scope[ACCESS_SCOPE_SIZE];
    char line[PAYLOAD_LINE_MAX + 1];
    size_t line_len;
};

/* Reads what the head announces. `auth` is the request's, or NULL where requests aren't
 * authenticated: then signatures of chunks are not verified, all else is. ACCESS_OK and *payload,
 * for payload_deinit(); or ACCESS_BAD_PAYLOAD_HASH, ACCESS_NO_LENGTH, ACCESS_BAD_LENGTH,
 * ACCESS_UNSUPPORTED_PAYLOAD, ACCESS_UNSIGNED_PAYLOAD or ACCESS_BAD_ANNOUNCEMENT. */
enum access_result payload_init(struct payload *payload, const struct access_request *request,
                                const struct access_auth *auth);

/* Wipes. All zero is fine. */
void payload_deinit(struct payload *payload);

/* Takes bytes off the front of `*at`, which ends at `end`, until there is a piece of the value or
 * nothing is left: then *len is 0. *bytes are some of those given. ACCESS_OK; or what is wrong with
 * the body, which stays its result for good: ACCESS_MISMATCH, ACCESS_INCOMPLETE or
 * ACCESS_BAD_TRAILER.
 *
 *     while ((result = payload_next(p, &at, end, &bytes, &len)) == ACCESS_OK && len > 0)
 *         write_data(write, bytes, len);
 */
enum access_result payload_next(struct payload *payload, const char **at, const char *end,
                                const char **bytes, size_t *len);

/* The body is over: ACCESS_OK if it is what was announced, with all signatures and hashes right. Of
 * a trailer only the form is known then: whether `value` is the checksum is the caller's to say.
 * Else as above, or ACCESS_HASH_MISMATCH. */
enum access_result payload_end(struct payload *payload);

#endif
