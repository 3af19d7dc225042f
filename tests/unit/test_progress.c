#include "tests/unit/test.h"

#include <string.h>

#include "launcher/commands/progress.h"
#include "launcher/quantity.h"

static struct job_line line_at(uint64_t elapsed_ms, uint64_t done, uint64_t total, uint64_t bytes)
{
    return (struct job_line){.id = 1,
                             .kind = "rebalance",
                             .phase = "moving",
                             .noun = "keys",
                             .elapsed_ms = elapsed_ms,
                             .done = done,
                             .total = total,
                             .bytes = bytes,
                             .is_running = true};
}

static void add(struct progress *p, uint64_t elapsed_ms, uint64_t done, uint64_t total,
                uint64_t bytes)
{
    struct job_line line = line_at(elapsed_ms, done, total, bytes);

    progress_add(p, &line);
}

static void test_add_with_steady_lines_tells_the_rate(void **state)
{
    struct progress p = {.has_line = false};
    struct job_line line;

    (void)state;
    add(&p, 60000, 5000, 10000, 1000); /* attached late: what was before says nothing */
    assert_false(p.has_rate);
    for (uint64_t i = 1; i <= 40; i++)
        add(&p, 60000 + i * 250, 5000 + i * 25, 10000, 1000 + i * 512);
    assert_true(p.done_rate > 99 && p.done_rate < 101);
    assert_true(p.bytes_rate > 2040 && p.bytes_rate < 2056);
    line = line_at(70000, 6000, 10000, 0);
    assert_true(progress_left(&p, &line) > 39000 && progress_left(&p, &line) < 41000);
}

static void test_add_follows_a_change_within_seconds(void **state)
{
    struct progress p = {.has_line = false};

    (void)state;
    for (uint64_t i = 0; i <= 40; i++)
        add(&p, i * 250, i * 25, 100000, 0);
    for (uint64_t i = 1; i <= 80; i++)
        add(&p, 10000 + i * 250, 1000 + i * 250, 100000, 0);
    assert_true(p.done_rate > 950 && p.done_rate < 1001);
}

static void test_add_with_lines_too_close_or_out_of_order_keeps_the_rate(void **state)
{
    struct progress p = {.has_line = false};

    (void)state;
    add(&p, 1000, 0, 100, 0);
    add(&p, 2000, 10, 100, 0);
    add(&p, 2001, 90, 100, 0);
    assert_true(p.done_rate > 9.9 && p.done_rate < 10.1);
    add(&p, 0, 90, 100, 0);
    assert_true(p.done_rate > 9.9 && p.done_rate < 10.1);
}

static void test_add_with_another_phase_begins_anew(void **state)
{
    struct progress p = {.has_line = false};
    struct job_line line = line_at(3000, 20, 100, 0);

    (void)state;
    add(&p, 1000, 0, 100, 0);
    add(&p, 2000, 10, 100, 0);
    strcpy(line.phase, "comparing");
    progress_add(&p, &line);
    assert_false(p.has_rate);
    assert_true(progress_left(&p, &line) == UINT64_MAX);
    add(&p, 4000, 10, 100, 0);
    add(&p, 5000, 10, 100, 0);
    assert_true(p.has_rate);
    line = line_at(5000, 10, 100, 0);
    assert_true(progress_left(&p, &line) == UINT64_MAX); /* nothing moves */
    add(&p, 6000, 0, 100, 0);                            /* the next pass of the same phase */
    assert_false(p.has_rate);
}

static void test_bar_is_never_as_wide_as_the_terminal(void **state)
{
    struct job_line line = line_at(10000, UINT64_MAX - 1, UINT64_MAX, UINT64_MAX);
    struct progress p = {
        .has_line = true, .has_rate = true, .done_rate = 1e300, .bytes_rate = 1e30};
    char text[PROGRESS_TEXT_MAX];

    (void)state;
    memset(line.counts, 'c', sizeof(line.counts) - 1);
    memset(line.phase, 'p', sizeof(line.phase) - 1);
    for (unsigned columns = 0; columns < 700; columns++) {
        progress_bar(&p, &line, columns, text);
        assert_true(strlen(text) == 0 || strlen(text) < columns);
    }
}

static void test_bar_leaves_out_what_has_no_room(void **state)
{
    struct job_line line = line_at(10000, 45, 100, 4096);
    struct progress p = {
        .has_line = true, .has_rate = true, .done_rate = 11, .bytes_rate = 2.5 * 1048576};
    char text[PROGRESS_TEXT_MAX];

    (void)state;
    strcpy(line.counts, "moved 3, failed 1");
    assert_string_equal(progress_bar(&p, &line, 200, text),
                        "rebalance [#########...........] 45%  5 s left  11 keys/s  2.5 MiB/s  "
                        "moved 3, failed 1");
    assert_string_equal(progress_bar(&p, &line, 80, text),
                        "rebalance [#########...........] 45%  5 s left  11 keys/s  2.5 MiB/s");
    assert_string_equal(progress_bar(&p, &line, 40, text), "rebalance [####......] 45%  5 s left");
    assert_string_equal(progress_bar(&p, &line, 15, text), "rebalance 45%");
    assert_string_equal(progress_bar(&p, &line, 5, text), " 45%");
    line.total = 0;
    assert_string_equal(progress_bar(&p, &line, 39, text), "rebalance 45 keys  11 keys/s");
}

static void test_bar_of_a_job_that_waits_says_for_what(void **state)
{
    struct job_line line = line_at(10000, 30, 30, 4096);
    struct progress p = {.has_line = true, .has_rate = true};
    char text[PROGRESS_TEXT_MAX];

    (void)state;
    strcpy(line.phase, "waiting for older copies to go (--grace)");
    strcpy(line.counts, "moved 3");
    assert_string_equal(
        progress_bar(&p, &line, 80, text),
        "rebalance [####################] 100%  waiting for older copies to go (--grace)");
    assert_string_equal(
        progress_bar(&p, &line, 100, text),
        "rebalance [####################] 100%  waiting for older copies to go (--grace)  moved 3");
}

static void test_bar_at_its_ends_is_empty_and_full(void **state)
{
    struct progress p = {.has_line = true};
    struct job_line line = line_at(0, 0, 3, 0);
    char text[PROGRESS_TEXT_MAX];

    (void)state;
    assert_string_equal(progress_bar(&p, &line, 40, text), "rebalance [..........] 0%  moving");
    line.done = 3;
    assert_string_equal(progress_bar(&p, &line, 40, text), "rebalance [##########] 100%  moving");
    line.done = 4; /* keys came meanwhile */
    assert_string_equal(progress_bar(&p, &line, 40, text), "rebalance [##########] 100%  moving");
}

static void test_sentence_tells_all(void **state)
{
    struct job_line line = line_at(10000, 45, 100, 4096);
    struct progress p = {.has_line = false};
    char text[PROGRESS_TEXT_MAX];

    (void)state;
    progress_guess(&p, &line);
    assert_string_equal(progress_sentence(&p, &line, text),
                        "moving: 45% (45 of 100 keys), 4.5 keys/s, 410 B/s, 13 s left");
    line.total = 0;
    strcpy(line.counts, "moved 3");
    assert_string_equal(progress_sentence(&p, &line, text),
                        "moving: 45 keys, 4.5 keys/s, 410 B/s; moved 3");
    line.is_held = true;
    assert_string_equal(progress_sentence(&p, &line, text),
                        "moving (held: too many volumes are away): 45 keys, 4.5 keys/s, 410 B/s; "
                        "moved 3");
}

static void test_quantity_parse_takes_numbers_and_units(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {{"1", 1},
                {"500", 500},
                {"64K", 65536},
                {"64k", 65536},
                {"10M", 10485760},
                {"3G", 3221225472},
                {"9223372036854775807", INT64_MAX},
                {"8589934591G", 8589934591ULL << 30}};
    static const char *const bad[] = {"",
                                      "0",
                                      "0M",
                                      "M",
                                      "-1",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "1.5M",
                                      "10MB",
                                      "1T",
                                      "10M/s",
                                      "1KK",
                                      "0x10",
                                      "9223372036854775808",
                                      "8589934592G",
                                      "99999999999999999999"};
    uint64_t bytes;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_true(quantity_parse(good[i].text, &bytes));
        assert_true(bytes == good[i].bytes);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        bytes = 7;
        assert_false(quantity_parse(bad[i], &bytes));
        assert_true(bytes == 7);
    }
}

static void test_quantity_duration_and_size_are_short(void **state)
{
    char text[QUANTITY_TEXT_MAX];

    (void)state;
    assert_string_equal(quantity_duration(-5, text), "0 s");
    assert_string_equal(quantity_duration(59999, text), "59 s");
    assert_string_equal(quantity_duration(61000, text), "1 min 1 s");
    assert_string_equal(quantity_duration(3600000, text), "1 h 0 min");
    assert_string_equal(quantity_duration(90000000, text), "1 day 1 h");
    assert_string_equal(quantity_size(1023, text), "1023 B");
    assert_string_equal(quantity_size(1536, text), "1.5 KiB");
    assert_true(strlen(quantity_size(1e300, text)) < QUANTITY_TEXT_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add_with_steady_lines_tells_the_rate),
        cmocka_unit_test(test_add_follows_a_change_within_seconds),
        cmocka_unit_test(test_add_with_lines_too_close_or_out_of_order_keeps_the_rate),
        cmocka_unit_test(test_add_with_another_phase_begins_anew),
        cmocka_unit_test(test_bar_is_never_as_wide_as_the_terminal),
        cmocka_unit_test(test_bar_leaves_out_what_has_no_room),
        cmocka_unit_test(test_bar_of_a_job_that_waits_says_for_what),
        cmocka_unit_test(test_bar_at_its_ends_is_empty_and_full),
        cmocka_unit_test(test_sentence_tells_all),
        cmocka_unit_test(test_quantity_parse_takes_numbers_and_units),
        cmocka_unit_test(test_quantity_duration_and_size_are_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
