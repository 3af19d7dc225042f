#include "index/base/text.h"

#include <string.h>

size_t text_utf8_length(const unsigned char *p, size_t left)
{
    static const struct {
        unsigned char first, last; /* of the first byte */
        unsigned char low, high;   /* of the second */
        size_t length;
    } forms[] = {
        {0x00, 0x7f, 0x80, 0xbf, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        size_t length = forms[i].length;

        if (p[0] < forms[i].first || p[0] > forms[i].last)
            continue;
        if (length > left || (length > 1 && (p[1] < forms[i].low || p[1] > forms[i].high)))
            return 0;
        for (size_t k = 2; k < length; k++) {
            if ((p[k] & 0xc0) != 0x80)
                return 0;
        }
        return length;
    }
    return 0;
}

bool text_is_utf8(const char *text, size_t len)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t length;

    for (size_t i = 0; i < len; i += length) {
        length = text_utf8_length(at + i, len - i);
        if (length == 0)
            return false;
    }
    return true;
}

/* C1, U+0080 to U+009F, is what a terminal takes for ESC and another byte. */
static bool is_control(const unsigned char *p)
{
    return p[0] < 0x20 || p[0] == 0x7f || (p[0] == 0xc2 && p[1] < 0xa0);
}

static void escape(unsigned char byte, char *out)
{
    static const char hex[] = "0123456789abcdef";

    out[0] = '\\';
    out[1] = 'x';
    out[2] = hex[byte >> 4];
    out[3] = hex[byte & 15];
}

size_t text_printable(const char *text, size_t len, char *out, size_t size)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t length;
    size_t n = 0;

    for (size_t i = 0; i < len; i += length) {
        length = text_utf8_length(p + i, len - i);
        if (length > 0 && !is_control(p + i)) {
            if (length > size - n)
                break;
            memcpy(out + n, p + i, length);
            n += length;
            continue;
        }
        length = 1; /* the second byte of a C1 is no character by itself */
        if (size - n < 4)
            break;
        escape(p[i], out + n);
        n += 4;
    }
    return n;
}
