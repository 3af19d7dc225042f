#include "index/api/key.h"

#include <stdbool.h>

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

/* Reads "%XX" at `at`, of which `left` bytes are there. The byte, or -1. */
static int escaped_byte(const char *at, size_t left)
{
    int high;
    int low;

    if (left < 3)
        return -1;
    high = hex_digit(at[1]);
    low = hex_digit(at[2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

const char *key_decode(const char *path, size_t len, struct key *key)
{
    size_t i = 0;

    if (len == 0 || path[0] != '/')
        return "a key is a path that begins with '/'\n";
    key->len = 0;
    while (i < len) {
        bool escaped = path[i] == '%';
        int byte = escaped ? escaped_byte(path + i, len - i) : (unsigned char)path[i];

        if (byte < 0)
            return "a '%' in a key must be followed by two hexadecimal digits\n";
        if (byte == 0)
            return "a key can't hold a NUL byte\n";
        if (key->len == KEY_MAX)
            return "a key is 1,024 bytes long at most\n";
        key->bytes[key->len++] = (char)byte;
        i += escaped ? 3 : 1;
    }
    return key->len < 2 ? "a key can't be empty\n" : NULL;
}
