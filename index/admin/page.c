#include "index/admin/page.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "index/admin/page_parts.h"
#include "index/admin/page_templates.h"
#include "index/admin/status.h"
#include "index/base/address.h"
#include "index/base/base64.h"
#include "index/base/clock.h"
#include "index/base/gzip.h"
#include "index/base/sha256.h"
#include "index/http/conditions.h"
#include "index/http/query.h"

#define ZONE_SIZE   (ADDRESS_HOST_MAX + 1)
#define ETAG_SIZE   (SHA256_HEX_SIZE + 8)
#define POLICY_SIZE 512

/* What the request asks for. */
struct wanted {
    char zone[ZONE_SIZE];
    bool has_zone;
    bool only_main;
    uint64_t from;
};

/* --- The request ------------------------------------------------------------------------------ */

/* 0, or -EINVAL for what isn't on a page. */
static int read_query(const struct http_request *request, struct wanted *w)
{
    static const char *const names[] = {"zone", "from", "main", NULL};
    size_t len;
    const char *query = http_request_query(request, &len);
    char none[1];
    size_t n;
    int rc;

    *w = (struct wanted){.from = 0};
    if (!query_has_only(query, len, names))
        return -EINVAL;
    rc = query_find(query, len, "zone", w->zone, sizeof(w->zone) - 1, &n);
    if (rc < 0 && rc != -ENOENT)
        return -EINVAL;
    w->has_zone = rc == 0;
    w->zone[w->has_zone ? n : 0] = '\0';
    rc = query_find(query, len, "main", none, 0, &n);
    if (rc < 0 && rc != -ENOENT)
        return -EINVAL;
    w->only_main = rc == 0;
    rc = query_find_number(query, len, "from", &w->from);
    return rc == 0 || rc == -ENOENT ? 0 : -EINVAL;
}

bool page_takes_gzip(const char *accept)
{
    while (accept != NULL && *accept != '\0') {
        size_t n = strcspn(accept, ",");
        const char *end = accept + n;
        size_t name;

        while (accept < end && (*accept == ' ' || *accept == '\t'))
            accept++;
        name = strcspn(accept, " \t;,");
        if (name == 4 && strncasecmp(accept, "gzip", 4) == 0) {
            const char *weight = memmem(accept, (size_t)(end - accept), "q=", 2);

            return weight == NULL || strtod(weight + 2, NULL) > 0;
        }
        accept = *end == ',' ? end + 1 : end;
    }
    return false;
}

/* --- The document ----------------------------------------------------------------------------- */

static void add_bytes(struct html *html, const char *bytes, size_t n)
{
    if (buf_append(&html->text, bytes, n) < 0)
        html->has_failed = true;
}

/* Copies the template, with each {{NAME}} replaced. */
static void add_document(struct html *html, const struct page_view *view)
{
    const char *at = page_html;
    const char *mark;

    while ((mark = strstr(at, "{{")) != NULL) {
        add_bytes(html, at, (size_t)(mark - at));
        at = strstr(mark, "}}") + 2;
        if (strncmp(mark, "{{STYLE", 7) == 0)
            add_bytes(html, page_css, strlen(page_css));
        else if (strncmp(mark, "{{SCRIPT", 8) == 0)
            add_bytes(html, page_js, strlen(page_js));
        else if (strncmp(mark, "{{VERDICT", 9) == 0)
            page_add_verdict(html, view);
        else
            page_add_main(html, view);
    }
    add_bytes(html, at, strlen(at));
}

/* 0, or -ENOMEM. */
static int make(const struct admin *admin, const struct history *history, const struct wanted *w,
                struct buf *out)
{
    json_t *status = status_make(admin);
    struct html html = {.has_failed = status == NULL};
    struct page_view view = {.status = status,
                             .history = history,
                             .now = (int64_t)clock_now_ms(),
                             .zone = w->has_zone ? w->zone : NULL,
                             .from = (size_t)w->from};

    if (status != NULL && w->only_main)
        page_add_main(&html, &view);
    else if (status != NULL)
        add_document(&html, &view);
    json_decref(status);
    *out = html.text;
    return html.has_failed ? -ENOMEM : 0;
}

/* --- The answer ------------------------------------------------------------------------------- */

/* "sha256-..." of what stands between the tags. (Content Security Policy Level 3, section 2.3.1) */
static void hash_source(const char *text, char source[64])
{
    unsigned char hash[SHA256_SIZE];
    size_t n = (size_t)sprintf(source, "sha256-");

    sha256_of(text, strlen(text), hash);
    source[n + base64_encode(hash, sizeof(hash), source + n)] = '\0';
}

/* The same for each request. */
static const char *page_policy(void)
{
    static char policy[POLICY_SIZE];
    char script[64];
    char style[64];

    if (policy[0] != '\0')
        return policy;
    hash_source(page_js, script);
    hash_source(page_css, style);
    snprintf(policy, sizeof(policy),
             "default-src 'none'; script-src '%s'; style-src '%s'; connect-src 'self'; img-src "
             "data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
             script, style);
    return policy;
}

static void add_policy(struct http_request *request)
{
    http_add_header(request, "Content-Security-Policy", page_policy());
    http_add_header(request, "X-Content-Type-Options", "nosniff");
    http_add_header(request, "Referrer-Policy", "no-referrer");
    http_add_header(request, "Cross-Origin-Resource-Policy", "same-origin");
}

/* Puts what gzip makes of it in its place. 0 or -ENOMEM. */
static int pack(struct buf *text)
{
    struct gzip *gzip = gzip_new();
    struct buf packed = {0};
    int rc = gzip != NULL ? gzip_add(gzip, buf_bytes(text), buf_size(text), &packed) : -ENOMEM;

    if (rc == 0)
        rc = gzip_end(gzip, &packed);
    gzip_free(gzip);
    buf_deinit(text);
    *text = packed;
    return rc;
}

/* The text is another one than its packed form, so they have two tags. */
static bool has_already(struct http_request *request, const struct buf *text, bool packs)
{
    char digits[SHA256_HEX_SIZE];
    char etag[ETAG_SIZE];
    struct conditions conditions;
    const struct conditions_target target = {.etag = etag, .modified = CONDITIONS_NO_TIME};

    sha256_hex(buf_bytes(text), buf_size(text), digits);
    snprintf(etag, sizeof(etag), "\"%.32s%s\"", digits, packs ? "-gzip" : "");
    http_add_header(request, "ETag", etag);
    conditions_init(&conditions, &target);
    conditions_add_request(&conditions, request);
    return conditions_outcome(&conditions, true) == CONDITIONS_NOT_MODIFIED;
}

static void respond(struct http_request *request, struct buf *text)
{
    bool packs = page_takes_gzip(http_request_header(request, "Accept-Encoding"));

    http_add_header(request, "Content-Type", "text/html; charset=utf-8");
    http_add_header(request, "Cache-Control", "no-cache");
    http_add_header(request, "Vary", "Accept-Encoding");
    add_policy(request);
    if (has_already(request, text, packs)) {
        http_respond(request, 304, NULL, 0);
        return;
    }
    if (packs && pack(text) < 0) {
        http_respond_text(request, 503, "out of memory\n");
        return;
    }
    if (packs)
        http_add_header(request, "Content-Encoding", "gzip");
    http_respond(request, 200, buf_bytes(text), buf_size(text));
}

void page_respond(const struct admin *admin, const struct history *history,
                  struct http_request *request)
{
    struct buf text = {0};
    struct wanted wanted;

    if (read_query(request, &wanted) < 0)
        http_respond_text(request, 400, "a page is asked for with zone and from\n");
    else if (make(admin, history, &wanted, &text) < 0)
        http_respond_text(request, 503, "out of memory\n");
    else
        respond(request, &text);
    buf_deinit(&text);
}
