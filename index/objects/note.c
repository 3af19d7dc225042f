#include "index/objects/note.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "index/base/hex.h"

size_t note_format(const struct note *note, char out[NOTE_MAX])
{
    char md5[2 * MD5_SIZE + 1];
    size_t n = 0;

    if (note->has_size)
        n += (size_t)sprintf(out + n, "size=%" PRIu64 "\n", note->size);
    if (note->has_md5) {
        hex_write(note->md5, MD5_SIZE, md5);
        n += (size_t)sprintf(out + n, "md5=%s\n", md5);
    }
    assert(note->meta_len <= RECORD_META_MAX);
    if (note->meta_len > 0)
        memcpy(out + n, note->meta, note->meta_len);
    return n + note->meta_len;
}

size_t note_of_record(const struct record *record, char out[NOTE_MAX])
{
    struct note note = {
        .has_size = true,
        .size = record->size,
        .has_md5 = record->flags & RECORD_MD5,
        .meta = record->meta,
        .meta_len = record->meta_len,
    };

    memcpy(note.md5, record->md5, MD5_SIZE);
    return note_format(&note, out);
}

static bool parse_size(const char *text, size_t len, uint64_t *size)
{
    uint64_t value = 0;

    if (len == 0 || len > 19) /* 19 digits fit into 64 bits */
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = 10 * value + (uint64_t)(text[i] - '0');
    }
    *size = value;
    return true;
}

static bool parse_md5(const char *text, unsigned char md5[MD5_SIZE])
{
    char digits[2 * MD5_SIZE + 1];

    memcpy(digits, text, 2 * MD5_SIZE);
    digits[2 * MD5_SIZE] = '\0';
    return hex_read(digits, md5, MD5_SIZE);
}

/* Whether the line, without its end, is about the size or the MD5, which are never metadata. */
static bool parse_own(const char *line, size_t len, struct note *note)
{
    if (len >= 5 && memcmp(line, "size=", 5) == 0) {
        note->has_size = parse_size(line + 5, len - 5, &note->size);
        return true;
    }
    if (len >= 4 && memcmp(line, "md5=", 4) == 0) {
        note->has_md5 = len == 4 + 2 * MD5_SIZE && parse_md5(line + 4, note->md5);
        return true;
    }
    return false;
}

static bool is_name(const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = name[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
            (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL))
            return false;
    }
    return len > 0;
}

static bool is_value(const char *value, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)value[i];

        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

/* Whether the line, without its end, may be metadata. */
static bool is_meta(const char *line, size_t len)
{
    const char *equals = memchr(line, '=', len);
    size_t n = equals != NULL ? (size_t)(equals - line) : 0;

    return is_name(line, n) && is_value(equals + 1, len - n - 1) &&
           !(n == 4 && memcmp(line, "size", n) == 0) && !(n == 3 && memcmp(line, "md5", n) == 0);
}

/* Adds a line, with its end, to what is there, if it comes just after that. */
static void add_meta(const char *line, size_t len, struct note *note)
{
    if (note->meta_len > 0 && note->meta + note->meta_len != line)
        return;
    if (note->meta_len + len > RECORD_META_MAX || !is_meta(line, len - 1))
        return;
    note->meta = note->meta_len > 0 ? note->meta : line;
    note->meta_len += len;
}

void note_parse(const char *bytes, size_t n, struct note *note)
{
    const char *end = bytes + n;

    *note = (struct note){.has_size = false};
    while (bytes < end) {
        const char *newline = memchr(bytes, '\n', (size_t)(end - bytes));
        const char *stop = newline != NULL ? newline : end;

        if (!parse_own(bytes, (size_t)(stop - bytes), note) && newline != NULL)
            add_meta(bytes, (size_t)(stop - bytes) + 1, note);
        bytes = stop + 1;
    }
}

bool note_meta_is_valid(const char *bytes, size_t n)
{
    const char *end = bytes + n;

    if (n > RECORD_META_MAX)
        return false;
    while (bytes < end) {
        const char *newline = memchr(bytes, '\n', (size_t)(end - bytes));

        if (newline == NULL || !is_meta(bytes, (size_t)(newline - bytes)))
            return false;
        bytes = newline + 1;
    }
    return true;
}
