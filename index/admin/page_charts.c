/* Small charts of the last hour, drawn as SVG: each with a scale of its own, from 0 to its peak. */
#include <inttypes.h>
#include <stdio.h>

#include "index/admin/history.h"
#include "index/admin/page_parts.h"
#include "index/base/quantity.h"

#define COLUMNS 120                         /* of a chart: */
#define MERGED  (HISTORY_SAMPLES / COLUMNS) /* samples in one */
#define HEIGHT  40
#define SECONDS (HISTORY_INTERVAL / 1000)

/* What the columns of a chart show, the last one first. */
struct columns {
    double values[COLUMNS];
    size_t n;
    double top;  /* of the columns, at least 0; */
    double peak; /* of the samples */
    double last; /* the last sample */
};

static bool is_latency(enum history_series series)
{
    return series >= HISTORY_COUNTS;
}

/* A count becomes a rate, and a column the average of its samples, or, of latencies, their worst. A
 * sample stays with the same others: so columns move on, and don't change. */
static void columns_init(struct columns *c, const struct history *history,
                         enum history_series series)
{
    double unit = is_latency(series) ? 1 : SECONDS;
    size_t in_column = 0;

    *c = (struct columns){.n = 0};
    for (size_t ago = 0; ago < history_count(history); ago++) {
        double value = (double)history_at(history, series, ago) / unit;
        size_t at = history->n - 1 - ago;
        size_t i = (history->n - 1) / MERGED - at / MERGED;

        if (i == COLUMNS)
            break;
        in_column = i < c->n ? in_column + 1 : 1;
        c->n = i + 1;
        if (!is_latency(series))
            c->values[i] += (value - c->values[i]) / (double)in_column;
        else if (value > c->values[i])
            c->values[i] = value;
        c->peak = value > c->peak ? value : c->peak;
        c->last = ago == 0 ? value : c->last;
    }
    for (size_t i = 0; i < c->n; i++)
        c->top = c->values[i] > c->top ? c->values[i] : c->top;
}

static const char *value_text(enum history_series series, double value, char *text)
{
    if (!is_latency(series)) {
        if (value < 0.1)
            return value > 0 ? "<0.1" : "0";
        return quantity_rate(value, text);
    }
    if (value <= 0) /* there was no request */
        return "–";
    if (value < 1000)
        snprintf(text, QUANTITY_TEXT_MAX, "%.0f µs", value);
    else if (value < 1000000)
        snprintf(text, QUANTITY_TEXT_MAX, value < 10000 ? "%.1f ms" : "%.0f ms", value / 1000);
    else
        snprintf(text, QUANTITY_TEXT_MAX, "%.1f s", value / 1000000);
    return text;
}

static unsigned y_of(const struct columns *c, size_t i, double top)
{
    return top > 0 ? HEIGHT - (unsigned)(c->values[i] / top * HEIGHT + 0.5) : HEIGHT;
}

/* The newest column is at the right edge; points between equal ones are left out. */
static void add_line(struct html *html, const struct columns *c, double top, const char *class)
{
    html_add(html, "<polyline class=\"%s\" points=\"", class);
    for (size_t i = c->n; i > 0; i--) {
        unsigned y = y_of(c, i - 1, top);

        if (i > 1 && i < c->n && y_of(c, i, top) == y && y_of(c, i - 2, top) == y)
            continue;
        html_add(html, "%zu,%u ", COLUMNS - i, y);
    }
    html_add(html, "\"/>");
}

static void begin_chart(struct html *html, const char *title)
{
    html_add(html, "<figure><figcaption>%s", title);
}

static void begin_drawing(struct html *html)
{
    html_add(html,
             "<svg class=\"chart\" viewBox=\"0 -2 %d %d\" preserveAspectRatio=\"none\" "
             "aria-hidden=\"true\"><path class=\"axis\" d=\"M0 %dH%d\"/>",
             COLUMNS - 1, HEIGHT + 4, HEIGHT, COLUMNS - 1);
}

/* For those who don't see the chart its numbers say as much. */
static void add_chart(struct html *html, const struct page_view *view, const char *title,
                      enum history_series series)
{
    char last[QUANTITY_TEXT_MAX];
    char peak[QUANTITY_TEXT_MAX];
    struct columns c;

    columns_init(&c, view->history, series);
    begin_chart(html, title);
    html_add(html, " <b>%s</b><small>/s</small></figcaption>", value_text(series, c.last, last));
    begin_drawing(html);
    add_line(html, &c, c.top, series == HISTORY_ERRORS && c.peak > 0 ? "bad" : "line");
    html_add(html, "</svg><p class=\"sub\">peak %s/s</p></figure>",
             value_text(series, c.peak, peak));
}

static void add_latency(struct html *html, const struct page_view *view)
{
    char half[QUANTITY_TEXT_MAX];
    char most[QUANTITY_TEXT_MAX];
    char peak[QUANTITY_TEXT_MAX];
    struct columns p50;
    struct columns p99;

    columns_init(&p50, view->history, HISTORY_P50);
    columns_init(&p99, view->history, HISTORY_P99);
    begin_chart(html, "Latency");
    html_add(html, " <b>%s</b><small>, 99%% within %s</small></figcaption>",
             value_text(HISTORY_P50, p50.last, half), value_text(HISTORY_P99, p99.last, most));
    begin_drawing(html);
    add_line(html, &p99, p99.top, "faint");
    add_line(html, &p50, p99.top, "line");
    html_add(html, "</svg><p class=\"sub\">peak %s</p></figure>",
             value_text(HISTORY_P99, p99.peak, peak));
}

void page_add_charts(struct html *html, const struct page_view *view)
{
    html_add(html, "<section aria-labelledby=\"requests\"><h2 id=\"requests\">Requests <small>in "
                   "the last hour</small></h2><div class=\"charts\">");
    add_chart(html, view, "Reads", HISTORY_READS);
    add_chart(html, view, "Writes", HISTORY_WRITES);
    add_chart(html, view, "Deletes", HISTORY_DELETES);
    add_chart(html, view, "Lists", HISTORY_LISTS);
    add_latency(html, view);
    add_chart(html, view, "Errors", HISTORY_ERRORS);
    html_add(html, "</div></section>");
}
