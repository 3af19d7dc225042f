#include "index/base/json.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "index/base/text.h"

static bool is_utf8(const unsigned char *p, size_t n)
{
    size_t length;

    for (size_t i = 0; i < n; i += length) {
        length = text_utf8_length(p + i, n - i);
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
