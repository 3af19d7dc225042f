/* The body of POST /_mkv/assemble. */
#include "launcher/volume/assembly_lines.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/test.h"

#define G ".019ab7f0d2bb0000"
#define T "/5d/41/dGFyZ2V0" G

static char body[1024 * 1024];
static struct assembly_lines lines;
static size_t line;

static int parse(const char *text)
{
    assert_true(strlen(text) < sizeof(body));
    strcpy(body, text);
    line = 12345;
    return assembly_lines_parse(body, strlen(text), &lines, &line);
}

static void assert_refused(const char *text, size_t wanted)
{
    assert_int_equal(parse(text), -EINVAL);
    assert_int_equal(line, wanted);
    assert_null(lines.sources);
}

static void test_parse_what_is_to_be_made(void **state)
{
    (void)state;
    assert_int_equal(parse(T "\t310\t1766000000123\tsync,md5\n/aa/01/YQ==" G
                             "\t100\n/sv0F/aa/02/Yg==\t1000\t10\t200\n/aa/01/YQ==\t10\t0\t10\n"),
                     0);
    assert_string_equal(lines.path, &T[1]);
    assert_int_equal(lines.size, 310);
    assert_int_equal(lines.time, 1766000000123);
    assert_true(lines.wants_md5 && lines.will_sync && !lines.may_link);
    assert_int_equal(lines.n, 3);
    assert_string_equal(lines.sources[0].path, "aa/01/YQ==" G);
    assert_int_equal(lines.sources[0].size, 100);
    assert_int_equal(lines.sources[0].offset, 0);
    assert_int_equal(lines.sources[0].length, 100);
    assert_string_equal(lines.sources[1].path, "sv0F/aa/02/Yg==");
    assert_int_equal(lines.sources[1].size, 1000);
    assert_int_equal(lines.sources[1].offset, 10);
    assert_int_equal(lines.sources[1].length, 200);
    free(lines.sources);
    assert_int_equal(parse(T "\t0\t0\t-\n/aa/01/YQ==\t0\n"), 0);
    assert_false(lines.wants_md5 || lines.will_sync || lines.may_link);
    free(lines.sources);
}

static void test_parse_of_lengths_that_overflow(void **state)
{
    (void)state;
#define HUGE "9223372036854775807"
    assert_int_equal(parse(T "\t" HUGE "\t0\t-\n/aa/01/YQ==\t" HUGE "\n"), 0);
    free(lines.sources);
    assert_refused(T "\t0\t0\t-\n/aa/01/YQ==\t9223372036854775808\n", 2);
    /* These add up to 0 in 64 bits. */
    assert_refused(T "\t0\t0\t-\n/aa/01/YQ==\t" HUGE "\n/aa/01/YQ==\t" HUGE "\n/aa/01/YQ==\t2\n",
                   0);
    assert_refused(T "\t1\t0\t-\n/aa/01/YQ==\t1\t" HUGE "\t2\n", 2);
#undef HUGE
}

static void test_parse_of_what_makes_no_sense(void **state)
{
    (void)state;
    assert_refused("", 1);
    assert_refused("\n", 2);
    assert_refused(T "\t0\t0\t-\n", 2);
    assert_refused("\n\n", 1);
    assert_refused(T "\t0\t0\t-\n\n", 2);
    assert_refused(T "\t0\t0\n/aa/01/YQ==\t0\n", 1);
    assert_refused(T "\t0\t0\t-\t\n/aa/01/YQ==\t0\n", 1);
    assert_refused(T "\t0\t0\t-\r\n/aa/01/YQ==\t0\n", 1);
    assert_refused(T "\t0\t0\t-\n/aa/01/YQ==\n", 2);
    assert_refused(T "\t0\t0\t-\n/aa/01/YQ==\t0\t0\n", 2);
    assert_refused(T "\t0\t0\t-\n/aa/01/YQ==\t0\t0\t0\t0\n", 2);
    assert_refused(T "\t0\t0\t-\n/aa/01/YQ==\t0\n/aa/01/YQ==\t0", 3);
    assert_refused(T "\t0\t0\tlink\n/aa/01/YQ==\t0\n/aa/01/YQ==\t0\n", 0);
    assert_int_equal(assembly_lines_parse(NULL, 0, &lines, &line), -EINVAL);
}

static void test_parse_of_a_byte_of_zero(void **state)
{
    char text[] = T "\t0\t0\t-\n/aa/01/YQ==\t0x\n";

    (void)state;
    text[sizeof(text) - 3] = '\0';
    assert_int_equal(assembly_lines_parse(text, sizeof(text) - 1, &lines, &line), -EINVAL);
    assert_int_equal(line, 2);
}

static void test_parse_of_as_many_as_may_be(void **state)
{
    size_t n = (size_t)sprintf(body, T "\t0\t0\t-\n");

    (void)state;
    for (int i = 0; i < ASSEMBLY_SOURCES_MAX; i++)
        n += (size_t)sprintf(body + n, "/aa/01/YQ==\t0\n");
    assert_int_equal(assembly_lines_parse(body, n, &lines, &line), 0);
    assert_int_equal(lines.n, ASSEMBLY_SOURCES_MAX);
    free(lines.sources);
    n = (size_t)sprintf(body, T "\t0\t0\t-\n");
    for (int i = 0; i < ASSEMBLY_SOURCES_MAX + 1; i++)
        n += (size_t)sprintf(body + n, "/aa/01/YQ==\t0\n");
    assert_int_equal(assembly_lines_parse(body, n, &lines, &line), -EMSGSIZE);
    assert_null(lines.sources);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_what_is_to_be_made),
        cmocka_unit_test(test_parse_of_lengths_that_overflow),
        cmocka_unit_test(test_parse_of_what_makes_no_sense),
        cmocka_unit_test(test_parse_of_a_byte_of_zero),
        cmocka_unit_test(test_parse_of_as_many_as_may_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
