/* What S3 keeps of an object beside its bytes: lines of a name, '=' and a value, in the record's
 * `meta` and in the attribute of its files (objects/note.h). This alone knows the names:
 *
 *     type cache disposition     headers of the client's, as it sent them: Content-Type,
 *     encoding language expires  Cache-Control, Content-Disposition, -Encoding (without
 *                                aws-chunked), -Language, Expires
 *     x-NAME                     x-amz-meta-NAME, in lower case
 *     etag                       the ETag, where it isn't the value's MD5: "HEX-N" of N parts
 *     parts                      their sizes (s3/parts.h)
 *     crc32 crc32c crc64nvme     a checksum (s3/checksum.h)
 *     sha1 sha256
 *     upload                     the id of the upload that the object comes from
 *
 *     algorithm                  of an upload: the checksum that its object is to have,
 *                                "crc32c", or "crc32c composite"
 *
 *     location                   of a bucket: the region that its client wanted
 *
 * Names are lower-case letters, digits, '-', '_' and '.'; values hold any byte from 0x20 on but
 * 0x7f. A value of no bytes is one. */
#ifndef MKV_S3_META_H
#define MKV_S3_META_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/http/http.h"
#include "index/s3/checksum.h"
#include "index/s3/error.h"
#include "index/store/record.h"

#define META_MAX      RECORD_META_MAX /* bytes of all lines */
#define META_USER_MAX 2048 /* bytes of all x-amz-meta-* names, without that prefix, and values */

/* Of META_MAX, kept from the client's headers for the ETag, a checksum and parts. */
#define META_RESERVED 256

/* Metadata in the making; all zero is none. */
struct meta {
    size_t len;
    char bytes[META_MAX];
};

/* --- Making ---------------------------------------------------------------------------------- */

/* Adds what a request's head says of the object that it makes: its headers, and what is named
 * x-amz-meta-* in its query, where presigned URLs have it. S3_OK; S3_METADATA_TOO_LARGE;
 * S3_INVALID_ARGUMENT for a name or a value that can't be kept, or that is in the head and in the
 * query; or S3_SERVICE_UNAVAILABLE when memory is short. `meta` is undefined on failure. */
enum s3_error meta_add_request(struct meta *meta, const struct http_request *request);

/* Adds those lines of an object's that came from its client's headers: what a copy of it keeps. The
 * same errors. */
enum s3_error meta_add_client_lines(struct meta *meta, const char *bytes, size_t len);

/* Each adds one line, which META_RESERVED has room for: the ETag of an object of `n` parts, without
 * quotes; a checksum, of `n_parts` if it is a composite one, else 0; and last the parts' sizes, or
 * their number alone when they are too many different ones. */
void meta_add_etag(struct meta *meta, const unsigned char md5[RECORD_MD5_SIZE], unsigned n);
void meta_add_checksum(struct meta *meta, enum checksum_kind kind,
                       const unsigned char bytes[CHECKSUM_SIZE_MAX], unsigned n_parts);
void meta_add_parts(struct meta *meta, const uint64_t *sizes, unsigned n);

/* The same, of an upload's own record: the checksum that its object is to have, CHECKSUM_NONE for
 * none. Of the object that is made: which upload it comes from, by its id. */
void meta_add_algorithm(struct meta *meta, enum checksum_kind kind, bool is_composite);
void meta_add_upload(struct meta *meta, const char *id);

/* And of a bucket: the region that its client wanted, 63 characters at most. */
void meta_add_location(struct meta *meta, const char *location);

/* --- Reading: `bytes` and `len` are a record's; what is found is borrowed from there ---------- */

struct meta_line {
    const char *name; /* neither is terminated */
    size_t name_len;
    const char *value;
    size_t value_len;
};

/* The line at offset *at, 0 to begin with, which becomes that of the next. False after the last.
 * What isn't a line is left out. */
bool meta_next(const char *bytes, size_t len, size_t *at, struct meta_line *line);

/* The first line of that name. False: there is none. */
bool meta_find(const char *bytes, size_t len, const char *name, struct meta_line *line);

#define META_HEADER_MAX (sizeof("x-amz-meta-") + META_MAX)

/* The name of the header by which a client is told the line, if it was told so by one: into `name`,
 * terminated. False for any other line. */
bool meta_header(const struct meta_line *line, char name[META_HEADER_MAX]);

/* The checksum that is kept, if any: its kind, and its text as `line`. CHECKSUM_NONE: there is
 * none.
 */
enum checksum_kind meta_checksum(const char *bytes, size_t len, struct meta_line *line);

/* Likewise of an upload's record: which checksum its object is to have. */
enum checksum_kind meta_algorithm(const char *bytes, size_t len, bool *is_composite);

/* Whether a checksum's text is that of a composite one: x-amz-checksum-type COMPOSITE, else
 * FULL_OBJECT. */
bool meta_checksum_is_composite(const struct meta_line *line);

#define META_ETAG_SIZE 48

/* The ETag of an object, with its quotes: what `etag` says, else the record's MD5, else, where mkv
 * computes none, the one that the native API gives. */
void meta_etag(const char *bytes, size_t len, const struct record *record,
               char etag[META_ETAG_SIZE]);

#endif
