#include "tests/unit/test.h"

#include <errno.h>
#include <string.h>

#include "launcher/nginx/template.h"

static const struct template_variable variables[] = {
    {"PORT", TEMPLATE_RAW, "3001"},
    {"ROOT", TEMPLATE_STRING, "/a \"b\\c;{}#"},
    {"BAD_DOLLAR", TEMPLATE_STRING, "/a$b"},
    {"BAD_LINE", TEMPLATE_STRING, "/a\nb"},
    {"EMPTY", TEMPLATE_RAW, ""},
};

static int render(const char *text, struct buf *out, struct template_error *error)
{
    return template_render(text, variables, COUNT_OF(variables), out, error);
}

static void assert_renders(const char *text, const char *expected)
{
    struct template_error error;
    struct buf out = {0};

    assert_int_equal(render(text, &out, &error), 0);
    assert_int_equal(buf_size(&out), strlen(expected));
    if (expected[0] != '\0')
        assert_memory_equal(buf_bytes(&out), expected, strlen(expected));
    buf_deinit(&out);
}

static void assert_refuses(const char *text, unsigned line, const char *part)
{
    struct template_error error;
    struct buf out = {0};

    assert_int_equal(render(text, &out, &error), -EINVAL);
    assert_int_equal(error.line, line);
    if (strstr(error.message, part) == NULL)
        fail_msg("'%s' lacks '%s'", error.message, part);
    buf_deinit(&out);
}

static void test_render_replaces_names(void **state)
{
    (void)state;
    assert_renders("", "");
    assert_renders("listen @PORT@;\n", "listen 3001;\n");
    assert_renders("@PORT@@PORT@", "30013001");
    assert_renders("a@EMPTY@b", "ab");
}

static void test_render_keeps_other_signs(void **state)
{
    (void)state;
    assert_renders("@", "@");
    assert_renders("@@", "@@");
    assert_renders("location @again {}", "location @again {}");
    assert_renders("a@b.c PORT@ @PORT", "a@b.c PORT@ @PORT");
    assert_renders("@again@PORT@", "@again3001");
    assert_renders("@@PORT@@", "@3001@");
}

static void test_render_quotes_strings(void **state)
{
    (void)state;
    assert_renders("root @ROOT@;", "root \"/a \\\"b\\\\c;{}#\";");
}

static void test_render_names_what_it_refuses(void **state)
{
    (void)state;
    assert_refuses("a\n\nb @NOPE@", 3, "@NOPE@");
    assert_refuses("@BAD_DOLLAR@", 1, "'$'");
    assert_refuses("\n@BAD_LINE@\n", 2, "control character");
}

static void test_check_string(void **state)
{
    (void)state;
    assert_null(template_check_string(""));
    assert_null(template_check_string("/caf\xc3\xa9 {;#'\"\\"));
    assert_non_null(template_check_string("a$"));
    assert_non_null(template_check_string("a\x7f"));
    assert_non_null(template_check_string("a\tb"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_render_replaces_names),
        cmocka_unit_test(test_render_keeps_other_signs),
        cmocka_unit_test(test_render_quotes_strings),
        cmocka_unit_test(test_render_names_what_it_refuses),
        cmocka_unit_test(test_check_string),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
