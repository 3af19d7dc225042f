#include "index/base/hex.h"

#include <string.h>

static const char digits[] = "0123456789abcdef";

void hex_write(const unsigned char *bytes, size_t n, char *out)
{
    for (size_t i = 0; i < n; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    *out = '\0';
}

bool hex_read(const char *text, unsigned char *bytes, size_t n)
{
    if (strlen(text) != 2 * n || strspn(text, digits) != 2 * n)
        return false;
    for (size_t i = 0; i < n; i++) {
        const char *high = strchr(digits, text[2 * i]);
        const char *low = strchr(digits, text[2 * i + 1]);

        bytes[i] = (unsigned char)((high - digits) << 4 | (low - digits));
    }
    return true;
}
