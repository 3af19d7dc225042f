#include "launcher/volume/assembly_lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/volume/sync_path.h"

#define FIELDS_MAX  4
#define NUMBER_MAX  INT64_MAX
#define SECONDS_MAX 253402300799LL /* the end of the year 9999 */

struct field {
    char *text; /* terminated */
    size_t len;
};

/* Cuts a line, whose end has become a NUL, at its TABs. The number of fields, or 0 when they are
 * too many or there is a NUL in one. */
static size_t split(char *line, size_t len, struct field fields[FIELDS_MAX])
{
    char *end = line + len;
    size_t n = 0;

    if (memchr(line, '\0', len) != NULL)
        return 0;
    while (n < FIELDS_MAX) {
        char *tab = memchr(line, '\t', (size_t)(end - line));
        char *stop = tab != NULL ? tab : end;

        *stop = '\0';
        fields[n++] = (struct field){.text = line, .len = (size_t)(stop - line)};
        if (tab == NULL)
            return n;
        line = tab + 1;
    }
    return 0;
}

static bool read_number(const struct field *field, uint64_t max, uint64_t *number)
{
    uint64_t n = 0;

    if (field->len == 0 || field->len > 19)
        return false;
    for (size_t i = 0; i < field->len; i++) {
        if (field->text[i] < '0' || field->text[i] > '9')
            return false;
        n = n * 10 + (uint64_t)(field->text[i] - '0');
    }
    *number = n;
    return n <= max;
}

static bool read_path(const struct field *field, const char **path)
{
    *path = field->text + 1;
    return sync_path_is_valid(field->text, field->len);
}

static bool read_word(const char *word, size_t len, struct assembly_lines *lines)
{
    if (len == 4 && memcmp(word, "link", len) == 0)
        lines->may_link = true;
    else if (len == 3 && memcmp(word, "md5", len) == 0)
        lines->wants_md5 = true;
    else if (len == 4 && memcmp(word, "sync", len) == 0)
        lines->will_sync = true;
    else
        return false;
    return true;
}

static bool read_words(const char *text, struct assembly_lines *lines)
{
    if (strcmp(text, "-") == 0)
        return true;
    for (;;) {
        size_t n = strcspn(text, ",");

        if (!read_word(text, n, lines))
            return false;
        if (text[n] == '\0')
            return true;
        text += n + 1;
    }
}

static bool read_target(const struct field *fields, size_t n, struct assembly_lines *lines)
{
    return n == 4 && read_path(&fields[0], &lines->path) &&
           read_number(&fields[1], NUMBER_MAX, &lines->size) &&
           read_number(&fields[2], SECONDS_MAX * 1000, &lines->time) &&
           read_words(fields[3].text, lines);
}

static bool read_source(const struct field *fields, size_t n, struct assembly_source *source)
{
    if ((n != 2 && n != 4) || !read_path(&fields[0], &source->path) ||
        !read_number(&fields[1], NUMBER_MAX, &source->size))
        return false;
    if (n == 2) {
        source->offset = 0;
        source->length = source->size;
        return true;
    }
    return read_number(&fields[2], source->size, &source->offset) &&
           read_number(&fields[3], source->size - source->offset, &source->length);
}

static size_t count_lines(const char *body, size_t len)
{
    size_t n = 0;

    for (const char *at = body; len > 0 && (at = memchr(at, '\n', len - (size_t)(at - body))); at++)
        n++;
    return n;
}

/* Whether the lengths add up, and a link could do. */
static bool is_sound(const struct assembly_lines *lines)
{
    uint64_t left = lines->size;

    for (size_t i = 0; i < lines->n; i++) {
        if (lines->sources[i].length > left)
            return false;
        left -= lines->sources[i].length;
    }
    return left == 0 && (!lines->may_link ||
                         (lines->n == 1 && lines->sources[0].length == lines->sources[0].size));
}

/* Reads `n_lines` lines; *line is the one that is read. */
static int read_lines(char *body, size_t len, size_t n_lines, struct assembly_lines *lines,
                      size_t *line)
{
    for (*line = 1; *line <= n_lines; (*line)++) {
        char *end = memchr(body, '\n', len);
        size_t used = (size_t)(end - body);
        struct field fields[FIELDS_MAX];
        size_t n = split(body, used, fields);

        if (*line == 1 ? !read_target(fields, n, lines)
                       : !read_source(fields, n, &lines->sources[*line - 2]))
            return -EINVAL;
        body += used + 1;
        len -= used + 1;
    }
    return len == 0 ? 0 : -EINVAL;
}

int assembly_lines_parse(char *body, size_t len, struct assembly_lines *lines, size_t *line)
{
    size_t n = count_lines(body, len);
    int rc;

    *lines = (struct assembly_lines){.n = 0};
    *line = n + 1; /* the one that lacks its end, or isn't there */
    if (n < 2)
        return -EINVAL;
    if (n - 1 > ASSEMBLY_SOURCES_MAX)
        return -EMSGSIZE;
    lines->sources = calloc(n - 1, sizeof(*lines->sources));
    if (lines->sources == NULL)
        return -ENOMEM;
    lines->n = n - 1;
    rc = read_lines(body, len, n, lines, line);
    if (rc == 0 && !is_sound(lines)) {
        *line = 0;
        rc = -EINVAL;
    }
    if (rc == 0)
        return 0;
    free(lines->sources);
    lines->sources = NULL;
    return rc;
}
