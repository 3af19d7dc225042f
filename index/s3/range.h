/* The header Range (RFC 9110, section 14.2) as S3 reads it: one range of bytes, or the whole. */
#ifndef MKV_S3_RANGE_H
#define MKV_S3_RANGE_H

#include <stdint.h>

/* Bytes of a value. */
struct range {
    uint64_t first;
    uint64_t length;
};

enum range_outcome {
    RANGE_WHOLE,         /* 200: no range, several, one of another unit, or what isn't one */
    RANGE_PART,          /* 206: these bytes, at least one */
    RANGE_UNSATISFIABLE, /* 416: none of these bytes is there */
};

/* What the header, which may be NULL, means for a value of `size` bytes. *range is set in any case:
 * to the whole where it isn't a part. */
enum range_outcome range_of(const char *header, uint64_t size, struct range *range);

#define RANGE_TEXT_MAX 80 /* with its NUL */

/* Writes the value of Content-Range: "bytes 0-4/10", or "bytes *" "/10" where `range` is NULL. */
void range_content(const struct range *range, uint64_t size, char text[RANGE_TEXT_MAX]);

/* Reads "bytes=FIRST-LAST" and nothing else, as x-amz-copy-source-range has it: FIRST is LAST at
 * most. 0 or -EINVAL. */
int range_parse_exact(const char *text, uint64_t *first, uint64_t *last);

#endif
