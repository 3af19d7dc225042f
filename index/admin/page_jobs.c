#include <inttypes.h>
#include <string.h>

#include "index/admin/json_values.h"
#include "index/admin/page_parts.h"
#include "index/base/quantity.h"

#define SOON_MS 500 /* before that a rate is a guess */

static bool is_running(const json_t *job)
{
    return strcmp(json_text_in(job, "state"), "running") == 0;
}

static void add_name(struct html *html, const json_t *job)
{
    html_add(html, "<th scope=\"row\">%s", json_text_in(job, "kind"));
    if (*json_text_in(job, "volume") != '\0')
        html_add(html, " <bdi>%s</bdi>", json_text_in(job, "volume"));
    html_add(html, " <small>%" PRId64 "%s</small></th>", json_number_in(job, "job"),
             json_is_true_in(job, "automatic") ? ", automatic" : "");
}

static void add_progress(struct html *html, const json_t *job)
{
    int64_t done = json_number_in(job, "done");
    int64_t total = json_number_in(job, "total");

    html_add(html, "<td>");
    if (total > 0) {
        int64_t percent = done >= total ? 100 : (int64_t)((double)done * 100 / (double)total);

        html_add(html,
                 "<progress max=\"100\" value=\"%" PRId64 "\" aria-label=\"%s\"></progress> "
                 "<small>%" PRId64 "%%</small>",
                 percent, json_text_in(job, "kind"), percent);
    }
    html_add(html, "<div class=\"sub\">%s%s</div></td><td class=\"num\">",
             json_text_in(job, "phase"), json_is_true_in(job, "held") ? ", held" : "");
    page_add_number(html, done);
    if (total > 0) {
        html_add(html, " <small>of</small> ");
        page_add_number(html, total);
    }
    html_add(html, " <small>%s</small></td>", json_text_in(job, "noun"));
}

/* Averages since the job's start. A round of scrub is slow on purpose: it has none. */
static void add_rates(struct html *html, const json_t *job)
{
    int64_t elapsed = json_number_in(job, "elapsed_ms");
    int64_t done = json_number_in(job, "done");
    int64_t total = json_number_in(job, "total");
    int64_t bytes = json_number_in(job, "bytes");
    bool hurries = strcmp(json_text_in(job, "kind"), "scrub") != 0;
    double rate =
        hurries && elapsed >= SOON_MS && done > 0 ? (double)done * 1000 / (double)elapsed : 0;
    char text[QUANTITY_TEXT_MAX];

    html_add(html, "<td class=\"num\">");
    if (rate > 0)
        html_add(html, "%s/s", quantity_rate(rate, text));
    if (rate > 0 && bytes > 0)
        html_add(html, "<div class=\"sub\">%s/s</div>",
                 quantity_size((double)bytes * 1000 / (double)elapsed, text));
    html_add(html, "</td><td class=\"num\">");
    if (rate > 0 && total > done)
        html_add(html, "%s<small class=\"narrow\"> left</small>",
                 quantity_duration((int64_t)((double)(total - done) * 1000 / rate), text));
    html_add(html, "</td>");
}

static void add_running(struct html *html, const json_t *jobs)
{
    const json_t *job;
    size_t i;

    html_add(html, "<table class=\"jobs\"><thead><tr><th scope=\"col\">Job</th><th scope=\"col\">"
                   "Progress</th><th scope=\"col\" class=\"num\">Done</th><th scope=\"col\" "
                   "class=\"num\">Rate</th><th scope=\"col\" class=\"num\">Left</th></tr></thead>"
                   "<tbody>");
    json_array_foreach(jobs, i, job)
    {
        if (!is_running(job))
            continue;
        html_add(html, "<tr>");
        add_name(html, job);
        add_progress(html, job);
        add_rates(html, job);
        html_add(html, "</tr>");
    }
    html_add(html, "</tbody></table>");
}

/* The last one first. */
static void add_ended(struct html *html, const struct page_view *view, const json_t *jobs)
{
    html_add(html, "<table class=\"ended\"><thead><tr><th scope=\"col\">Ended</th><th "
                   "scope=\"col\">How</th></tr></thead><tbody>");
    for (size_t i = json_array_size(jobs); i > 0; i--) {
        const json_t *job = json_array_get(jobs, i - 1);
        const char *state = json_text_in(job, "state");

        if (is_running(job))
            continue;
        html_add(html, "<tr>");
        add_name(html, job);
        html_add(html, "<td><b class=\"%s\">%s</b>", strcmp(state, "failed") == 0 ? "ill" : "",
                 state);
        page_add_ago(html, view,
                     json_number_in(job, "started_ms") + json_number_in(job, "elapsed_ms"), " ",
                     " ago");
        html_add(html, "<div class=\"sub\">%s</div></td></tr>", json_text_in(job, "text"));
    }
    html_add(html, "</tbody></table>");
}

void page_add_jobs(struct html *html, const struct page_view *view)
{
    const json_t *jobs = json_object_get(view->status, "jobs");
    size_t n_running = 0;
    const json_t *job;
    size_t i;

    json_array_foreach(jobs, i, job)
    {
        n_running += is_running(job);
    }
    html_add(html, "<section aria-labelledby=\"jobs\"><h2 id=\"jobs\">Jobs</h2>");
    if (n_running > 0)
        add_running(html, jobs);
    else
        html_add(html, "<p class=\"none\">None is running.</p>");
    if (json_array_size(jobs) > n_running) {
        html_add(html, "<details><summary>%zu ended</summary>", json_array_size(jobs) - n_running);
        add_ended(html, view, jobs);
        html_add(html, "</details>");
    }
    html_add(html, "</section>");
}
