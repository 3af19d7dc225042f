#include "index/base/key.h"

#include <stdbool.h>
#include <string.h>

#include "index/base/percent.h"

const char *key_decode(const char *path, size_t len, struct key *key)
{
    size_t i = 0;

    if (len == 0 || path[0] != '/')
        return "a key is a path that begins with '/'\n";
    key->len = 0;
    while (i < len) {
        bool escaped = path[i] == '%';
        int byte = escaped ? percent_byte(path + i, len - i) : (unsigned char)path[i];

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

bool key_is_reserved(const void *key, size_t len)
{
    static const char prefix[] = "/_mkv";
    size_t n = sizeof(prefix) - 1;

    return len >= n && memcmp(key, prefix, n) == 0 && (len == n || ((const char *)key)[n] == '/');
}
