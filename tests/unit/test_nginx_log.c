#include "tests/unit/test.h"

#include <string.h>

#include "launcher/nginx/nginx_log.h"

static void test_parse_takes_lines_apart(void **state)
{
    static const struct {
        const char *line;
        enum log_level level;
        bool fatal;
        const char *text;
    } cases[] = {
        {"2026/11/21 10:05:02 [emerg] 49#49: unknown directive", LOG_LEVEL_ERROR, true,
         "unknown directive"},
        {"2026/11/21 10:05:02 [error] 49#50: *7 open() failed", LOG_LEVEL_ERROR, false,
         "*7 open() failed"},
        {"nginx: [warn] the \"user\" directive", LOG_LEVEL_WARN, false, "the \"user\" directive"},
        {"2026/11/21 10:05:02 [notice] 1#1: using inherited sockets", LOG_LEVEL_DEBUG, false,
         "using inherited sockets"},
        {"2026/11/21 10:05:02 [alert] 1#", LOG_LEVEL_ERROR, false, "1#"},
        {"[alert] 1#1:", LOG_LEVEL_ERROR, false, "1#1:"},
        {"[crit] 1#1: ", LOG_LEVEL_ERROR, false, ""},
        {"free(): invalid pointer", LOG_LEVEL_WARN, false, "free(): invalid pointer"},
        {"2026/11/21 10:05:02 nonsense", LOG_LEVEL_WARN, false, "2026/11/21 10:05:02 nonsense"},
        {"", LOG_LEVEL_WARN, false, ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct nginx_log_line l;

        nginx_log_parse(cases[i].line, strlen(cases[i].line), &l);
        assert_int_equal(l.level, cases[i].level);
        assert_int_equal(l.fatal, cases[i].fatal);
        assert_int_equal(l.len, strlen(cases[i].text));
        assert_memory_equal(l.text, cases[i].text, l.len);
    }
}

static void assert_located(const char *text, const char *expected)
{
    char out[64];

    nginx_log_locate(text, strlen(text), "/tmp/mkv-x", out, sizeof(out));
    assert_string_equal(out, expected);
}

static void test_locate_hides_the_temporary_file(void **state)
{
    (void)state;
    assert_located("unknown directive \"a\" in /tmp/mkv-x:12",
                   "unknown directive \"a\" at line 12");
    assert_located("open() \"/tmp/mkv-x\" failed", "open() \"/tmp/mkv-x\" failed");
    assert_located("in /tmp/mkv-x", "in /tmp/mkv-x");
    assert_located("/tmp/mkv-x:1", "/tmp/mkv-x:1");
    assert_located("bad", "bad");
}

static void assert_redacted(const char *text, const char *expected)
{
    char out[256];

    nginx_log_redact(text, strlen(text), out);
    assert_memory_equal(out, expected, strlen(expected));
}

static void test_redact_hides_what_opens_doors(void **state)
{
    (void)state;
    assert_redacted("request: \"GET /a?ticket=ab.c_,9 HTTP/1.1\", host: \"x\"",
                    "request: \"GET /a?ticket=******* HTTP/1.1\", host: \"x\"");
    assert_redacted("\"GET /a?X-Amz-Signature=0f&b=1\" and ?x=1&Signature=yy",
                    "\"GET /a?X-Amz-Signature=**&b=1\" and ?x=1&Signature=**");
    assert_redacted("ticket=", "ticket=");
    assert_redacted("no tickets", "no tickets");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_takes_lines_apart),
        cmocka_unit_test(test_redact_hides_what_opens_doors),
        cmocka_unit_test(test_locate_hides_the_temporary_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
