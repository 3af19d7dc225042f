#include "tests/unit/test.h"

#include <errno.h>
#include <string.h>

#include "index/http/query.h"

/* Asserts that `name` in `query` gives the `n` bytes of `wanted`. */
static void expect_found(const char *query, const char *name, const char *wanted, size_t n)
{
    char value[32];
    size_t len = 99;

    assert_int_equal(query_find(query, strlen(query), name, value, sizeof(value), &len), 0);
    assert_int_equal(len, n);
    assert_memory_equal(value, wanted, n);
}

static void expect_error(const char *query, const char *name, int error)
{
    char value[4];
    size_t len = 99;

    assert_int_equal(query_find(query, strlen(query), name, value, sizeof(value), &len), error);
    assert_int_equal(len, 99);
}

static void test_query_find_each_parameter(void **state)
{
    static const char query[] = "list&start=a%2Fb&limit=3";

    (void)state;
    expect_found(query, "list", "", 0);
    expect_found(query, "start", "a/b", 3);
    expect_found(query, "limit", "3", 1);
}

static void test_query_find_takes_the_first(void **state)
{
    (void)state;
    expect_found("a=1&a=2", "a", "1", 1);
    expect_found("a&a=2", "a", "", 0);
    expect_found("&&a=1&", "a", "1", 1);
}

static void test_query_find_compares_whole_names(void **state)
{
    (void)state;
    expect_error("listing=1&lis=2&alist", "list", -ENOENT);
    expect_error("x=list", "list", -ENOENT);
    expect_error("List", "list", -ENOENT);
    expect_error("list%00", "list", -ENOENT);
    expect_found("l%69st=1", "list", "1", 1);
    expect_found("%3d%26=1", "=&", "1", 1);
}

static void test_query_has_only_the_names(void **state)
{
    static const char *const names[] = {"list", "start", NULL};
    static const char *const good[] = {"", "&&", "list", "&list=1&start=x&", "l%69st", "start=%zz"};
    static const char *const bad[] = {"lis", "listing", "list&x", "=", "x=list", "%zz", "List=1"};

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(query_has_only(good[i], strlen(good[i]), names));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(query_has_only(bad[i], strlen(bad[i]), names));
}

static void test_query_find_any_byte_in_a_value(void **state)
{
    (void)state;
    expect_found("v=%00%ff%FF%2b%2B", "v", "\0\xff\xff++", 5);
    expect_found("v=a=b?c", "v", "a=b?c", 5);
    expect_found("v=%26w=1", "v", "&w=1", 4);
}

static void test_query_find_plus_is_a_space(void **state)
{
    (void)state;
    expect_found("v=+a+%2B+%20", "v", " a +  ", 6);
    expect_found("a+b=1", "a b", "1", 1);
    expect_error("a+b=1", "a+b", -ENOENT);
}

static void test_query_find_bad_escape_in_the_value(void **state)
{
    static const char *const bad[] = {"a=%", "a=%4", "a=%4&b", "a=%g0", "a=1%zz", "b&a=%&41"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        expect_error(bad[i], "a", -EINVAL);
}

static void test_query_find_bad_escape_elsewhere(void **state)
{
    (void)state;
    expect_found("b=%&a=1", "a", "1", 1);
    expect_found("a=1&%zz", "a", "1", 1);
    expect_found("%=&%6&a=1", "a", "1", 1);
    expect_error("b=%zz&c", "a", -ENOENT);
    expect_error("a%", "a", -ENOENT);
    expect_error("%61%6", "a", -ENOENT);
}

static void test_query_find_bad_escape_at_the_end_of_the_bytes(void **state)
{
    char value[4];
    size_t len;

    (void)state;
    assert_int_equal(query_find("a=%41", 4, "a", value, sizeof(value), &len), -EINVAL);
}

static void test_query_find_value_that_does_not_fit(void **state)
{
    char value[4];
    size_t len;

    (void)state;
    expect_error("a=12345", "a", -EMSGSIZE);
    assert_int_equal(query_find("a=%31234", 8, "a", value, sizeof(value), &len), 0);
    assert_int_equal(len, 4);
    assert_int_equal(query_find("a=", 2, "a", value, 0, &len), 0);
    assert_int_equal(len, 0);
}

static void test_query_find_no_query(void **state)
{
    char value[4];
    size_t len;

    (void)state;
    assert_int_equal(query_find(NULL, 0, "a", value, sizeof(value), &len), -ENOENT);
    expect_error("", "a", -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_query_find_each_parameter),
        cmocka_unit_test(test_query_find_takes_the_first),
        cmocka_unit_test(test_query_find_compares_whole_names),
        cmocka_unit_test(test_query_has_only_the_names),
        cmocka_unit_test(test_query_find_any_byte_in_a_value),
        cmocka_unit_test(test_query_find_plus_is_a_space),
        cmocka_unit_test(test_query_find_bad_escape_in_the_value),
        cmocka_unit_test(test_query_find_bad_escape_elsewhere),
        cmocka_unit_test(test_query_find_bad_escape_at_the_end_of_the_bytes),
        cmocka_unit_test(test_query_find_value_that_does_not_fit),
        cmocka_unit_test(test_query_find_no_query),
    };

    return cmocka_run_group_tests_name("query", tests, NULL, NULL);
}
