/* Percent-encoding (RFC 3986, section 2.1). */
#ifndef MKV_BASE_PERCENT_H
#define MKV_BASE_PERCENT_H

#include <stddef.h>

/* Reads "%XX" at `at`, where `left` bytes are there and the first is the '%'. The byte, or -1 when
 * two hexadecimal digits don't follow. */
int percent_byte(const char *at, size_t left);

/* Decodes the `len` bytes of `text` into `out`, which has room for `size` and may be `text`; a
 * '+' is a plus. 0 and *out_len; -EINVAL for a '%' that no two digits follow, or a NUL, however it
 * is written; or -EMSGSIZE. On failure *out_len is untouched, and what `out` holds is undefined. */
int percent_decode(const char *text, size_t len, char *out, size_t size, size_t *out_len);

#endif
