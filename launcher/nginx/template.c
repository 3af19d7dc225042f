#include "launcher/nginx/template.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char name_bytes[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ_";

const char *template_check_string(const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;

        if (byte == '$')
            return "it contains '$', which nginx would take for a variable";
        if (byte < 0x20 || byte == 0x7f)
            return "it contains a control character";
    }
    return NULL;
}

int template_quote(const char *text, struct buf *out)
{
    int rc;

    if (template_check_string(text) != NULL)
        return -EINVAL;
    rc = buf_append_string(out, "\"");
    for (; rc == 0 && *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            rc = buf_append_string(out, "\\");
        if (rc == 0)
            rc = buf_append(out, text, 1);
    }
    return rc == 0 ? buf_append_string(out, "\"") : rc;
}

/* The length of the name in "@NAME@" at `at`, or 0 where none stands there. */
static size_t name_length(const char *at)
{
    size_t n = strspn(at + 1, name_bytes);

    return at[n + 1] == '@' ? n : 0;
}

static int append_value(const char *name, size_t len, const struct template_variable *variables,
                        size_t n, struct buf *out, struct template_error *error)
{
    for (size_t i = 0; i < n; i++) {
        const struct template_variable *v = &variables[i];
        const char *refusal;

        if (strlen(v->name) != len || memcmp(v->name, name, len) != 0)
            continue;
        if (v->kind == TEMPLATE_RAW)
            return buf_append_string(out, v->value);
        refusal = template_check_string(v->value);
        if (refusal == NULL)
            return template_quote(v->value, out);
        snprintf(error->message, sizeof(error->message), "the value of @%s@ can't be used: %s",
                 v->name, refusal);
        return -EINVAL;
    }
    snprintf(error->message, sizeof(error->message), "@%.*s@ is no variable of this template",
             (int)(len < 64 ? len : 64), name);
    return -EINVAL;
}

static unsigned line_of(const char *text, const char *at)
{
    unsigned line = 1;

    for (; text < at; text++)
        line += *text == '\n';
    return line;
}

int template_render(const char *text, const struct template_variable *variables, size_t n,
                    struct buf *out, struct template_error *error)
{
    const char *from = text;

    for (;;) {
        size_t literal = strcspn(from, "@");
        const char *at = from + literal;
        size_t len;
        int rc = buf_append(out, from, literal);

        if (rc < 0 || *at == '\0')
            return rc;
        len = name_length(at);
        if (len == 0) {
            rc = buf_append(out, at, 1);
            from = at + 1;
        } else {
            rc = append_value(at + 1, len, variables, n, out, error);
            from = at + len + 2;
        }
        if (rc == -EINVAL)
            error->line = line_of(text, at);
        if (rc < 0)
            return rc;
    }
}
