/* The checksums that S3 keeps of a value beside its ETag: Amazon S3 User Guide, "Checking object
 * integrity". Bytes are in the order in which base64 has them: a CRC's highest first. */
#ifndef MKV_S3_CHECKSUM_H
#define MKV_S3_CHECKSUM_H

#include <openssl/sha.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/base/base64.h"
#include "index/base/sha256.h"

enum checksum_kind {
    CHECKSUM_NONE,
    CHECKSUM_CRC32,
    CHECKSUM_CRC32C,
    CHECKSUM_CRC64NVME,
    CHECKSUM_SHA1,
    CHECKSUM_SHA256,
    CHECKSUM_KINDS
};

#define CHECKSUM_SIZE_MAX 32 /* bytes */

/* Base64, then "-10000" of a composite one, and a NUL. */
#define CHECKSUM_TEXT_MAX (BASE64_SIZE(CHECKSUM_SIZE_MAX) + 6 + 1)

/* Names of a kind, static; none is for CHECKSUM_NONE. */
const char *checksum_name(enum checksum_kind kind);   /* "CRC64NVME", of x-amz-checksum-algorithm */
const char *checksum_header(enum checksum_kind kind); /* "x-amz-checksum-crc64nvme" */
const char *checksum_element(enum checksum_kind kind); /* "ChecksumCRC64NVME", of XML */
const char *checksum_line(enum checksum_kind kind);    /* "crc64nvme", of a record (s3/meta.h) */

/* The kind of that name, header, element or line, in any case but for the last two; or
 * CHECKSUM_NONE. */
enum checksum_kind checksum_of_name(const char *name);
enum checksum_kind checksum_of_header(const char *header);
enum checksum_kind checksum_of_element(const char *element);
enum checksum_kind checksum_of_line(const char *name, size_t len);

/* Whether it is a CRC: one of a whole value can be made of those of its parts. */
bool checksum_is_crc(enum checksum_kind kind);

/* How many bytes it has: CHECKSUM_SIZE_MAX at most. */
size_t checksum_size(enum checksum_kind kind);

/* --- Of bytes as they come. Nothing here can fail. ------------------------------------------- */

struct checksum {
    enum checksum_kind kind;
    union {
        uint64_t crc;
        SHA_CTX sha1;
        struct sha256 sha256;
    } state;
};

/* Not CHECKSUM_NONE. Needs no end: one that isn't finished may be forgotten. */
void checksum_begin(struct checksum *checksum, enum checksum_kind kind);
void checksum_add(struct checksum *checksum, const void *bytes, size_t n);
/* Writes checksum_size() bytes. */
void checksum_finish(struct checksum *checksum, unsigned char bytes[CHECKSUM_SIZE_MAX]);

/* --- Of parts -------------------------------------------------------------------------------- */

/* The CRC of a whole value out of those of its parts. */
struct checksum_join {
    enum checksum_kind kind;
    uint64_t crc;   /* of the parts so far */
    uint64_t len;   /* of the last part, */
    uint64_t shift; /* and what follows from that */
};

/* Of no parts yet. `kind` is a CRC. */
void checksum_join_begin(struct checksum_join *join, enum checksum_kind kind);
/* Adds the next part, `len` bytes, by its own CRC. */
void checksum_join_add(struct checksum_join *join, const unsigned char bytes[CHECKSUM_SIZE_MAX],
                       uint64_t len);
void checksum_join_finish(const struct checksum_join *join, unsigned char bytes[CHECKSUM_SIZE_MAX]);

/* A composite one is the checksum of the checksums of all parts, one after the other:
 * checksum_add() each of them. */

/* --- As text --------------------------------------------------------------------------------- */

/* Writes base64, followed by '-' and the number of parts of a composite one, or by nothing for 0
 * (10,000 at most). */
void checksum_format(enum checksum_kind kind, const unsigned char bytes[CHECKSUM_SIZE_MAX],
                     unsigned n_parts, char text[CHECKSUM_TEXT_MAX]);

/* Reads it; *n_parts is 0 where no '-' follows. 0, or -EINVAL unless it is what checksum_format()
 * writes; the rest is undefined then. */
int checksum_parse(enum checksum_kind kind, const char *text, size_t len,
                   unsigned char bytes[CHECKSUM_SIZE_MAX], unsigned *n_parts);

#endif
