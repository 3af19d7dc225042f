/* Any body, the first byte of the input its form: what is taken is as many paths and attributes as
 * it says, all within bounds, and written out again it is taken again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/base64.h"
#include "index/base/buf.h"
#include "launcher/volume/blob_lines.h"
#include "launcher/volume/sync_path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void append(struct buf *out, const void *bytes, size_t n)
{
    if (buf_append(out, bytes, n) < 0)
        abort();
}

static void write_attribute(const struct attribute *attribute, struct buf *out)
{
    char text[BASE64_SIZE(ATTRIBUTE_MAX)];

    if (attribute->len > ATTRIBUTE_MAX)
        abort();
    append(out, "\t", 1);
    append(out, text, base64_encode(attribute->bytes, attribute->len, text));
}

static void write_again(const struct blob_lines *lines, struct buf *out)
{
    const char *path = lines->paths;

    for (size_t i = 0; i < lines->n; i++, path += strlen(path) + 1) {
        size_t from = buf_size(out);

        append(out, "/", 1);
        append(out, path, strlen(path));
        if (!sync_path_is_valid(buf_bytes(out) + from, strlen(path) + 1))
            abort();
        if (lines->attributes != NULL && lines->attributes[i].bytes != NULL)
            write_attribute(&lines->attributes[i], out);
        append(out, "\n", 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum blob_lines_form form;
    struct blob_lines lines;
    struct buf out = {.data = NULL};
    size_t n;
    char *body;

    if (size < 1)
        return 0;
    form = (enum blob_lines_form)(data[0] % 3);
    body = malloc(size - 1); /* not a byte more: the sanitizer watches the rest */
    if (body == NULL)
        return 0;
    memcpy(body, data + 1, size - 1);
    if (blob_lines_parse(body, size - 1, form, &lines) == 0) {
        n = lines.n;
        write_again(&lines, &out);
        if (buf_size(&out) < size - 1 || buf_size(&out) > size ||
            memcmp(buf_bytes(&out), body, size - 1) != 0)
            abort();
        free(lines.paths);
        if (blob_lines_parse(buf_bytes(&out), buf_size(&out), form, &lines) < 0 || lines.n != n)
            abort();
        free(lines.paths);
    } else if (lines.paths != NULL) {
        abort();
    }
    buf_deinit(&out);
    free(body);
    return 0;
}
