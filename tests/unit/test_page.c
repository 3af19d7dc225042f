/* What the status page makes of a status: of odd ones, hostile ones and large ones. */
#include "tests/unit/test.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "index/admin/history.h"
#include "index/admin/page.h"
#include "index/admin/page_parts.h"
#include "index/admin/page_templates.h"
#include "index/base/operation.h"

#define NOW     1000000000000
#define MANY    1000
#define MS      1000000 /* ns */
#define HOSTILE "</b><script x='1' y=\"2\">&\x01\x7f"

static struct history history;
static struct html html;
static json_t *status;

static int clean_up(void **state)
{
    (void)state;
    buf_deinit(&html.text);
    html = (struct html){.has_failed = false};
    memset(&history, 0, sizeof(history));
    json_decref(status);
    status = NULL;
    return 0;
}

static const char *text(void)
{
    assert_false(html.has_failed);
    assert_int_equal(buf_append(&html.text, "", 1), 0);
    buf_truncate(&html.text, buf_size(&html.text) - 1);
    return buf_bytes(&html.text);
}

/* Makes the page's inside of `status`. */
static const char *show(const char *zone, size_t from)
{
    struct page_view view = {
        .status = status, .history = &history, .now = NOW, .zone = zone, .from = from};

    buf_clear(&html.text);
    page_add_main(&html, &view);
    return text();
}

static size_t count(const char *in, const char *what)
{
    size_t n = 0;

    for (const char *at = strstr(in, what); at != NULL; at = strstr(at + 1, what))
        n++;
    return n;
}

/* --- Escaping --------------------------------------------------------------------------------- */

static void test_html_add_escapes_strings_alone(void **state)
{
    (void)state;
    html_add(&html, "<p title=\"%s\">%s</p>", HOSTILE, "\xff");
    assert_string_equal(text(), "<p title=\"&lt;/b&gt;&lt;script x=&#39;1&#39; y=&quot;2&quot;&gt;"
                                "&amp;\\x01\\x7f\">\\xff</p>");
}

static void test_html_add_takes_numbers(void **state)
{
    (void)state;
    html_add(&html, "%d %u %zu %" PRId64 " %" PRIu64 " %.1f%%", -1, 2U, (size_t)3, INT64_MIN,
             UINT64_MAX, 0.25);
    assert_string_equal(text(), "-1 2 3 -9223372036854775808 18446744073709551615 0.2%");
}

static void test_html_add_keeps_characters_of_long_strings_whole(void **state)
{
    char long_text[1024];
    size_t n = 0;

    (void)state;
    long_text[n++] = 'a';
    while (n + 4 <= sizeof(long_text) - 1) {
        memcpy(long_text + n, "\xf0\x9f\x98\x80", 4);
        n += 4;
    }
    long_text[n] = '\0';
    html_add(&html, "%s", long_text);
    assert_string_equal(text(), long_text);
    buf_clear(&html.text);
    memset(long_text, '\x80', sizeof(long_text) - 1); /* no character's begin at all */
    long_text[sizeof(long_text) - 1] = '\0';
    html_add(&html, "%s", long_text);
    assert_int_equal(count(text(), "\\x80"), sizeof(long_text) - 1);
}

/* Every text in it is that one. */
static const char hostile_status[] =
    "{'version':@,'pid':1,'index':@,'replicas':1,'uptime_ms':1,'keys':1,'unlinked':0,'orphans':0,"
    "'journal':{'error':@},'checkpoint':{'error':@},"
    "'volumes':[{'name':@,'state':@,'reason':@,'zone':@,'used':true},"
    "{'name':@,'state':'down','reason':@,'zone':{'percent':@},'drained':true}],"
    "'jobs':[{'job':1,'kind':@,'volume':@,'state':'running','phase':@,'noun':@,'done':1,'total':2,"
    "'elapsed_ms':1000,'bytes':5},"
    "{'job':2,'kind':@,'volume':@,'state':@,'text':@,'started_ms':1,'elapsed_ms':1}],"
    "'advice':[{'level':@,'text':@,'mend':@,'since_ms':1}]}";

static void make_hostile(void)
{
    char source[4096];
    size_t n = 0;

    for (const char *c = hostile_status; *c != '\0'; c++) {
        if (*c == '@')
            n += (size_t)snprintf(source + n, sizeof(source) - n, "%s",
                                  "\"</b><script x='1' y=\\\"2\\\">&\\u0001\\u007f\"");
        else
            source[n++] = *c == '\'' ? '"' : *c;
        assert_true(n < sizeof(source));
    }
    source[n] = '\0';
    status = json_loads(source, 0, NULL);
    assert_non_null(status);
}

static void expect_tame(const char *page)
{
    assert_null(strstr(page, "<script"));
    assert_null(strstr(page, "x='1'"));
    assert_null(strstr(page, "y=\"2\""));
    for (const char *c = page; *c != '\0'; c++)
        assert_true((unsigned char)*c >= ' ' && *c != 0x7f);
}

static void test_page_escapes_whatever_it_shows(void **state)
{
    (void)state;
    make_hostile();
    expect_tame(show(NULL, 0));
    assert_int_equal(count(text(), "&lt;script"), 19);
    assert_int_equal(count(text(), "<td"), count(text(), "</td>"));
    expect_tame(show(HOSTILE, 0));
    assert_non_null(strstr(text(), "&lt;script"));
}

static void test_page_of_nothing_is_a_page(void **state)
{
    (void)state;
    status = json_object();
    assert_non_null(strstr(show(NULL, 0), "All is well"));
    assert_non_null(strstr(show("z", 9), "There is no zone"));
}

/* --- Many volumes ----------------------------------------------------------------------------- */

/* Volumes in zones of ten; those in zone7 and one each in zone9 and zone11 are down. */
static void make_many(unsigned n)
{
    json_t *volumes = json_array();

    for (unsigned i = 0; i < n; i++) {
        bool down = i / 10 == 7 || i == 95 || i == 111;
        char name[32];
        char zone[32];

        snprintf(name, sizeof(name), "disk%u:3001", i);
        snprintf(zone, sizeof(zone), "zone%u", i / 10);
        json_array_append_new(volumes, json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:b}", "name",
                                                 name, "zone", zone, "state", down ? "down" : "up",
                                                 "reason", down ? "it can't be reached" : "",
                                                 "since_ms", (json_int_t)(NOW - 60000),
                                                 "total_bytes", (json_int_t)1 << 40, "free_bytes",
                                                 (json_int_t)1 << 39, "used", 1));
    }
    status = json_pack("{s:o}", "volumes", volumes);
    assert_non_null(status);
}

static void test_page_of_few_volumes_shows_all(void **state)
{
    (void)state;
    make_many(48);
    show(NULL, 0);
    assert_int_equal(count(text(), "disk"), 48);
    assert_int_equal(count(text(), "scope=\"rowgroup\""), 5);
    assert_null(strstr(text(), "?zone="));
}

static void test_page_of_many_volumes_shows_zones_and_troubles(void **state)
{
    (void)state;
    make_many(MANY);
    show(NULL, 0);
    assert_true(buf_size(&html.text) < 40 << 10);
    assert_int_equal(count(text(), "scope=\"rowgroup\""), 40);
    assert_int_equal(count(text(), "?zone="), 40);
    assert_int_equal(count(text(), ":3001"), 12);
    assert_true(strstr(text(), ">zone7<") < strstr(text(), ">zone9<"));
    assert_true(strstr(text(), ">zone11<") < strstr(text(), ">zone0<"));
    assert_non_null(strstr(text(), "1 to 40 of 100 zones"));
    assert_non_null(strstr(text(), "href=\"/?from=40\" rel=\"next\""));
    show(NULL, 80);
    assert_int_equal(count(text(), "scope=\"rowgroup\""), 20);
    assert_non_null(strstr(text(), "href=\"/?from=40\" rel=\"prev\""));
    assert_null(strstr(text(), "rel=\"next\""));
    assert_int_equal(count(show(NULL, 100), "scope=\"rowgroup\""), 40);
}

static void test_page_of_a_zone_shows_its_volumes(void **state)
{
    (void)state;
    make_many(MANY);
    show("ZONE9", 0);
    assert_int_equal(count(text(), ":3001"), 10);
    assert_true(strstr(text(), "disk95") < strstr(text(), "disk90"));
    for (size_t i = 0; i < MANY; i++)
        json_object_set_new(json_array_get(json_object_get(status, "volumes"), i), "zone",
                            json_string("a & b"));
    show("a & b", 960);
    assert_int_equal(count(text(), ":3001"), 40);
    assert_non_null(strstr(text(), "961 to 1000 of 1000 volumes"));
    assert_non_null(strstr(text(), "href=\"/?zone=a%20%26%20b&amp;from=912\""));
    assert_non_null(strstr(show(NULL, 0), "href=\"/?zone=a%20%26%20b\""));
    assert_int_equal(count(text(), ":3001"), 12);
}

static void test_page_tells_nothing_of_space_that_is_away(void **state)
{
    (void)state;
    make_many(48);
    json_object_set_new(json_array_get(json_object_get(status, "volumes"), 0), "state",
                        json_string("down"));
    show(NULL, 0);
    assert_int_equal(count(text(), "class=\"bar"), 47 + 5);
    assert_non_null(strstr(text(), "47 <small>of 48</small>"));
    assert_non_null(strstr(text(), "23.5 TiB <small>of 47.0 TiB</small>"));
}

/* --- The last hour ---------------------------------------------------------------------------- */

static void test_history_keeps_an_hour(void **state)
{
    struct history_totals totals = {.counts = {0}};

    (void)state;
    assert_int_equal(history_count(&history), 0);
    for (unsigned i = 1; i <= HISTORY_SAMPLES + 5; i++) {
        totals.counts[HISTORY_READS] += i;
        history_add(&history, &totals);
    }
    assert_int_equal(history_count(&history), HISTORY_SAMPLES);
    assert_int_equal(history_at(&history, HISTORY_READS, 0), HISTORY_SAMPLES + 5);
    assert_int_equal(history_at(&history, HISTORY_READS, HISTORY_SAMPLES - 1), 6);
    assert_int_equal(history_at(&history, HISTORY_WRITES, 0), 0);
    totals.counts[HISTORY_ERRORS] = UINT64_MAX;
    history_add(&history, &totals);
    assert_int_equal(history_at(&history, HISTORY_ERRORS, 0), UINT32_MAX);
}

static void test_history_sums_operations_of_both_apis_up(void **state)
{
    static struct meter meter;
    struct history_totals totals;

    (void)state;
    meter.kinds[NATIVE_GET].statuses[302 - METER_STATUS_FIRST] = 1;
    meter.kinds[S3_GET_OBJECT].statuses[404 - METER_STATUS_FIRST] = 2;
    meter.kinds[S3_PUT_OBJECT].statuses[503 - METER_STATUS_FIRST] = 4;
    meter.kinds[NATIVE_UNLINK].statuses[204 - METER_STATUS_FIRST] = 8;
    meter.kinds[NATIVE_LIST].statuses[200 - METER_STATUS_FIRST] = 16;
    meter.kinds[OPERATION_HEALTH].statuses[200 - METER_STATUS_FIRST] = 32;
    histogram_add(&meter.kinds[NATIVE_GET].latencies, 1);
    histogram_add(&meter.kinds[NATIVE_LIST].latencies, 1);
    histogram_add(&meter.kinds[OPERATION_HEALTH].latencies, 1);
    history_sum(&meter, &totals);
    assert_int_equal(totals.counts[HISTORY_READS], 3);
    assert_int_equal(totals.counts[HISTORY_WRITES], 4);
    assert_int_equal(totals.counts[HISTORY_DELETES], 8);
    assert_int_equal(totals.counts[HISTORY_LISTS], 16);
    assert_int_equal(totals.counts[HISTORY_ERRORS], 4);
    assert_int_equal(totals.latency.counts[0], 2);
}

static void test_history_reckons_latencies_of_a_sample_alone(void **state)
{
    struct history_totals totals = {.counts = {0}};

    (void)state;
    history_add(&history, &totals);
    assert_int_equal(history_at(&history, HISTORY_P99, 0), 0);
    for (unsigned i = 0; i < 98; i++)
        histogram_add(&totals.latency, 3 * MS); /* counts as something from 1 to 5 ms */
    histogram_add(&totals.latency, 40 * (uint64_t)MS);
    histogram_add(&totals.latency, 400000 * (uint64_t)MS);
    history_add(&history, &totals);
    assert_in_range(history_at(&history, HISTORY_P50, 0), 3000, 3100);
    assert_int_equal(history_at(&history, HISTORY_P99, 0), 50000);
    histogram_add(&totals.latency, 400000 * (uint64_t)MS);
    history_add(&history, &totals);
    assert_int_equal(history_at(&history, HISTORY_P50, 0), 30000000);
}

static void test_page_draws_rates_to_the_right_edge(void **state)
{
    struct history_totals totals = {.counts = {0}};

    (void)state;
    status = json_object();
    for (unsigned i = 0; i < 6; i++) {
        totals.counts[HISTORY_READS] += i < 3 ? 10 : 40; /* 1/s, then 4/s */
        history_add(&history, &totals);
    }
    show(NULL, 0);
    assert_non_null(strstr(text(), "Reads <b>4.0</b>"));
    assert_non_null(strstr(text(), "peak 4.0/s"));
    assert_non_null(strstr(text(), "points=\"118,30 119,0 \""));
    totals.counts[HISTORY_READS] += 100; /* a column of its own, which moves the others on */
    history_add(&history, &totals);
    assert_non_null(strstr(show(NULL, 0), "peak 10/s"));
    assert_non_null(strstr(text(), "points=\"117,36 118,24 119,0 \""));
    for (unsigned i = 0; i < HISTORY_SAMPLES; i++)
        history_add(&history, &totals);
    assert_non_null(strstr(show(NULL, 0), "points=\"0,40 119,40 \""));
    assert_non_null(strstr(text(), "peak 0/s"));
}

static void test_page_takes_gzip(void **state)
{
    static const char *const yes[] = {"gzip", "deflate, gzip;q=0.5", "br,GZIP ; q=1",
                                      "gzip, deflate;q=0"};
    static const char *const no[] = {"",       "identity",        "gzip;q=0", "gzip;q=0.000, br",
                                     "x-gzip", "gzipped, deflate"};

    (void)state;
    assert_false(page_takes_gzip(NULL));
    for (size_t i = 0; i < COUNT_OF(yes); i++)
        assert_true(page_takes_gzip(yes[i]));
    for (size_t i = 0; i < COUNT_OF(no); i++)
        assert_false(page_takes_gzip(no[i]));
}

static void test_page_templates_have_their_marks_and_no_ends(void **state)
{
    (void)state;
    assert_int_equal(count(page_html, "{{"), 4);
    assert_int_equal(count(page_html, "}}"), 4);
    assert_null(strstr(page_css, "</"));
    assert_null(strstr(page_js, "</script"));
    assert_null(strstr(page_js, "<!--"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_html_add_escapes_strings_alone, clean_up),
        cmocka_unit_test_teardown(test_html_add_takes_numbers, clean_up),
        cmocka_unit_test_teardown(test_html_add_keeps_characters_of_long_strings_whole, clean_up),
        cmocka_unit_test_teardown(test_page_escapes_whatever_it_shows, clean_up),
        cmocka_unit_test_teardown(test_page_of_nothing_is_a_page, clean_up),
        cmocka_unit_test_teardown(test_page_of_few_volumes_shows_all, clean_up),
        cmocka_unit_test_teardown(test_page_of_many_volumes_shows_zones_and_troubles, clean_up),
        cmocka_unit_test_teardown(test_page_of_a_zone_shows_its_volumes, clean_up),
        cmocka_unit_test_teardown(test_page_tells_nothing_of_space_that_is_away, clean_up),
        cmocka_unit_test_teardown(test_history_keeps_an_hour, clean_up),
        cmocka_unit_test_teardown(test_history_sums_operations_of_both_apis_up, clean_up),
        cmocka_unit_test_teardown(test_history_reckons_latencies_of_a_sample_alone, clean_up),
        cmocka_unit_test_teardown(test_page_draws_rates_to_the_right_edge, clean_up),
        cmocka_unit_test_teardown(test_page_takes_gzip, clean_up),
        cmocka_unit_test_teardown(test_page_templates_have_their_marks_and_no_ends, clean_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
