#include "index/s3/range.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Takes a number off the front; one that is too big for 64 bits becomes the biggest. False when no
 * digit is there. */
static bool read_number(const char **at, uint64_t *number)
{
    const char *start = *at;

    *number = 0;
    for (; **at >= '0' && **at <= '9'; (*at)++) {
        unsigned digit = (unsigned)(**at - '0');

        *number = *number > (UINT64_MAX - digit) / 10 ? UINT64_MAX : 10 * *number + digit;
    }
    return *at > start;
}

/* The parts of "FIRST-LAST", of which one may be missing. */
struct spec {
    bool has_first;
    bool has_last;
    uint64_t first;
    uint64_t last;
};

static bool parse(const char *text, struct spec *spec)
{
    static const char unit[] = "bytes=";

    if (strncasecmp(text, unit, sizeof(unit) - 1) != 0)
        return false;
    text += sizeof(unit) - 1;
    spec->has_first = read_number(&text, &spec->first);
    if (*text++ != '-')
        return false;
    spec->has_last = read_number(&text, &spec->last);
    if (*text != '\0' || (!spec->has_first && !spec->has_last))
        return false;
    return !spec->has_first || !spec->has_last || spec->first <= spec->last;
}

enum range_outcome range_of(const char *header, uint64_t size, struct range *range)
{
    struct spec spec;

    *range = (struct range){.first = 0, .length = size};
    if (header == NULL || !parse(header, &spec))
        return RANGE_WHOLE;
    if (!spec.has_first) { /* the last bytes */
        if (spec.last == 0 || size == 0)
            return RANGE_UNSATISFIABLE;
        range->length = spec.last < size ? spec.last : size;
        range->first = size - range->length;
        return RANGE_PART;
    }
    if (spec.first >= size)
        return RANGE_UNSATISFIABLE;
    if (!spec.has_last || spec.last >= size)
        spec.last = size - 1;
    *range = (struct range){.first = spec.first, .length = spec.last - spec.first + 1};
    return RANGE_PART;
}

void range_content(const struct range *range, uint64_t size, char text[RANGE_TEXT_MAX])
{
    if (range == NULL)
        snprintf(text, RANGE_TEXT_MAX, "bytes */%" PRIu64, size);
    else
        snprintf(text, RANGE_TEXT_MAX, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, range->first,
                 range->first + range->length - 1, size);
}

int range_parse_exact(const char *text, uint64_t *first, uint64_t *last)
{
    struct spec spec;

    if (!parse(text, &spec) || !spec.has_first || !spec.has_last)
        return -EINVAL;
    *first = spec.first;
    *last = spec.last;
    return 0;
}
