/* Bytes as lower-case hexadecimal digits. */
#ifndef MKV_BASE_HEX_H
#define MKV_BASE_HEX_H

#include <stdbool.h>
#include <stddef.h>

/* Writes 2 * `n` digits and a NUL. */
void hex_write(const unsigned char *bytes, size_t n, char *out);

/* Reads the digits of `n` bytes. False unless `text` is just that many lower-case ones, and then
 * `bytes` is undefined. */
bool hex_read(const char *text, unsigned char *bytes, size_t n);

#endif
