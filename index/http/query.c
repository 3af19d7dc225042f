#include "index/http/query.h"

#include <errno.h>
#include <string.h>

#include "index/base/percent.h"

/* Takes one decoded byte off the front of `*at`, which ends at `end`: 0 to 255, or -1 when there is
 * a '%' without two hexadecimal digits. In a form '+' stands for a space. */
static int next_byte(const char **at, const char *end)
{
    int byte = (unsigned char)**at;

    if (byte == '%') {
        byte = percent_byte(*at, (size_t)(end - *at));
        if (byte < 0)
            return -1;
        *at += 2;
    } else if (byte == '+') {
        byte = ' ';
    }
    (*at)++;
    return byte;
}

static const char *find(const char *at, const char *end, char c)
{
    const char *found = memchr(at, c, (size_t)(end - at));

    return found != NULL ? found : end;
}

/* Whether the bytes from `at` to `end` decode to `name`. */
static bool is_name(const char *at, const char *end, const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < len; i++) {
        if (at == end || next_byte(&at, end) != (unsigned char)name[i])
            return false;
    }
    return at == end;
}

static int decode(const char *at, const char *end, char *value, size_t size, size_t *value_len)
{
    size_t n = 0;

    while (at < end) {
        int byte = next_byte(&at, end);

        if (byte < 0)
            return -EINVAL;
        if (n == size)
            return -EMSGSIZE;
        value[n++] = (char)byte;
    }
    *value_len = n;
    return 0;
}

int query_find(const char *query, size_t len, const char *name, char *value, size_t size,
               size_t *value_len)
{
    const char *end;

    if (query == NULL || len == 0)
        return -ENOENT;
    end = query + len;
    while (query < end) {
        const char *next = find(query, end, '&');
        const char *sign = find(query, next, '=');

        if (next > query && is_name(query, sign, name))
            return decode(sign < next ? sign + 1 : next, next, value, size, value_len);
        query = next < end ? next + 1 : end;
    }
    return -ENOENT;
}

static bool is_one_of(const char *at, const char *end, const char *const *names)
{
    while (*names != NULL && !is_name(at, end, *names))
        names++;
    return *names != NULL;
}

int query_find_number(const char *query, size_t len, const char *name, uint64_t *number)
{
    char digits[10];
    size_t n;
    uint64_t value = 0;
    int rc = query_find(query, len, name, digits, sizeof(digits), &n);

    if (rc < 0)
        return rc == -ENOENT ? rc : -EINVAL;
    for (size_t i = 0; i < n; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            return -EINVAL;
        value = value * 10 + (uint64_t)(digits[i] - '0');
    }
    if (n == 0)
        return -EINVAL;
    *number = value;
    return 0;
}

bool query_has_only(const char *query, size_t len, const char *const *names)
{
    const char *end = query + len;

    while (query < end) {
        const char *next = find(query, end, '&');

        if (next > query && !is_one_of(query, find(query, next, '='), names))
            return false;
        query = next < end ? next + 1 : end;
    }
    return true;
}
