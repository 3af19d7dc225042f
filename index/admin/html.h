/* HTML in the making. What comes from elsewhere (names, reasons, paths) goes through "%s" alone,
 * which escapes it; so nobody can forget to. */
#ifndef MKV_ADMIN_HTML_H
#define MKV_ADMIN_HTML_H

#include <stdbool.h>

#include "index/base/buf.h"

/* All zero is empty; the caller calls buf_deinit(). */
struct html {
    struct buf text;
    bool has_failed; /* for want of memory: the text is of no use */
};

/* Appends. `format`, a literal, is HTML and as printf() has it, but knows only %s, %d, %u, %zu,
 * PRId64, PRIu64, %.1f and %%. A string is escaped as text or for an attribute in quotes
 * (https://html.spec.whatwg.org, sections 13.1.2.3 and 13.1.4); control characters in it, and what
 * isn't UTF-8, come as \xNN. */
void html_add(struct html *html, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Appends `n` bytes as "%s" does. */
void html_add_bytes(struct html *html, const char *bytes, size_t n);

#endif
