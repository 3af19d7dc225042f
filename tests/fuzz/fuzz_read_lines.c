/* The redirect by which the front is told an object's headers: the input is lines, a name, ':' and
 * a value each, with any other byte in them. What nginx makes of the redirect, decoded once and cut
 * at the bytes 01, must be the lines that can be headers, each whole and once, or counted as
 * missing; and nginx must not refuse it. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/percent.h"
#include "index/s3/read_lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ADDRESS "10.0.0.1:3001"
#define PATH    "/aa/bb/Yg==.0000000000000001"
#define START   "/_mkv/object/" ADDRESS PATH

static struct read_lines lines;
static char decoded[READ_LINES_MAX];
static char wanted[3 * READ_LINES_MAX];

static bool has_dots(const char *text, size_t len)
{
    return memmem(text, len, "/../", 4) != NULL ||
           (len >= 3 && memcmp(text + len - 3, "/..", 3) == 0);
}

static size_t decode(void)
{
    size_t n = 0;

    for (size_t i = 0; i < lines.len; i++) {
        int byte = (unsigned char)lines.uri[i];

        if (byte < 0x20 || byte >= 0x7f || byte == '?' || byte == '#')
            abort();
        if (byte == '%') {
            byte = percent_byte(lines.uri + i, lines.len - i);
            i += 2;
        }
        if (byte <= 0)
            abort();
        decoded[n++] = (char)byte;
    }
    if (has_dots(decoded, n))
        abort();
    return n;
}

/* Takes the breaks out: READ_LINES_BREAKS at most, or the config has no room for them. */
static size_t join(size_t n)
{
    size_t kept = 0;
    unsigned breaks = 0;

    for (size_t i = 0; i < n; i++) {
        if (decoded[i] == 1)
            breaks++;
        else
            decoded[kept++] = decoded[i];
    }
    if (breaks > READ_LINES_BREAKS)
        abort();
    return kept;
}

static bool is_clean(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return false;
    }
    return true;
}

/* Adds a line. Returns whether it went into the redirect. */
static bool add(const char *name, const char *value, size_t len)
{
    const unsigned missing = lines.missing;
    const size_t before = lines.len;

    read_lines_add(&lines, name, value, len);
    if (lines.len != before && !is_clean(value, len))
        abort();
    return lines.len != before && lines.missing == missing;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *at = (const char *)data;
    const char *end = at + size;
    size_t n_wanted = 0;
    size_t n;

    read_lines_begin(&lines, NULL, ADDRESS, PATH);
    while (at < end && n_wanted < sizeof(wanted) / 2) {
        const char *next = memchr(at, '\n', (size_t)(end - at));
        const char *stop = next != NULL ? next : end;
        const char *colon = memchr(at, ':', (size_t)(stop - at));
        char name[64] = "x-";

        if (colon != NULL && colon - at < 60 && stop - colon < READ_LINES_MAX) {
            memcpy(name + 2, at, (size_t)(colon - at));
            colon++;
            if (add(name, colon, (size_t)(stop - colon))) {
                n_wanted += (size_t)sprintf(wanted + n_wanted, "\r\n%s: ", name);
                memcpy(wanted + n_wanted, colon, (size_t)(stop - colon));
                n_wanted += (size_t)(stop - colon);
            }
        }
        at = stop + 1;
    }
    n = join(decode());
    if (n != sizeof(START) - 1 + n_wanted || memcmp(decoded, START, sizeof(START) - 1) != 0 ||
        memcmp(decoded + sizeof(START) - 1, wanted, n_wanted) != 0)
        abort();
    return 0;
}
