/* Any body: what is taken adds up, has no path that is none, and written out again it is taken
 * again. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/buf.h"
#include "launcher/volume/assembly_lines.h"
#include "launcher/volume/sync_path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_path(const char *path)
{
    /* The slash before it is the body's, too. */
    if (!sync_path_is_valid(path - 1, strlen(path) + 1))
        abort();
}

static void write_again(const struct assembly_lines *lines, struct buf *out)
{
    uint64_t sum = 0;
    int rc = buf_append_format(out, "/%s\t%llu\t%llu\t%s%s%s-\n", lines->path,
                               (unsigned long long)lines->size, (unsigned long long)lines->time,
                               lines->may_link ? "link," : "", lines->wants_md5 ? "md5," : "",
                               lines->will_sync ? "sync," : "");
    char *dash = out->data + out->tail - 2;

    check_path(lines->path);
    if (dash[-1] == ',') { /* not the only word */
        memcpy(dash - 1, "\n", 1);
        buf_truncate(out, buf_size(out) - 2);
    }
    for (size_t i = 0; i < lines->n && rc == 0; i++) {
        const struct assembly_source *s = &lines->sources[i];

        check_path(s->path);
        if (s->offset > s->size || s->length > s->size - s->offset)
            abort();
        sum += s->length;
        rc = buf_append_format(out, "/%s\t%llu\t%llu\t%llu\n", s->path, (unsigned long long)s->size,
                               (unsigned long long)s->offset, (unsigned long long)s->length);
    }
    if (rc < 0 || sum != lines->size || (lines->may_link && lines->n != 1))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct assembly_lines lines;
    struct assembly_lines again;
    struct buf out = {.data = NULL};
    size_t line;
    char *body = malloc(size); /* not a byte more: the sanitizer watches the rest */

    if (body == NULL)
        return 0;
    memcpy(body, data, size);
    if (assembly_lines_parse(body, size, &lines, &line) == 0) {
        write_again(&lines, &out);
        if (assembly_lines_parse(out.data + out.head, buf_size(&out), &again, &line) < 0 ||
            again.n != lines.n || again.size != lines.size || again.time != lines.time ||
            again.may_link != lines.may_link || again.wants_md5 != lines.wants_md5 ||
            again.will_sync != lines.will_sync)
            abort();
        free(again.sources);
        free(lines.sources);
    } else if (lines.sources != NULL) {
        abort();
    }
    buf_deinit(&out);
    free(body);
    return 0;
}
