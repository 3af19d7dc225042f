#include "tests/unit/test.h"

#include <string.h>

#include "index/s3/list_parameters.h"

static struct list_parameters p;
static const char *message;

static enum s3_error read_query(const char *query)
{
    memset(&p, 0xa5, sizeof(p)); /* what is looked at must have been set */
    return list_parameters_read(query, query != NULL ? strlen(query) : 0, &p, &message);
}

static void expect_ok(const char *query)
{
    assert_int_equal(read_query(query), S3_OK);
    assert_null(message);
}

static void expect_refused(const char *query)
{
    assert_int_equal(read_query(query), S3_INVALID_ARGUMENT);
    assert_non_null(message);
}

static void expect_text(const struct list_text *text, const char *wanted)
{
    assert_int_equal(text->is_given, wanted != NULL);
    assert_int_equal(text->len, wanted != NULL ? strlen(wanted) : 0);
    if (wanted != NULL)
        assert_memory_equal(text->bytes, wanted, text->len);
}

static void test_list_parameters_read_nothing(void **state)
{
    (void)state;
    expect_ok(NULL);
    assert_int_equal(p.form, LIST_V1);
    assert_int_equal(p.max_keys, 1000);
    assert_false(p.encode_url);
    assert_true(p.fetch_owner);
    expect_text(&p.prefix, NULL);
    expect_text(&p.delimiter, NULL);
    expect_text(&p.marker, NULL);
    expect_ok("max-keys=&encoding-type=&list-type=&prefix=&delimiter&marker=");
    assert_int_equal(p.form, LIST_V1);
    assert_int_equal(p.max_keys, 1000);
    assert_false(p.encode_url);
    expect_text(&p.prefix, "");
    expect_text(&p.delimiter, "");
    expect_text(&p.marker, "");
}

static void test_list_parameters_read_each_form(void **state)
{
    (void)state;
    expect_ok("prefix=a%2F+b&delimiter=%0A&marker=c%2Bd&encoding-type=url&start-after=no");
    assert_int_equal(p.form, LIST_V1);
    assert_true(p.encode_url);
    expect_text(&p.prefix, "a/ b");
    expect_text(&p.delimiter, "\n");
    expect_text(&p.marker, "c+d");
    expect_ok("list-type=2&start-after=x&marker=no");
    assert_int_equal(p.form, LIST_V2);
    assert_false(p.fetch_owner);
    expect_text(&p.marker, "x");
    expect_ok("list-type=2&fetch-owner=true");
    assert_true(p.fetch_owner);
    expect_ok("list-type=2&fetch-owner=false");
    assert_false(p.fetch_owner);
    expect_ok("versions&key-marker=k&version-id-marker=null&list-type=2");
    assert_int_equal(p.form, LIST_VERSIONS);
    assert_true(p.fetch_owner);
    expect_text(&p.marker, "k");
    expect_text(&p.version_marker, "null");
}

static void test_list_parameters_read_max_keys(void **state)
{
    (void)state;
    expect_ok("max-keys=0");
    assert_int_equal(p.max_keys, 0);
    expect_ok("max-keys=7");
    assert_int_equal(p.max_keys, 7);
    expect_ok("max-keys=2147483647");
    assert_int_equal(p.max_keys, 1000);
    expect_refused("max-keys=2147483648");
    expect_refused("max-keys=99999999999");
    expect_refused("max-keys=999999999999");
    expect_refused("max-keys=-1");
    expect_refused("max-keys=blah");
    expect_refused("max-keys=1a");
    expect_refused("max-keys=%");
}

static void test_list_parameters_read_refuses(void **state)
{
    char query[BUCKET_WALK_TEXT_MAX + 16] = "prefix=";

    (void)state;
    expect_refused("list-type=1");
    expect_refused("list-type=22");
    expect_refused("encoding-type=xml");
    expect_refused("prefix=%zz");
    expect_refused("delimiter=%");
    expect_refused("versions&version-id-marker=null");
    expect_refused("list-type=2&continuation-token=x");
    memset(query + 7, 'x', BUCKET_WALK_TEXT_MAX);
    expect_ok(query);
    assert_int_equal(p.prefix.len, BUCKET_WALK_TEXT_MAX);
    query[7 + BUCKET_WALK_TEXT_MAX] = 'x';
    expect_refused(query);
}

static void add_token(char *query, const char *key, size_t len)
{
    query[token_write(TOKEN_AFTER_KEY, key, len, query)] = '\0';
}

/* The token says where to go on, and start-after is only told again. */
static void test_list_parameters_read_token(void **state)
{
    char query[64 + TOKEN_MAX] = "list-type=2&start-after=a&continuation-token=";
    char key[TOKEN_KEY_MAX];
    struct bucket_query wanted;
    size_t at = strlen(query);

    (void)state;
    expect_ok(query);
    assert_true(p.has_token);
    assert_int_equal(p.token_len, 0);
    wanted = list_parameters_query(&p, "b", 1);
    assert_int_equal(wanted.after_len, 1);
    add_token(query + at, "b/\377", 3);
    expect_ok(query);
    expect_text(&p.marker, "a");
    wanted = list_parameters_query(&p, "b", 1);
    assert_int_equal(wanted.after_len, 3);
    assert_memory_equal(wanted.after, "b/\377", 3);
    assert_false(wanted.passes_prefix);
    memset(key, 'x', sizeof(key));
    add_token(query + at, key, BUCKET_WALK_TEXT_MAX);
    expect_ok(query);
    add_token(query + at, key, BUCKET_WALK_TEXT_MAX + 1);
    expect_refused(query);
}

static void test_list_parameters_query_of_each_form(void **state)
{
    struct bucket_query wanted;

    (void)state;
    expect_ok("prefix=p&delimiter=dd&marker=m&max-keys=5");
    wanted = list_parameters_query(&p, "bucket", 6);
    assert_int_equal(wanted.bucket_len, 6);
    assert_int_equal(wanted.prefix_len, 1);
    assert_int_equal(wanted.delimiter_len, 2);
    assert_int_equal(wanted.after_len, 1);
    assert_int_equal(wanted.max, 5);
    assert_true(wanted.passes_prefix);
    assert_true(wanted.only_utf8);
    expect_ok("versions&encoding-type=url");
    wanted = list_parameters_query(&p, "bucket", 6);
    assert_int_equal(wanted.after_len, 0);
    assert_true(wanted.passes_prefix);
    assert_false(wanted.only_utf8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list_parameters_read_nothing),
        cmocka_unit_test(test_list_parameters_read_each_form),
        cmocka_unit_test(test_list_parameters_read_max_keys),
        cmocka_unit_test(test_list_parameters_read_refuses),
        cmocka_unit_test(test_list_parameters_read_token),
        cmocka_unit_test(test_list_parameters_query_of_each_form),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
