/* Who sends a request: authentication by AWS Signature Version 4 or, of S3, 2, in the header
 * Authorization or in the query; of the native API also by the secret itself, as Basic or Bearer;
 * or by nothing at all. What the sender may do then, keys.h tells; what a body has to be,
 * payload.h.
 *
 * Sources: "Authenticating Requests (AWS Signature Version 4)" and "Signing and authenticating REST
 * requests" (version 2) of the Amazon S3 API reference and developer guide; RFC 7617 (Basic) and
 * RFC 6750 (Bearer). */
#ifndef MKV_ACCESS_H
#define MKV_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/access/keys.h"

#define ACCESS_SKEW        (15 * 60)          /* seconds that a client's clock may be off */
#define ACCESS_EXPIRES_MAX (7 * 24 * 60 * 60) /* seconds that a presigned URL (version 4) lasts */
#define ACCESS_REGION_MAX  64                 /* characters of a region's name */

/* "20130524/us-east-1/mkv/aws4_request", and a NUL. */
#define ACCESS_SCOPE_SIZE (9 + ACCESS_REGION_MAX + sizeof("/mkv/aws4_request"))

/* How it went. The comments have the code of S3's error; access_result_text() has the message. */
enum access_result {
    ACCESS_OK,
    /* Of authentication: */
    ACCESS_UNKNOWN_KEY,      /* InvalidAccessKeyId */
    ACCESS_MISMATCH,         /* SignatureDoesNotMatch; of a chunk, too */
    ACCESS_SKEWED,           /* RequestTimeTooSkewed */
    ACCESS_EXPIRED,          /* AccessDenied: a presigned URL is past its time */
    ACCESS_NOT_YET,          /* AccessDenied: a presigned URL of the future */
    ACCESS_BAD_EXPIRES,      /* AuthorizationQueryParametersError by AWS; AccessDenied by Ceph */
    ACCESS_NO_DATE,          /* AccessDenied: no date, or none that can be read */
    ACCESS_UNSIGNED_HEADER,  /* AccessDenied: x-amz-... or Host is not signed */
    ACCESS_BAD_HEADER,       /* AuthorizationHeaderMalformed */
    ACCESS_BAD_QUERY,        /* AuthorizationQueryParametersError */
    ACCESS_TWO_SIGNATURES,   /* InvalidArgument: in the header, and in the query */
    ACCESS_UNKNOWN_SCHEME,   /* InvalidRequest: neither version */
    ACCESS_BAD_PAYLOAD_HASH, /* InvalidArgument: x-amz-content-sha256 isn't what it can be */
    /* Of the native API alone: */
    ACCESS_BAD_SECRET, /* Basic or Bearer: no such key, or another secret */
    ACCESS_BAD_WORD,   /* what follows Basic or Bearer isn't ACCESS:SECRET */
    ACCESS_IN_CLEAR,   /* Basic or Bearer came where others can read it */
    /* Of a body: */
    ACCESS_HASH_MISMATCH,       /* XAmzContentSHA256Mismatch */
    ACCESS_NO_LENGTH,           /* MissingContentLength: no x-amz-decoded-content-length */
    ACCESS_BAD_LENGTH,          /* InvalidArgument: x-amz-decoded-content-length is no number */
    ACCESS_UNSUPPORTED_PAYLOAD, /* NotImplemented: signed by elliptic curves */
    ACCESS_UNSIGNED_PAYLOAD,    /* InvalidRequest: signed chunks of a request that isn't by v4 */
    ACCESS_BAD_ANNOUNCEMENT,    /* InvalidRequest: x-amz-trailer names what can't be one */
    ACCESS_INCOMPLETE,          /* IncompleteBody: framing is wrong, or lengths differ */
    ACCESS_BAD_TRAILER,         /* MalformedTrailerError */
    ACCESS_NO_MEMORY,           /* InternalError, or ServiceUnavailable */
};

/* One line for people, static. */
const char *access_result_text(enum access_result result);

/* Which API a request is of. A signature of version 4 names it as the service. */
enum access_service {
    ACCESS_S3,     /* "s3" */
    ACCESS_NATIVE, /* "mkv" */
};

/* A request as it came. All is borrowed. */
struct access_request {
    enum access_service service;
    bool is_confidential; /* nobody else can have read it: TLS, or this machine. Basic and Bearer
                             need it. */
    const char *method;   /* "GET" */
    const char *path;     /* as sent: percent-encoded, from its '/' on; not terminated */
    size_t path_len;
    const char *query; /* as sent, after the '?'; not terminated; NULL for none */
    size_t query_len;
    const char *host_bucket; /* the bucket that the host's name has, NULL where the path has it */
    const char *(*header_at)(const void *arg, unsigned index,
                             const char **name); /* the value and
                                                  *name of the header at `index`, in the order they
                                                  *came; NULL after the last one */
    const void *arg;                             /* of header_at */
    int64_t now;                                 /* seconds since 1970 */
};

enum access_scheme { ACCESS_ANONYMOUS, ACCESS_V2, ACCESS_V4, ACCESS_PLAIN };

/* What is known of the sender. The fields from `presigned` on are for payload.c. */
struct access_auth {
    const struct identity *who; /* valid while `keys` is held */
    struct keys *keys;          /* held */
    enum access_scheme scheme;
    bool presigned; /* the signature is in the query */
    unsigned char signing_key[32];
    char signature[65];            /* version 4: of the head, from which chunks go on */
    char date[17];                 /* "20130524T000000Z" */
    char scope[ACCESS_SCOPE_SIZE]; /* of the credential */
    char payload[68];              /* x-amz-content-sha256 */
};

/* Finds out who sends the request. ACCESS_OK and *auth, for access_auth_deinit(); a request without
 * a signature is of keys_anonymous(). Else *auth is untouched. A signature holds for the head
 * alone: payload.h has the rest. */
enum access_result access_authenticate(struct keys *keys, const struct access_request *request,
                                       struct access_auth *auth);

/* Wipes, and lets go of the keys. All zero is fine. */
void access_auth_deinit(struct access_auth *auth);

#endif
