#include "index/base/json.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* The length of the character that begins at `p`, or 0 if none does: overlong forms, surrogates and
 * what is over U+10FFFF are none. */
static size_t utf8_length(const unsigned char *p, size_t left)
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

static bool is_utf8(const unsigned char *p, size_t n)
{
    size_t length;

    for (size_t i = 0; i < n; i += length) {
        length = utf8_length(p + i, n - i);
        if (length == 0)
            return false;
    }
    return true;
}

static int append_string(struct buf *out, const unsigned char *p, size_t n)
{
    if (buf_reserve(out, 6 * n + 2) < 0)
        return -ENOMEM;
    buf_append(out, "\"", 1);
    for (size_t i = 0; i < n; i++) {
        if (p[i] < 0x20 || p[i] == 0x7f)
            buf_append_format(out, "\\u%04x", p[i]);
        else if (p[i] == '"' || p[i] == '\\')
            buf_append_format(out, "\\%c", p[i]);
        else
            buf_append(out, p + i, 1);
    }
    return buf_append(out, "\"", 1);
}

int json_append_percent(struct buf *out, const void *bytes, size_t n)
{
    static const char plain[] = "/-._~0123456789abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    const unsigned char *p = bytes;

    if (buf_reserve(out, 3 * n + 1) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        if (p[i] != '\0' && strchr(plain, p[i]) != NULL)
            buf_append(out, p + i, 1);
        else
            buf_append_format(out, "%%%02X", p[i]);
    }
    return 0;
}

int json_append_bytes(struct buf *out, const void *bytes, size_t n)
{
    if (is_utf8(bytes, n))
        return append_string(out, bytes, n);
    if (buf_append_string(out, "{\"percent\":\"") < 0 || json_append_percent(out, bytes, n) < 0)
        return -ENOMEM;
    return buf_append_string(out, "\"}");
}
