/* Which bodies name blobs, and what becomes of their attributes. */
#include "tests/unit/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/volume/blob_lines.h"

static int parse(const char *body, enum blob_lines_form form, struct blob_lines *lines)
{
    return blob_lines_parse(body, strlen(body), form, lines);
}

static void test_blob_lines_parse_paths(void **state)
{
    struct blob_lines lines;

    (void)state;
    assert_int_equal(parse("/aa/bb/YQ==\n/sv0F/aa/bb/Yg==", BLOB_LINES_PATHS, &lines), 0);
    assert_int_equal(lines.n, 2);
    assert_memory_equal(lines.paths, "aa/bb/YQ==\0sv0F/aa/bb/Yg==", 27);
    assert_null(lines.attributes);
    free(lines.paths);
}

static void test_blob_lines_parse_attributes(void **state)
{
    struct blob_lines lines;

    (void)state;
    assert_int_equal(parse("/aa/bb/YQ==\taGk=\n/aa/bb/Yg==\n/aa/bb/Yw==\t\n/aa/bb/ZA==\tAP8K\n",
                           BLOB_LINES_MAY_HAVE, &lines),
                     0);
    assert_int_equal(lines.n, 4);
    assert_memory_equal(lines.paths, "aa/bb/YQ==\0aa/bb/Yg==\0aa/bb/Yw==\0aa/bb/ZA==", 44);
    assert_int_equal(lines.attributes[0].len, 2);
    assert_memory_equal(lines.attributes[0].bytes, "hi", 2);
    assert_null(lines.attributes[1].bytes);
    assert_non_null(lines.attributes[2].bytes);
    assert_int_equal(lines.attributes[2].len, 0);
    assert_int_equal(lines.attributes[3].len, 3);
    assert_memory_equal(lines.attributes[3].bytes, "\0\377\n", 3);
    free(lines.paths);
}

static void expect_bad(const char *body, enum blob_lines_form form, int rc, size_t n)
{
    struct blob_lines lines;

    assert_int_equal(parse(body, form, &lines), rc);
    assert_int_equal(lines.n, n);
    assert_null(lines.paths);
}

static void test_blob_lines_parse_refusals(void **state)
{
    (void)state;
    expect_bad("", BLOB_LINES_PATHS, -EINVAL, 0);
    expect_bad("/aa/bb/YQ==\n\n", BLOB_LINES_PATHS, -EINVAL, 1);
    expect_bad("\taGk=\n", BLOB_LINES_MAY_HAVE, -EINVAL, 0);
    expect_bad("/aa/bb/YQ==\taGk=\n", BLOB_LINES_PATHS, -EBADMSG, 0);
    expect_bad("/aa/bb/YQ==\taGk=\n/aa/bb/YQ==\n", BLOB_LINES_MUST_HAVE, -EBADMSG, 1);
    expect_bad("/aa/bb/YQ==\taG\n", BLOB_LINES_MAY_HAVE, -EBADMSG, 0);
    expect_bad("/aa/bb/YQ==\taGl=\n", BLOB_LINES_MAY_HAVE, -EBADMSG, 0); /* bits are left over */
    expect_bad("/aa/bb/YQ==\taGk=\taGk=\n", BLOB_LINES_MAY_HAVE, -EBADMSG, 0);
    expect_bad("/aa/bb/YQ==\taGk=\r\n", BLOB_LINES_MAY_HAVE, -EBADMSG, 0);
}

/* `n` groups of "AAAA" behind a path. */
static int parse_long(size_t n, const char *end, struct blob_lines *lines)
{
    char body[2 * ATTRIBUTE_MAX] = "/aa/bb/YQ==\t";

    memset(body + strlen(body), 'A', 4 * n);
    strcat(body, end);
    return parse(body, BLOB_LINES_MUST_HAVE, lines);
}

static void test_blob_lines_parse_the_longest_attribute(void **state)
{
    struct blob_lines lines;

    (void)state;
    assert_int_equal(ATTRIBUTE_MAX % 3, 0);
    assert_int_equal(parse_long(ATTRIBUTE_MAX / 3, "", &lines), 0);
    assert_int_equal(lines.attributes[0].len, ATTRIBUTE_MAX);
    free(lines.paths);
    assert_int_equal(parse_long(ATTRIBUTE_MAX / 3, "AA==", &lines), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blob_lines_parse_paths),
        cmocka_unit_test(test_blob_lines_parse_attributes),
        cmocka_unit_test(test_blob_lines_parse_refusals),
        cmocka_unit_test(test_blob_lines_parse_the_longest_attribute),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
