/* nginx configs are rendered from readable templates: @NAME@, with NAME of A-Z and _, is replaced
 * by the value of NAME, and every other byte stays, a lone @ or a @named location among them. */
#ifndef MKV_LAUNCHER_TEMPLATE_H
#define MKV_LAUNCHER_TEMPLATE_H

#include <stddef.h>

#include "index/base/buf.h"

/* The files of templates/, compiled in; each ends with a NUL. */
extern const char template_volume[];
extern const char template_index[];

enum template_kind {
    TEMPLATE_RAW,    /* nginx syntax that mkv itself made: inserted as it is */
    TEMPLATE_STRING, /* text from outside: inserted as a quoted string */
};

struct template_variable {
    const char *name; /* what stands between the @ signs */
    enum template_kind kind;
    const char *value;
};

struct template_error {
    unsigned line;     /* in the template, from 1 */
    char message[160]; /* without the line; all bytes printable */
};

/* Appends `text` to *out with the variables replaced. 0, -ENOMEM, or -EINVAL with *error filled in:
 * an unknown name, or a string that template_check_string() refuses. On failure *out may hold a
 * part. */
int template_render(const char *text, const struct template_variable *variables, size_t n,
                    struct buf *out, struct template_error *error);

/* Why nginx's config language cannot hold `text` as a string, as the end of a sentence such as
 * "it contains '$', which ...", or NULL where it can. The string returned is static. */
const char *template_check_string(const char *text);

/* Appends `text` as a quoted string. 0, -ENOMEM, or -EINVAL where template_check_string() refuses
 * it. */
int template_quote(const char *text, struct buf *out);

#endif
