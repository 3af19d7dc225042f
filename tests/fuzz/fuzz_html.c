/* Any bytes as text on the status page: what comes out is UTF-8 that no browser takes for a tag, an
 * attribute's end or a control character. And as a header Accept-Encoding: without the word there
 * is no gzip. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "index/admin/html.h"
#include "index/admin/page.h"
#include "index/base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *bytes, size_t n)
{
    struct html html = {.has_failed = false};

    html_add_bytes(&html, bytes, n);
    if (html.has_failed || buf_size(&html.text) < n ||
        !text_is_utf8(buf_bytes(&html.text), buf_size(&html.text)))
        abort();
    for (size_t i = 0; i < buf_size(&html.text); i++) {
        unsigned char c = (unsigned char)buf_bytes(&html.text)[i];

        if (c < ' ' || c == 0x7f || strchr("<>\"'", c) != NULL)
            abort();
    }
    buf_deinit(&html.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    if (text == NULL)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (size > 0)
        check_text(text, size);
    if (page_takes_gzip(text) && strcasestr(text, "gzip") == NULL)
        abort();
    free(text);
    return 0;
}
