#include <inttypes.h>
#include <string.h>

#include "index/admin/json_values.h"
#include "index/admin/page_parts.h"
#include "index/base/quantity.h"

/* --- What is wrong ---------------------------------------------------------------------------- */

void page_add_verdict(struct html *html, const struct page_view *view)
{
    size_t n = json_array_size(json_object_get(view->status, "advice"));

    if (n == 0)
        html_add(html, "All is well");
    else
        html_add(html, "%zu thing%s need%s attention", n, n == 1 ? "" : "s", n == 1 ? "s" : "");
}

static const char *title_of(const char *level)
{
    if (strcmp(level, "critical") == 0)
        return "Critical";
    return strcmp(level, "warning") == 0 ? "Warning" : "Note";
}

/* What stands between backticks is code. */
static void add_prose(struct html *html, const char *text)
{
    bool is_code = false;

    for (;;) {
        size_t n = strcspn(text, "`");

        html_add_bytes(html, text, n);
        if (text[n] == '\0')
            break;
        html_add(html, is_code ? "</code>" : "<code>");
        is_code = !is_code;
        text += n + 1;
    }
    if (is_code)
        html_add(html, "</code>");
}

/* A level is told by its word; what it says of colour is "note" or not. */
static void add_advice(struct html *html, const struct page_view *view)
{
    const json_t *all = json_object_get(view->status, "advice");
    const json_t *advice;
    size_t i;

    html_add(html, "<div role=\"status\"><h1 class=\"%s\"><span aria-hidden=\"true\">%s</span> ",
             json_array_size(all) == 0 ? "well" : "ill", json_array_size(all) == 0 ? "●" : "▲");
    page_add_verdict(html, view);
    html_add(html, "</h1></div>");
    if (json_array_size(all) == 0)
        return;
    html_add(html, "<ul class=\"advice\">");
    json_array_foreach(all, i, advice)
    {
        const char *level = json_text_in(advice, "level");

        html_add(html, "<li class=\"%s\"><p><b>%s</b> ", level, title_of(level));
        add_prose(html, json_text_in(advice, "text"));
        html_add(html, "<small>");
        page_add_ago(html, view, json_number_in(advice, "since_ms"), " ", " ago");
        html_add(html, "</small></p><p class=\"mend\">");
        add_prose(html, json_text_in(advice, "mend"));
        html_add(html, "</p></li>");
    }
    html_add(html, "</ul>");
}

/* --- Totals ----------------------------------------------------------------------------------- */

static void begin_total(struct html *html, const char *title)
{
    html_add(html, "<div><dt>%s</dt><dd>", title);
}

static void end_total(struct html *html)
{
    html_add(html, "</dd></div>");
}

static void add_count(struct html *html, const char *title, int64_t n)
{
    begin_total(html, title);
    page_add_number(html, n);
    end_total(html);
}

static void add_space(struct html *html, const struct page_view *view)
{
    int64_t left = 0;
    int64_t total = 0;
    int64_t n_up = 0;
    const json_t *volumes = json_object_get(view->status, "volumes");
    const json_t *volume;
    size_t i;

    json_array_foreach(volumes, i, volume)
    {
        int64_t size = json_number_in(volume, "total_bytes");

        n_up += strcmp(json_text_in(volume, "state"), "up") == 0;
        if (size < 0 || strcmp(json_text_in(volume, "state"), "down") == 0)
            continue;
        total += size;
        left += json_number_in(volume, "free_bytes");
    }
    begin_total(html, "Volumes up");
    page_add_number(html, n_up);
    html_add(html, " <small>of ");
    page_add_number(html, (int64_t)json_array_size(volumes));
    html_add(html, "</small>");
    end_total(html);
    add_count(html, "Zones", json_number_in(json_object_get(view->status, "zones"), "count"));
    begin_total(html, "Free space");
    page_add_size(html, total > 0 ? left : -1);
    html_add(html, " <small>of ");
    page_add_size(html, total > 0 ? total : -1);
    html_add(html, "</small>");
    end_total(html);
}

static void add_last(struct html *html, const struct page_view *view, const char *title,
                     const char *object)
{
    int64_t last = json_number_in(json_object_get(view->status, object), "last_ms");

    begin_total(html, title);
    if (last <= 0)
        html_add(html, "none yet");
    page_add_ago(html, view, last, "", " ago");
    end_total(html);
}

static void add_sync(struct html *html, const json_t *journal)
{
    html_add(html, "%s",
             json_is_object(journal) && !json_is_true_in(journal, "sync") ? " not synced" : "");
}

static void add_store(struct html *html, const struct page_view *view)
{
    const json_t *store = json_object_get(view->status, "store");
    const json_t *journal = json_object_get(view->status, "journal");

    if (strcmp(json_text_in(store, "engine"), "postgres") == 0) {
        add_count(html, "Indexes", json_number_in(store, "indexes"));
        begin_total(html, "Database");
        page_add_size(html, json_number_in(json_object_get(view->status, "table"), "bytes"));
        add_sync(html, journal);
        end_total(html);
        return;
    }
    begin_total(html, "Journal");
    page_add_size(html, json_number_in(journal, "bytes"));
    add_sync(html, journal);
    end_total(html);
    add_last(html, view, "Checkpoint", "checkpoint");
}

static void add_totals(struct html *html, const struct page_view *view)
{
    html_add(html, "<section aria-labelledby=\"totals\"><h2 id=\"totals\">Totals</h2>"
                   "<dl class=\"totals\">");
    add_count(html, "Keys", json_number_in(view->status, "keys"));
    add_space(html, view);
    add_count(html, "Copies per key", json_number_in(view->status, "replicas"));
    add_count(html, "Unlinked keys", json_number_in(view->status, "unlinked"));
    add_count(html, "Orphans", json_number_in(view->status, "orphans"));
    add_store(html, view);
    add_last(html, view, "Backup", "backup");
    html_add(html, "</dl></section>");
}

static void add_process(struct html *html, const struct page_view *view)
{
    char text[QUANTITY_TEXT_MAX];

    html_add(html, "<footer><p>mkv %s, pid %" PRId64 ", up for %s. Index <bdi>%s</bdi>.</p>",
             json_text_in(view->status, "version"), json_number_in(view->status, "pid"),
             quantity_duration(json_number_in(view->status, "uptime_ms"), text),
             json_text_in(view->status, "index"));
    html_add(html, "<p><a href=\"/status\">Status as JSON</a></p></footer>");
}

void page_add_main(struct html *html, const struct page_view *view)
{
    add_advice(html, view);
    add_totals(html, view);
    page_add_charts(html, view);
    page_add_jobs(html, view);
    page_add_volumes(html, view);
    add_process(html, view);
}
