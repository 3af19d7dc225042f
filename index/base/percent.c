#include "index/base/percent.h"

#include <errno.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int percent_byte(const char *at, size_t left)
{
    int high;
    int low;

    if (left < 3)
        return -1;
    high = hex_digit(at[1]);
    low = hex_digit(at[2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

int percent_decode(const char *text, size_t len, char *out, size_t size, size_t *out_len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        int byte = (unsigned char)text[i];

        if (byte == '%') {
            byte = percent_byte(text + i, len - i);
            i += 2;
        }
        if (byte <= 0)
            return -EINVAL;
        if (n == size)
            return -EMSGSIZE;
        out[n++] = (char)byte;
    }
    *out_len = n;
    return 0;
}
