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

size_t base64url_encode(const void *bytes, size_t n, char *text)
{
    const unsigned char *in = bytes;
    char group[4];
    size_t len = 0;

    for (; n > 0; in += 3) {
        size_t here = n < 3 ? n : 3;

        base64_encode(in, here, group);
        for (size_t i = 0; i <= here; i++)
            text[len++] = group[i] == '+' ? '-' : group[i] == '/' ? '_' : group[i];
        n -= here;
    }
    return len;
}

/* One more than the value of a character, or 0 if it has none. */
static const unsigned char values[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64,
};

/* Four characters of which the last `pad` are '='. False where they aren't what an encoder writes:
 * the bits that padding leaves over are zero. */
static bool decode_group(const char *text, size_t pad, unsigned char bytes[3])
{
    uint32_t bits = 0;

    for (size_t i = 0; i < 4; i++) {
        unsigned value = i < 4 - pad ? values[(unsigned char)text[i]] : 1;

        if (value == 0)
            return false;
        bits = bits << 6 | (value - 1);
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
