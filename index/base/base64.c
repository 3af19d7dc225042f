#include "index/base/base64.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t base64_encode(const void *bytes, size_t n, char *text)
{
    const unsigned char *in = bytes;
    char *out = text;

    for (; n > 0; in += 3, out += 4) {
        size_t here = n < 3 ? n : 3;
        uint32_t bits = (uint32_t)in[0] << 16;

        bits |= here > 1 ? (uint32_t)in[1] << 8 : 0;
        bits |= here > 2 ? (uint32_t)in[2] : 0;
        out[0] = alphabet[bits >> 18];
        out[1] = alphabet[bits >> 12 & 63];
        out[2] = '=';
        out[3] = '=';
        if (here > 1)
            out[2] = alphabet[bits >> 6 & 63];
        if (here > 2)
            out[3] = alphabet[bits & 63];
        n -= here;
    }
    return (size_t)(out - text);
}

/* The value of a character, or -1 if it has none. */
static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : -1;
}

/* Four characters of which the last `pad` are '='. False where they aren't what an encoder writes:
 * the bits that padding leaves over are zero. */
static bool decode_group(const char *text, size_t pad, unsigned char bytes[3])
{
    uint32_t bits = 0;

    for (size_t i = 0; i < 4; i++) {
        int value = i < 4 - pad ? value_of(text[i]) : 0;

        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
    }
    bytes[0] = (unsigned char)(bits >> 16);
    bytes[1] = (unsigned char)(bits >> 8);
    bytes[2] = (unsigned char)bits;
    return (pad < 1 || bytes[2] == 0) && (pad < 2 || bytes[1] == 0);
}

int base64_decode(const char *text, size_t len, unsigned char *bytes, size_t *n)
{
    size_t pad = 0;

    if (len % 4 != 0)
        return -EINVAL;
    while (pad < 2 && pad < len && text[len - pad - 1] == '=')
        pad++;
    for (size_t i = 0; i < len; i += 4) {
        if (!decode_group(text + i, i + 4 == len ? pad : 0, bytes + i / 4 * 3))
            return -EINVAL;
    }
    *n = len / 4 * 3 - pad;
    return 0;
}
