#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "index/admin/page_parts.h"
#include "index/base/quantity.h"

#define NUMBER_MAX 32

void page_add_number(struct html *html, int64_t n)
{
    char digits[NUMBER_MAX];
    char text[2 * NUMBER_MAX];
    size_t len;
    size_t at = 0;

    if (n < 0) {
        html_add(html, "–");
        return;
    }
    len = (size_t)snprintf(digits, sizeof(digits), "%" PRId64, n);
    for (size_t i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            text[at++] = ',';
        text[at++] = digits[i];
    }
    text[at] = '\0';
    html_add(html, "%s", text);
}

void page_add_size(struct html *html, int64_t bytes)
{
    char text[QUANTITY_TEXT_MAX];

    html_add(html, "%s", bytes < 0 ? "–" : quantity_size((double)bytes, text));
}

void page_add_ago(struct html *html, const struct page_view *view, int64_t ms, const char *before,
                  const char *after)
{
    time_t when = (time_t)(ms / 1000);
    char text[QUANTITY_TEXT_MAX];
    char iso[64];
    struct tm utc;

    if (ms <= 0 || gmtime_r(&when, &utc) == NULL ||
        strftime(iso, sizeof(iso), "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
        return;
    html_add(html, "%s<time datetime=\"%s\" title=\"%s\">%s</time>%s", before, iso, iso,
             quantity_duration(view->now - ms, text), after);
}

void page_add_bar(struct html *html, int64_t part, int64_t whole, const char *what)
{
    double percent;

    if (part < 0 || whole <= 0 || part > whole)
        return;
    percent = (double)part * 100 / (double)whole;
    html_add(html,
             "<svg class=\"bar%s\" role=\"img\" aria-label=\"%.1f%% %s\"><rect class=\"track\" "
             "width=\"100%%\" height=\"100%%\"/><rect class=\"fill\" width=\"%.1f%%\" "
             "height=\"100%%\"/></svg>",
             percent >= 95 ? " high" : "", percent, what, percent);
}
