#include "index/objects/note.h"

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
    return n;
}

size_t note_of_record(const struct record *record, char out[NOTE_MAX])
{
    struct note note = {
        .has_size = true,
        .size = record->size,
        .has_md5 = record->flags & RECORD_MD5,
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

static void parse_line(const char *line, size_t len, struct note *note)
{
    if (len > 5 && memcmp(line, "size=", 5) == 0)
        note->has_size = parse_size(line + 5, len - 5, &note->size);
    else if (len == 4 + 2 * MD5_SIZE && memcmp(line, "md5=", 4) == 0)
        note->has_md5 = parse_md5(line + 4, note->md5);
}

void note_parse(const char *bytes, size_t n, struct note *note)
{
    const char *end = bytes + n;

    *note = (struct note){.has_size = false};
    while (bytes < end) {
        const char *newline = memchr(bytes, '\n', (size_t)(end - bytes));
        const char *stop = newline != NULL ? newline : end;

        parse_line(bytes, (size_t)(stop - bytes), note);
        bytes = stop + 1;
    }
}
