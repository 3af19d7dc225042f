#include "tests/unit/test.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "index/base/address.h"
#include "launcher/common.h"

struct sample {
    struct common_options common;
    struct address listen;
    unsigned subvolumes;
    const char *fallback;
    struct address admin;
};

static const struct option sample_options[] = {
    COMMON_OPTIONS,
    {"port", "[ADDR:]PORT", "3000", "where to listen", option_set_listen,
     offsetof(struct sample, listen)},
    {"subvolumes", "N", "1", "directories a volume", option_set_subvolumes,
     offsetof(struct sample, subvolumes)},
    {"fallback", "HOST:PORT", NULL, "where misses go", option_set_address,
     offsetof(struct sample, fallback)},
    {"admin", "[ADDR:]PORT", "9000", "where to show", option_set_admin,
     offsetof(struct sample, admin)},
};

static const struct command sample_command = {
    .name = "sample",
    .operands = "OPERAND",
    .summary = "Summary.",
    .details = "Details.\n",
    .options = sample_options,
    .n_options = COUNT_OF(sample_options),
};

/* Parses the words of `line`; *text keeps them alive. What goes to stderr is returned in `said`. */
static int parse(const char *line, struct sample *s, char **operands, int *n, char said[256])
{
    static char text[512];
    int saved = dup(STDERR_FILENO);
    int ends[2];
    int argc = 0;
    ssize_t got;
    int rc;

    snprintf(text, sizeof(text), "%s", line);
    for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " "))
        operands[argc++] = word;
    memset(s, 0, sizeof(*s));
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    rc = options_parse(&sample_command, argc, &operands, s, n);
    dup2(saved, STDERR_FILENO);
    close(saved);
    got = read(ends[0], said, 255);
    close(ends[0]);
    said[got > 0 ? got : 0] = '\0';
    return rc;
}

static void test_parse_fills_in_defaults(void **state)
{
    struct sample s;
    char *operands[16];
    char said[256];
    int n;

    (void)state;
    assert_int_equal(parse("", &s, operands, &n, said), 0);
    assert_int_equal(n, 0);
    assert_string_equal(said, "");
    assert_string_equal(s.common.nginx, "nginx");
    assert_int_equal(s.common.basic.log_level, LOG_LEVEL_INFO);
    assert_int_equal(s.common.drain_ms, 30000);
    assert_int_equal(s.common.workers, 0);
    assert_int_equal(s.listen.port, 3000);
    assert_string_equal(s.listen.host, "");
    assert_int_equal(s.admin.port, 9000);
    assert_string_equal(s.admin.host, "127.0.0.1");
    assert_int_equal(s.subvolumes, 1);
    assert_null(s.fallback);
    assert_false(s.common.basic.help);
}

static void test_parse_takes_options_anywhere(void **state)
{
    struct sample s;
    char *operands[16];
    char said[256];
    int n;

    (void)state;
    assert_int_equal(
        parse("a --port [::1]:80 b --admin 0.0.0.0:81 --log-level=debug --check --fallback h:1 c",
              &s, operands, &n, said),
        0);
    assert_int_equal(n, 3);
    assert_string_equal(operands[0], "a");
    assert_string_equal(operands[1], "b");
    assert_string_equal(operands[2], "c");
    assert_string_equal(s.listen.host, "::1");
    assert_string_equal(s.admin.host, "0.0.0.0");
    assert_int_equal(s.common.basic.log_level, LOG_LEVEL_DEBUG);
    assert_true(s.common.check);
    assert_string_equal(s.fallback, "h:1");
}

static void test_parse_ends_options_at_two_dashes(void **state)
{
    struct sample s;
    char *operands[16];
    char said[256];
    int n;

    (void)state;
    assert_int_equal(parse("--check -- --help -- -", &s, operands, &n, said), 0);
    assert_int_equal(n, 3);
    assert_string_equal(operands[0], "--help");
    assert_string_equal(operands[1], "--");
    assert_string_equal(operands[2], "-");
    assert_false(s.common.basic.help);
}

static void test_parse_refuses_by_name(void **state)
{
    static const struct {
        const char *line;
        const char *said;
    } cases[] = {
        {"--foo", "mkv: unknown option --foo (see 'mkv sample --help')\n"},
        {"--foo=1", "mkv: unknown option --foo (see 'mkv sample --help')\n"},
        {"-x", "mkv: unknown option -x (see 'mkv sample --help')\n"},
        {"--check=yes", "mkv: --check takes no value (see 'mkv sample --help')\n"},
        {"--port", "mkv: --port needs a value: [ADDR:]PORT (see 'mkv sample --help')\n"},
        {"--port 0", "mkv: --port must be PORT or ADDR:PORT: '0' (see 'mkv sample --help')\n"},
        {"--subvolumes 257", NULL},
        {"--subvolumes 0", NULL},
        {"--subvolumes 4294967297", NULL},
        {"--workers 0", NULL},
        {"--workers +1", NULL},
        {"--drain-timeout -1", NULL},
        {"--drain-timeout 86401", NULL},
        {"--drain-timeout=", NULL},
        {"--log=", NULL},
        {"--log-level loud", NULL},
        {"--fallback 3001", NULL},
        {"--fallback http://a:1", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct sample s;
        char *operands[16];
        char said[256];
        int n = -1;

        assert_int_equal(parse(cases[i].line, &s, operands, &n, said), EXIT_USAGE);
        if (cases[i].said != NULL)
            assert_string_equal(said, cases[i].said);
        else if (strchr(said, '\n') == NULL || strchr(said, '\n')[1] != '\0')
            fail_msg("'%s' is not one line for '%s'", said, cases[i].line);
    }
}

static void test_help_walks_the_table(void **state)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    (void)state;
    options_print_help(&sample_command, out);
    fclose(out);
    assert_non_null(strstr(text, "usage: mkv sample OPERAND [OPTIONS]\n"));
    for (size_t i = 0; i < COUNT_OF(sample_options); i++) {
        if (strstr(text, sample_options[i].name) == NULL ||
            strstr(text, sample_options[i].help) == NULL)
            fail_msg("--%s is missing", sample_options[i].name);
    }
    assert_non_null(strstr(text, "(default: 30)"));
    free(text);
}

static void test_option_set_duration(void **state)
{
    static const struct {
        const char *text;
        uint64_t ms;
    } good[] = {{"0", 0},
                {"0h", 0},
                {"1s", 1000},
                {"90s", 90000},
                {"10m", 600000},
                {"6h", 21600000},
                {"1d", 86400000},
                {"30d", 2592000000},
                {"720h", 2592000000},
                {"3650d", 315360000000}};
    static const char *const bad[] = {
        "",    "s",   "6",  "-1s", "1.5h", "3651d", "87601h",
        "6 h", "6hh", "1w", "6H",  "1h1m", "+1s",   "99999999999999999999s"};
    uint64_t ms = 7;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_non_null(option_set_duration(&ms, bad[i]));
        assert_int_equal(ms, 7);
    }
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_null(option_set_duration(&ms, good[i].text));
        assert_int_equal(ms, good[i].ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_fills_in_defaults),
        cmocka_unit_test(test_parse_takes_options_anywhere),
        cmocka_unit_test(test_parse_ends_options_at_two_dashes),
        cmocka_unit_test(test_parse_refuses_by_name),
        cmocka_unit_test(test_help_walks_the_table),
        cmocka_unit_test(test_option_set_duration),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
