/* Few volumes are all shown, zone by zone in the order of the list. Of many, the zones are: those
 * with a trouble first, each with its volumes that have one; and a link to a zone's own page, where
 * all of its volumes are. So a page has some tens of rows, however many volumes there are. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "index/admin/json_values.h"
#include "index/admin/page_parts.h"
#include "index/base/json.h"

#define FEW      48 /* volumes that are all shown */
#define ZONES    40 /* on one page */
#define ILL_ROWS 24 /* volumes that are shown there beneath their zones */
#define ROWS     48 /* volumes on one page of a zone */

struct row {
    const json_t *volume;
    const char *zone;
    size_t position; /* in the list of volumes */
    bool is_well;
};

/* Rows of one zone, which follow each other. */
struct group {
    const struct row *rows;
    size_t n;
    size_t n_ill;
    size_t position; /* of its first volume */
    int64_t left;    /* bytes, of those that are there */
    int64_t total;
};

struct table {
    struct html *html;
    const struct page_view *view;
    struct row *rows;
    size_t n_rows;
    struct group *groups;
    size_t n_groups;
};

/* --- Which there are -------------------------------------------------------------------------- */

static int compare_rows(const void *a, const void *b)
{
    const struct row *one = a;
    const struct row *other = b;
    int rc = strcasecmp(one->zone, other->zone);

    if (rc != 0)
        return rc;
    return one->position < other->position ? -1 : one->position > other->position;
}

static int compare_positions(const void *a, const void *b)
{
    const struct group *one = a;
    const struct group *other = b;

    return one->position < other->position ? -1 : one->position > other->position;
}

static int compare_troubles(const void *a, const void *b)
{
    const struct group *one = a;
    const struct group *other = b;

    if ((one->n_ill > 0) != (other->n_ill > 0))
        return one->n_ill > 0 ? -1 : 1;
    return compare_positions(a, b);
}

static bool is_well(const json_t *volume)
{
    return strcmp(json_text_in(volume, "state"), "up") == 0 &&
           *json_text_in(volume, "reason") == '\0';
}

static bool is_away(const json_t *volume)
{
    return strcmp(json_text_in(volume, "state"), "down") == 0;
}

static void add_to_group(struct group *group, const struct row *row)
{
    int64_t total = json_number_in(row->volume, "total_bytes");
    int64_t left = json_number_in(row->volume, "free_bytes");

    group->n++;
    group->n_ill += !row->is_well;
    if (total < 0 || left < 0 || is_away(row->volume))
        return;
    group->total += total;
    group->left += left;
}

static void make_groups(struct table *t)
{
    for (size_t i = 0; i < t->n_rows; i++) {
        const struct row *row = &t->rows[i];

        if (i == 0 || strcasecmp(row->zone, row[-1].zone) != 0)
            t->groups[t->n_groups++] = (struct group){.rows = row, .position = row->position};
        add_to_group(&t->groups[t->n_groups - 1], row);
    }
}

/* False: memory is short. */
static bool table_init(struct table *t)
{
    const json_t *volumes = json_object_get(t->view->status, "volumes");
    const json_t *volume;
    size_t i;

    t->n_rows = json_array_size(volumes);
    t->rows = calloc(t->n_rows + 1, sizeof(*t->rows));
    t->groups = calloc(t->n_rows + 1, sizeof(*t->groups));
    if (t->rows == NULL || t->groups == NULL)
        return false;
    json_array_foreach(volumes, i, volume)
    {
        t->rows[i] = (struct row){.volume = volume,
                                  .zone = json_text_in(volume, "zone"),
                                  .position = i,
                                  .is_well = is_well(volume)};
    }
    qsort(t->rows, t->n_rows, sizeof(*t->rows), compare_rows);
    make_groups(t);
    return true;
}

/* --- One volume ------------------------------------------------------------------------------- */

static const char *use_of(const json_t *volume)
{
    if (json_is_true_in(volume, "drained"))
        return ", drained";
    return json_is_true_in(volume, "used") ? "" : ", takes no new values";
}

/* A host is its volumes' zone unless something else is said. */
static bool tells_of_zone(const struct row *row)
{
    const char *name = json_text_in(row->volume, "name");
    const char *host = strstr(name, "://");

    host = host != NULL ? host + 3 : name;
    return strncasecmp(host, row->zone, strlen(row->zone)) != 0;
}

static void add_state(struct html *html, const struct page_view *view, const json_t *volume)
{
    bool well = is_well(volume);

    html_add(html, "<td><b class=\"%s\"><span aria-hidden=\"true\">%s</span> %s</b>%s",
             well ? "well" : "ill", well ? "●" : "▲", json_text_in(volume, "state"),
             use_of(volume));
    if (well) {
        html_add(html, "</td>");
        return;
    }
    if (strcmp(json_text_in(volume, "state"), "up") != 0) /* else it has failed since then */
        page_add_ago(html, view, json_number_in(volume, "since_ms"), " for ", "");
    html_add(html, "<div class=\"sub\">%s</div></td>", json_text_in(volume, "reason"));
}

/* What was free before a volume went down says nothing about now. */
static void add_space(struct html *html, int64_t left, int64_t total)
{
    html_add(html, "<td class=\"space%s\">", left < 0 ? " empty" : "");
    page_add_bar(html, total - left, total, "used");
    html_add(html, "</td><td class=\"num%s\">", left < 0 ? " empty" : "");
    page_add_size(html, left);
    html_add(html, "<small class=\"narrow\"> free</small></td><td class=\"num of\">");
    page_add_size(html, total);
    html_add(html, "</td></tr>");
}

static void add_row(const struct table *t, const struct row *row, bool tells_zone)
{
    bool away = is_away(row->volume);

    html_add(t->html, "<tr><th scope=\"row\"><bdi>%s</bdi>", json_text_in(row->volume, "name"));
    if (tells_zone && tells_of_zone(row))
        html_add(t->html, "<div class=\"sub\">zone <bdi>%s</bdi></div>", row->zone);
    html_add(t->html, "</th>");
    add_state(t->html, t->view, row->volume);
    add_space(t->html, away ? -1 : json_number_in(row->volume, "free_bytes"),
              away ? -1 : json_number_in(row->volume, "total_bytes"));
}

/* --- Tables ----------------------------------------------------------------------------------- */

static void begin_table(struct html *html, const char *first)
{
    html_add(html,
             "<table class=\"volumes\"><thead><tr><th scope=\"col\">%s</th><th scope=\"col\">State"
             "</th><th scope=\"col\">Used</th><th scope=\"col\" class=\"num\">Free</th><th "
             "scope=\"col\" class=\"num of\">Of</th></tr></thead>",
             first);
}

static void end_table(struct html *html)
{
    html_add(html, "</tbody></table>");
}

static void add_link_to_zone(struct html *html, const char *zone)
{
    struct buf name = {0};

    if (json_append_percent(&name, zone, strlen(zone)) < 0 || buf_append(&name, "", 1) < 0)
        html->has_failed = true;
    else
        html_add(html, "<a href=\"/?zone=%s\"><bdi>%s</bdi></a>", buf_bytes(&name), zone);
    buf_deinit(&name);
}

static void add_group(const struct table *t, const struct group *group, bool links)
{
    html_add(t->html, "<tbody><tr class=\"zone\"><th scope=\"rowgroup\">");
    if (links)
        add_link_to_zone(t->html, group->rows[0].zone);
    else
        html_add(t->html, "<bdi>%s</bdi>", group->rows[0].zone);
    html_add(t->html, " <small>%zu volume%s</small></th><td><b class=\"%s\">", group->n,
             group->n == 1 ? "" : "s", group->n_ill == 0 ? "well" : "ill");
    if (group->n_ill == 0)
        html_add(t->html, "<span aria-hidden=\"true\">●</span> up</b></td>");
    else
        html_add(t->html, "<span aria-hidden=\"true\">▲</span> %zu not well</b></td>",
                 group->n_ill);
    add_space(t->html, group->total > 0 ? group->left : -1, group->total > 0 ? group->total : -1);
}

/* All of them. A zone has a line of its own where that tells something. */
static void add_few(const struct table *t)
{
    bool has_zones = t->n_groups > 1 && t->n_groups < t->n_rows;

    qsort(t->groups, t->n_groups, sizeof(*t->groups), compare_positions);
    begin_table(t->html, has_zones ? "Zone, volume" : "Volume");
    for (size_t i = 0; i < t->n_groups; i++) {
        const struct group *group = &t->groups[i];

        if (has_zones)
            add_group(t, group, false);
        else
            html_add(t->html, "<tbody>");
        for (size_t k = 0; k < group->n; k++)
            add_row(t, &group->rows[k], !has_zones);
        html_add(t->html, "</tbody>");
    }
    html_add(t->html, "</table>");
}

/* "1 to 40 of 90 zones", and where the others are; the query of those begins with `query`. */
static void add_pages(struct html *html, size_t from, size_t size, size_t n, const char *noun,
                      const char *query)
{
    if (n <= size)
        return;
    html_add(html, "<nav aria-label=\"Pages\"><p>%zu to %zu of %zu %s", from + 1,
             from + size < n ? from + size : n, n, noun);
    if (from > 0)
        html_add(html, " <a href=\"/?%sfrom=%zu\" rel=\"prev\">← previous</a>", query,
                 from > size ? from - size : 0);
    if (from + size < n)
        html_add(html, " <a href=\"/?%sfrom=%zu\" rel=\"next\">next →</a>", query, from + size);
    html_add(html, "</p></nav>");
}

static void add_zones(const struct table *t)
{
    size_t from = t->view->from < t->n_groups ? t->view->from : 0;
    size_t rows_left = ILL_ROWS;

    qsort(t->groups, t->n_groups, sizeof(*t->groups), compare_troubles);
    begin_table(t->html, "Zone");
    for (size_t i = from; i < t->n_groups && i < from + ZONES; i++) {
        const struct group *group = &t->groups[i];

        add_group(t, group, true);
        for (size_t k = 0; k < group->n && rows_left > 0; k++) {
            if (group->rows[k].is_well)
                continue;
            add_row(t, &group->rows[k], false);
            rows_left--;
        }
        html_add(t->html, "</tbody>");
    }
    html_add(t->html, "</table>");
    add_pages(t->html, from, ZONES, t->n_groups, "zones", "");
}

/* --- One zone --------------------------------------------------------------------------------- */

static const struct group *find_group(const struct table *t, const char *zone)
{
    for (size_t i = 0; i < t->n_groups; i++) {
        if (strcasecmp(t->groups[i].rows[0].zone, zone) == 0)
            return &t->groups[i];
    }
    return NULL;
}

/* Rows of the page, those that aren't well first. */
static void add_rows_of(const struct table *t, const struct group *group, size_t from)
{
    size_t n = 0;

    for (unsigned well = 0; well < 2; well++) {
        for (size_t i = 0; i < group->n; i++) {
            if (group->rows[i].is_well != (well == 1))
                continue;
            if (n >= from && n < from + ROWS)
                add_row(t, &group->rows[i], false);
            n++;
        }
    }
}

static void add_zone(const struct table *t)
{
    const struct group *group = find_group(t, t->view->zone);
    struct buf query = {0};
    size_t from;

    html_add(t->html, "<p><a href=\"/\">← all zones</a></p>");
    if (group == NULL) {
        html_add(t->html, "<p class=\"none\">There is no zone <bdi>%s</bdi>.</p>", t->view->zone);
        return;
    }
    from = t->view->from < group->n ? t->view->from : 0;
    begin_table(t->html, "Volume");
    add_group(t, group, false);
    add_rows_of(t, group, from);
    end_table(t->html);
    if (buf_append_string(&query, "zone=") < 0 ||
        json_append_percent(&query, t->view->zone, strlen(t->view->zone)) < 0 ||
        buf_append(&query, "&", 2) < 0)
        t->html->has_failed = true;
    else
        add_pages(t->html, from, ROWS, group->n, "volumes", buf_bytes(&query));
    buf_deinit(&query);
}

void page_add_volumes(struct html *html, const struct page_view *view)
{
    struct table t = {.html = html, .view = view};

    if (!table_init(&t))
        html->has_failed = true;
    html_add(html, "<section aria-labelledby=\"volumes\"><h2 id=\"volumes\">Volumes</h2>");
    if (html->has_failed)
        ;
    else if (view->zone != NULL)
        add_zone(&t);
    else if (t.n_rows <= FEW)
        add_few(&t);
    else
        add_zones(&t);
    html_add(html, "</section>");
    free(t.rows);
    free(t.groups);
}
