#include "index/s3/parts.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define RUN_MAX 34 /* bytes: a comma, 20 digits, '*', 10 digits, a NUL */

/* --- Writing --------------------------------------------------------------------------------- */

size_t parts_format(const uint64_t *sizes, unsigned n, char *text, size_t room)
{
    char run[RUN_MAX];
    size_t used = 0;
    unsigned same;

    assert(n > 0 && n <= INT_MAX && room >= PARTS_TEXT_MIN);
    for (unsigned i = 0; i < n; i += same) {
        size_t len;

        for (same = 1; i + same < n && sizes[i + same] == sizes[i];)
            same++;
        len = (size_t)snprintf(run, sizeof(run), i > 0 ? ",%" PRIu64 : "%" PRIu64, sizes[i]);
        if (same > 1)
            len += (size_t)snprintf(run + len, sizeof(run) - len, "*%u", same);
        if (len > room - used) {
            len = (size_t)snprintf(run, sizeof(run), "?*%u", n);
            memcpy(text, run, len);
            return len;
        }
        memcpy(text + used, run, len);
        used += len;
    }
    return used;
}

/* --- Reading --------------------------------------------------------------------------------- */

struct run {
    bool is_known;
    uint64_t size;
    uint64_t n;
};

/* Digits, without a zero in front. */
static bool read_number(const char **at, const char *end, uint64_t *number)
{
    const char *start = *at;

    *number = 0;
    for (; *at < end && **at >= '0' && **at <= '9'; (*at)++) {
        unsigned digit = (unsigned)(**at - '0');

        if (*number > (UINT64_MAX - digit) / 10)
            return false;
        *number = 10 * *number + digit;
    }
    return *at > start && (*start != '0' || *at == start + 1);
}

/* Takes a run off the front, and the comma after it. */
static bool read_run(const char **at, const char *end, struct run *run)
{
    run->is_known = *at == end || **at != '?';
    run->size = 0;
    run->n = 1;
    if (!run->is_known)
        (*at)++;
    else if (!read_number(at, end, &run->size))
        return false;
    if (*at < end && **at == '*') {
        (*at)++;
        if (!read_number(at, end, &run->n))
            return false;
    }
    if (run->n < 1 || run->n > INT_MAX)
        return false;
    return *at == end || (*(*at)++ == ',' && *at < end);
}

/* Goes through all runs: their number, and where part `number` is in *range, if it is known. */
static int read_all(const char *text, size_t len, unsigned number, struct range *range, bool *known)
{
    const char *end = text + len;
    uint64_t offset = 0;
    uint64_t length;
    uint64_t n = 0;
    struct run run;

    *known = true;
    do {
        if (!read_run(&text, end, &run))
            return -EINVAL;
        if (number > n && number <= n + run.n)
            *range =
                (struct range){.first = offset + (number - n - 1) * run.size, .length = run.size};
        n += run.n;
        *known = *known && run.is_known;
        if (n > INT_MAX || __builtin_mul_overflow(run.n, run.size, &length) ||
            __builtin_add_overflow(offset, length, &offset))
            return -EINVAL;
    } while (text < end);
    return (int)n;
}

int parts_count(const char *text, size_t len)
{
    struct range range;
    bool known;

    return read_all(text, len, 0, &range, &known);
}

int parts_find(const char *text, size_t len, unsigned number, struct range *range)
{
    struct range found;
    bool known;
    int n = read_all(text, len, number, &found, &known);

    if (n < 0)
        return n;
    if (number < 1 || number > (unsigned)n)
        return -ENOENT;
    if (!known)
        return -ENODATA;
    *range = found;
    return 0;
}
