/* Percent-encoding (RFC 3986, section 2.1). */
#ifndef MKV_BASE_PERCENT_H
#define MKV_BASE_PERCENT_H

#include <stddef.h>

/* Reads "%XX" at `at`, where `left` bytes are there and the first is the '%'. The byte, or -1 when
 * two hexadecimal digits don't follow. */
int percent_byte(const char *at, size_t left);

#endif
