/* What the status page shows, part by part, as HTML. Each part is made of the status alone, and of
 * the history, so that it can be made without an index. */
#ifndef MKV_ADMIN_PAGE_PARTS_H
#define MKV_ADMIN_PAGE_PARTS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "index/admin/html.h"

struct history; /* history.h */

/* What is to be shown. Borrowed. */
struct page_view {
    const json_t *status; /* as status.h has it; what is missing is shown as unknown */
    const struct history *history;
    int64_t now;      /* ms since 1970 */
    const char *zone; /* the one whose volumes are all listed, or NULL */
    size_t from;      /* the first row, where there are too many for one page: from 0 */
};

/* "All is well", or how much isn't. */
void page_add_verdict(struct html *html, const struct page_view *view);

/* The inside of the page's <main>. */
void page_add_main(struct html *html, const struct page_view *view);

/* Parts of that: page_volumes.c, page_charts.c, page_jobs.c. */
void page_add_volumes(struct html *html, const struct page_view *view);
void page_add_charts(struct html *html, const struct page_view *view);
void page_add_jobs(struct html *html, const struct page_view *view);

/* --- For the parts (page_text.c) -------------------------------------------------------------- */

/* "1,234,567". A number below 0 is none: a dash. */
void page_add_number(struct html *html, int64_t n);

/* "1.5 MiB"; below 0: a dash. */
void page_add_size(struct html *html, int64_t bytes);

/* How long ago `ms` since 1970 was, as <time>: "2 min 5 s", with words before and after it. Nothing
 * for 0 and less. */
void page_add_ago(struct html *html, const struct page_view *view, int64_t ms, const char *before,
                  const char *after);

/* A bar of which `part` of `whole` is full, with a text for those who don't see it. Nothing where
 * that isn't known. */
void page_add_bar(struct html *html, int64_t part, int64_t whole, const char *what);

#endif
