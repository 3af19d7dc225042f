#include "launcher/volume/sync_path.h"

#include <string.h>

#define COMPONENT_MAX 255

/* Sets of characters, by a bit each; these paths are looked at by the million. */
enum {
    DIGIT = 1,
    LOWER_HEX = 2, /* digits included */
    UPPER_HEX = 4,
    BASE64 = 8, /* without '/' and '=' */
    PADDING = 16,
};

static unsigned sets_of(char c)
{
    if (c >= '0' && c <= '9')
        return DIGIT | LOWER_HEX | UPPER_HEX | BASE64;
    if (c >= 'a' && c <= 'z')
        return c <= 'f' ? LOWER_HEX | BASE64 : BASE64;
    if (c >= 'A' && c <= 'Z')
        return c <= 'F' ? UPPER_HEX | BASE64 : BASE64;
    return c == '+' ? BASE64 : c == '=' ? PADDING : 0;
}

static size_t span(const char *text, size_t len, unsigned set)
{
    size_t n = 0;

    while (n < len && (sets_of(text[n]) & set))
        n++;
    return n;
}

/* A '/' and two hex digits. */
static bool is_pair(const char *text, size_t len)
{
    return len >= 3 && text[0] == '/' && span(text + 1, 2, LOWER_HEX) == 2;
}

/* The bytes of a generation at the end, or 0 if there is none. */
static size_t generation_size(const char *text, size_t len)
{
    const char *at = text + len - PLACEMENT_GENERATION;

    if (len <= PLACEMENT_GENERATION || *at != '.')
        return 0;
    return span(at + 1, PLACEMENT_GENERATION - 1, LOWER_HEX) == PLACEMENT_GENERATION - 1
               ? PLACEMENT_GENERATION
               : 0;
}

/* One component of a name. What it looks like depends on whether it is the last: only the last may
 * end in the padding and in a generation, and only another may be a piece that was cut, be it
 * between two '='. */
static bool is_component(const char *text, size_t len, bool last)
{
    size_t n;

    if (len > COMPONENT_MAX)
        return false;
    len -= last ? generation_size(text, len) : 0;
    if (len >= 2 && text[0] == '-')
        return text[1] != '0' && len <= 5 && span(text + 1, len - 1, DIGIT) == len - 1;
    n = span(text, len, BASE64);
    if (!last && n > 0 && n < len) {
        n += text[n] == '=';
        return n + 1 == len && text[n] == '.';
    }
    if (last)
        n += span(text + n, len - n < 2 ? len - n : 2, PADDING);
    return len > 0 && n == len && n <= PLACEMENT_COMPONENT_MAX;
}

bool sync_path_is_valid(const char *path, size_t len)
{
    if (len >= SYNC_PATH_MAX)
        return false;
    if (len > 3 && memcmp(path, "/sv", 3) == 0) {
        if (len < 5 || span(path + 3, 2, UPPER_HEX) != 2)
            return false;
        path += 5;
        len -= 5;
    }
    for (int i = 0; i < 2; i++, path += 3, len -= 3) {
        if (!is_pair(path, len))
            return false;
    }
    while (len > 0 && *path == '/') {
        const char *end = memchr(path + 1, '/', len - 1);
        size_t n = end != NULL ? (size_t)(end - path) - 1 : len - 1;

        if (!is_component(path + 1, n, end == NULL))
            return false;
        if (end == NULL)
            return true;
        path += n + 1;
        len -= n + 1;
    }
    return false;
}
