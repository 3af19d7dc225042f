/* Metrics as Prometheus reads them. */
#include "tests/unit/test.h"

#include <stdio.h>
#include <string.h>

#include "index/base/exposition.h"

static struct buf out;
static struct exposition e;

static int setup(void **state)
{
    (void)state;
    e = (struct exposition){.out = &out};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assert_false(e.failed);
    buf_deinit(&out);
    return 0;
}

static const char *text(void)
{
    assert_int_equal(buf_append(&out, "", 1), 0);
    return buf_bytes(&out);
}

static void test_exposition_of_a_family(void **state)
{
    const struct exposition_label a[] = {{"api", "s3"}, {"code", "200"}, {.name = NULL}};
    const struct exposition_label none[] = {{.name = NULL}};

    (void)state;
    exposition_begin(&e, "x_total", "counter", "How often.");
    exposition_add(&e, a, 7, 1);
    exposition_add(&e, none, UINT64_MAX, 1);
    exposition_gauge(&e, "y", "How much.", 0);
    assert_string_equal(text(), "# HELP x_total How often.\n"
                                "# TYPE x_total counter\n"
                                "x_total{api=\"s3\",code=\"200\"} 7\n"
                                "x_total 18446744073709551615\n"
                                "# HELP y How much.\n"
                                "# TYPE y gauge\n"
                                "y 0\n");
}

static void test_exposition_escapes_what_labels_say(void **state)
{
    static const struct {
        const char *value;
        const char *wanted;
    } cases[] = {
        {"", "l=\"\""},
        {"a b}{,=#", "l=\"a b}{,=#\""},
        {"\"\\\"", "l=\"\\\"\\\\\\\"\""},
        {"one\ntwo\n", "l=\"one\\ntwo\\n\""},
        {"\\n", "l=\"\\\\n\""},
        {"gr\xc3\xbc\xc3\x9f", "l=\"gr\xc3\xbc\xc3\x9f\""},
        {"\xff\xc3", "l=\"??\""},
        {"\xc3\"", "l=\"?\\\"\""},       /* no half a character eats the quote's escape */
        {"\xed\xa0\x80x", "l=\"???x\""}, /* a surrogate */
    };
    char wanted[128];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct exposition_label labels[] = {{"l", cases[i].value}, {.name = NULL}};

        buf_clear(&out);
        e.name = "m";
        exposition_add(&e, labels, 1, 1);
        snprintf(wanted, sizeof(wanted), "m{%s} 1\n", cases[i].wanted);
        assert_string_equal(text(), wanted);
    }
}

static void test_exposition_of_parts(void **state)
{
    static const struct {
        uint64_t value;
        unsigned per;
        const char *wanted;
    } cases[] = {
        {0, EXPOSITION_NANO, "m 0\n"},
        {1, EXPOSITION_NANO, "m 0.000000001\n"},
        {1500, EXPOSITION_MILLI, "m 1.5\n"},
        {1001, EXPOSITION_MILLI, "m 1.001\n"},
        {100, EXPOSITION_MILLI, "m 0.1\n"},
        {3000000, EXPOSITION_MICRO, "m 3\n"},
        {1763740800123, EXPOSITION_MILLI, "m 1763740800.123\n"},
        {UINT64_MAX, EXPOSITION_NANO, "m 18446744073.709551615\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        buf_clear(&out);
        e.name = "m";
        exposition_add(&e, NULL, cases[i].value, cases[i].per);
        assert_string_equal(text(), cases[i].wanted);
    }
}

/* Each bound is part of its range, and what is counted adds up. */
static void test_exposition_of_a_histogram(void **state)
{
    const struct exposition_label labels[] = {{"operation", "get"}, {.name = NULL}};
    struct histogram h = {.sum = 0};

    (void)state;
    for (unsigned i = 0; i < HISTOGRAM_BOUNDS; i++) {
        assert_true(i == 0 || histogram_bounds[i - 1] < histogram_bounds[i]);
        histogram_add(&h, histogram_bounds[i]);
        assert_int_equal(h.counts[i], 1);
    }
    histogram_add(&h, histogram_bounds[0] + 1);
    assert_int_equal(h.counts[1], 2);
    memset(&h, 0, sizeof(h));
    histogram_add(&h, 0);
    histogram_add(&h, 100000);
    histogram_add(&h, 700000000);
    histogram_add(&h, 3600000000000);
    exposition_begin(&e, "t_seconds", "histogram", "How long.");
    exposition_add_histogram(&e, labels, &h);
    assert_string_equal(text(), "# HELP t_seconds How long.\n# TYPE t_seconds histogram\n"
                                "t_seconds_bucket{operation=\"get\",le=\"0.0001\"} 2\n"
                                "t_seconds_bucket{operation=\"get\",le=\"0.0005\"} 2\n"
                                "t_seconds_bucket{operation=\"get\",le=\"0.001\"} 2\n"
                                "t_seconds_bucket{operation=\"get\",le=\"0.005\"} 2\n"
                                "t_seconds_bucket{operation=\"get\",le=\"0.01\"} 2\n"
                                "t_seconds_bucket{operation=\"get\",le=\"0.05\"} 2\n"
                                "t_seconds_bucket{operation=\"get\",le=\"0.1\"} 2\n"
                                "t_seconds_bucket{operation=\"get\",le=\"0.5\"} 2\n"
                                "t_seconds_bucket{operation=\"get\",le=\"1\"} 3\n"
                                "t_seconds_bucket{operation=\"get\",le=\"5\"} 3\n"
                                "t_seconds_bucket{operation=\"get\",le=\"30\"} 3\n"
                                "t_seconds_bucket{operation=\"get\",le=\"+Inf\"} 4\n"
                                "t_seconds_sum{operation=\"get\"} 3600.7001\n"
                                "t_seconds_count{operation=\"get\"} 4\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_exposition_of_a_family, setup, teardown),
        cmocka_unit_test_setup_teardown(test_exposition_escapes_what_labels_say, setup, teardown),
        cmocka_unit_test_setup_teardown(test_exposition_of_parts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_exposition_of_a_histogram, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
