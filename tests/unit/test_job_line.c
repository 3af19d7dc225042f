#include "tests/unit/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/commands/job_line.h"

static int read_text(const char *text, struct job_line *line)
{
    json_t *json = json_loads(text, 0, NULL);
    int rc;

    assert_non_null(json);
    rc = job_line_read(json, line);
    json_decref(json);
    return rc;
}

/* The finding as text, or NULL for none. */
static const char *finding(const char *text)
{
    static char out[512];
    json_t *json = json_loads(text, 0, NULL);
    struct buf buf = {0};
    int rc = job_line_append_finding(&buf, json);

    json_decref(json);
    if (rc == 0) {
        assert_true(buf_size(&buf) < sizeof(out));
        memcpy(out, buf_bytes(&buf), buf_size(&buf));
        out[buf_size(&buf)] = '\0';
    }
    buf_deinit(&buf);
    return rc == 0 ? out : NULL;
}

static void test_read_takes_a_line(void **state)
{
    struct job_line line;
    char name[JOB_LINE_NAME_MAX];

    (void)state;
    assert_int_equal(
        read_text("{\"job\":3,\"kind\":\"drain\",\"volume\":\"a:1\",\"state\":\"running\","
                  "\"phase\":\"moving\",\"noun\":\"keys\",\"done\":10,\"total\":90,\"bytes\":4096,"
                  "\"started_ms\":5,\"elapsed_ms\":800,\"automatic\":true,\"options\":{\"undo\":"
                  "true,\"jobs\":4,\"rate\":9},\"counts\":{\"moved\":4,\"failed\":1},\"findings\":"
                  "0,\"findings_left_out\":2,\"clean\":false,\"text\":\"\"}",
                  &line),
        0);
    assert_int_equal(line.id, 3);
    assert_string_equal(job_line_name(&line, name), "drain a:1");
    assert_string_equal(line.phase, "moving");
    assert_true(line.is_running && line.is_automatic && line.options.undo);
    assert_false(line.is_clean || line.is_canceled || line.is_failed || line.options.dry_run);
    assert_int_equal(line.done, 10);
    assert_int_equal(line.total, 90);
    assert_int_equal(line.bytes, 4096);
    assert_int_equal(line.started_ms, 5);
    assert_int_equal(line.elapsed_ms, 800);
    assert_int_equal(line.findings_left_out, 2);
    assert_int_equal(line.options.jobs, 4);
    assert_int_equal(line.options.rate, 9);
    assert_string_equal(line.counts, "moved 4, failed 1");
}

static void test_read_refuses_what_is_no_job(void **state)
{
    static const char *const bad[] = {"[]",
                                      "{}",
                                      "{\"finding\":\"missing\"}",
                                      "{\"job\":1}",
                                      "{\"state\":\"done\"}",
                                      "{\"job\":\"1\",\"state\":\"done\"}",
                                      "{\"job\":-1,\"state\":\"done\"}",
                                      "{\"job\":1,\"state\":2}"};
    struct job_line line;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(read_text(bad[i], &line), -EPROTO);
}

static void test_read_survives_wrong_types_and_long_texts(void **state)
{
    struct job_line line;
    char text[4096];

    (void)state;
    assert_int_equal(read_text("{\"job\":1,\"state\":\"done\",\"kind\":7,\"volume\":[],\"done\":"
                               "-4,\"total\":\"x\",\"options\":3,\"counts\":[1],\"text\":{},"
                               "\"clean\":1}",
                               &line),
                     0);
    assert_string_equal(line.kind, "");
    assert_int_equal(line.done, 0);
    assert_int_equal(line.total, 0);
    assert_string_equal(line.counts, "");
    assert_false(line.is_clean);
    snprintf(text, sizeof(text),
             "{\"job\":1,\"state\":\"done\",\"phase\":\"%01000d\",\"text\":"
             "\"%02000d\",\"counts\":{\"%0200d\":1,\"%0201d\":2}}",
             0, 0, 0, 0);
    assert_int_equal(read_text(text, &line), 0);
    assert_int_equal(strlen(line.phase), sizeof(line.phase) - 1);
    assert_true(strlen(line.text) < sizeof(line.text));
    assert_true(strlen(line.counts) < sizeof(line.counts));
}

static void test_read_leaves_nothing_that_drives_a_terminal(void **state)
{
    struct job_line line;

    (void)state;
    assert_int_equal(read_text("{\"job\":1,\"state\":\"done\",\"text\":\"a\\u001b[2J\\n\","
                               "\"counts\":{\"\\u0007\":1}}",
                               &line),
                     0);
    assert_string_equal(line.text, "a\\x1b[2J\\x0a");
    assert_string_equal(line.counts, "\\x07 1");
}

static void test_finding_is_one_plain_line(void **state)
{
    (void)state;
    assert_string_equal(finding("{\"finding\":\"missing\",\"key\":\"/a\",\"place\":\"h:1/sv0A\","
                                "\"detail\":\"made anew\"}"),
                        "missing  /a  on h:1/sv0A: made anew\n");
    assert_string_equal(finding("{\"finding\":\"stray\",\"place\":\"h:1\"}"), "stray  on h:1\n");
    assert_string_equal(finding("{\"finding\":\"lost\",\"key\":{\"percent\":\"/%FF\"}}"),
                        "lost  /%FF\n");
    assert_string_equal(finding("{\"finding\":\"lost\",\"key\":\"/\\u001b]0;x\\u0007\\n\"}"),
                        "lost  /\\x1b]0;x\\x07\\x0a\n");
    assert_string_equal(finding("{\"finding\":\"lost\",\"key\":\"\"}"), "lost  \n");
    assert_null(finding("{\"key\":\"/a\"}"));
    assert_null(finding("{\"finding\":1}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_takes_a_line),
        cmocka_unit_test(test_read_refuses_what_is_no_job),
        cmocka_unit_test(test_read_survives_wrong_types_and_long_texts),
        cmocka_unit_test(test_read_leaves_nothing_that_drives_a_terminal),
        cmocka_unit_test(test_finding_is_one_plain_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
