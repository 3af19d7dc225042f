/* Base64 (RFC 4648, section 4), padded and without line breaks. */
#ifndef MKV_BASE_BASE64_H
#define MKV_BASE_BASE64_H

#include <stddef.h>

#define BASE64_SIZE(n) (((n) + 2) / 3 * 4) /* characters that `n` bytes become */

/* Writes BASE64_SIZE(n) characters, without a NUL, and returns their number. */
size_t base64_encode(const void *bytes, size_t n, char *text);

#define BASE64URL_SIZE(n) (((n)*4 + 2) / 3)

/* The same in the alphabet of URLs (section 5), and without padding: BASE64URL_SIZE(n) characters.
 */
size_t base64url_encode(const void *bytes, size_t n, char *text);

/* Decodes `len` characters into `bytes`, which has room for len / 4 * 3, and sets *n. 0, or -EINVAL
 * unless they are just what base64_encode() makes of those bytes; `bytes` is undefined then. */
int base64_decode(const char *text, size_t len, unsigned char *bytes, size_t *n);

#endif
