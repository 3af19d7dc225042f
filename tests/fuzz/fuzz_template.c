/* Any template and any value: rendering never reads past its input, and a quoted value never ends
 * its own string. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/nginx/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The offset behind the quoted string that `quoted` starts with, as nginx would read it. */
static size_t string_end(const char *quoted, size_t len)
{
    size_t i = 1;

    while (i < len && quoted[i] != '"')
        i += quoted[i] == '\\' ? 2 : 1;
    return i + 1;
}

static void check_quote(const char *value)
{
    struct buf out = {0};

    if (template_quote(value, &out) == 0 &&
        string_end(buf_bytes(&out), buf_size(&out)) != buf_size(&out))
        abort();
    buf_deinit(&out);
}

/* The input is a value, a newline and a template. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    struct template_variable variables[] = {
        {"A", TEMPLATE_STRING, ""},
        {"LONG_NAME", TEMPLATE_RAW, "raw"},
    };
    struct template_error error;
    struct buf out = {0};
    char *newline;

    if (text == NULL)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    newline = strchr(text, '\n');
    if (newline != NULL) {
        *newline = '\0';
        variables[0].value = text;
        check_quote(text);
        template_render(newline + 1, variables, 2, &out, &error);
    }
    buf_deinit(&out);
    free(text);
    return 0;
}
