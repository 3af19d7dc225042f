/* Any attribute of a file: the metadata that is found in it is some, and the note, written again,
 * is read as the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "index/objects/note.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *bytes, size_t n)
{
    char text[NOTE_MAX];
    struct note note;
    struct note back;
    size_t len;

    note_parse(bytes, n, &note);
    if (note.meta_len > 0 && (note.meta < bytes || note.meta + note.meta_len > bytes + n ||
                              !note_meta_is_valid(note.meta, note.meta_len)))
        abort();
    len = note_format(&note, text);
    if (len > sizeof(text))
        abort();
    note_parse(text, len, &back);
    if (back.has_size != note.has_size || (note.has_size && back.size != note.size) ||
        back.has_md5 != note.has_md5 || back.meta_len != note.meta_len ||
        (note.meta_len > 0 && memcmp(back.meta, note.meta, note.meta_len) != 0) ||
        (note.has_md5 && memcmp(back.md5, note.md5, MD5_SIZE) != 0))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *bytes = malloc(size > 0 ? size : 1); /* not a byte more: the sanitizer watches the rest */

    if (bytes == NULL)
        return 0;
    memcpy(bytes, data, size);
    check(bytes, size);
    if (note_meta_is_valid(bytes, size)) {
        struct note note;

        note_parse(bytes, size, &note);
        if (note.meta_len != size)
            abort();
    }
    free(bytes);
    return 0;
}
