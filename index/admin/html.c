#include "index/admin/html.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "index/base/text.h"

#define PIECE       256         /* bytes of a string that are escaped at once */
#define PRINTED_MAX (4 * PIECE) /* text_printable() makes 4 of one at most */
#define NUMBER_MAX  352         /* of "%.1f", at most: DBL_MAX has 309 digits */
#define SPEC_MAX    8

static void append(struct html *html, const char *bytes, size_t n)
{
    if (buf_append(&html->text, bytes, n) < 0)
        html->has_failed = true;
}

static const char *entity_of(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

static void append_escaped(struct html *html, const char *bytes, size_t n)
{
    size_t begin = 0;

    for (size_t i = 0; i < n; i++) {
        const char *entity = entity_of(bytes[i]);

        if (entity == NULL)
            continue;
        append(html, bytes + begin, i - begin);
        append(html, entity, strlen(entity));
        begin = i + 1;
    }
    append(html, bytes + begin, n - begin);
}

/* How many of `n` bytes make a piece that doesn't end within a character. */
static size_t piece_of(const char *bytes, size_t n)
{
    size_t size = n < PIECE ? n : PIECE;

    for (size_t i = 0; size < n && i < 4 && size > 1; i++) {
        if (((unsigned char)bytes[size] & 0xc0) != 0x80)
            break;
        size--;
    }
    return size;
}

void html_add_bytes(struct html *html, const char *bytes, size_t n)
{
    char printed[PRINTED_MAX];

    while (n > 0) {
        size_t size = piece_of(bytes, n);

        append_escaped(html, printed, text_printable(bytes, size, printed, sizeof(printed)));
        bytes += size;
        n -= size;
    }
}

/* Appends the next argument as the conversion `spec`, "%...X", wants it. */
static void append_argument(struct html *html, const char *spec, va_list *args)
{
    char text[NUMBER_MAX];
    int n = 0;

    if (strcmp(spec, "%s") == 0) {
        const char *string = va_arg(*args, const char *);

        html_add_bytes(html, string, strlen(string));
        return;
    }
    if (strcmp(spec, "%d") == 0)
        n = snprintf(text, sizeof(text), "%d", va_arg(*args, int));
    else if (strcmp(spec, "%u") == 0)
        n = snprintf(text, sizeof(text), "%u", va_arg(*args, unsigned));
    else if (strcmp(spec, "%zu") == 0)
        n = snprintf(text, sizeof(text), "%zu", va_arg(*args, size_t));
    else if (strcmp(spec, "%" PRId64) == 0)
        n = snprintf(text, sizeof(text), "%" PRId64, va_arg(*args, int64_t));
    else if (strcmp(spec, "%" PRIu64) == 0)
        n = snprintf(text, sizeof(text), "%" PRIu64, va_arg(*args, uint64_t));
    else if (strcmp(spec, "%.1f") == 0)
        n = snprintf(text, sizeof(text), "%.1f", va_arg(*args, double));
    else if (strcmp(spec, "%%") == 0)
        n = snprintf(text, sizeof(text), "%%");
    assert(n > 0);
    append(html, text, (size_t)n);
}

void html_add(struct html *html, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    while (*format != '\0') {
        size_t n = strcspn(format, "%");
        char spec[SPEC_MAX];

        append(html, format, n);
        format += n;
        if (*format == '\0')
            break;
        n = 1 + strcspn(format + 1, "sduf%") + 1;
        assert(n < sizeof(spec));
        memcpy(spec, format, n);
        spec[n] = '\0';
        append_argument(html, spec, &args);
        format += n;
    }
    va_end(args);
}
