#include "index/base/key.h"

#include <stdbool.h>
#include <string.h>

#include "index/base/percent.h"

static const char too_long[] = "a key is 1,024 bytes long at most\n"; /* for clients */

static const char *decode(const char *path, size_t len, size_t max, struct key *key)
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
        if (key->len == max)
            return too_long;
        key->bytes[key->len++] = (char)byte;
        i += escaped ? 3 : 1;
    }
    return key->len < 2 ? "a key can't be empty\n" : NULL;
}

const char *key_decode(const char *path, size_t len, struct key *key)
{
    return decode(path, len, KEY_NATIVE_MAX, key);
}

const char *key_decode_any(const char *path, size_t len, struct key *key)
{
    return decode(path, len, KEY_MAX, key);
}

bool key_is_reserved(const void *key, size_t len)
{
    static const char prefix[] = "/_mkv";
    size_t n = sizeof(prefix) - 1;

    return len >= n && memcmp(key, prefix, n) == 0 && (len == n || ((const char *)key)[n] == '/');
}

const void *key_to_place(const void *key, size_t len, size_t *n)
{
    const size_t before = sizeof(KEY_PARTS) - 1 + KEY_PART_ID;
    const char *bytes = key;

    *n = len;
    if (len <= before || memcmp(bytes, KEY_PARTS, sizeof(KEY_PARTS) - 1) != 0 ||
        bytes[before] != '/')
        return key;
    *n = len - before;
    return bytes + before;
}
