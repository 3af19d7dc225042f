/* Bytes that are to be read by people. */
#ifndef MKV_BASE_TEXT_H
#define MKV_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* The length of the UTF-8 character that begins at `p`, where `left` bytes are, or 0 if none does:
 * overlong forms, surrogates and what is over U+10FFFF are none. */
size_t text_utf8_length(const unsigned char *p, size_t left);

/* Whether all of the `len` bytes are UTF-8. */
bool text_is_utf8(const char *text, size_t len);

/* Writes the `len` bytes of `text` to `out` so that they can neither forge a line nor drive a
 * terminal: control characters (C0, DEL and C1) and what isn't UTF-8 come as \xNN, byte for byte.
 * Returns how many bytes are in `out`, at most `size`; what doesn't fit is left out. No NUL. */
size_t text_printable(const char *text, size_t len, char *out, size_t size);

#endif
