/* Any line of a dump: what is taken is written as a line that isn't too long, is taken again, and
 * says the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "index/maintenance/dump_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print(const struct dump_line *line, struct buf *out)
{
    const char *volumes[ORPHAN_PLACES_MAX];
    int rc;

    for (unsigned i = 0; i < ORPHAN_PLACES_MAX; i++)
        volumes[i] = line->volumes[i]; /* a place's volume is its own index */
    if (line->kind == DUMP_HEADER)
        rc = dump_append_header(out);
    else if (line->kind == DUMP_END)
        rc = dump_append_end(out, &line->counts);
    else if (line->kind == DUMP_KEY)
        rc = dump_append_record(out, line->key.bytes, line->key.len, &line->record, volumes);
    else
        rc = dump_append_orphan(out, line->key.bytes, line->key.len, line->generation,
                                &line->orphan, volumes);
    if (rc != 0 || buf_size(out) > DUMP_LINE_MAX)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dump_line line;
    struct buf first = {0};
    struct buf second = {0};
    char *text;

    if (size > DUMP_LINE_MAX)
        return 0;
    text = malloc(size > 0 ? size : 1); /* not a byte more: the sanitizer watches the rest */
    if (text == NULL)
        return 0;
    memcpy(text, data, size);
    if (dump_line_parse(text, size, &line) == NULL) {
        print(&line, &first);
        if (dump_line_parse(buf_bytes(&first), buf_size(&first) - 1, &line) != NULL)
            abort();
        print(&line, &second);
        if (buf_size(&first) != buf_size(&second) ||
            memcmp(buf_bytes(&first), buf_bytes(&second), buf_size(&first)) != 0)
            abort();
    }
    buf_deinit(&first);
    buf_deinit(&second);
    free(text);
    return 0;
}
