/* The files of templates/page, which the build compiles in; each ends with a NUL. */
#ifndef MKV_ADMIN_PAGE_TEMPLATES_H
#define MKV_ADMIN_PAGE_TEMPLATES_H

extern const char page_html[]; /* with {{VERDICT}}, {{STYLE}}, {{SCRIPT}} and {{MAIN}} */
extern const char page_css[];
extern const char page_js[];

#endif
