/* The value of a label: whatever it is, it stays within its quotes on one line, and reads back as
 * what it was, but for bytes that are no UTF-8. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/exposition.h"
#include "index/base/text.h"
#include "tests/support/text_copy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As Prometheus reads a value, up to its quote. NULL: it is none. */
static const char *read_back(const char *p, const char *end, char *value)
{
    for (; p < end && *p != '"'; p++) {
        if (*p == '\n')
            return NULL;
        if (*p == '\\') {
            p++;
            if (p == end || (*p != '\\' && *p != '"' && *p != 'n'))
                return NULL;
            *value++ = *p == 'n' ? '\n' : *p;
        } else {
            *value++ = *p;
        }
    }
    *value = '\0';
    return p < end ? p : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char before[] = "m{l=\"";
    char *text = text_copy((const char *)data, size);
    struct buf out = {.data = NULL};
    struct exposition e = {.out = &out, .name = "m"};
    const struct exposition_label labels[] = {{"l", text}, {.name = NULL}};
    char *value = malloc(2 * size + 1);
    const char *end;

    exposition_add(&e, labels, 1, 1);
    if (value == NULL || e.failed || memcmp(buf_bytes(&out), before, sizeof(before) - 1) != 0)
        abort();
    end = buf_bytes(&out) + buf_size(&out);
    end = read_back(buf_bytes(&out) + sizeof(before) - 1, end, value);
    if (end == NULL || memcmp(end, "\"} 1\n", 5) != 0 || strlen(value) != strlen(text) ||
        !text_is_utf8(value, strlen(value)) ||
        (text_is_utf8(text, strlen(text)) && strcmp(value, text) != 0))
        abort();
    free(value);
    free(text);
    buf_deinit(&out);
    return 0;
}
