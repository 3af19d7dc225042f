/* Range, copy source, list token and bucket names. */
#include "tests/unit/test.h"

#include <string.h>

#include "index/s3/bucket_name.h"
#include "index/s3/copy_source.h"
#include "index/s3/range.h"
#include "index/s3/token.h"

/* --- Ranges ---------------------------------------------------------------------------------- */

static void expect_range(const char *header, uint64_t size, enum range_outcome wanted,
                         uint64_t first, uint64_t length)
{
    struct range range;

    assert_int_equal(range_of(header, size, &range), wanted);
    assert_int_equal(range.first, first);
    assert_int_equal(range.length, length);
}

static void test_range_of_a_part(void **state)
{
    (void)state;
    expect_range("bytes=0-0", 10, RANGE_PART, 0, 1);
    expect_range("bytes=2-5", 10, RANGE_PART, 2, 4);
    expect_range("bytes=5-15", 10, RANGE_PART, 5, 5); /* versity/versitygw#591 */
    expect_range("bytes=0-", 10, RANGE_PART, 0, 10);
    expect_range("bytes=9-", 10, RANGE_PART, 9, 1);
    expect_range("BYTES=9-9", 10, RANGE_PART, 9, 1);
    expect_range("bytes=0-18446744073709551615", 10, RANGE_PART, 0, 10);
    expect_range("bytes=1-99999999999999999999999", 10, RANGE_PART, 1, 9);
    expect_range("bytes=0-18446744073709551615", UINT64_MAX, RANGE_PART, 0, UINT64_MAX);
}

static void test_range_of_a_suffix(void **state)
{
    (void)state;
    expect_range("bytes=-1", 10, RANGE_PART, 9, 1);
    expect_range("bytes=-10", 10, RANGE_PART, 0, 10);
    expect_range("bytes=-11", 10, RANGE_PART, 0, 10); /* versity/versitygw#1258 */
    expect_range("bytes=-99999999999999999999", 10, RANGE_PART, 0, 10);
    expect_range("bytes=-0", 10, RANGE_UNSATISFIABLE, 0, 10);
    expect_range("bytes=-5", 0, RANGE_UNSATISFIABLE, 0, 0);
}

static void test_range_of_nothing_that_is_there(void **state)
{
    (void)state;
    expect_range("bytes=10-", 10, RANGE_UNSATISFIABLE, 0, 10);
    expect_range("bytes=10-20", 10, RANGE_UNSATISFIABLE, 0, 10);
    expect_range("bytes=40-50", 3, RANGE_UNSATISFIABLE, 0, 3);
    expect_range("bytes=0-0", 0, RANGE_UNSATISFIABLE, 0, 0);
    expect_range("bytes=99999999999999999999-", 10, RANGE_UNSATISFIABLE, 0, 10);
}

/* versity/versitygw#1120 and #2052. */
static void test_range_of_the_whole(void **state)
{
    static const char *const headers[] = {
        "",           "bytes",      "bytes=",        "bytes=-",    "bytes=33-10",   "bytes=a-b",
        "bytes=1-2x", "bytes=1",    "bytes=--1",     "bytes=+1-2", "bytes=1-2,4-5", "bytes=1-2,",
        "bytes= 1-2", "bytes =1-2", "bytes=0x1-0x2", "items=0-1",
    };

    (void)state;
    expect_range(NULL, 10, RANGE_WHOLE, 0, 10);
    for (size_t i = 0; i < COUNT_OF(headers); i++)
        expect_range(headers[i], 10, RANGE_WHOLE, 0, 10);
}

static void test_range_content_as_text(void **state)
{
    struct range range = {.first = 5, .length = 5};
    char text[RANGE_TEXT_MAX];

    (void)state;
    range_content(&range, 10, text);
    assert_string_equal(text, "bytes 5-9/10");
    range_content(NULL, 10, text);
    assert_string_equal(text, "bytes */10");
    range = (struct range){.first = UINT64_MAX - 1, .length = 1};
    range_content(&range, UINT64_MAX, text);
    assert_string_equal(text,
                        "bytes 18446744073709551614-18446744073709551614/18446744073709551615");
}

/* --- Copy source ----------------------------------------------------------------------------- */

static void expect_source(const char *header, const char *bucket, const char *key)
{
    struct copy_source source;

    assert_int_equal(copy_source_parse(header, &source), S3_OK);
    assert_int_equal(source.bucket_len, strlen(bucket));
    assert_memory_equal(source.bucket, bucket, source.bucket_len);
    assert_int_equal(source.key_len, strlen(key));
    assert_memory_equal(source.key, key, source.key_len);
}

static void test_copy_source_parse_names_an_object(void **state)
{
    (void)state;
    expect_source("b/k", "b", "k");
    expect_source("/bucket/a/b/", "bucket", "a/b/");
    expect_source("bucket//k", "bucket", "/k");
    expect_source("bucket%2Fkey", "bucket", "key");
    expect_source("%2fbucket%2fkey", "bucket", "key");
    expect_source("/Old_Bucket/k", "Old_Bucket", "k");
}

/* thomas-maurice/chimera#702: decoded once. */
static void test_copy_source_parse_decodes_once(void **state)
{
    (void)state;
    expect_source("b/a%2Bb+c%20d%2525", "b", "a+b+c d%25");
    expect_source("b/%C3%A4\xc3\xa4", "b", "\xc3\xa4\xc3\xa4");
}

static void test_copy_source_parse_version(void **state)
{
    struct copy_source source;

    (void)state;
    expect_source("b/k?versionId=null", "b", "k");
    expect_source("b/%3FversionId=x", "b", "?versionId=x");
    expect_source("b/k?x=1", "b", "k?x=1");
    assert_int_equal(copy_source_parse("b/k?versionId=3sL4", &source), S3_NO_SUCH_VERSION);
    assert_int_equal(copy_source_parse("b/k?versionId=", &source), S3_INVALID_ARGUMENT);
}

static void test_copy_source_parse_refuses(void **state)
{
    static const char *const headers[] = {
        "",
        "/",
        "b",
        "/b",
        "b/",
        "/b/",
        "//k",
        "b/%00",
        "b/k%",
        "b/k%2",
        "b/k%zz",
        "_mkv/s3/k",
        "/_mkv/k",
        "%5Fmkv/k",
        "?versionId=null",
        "b0123456789012345678901234567890123456789012345678901234567890123/k",
    };
    struct copy_source source;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(headers); i++)
        assert_int_equal(copy_source_parse(headers[i], &source), S3_INVALID_ARGUMENT);
}

static void test_copy_source_parse_longest_key(void **state)
{
    char header[2 + BUCKET_NAME_MAX + 3 * S3_KEY_MAX + 4];
    struct copy_source source;
    size_t n = 0;

    (void)state;
    header[n++] = '/';
    memset(header + n, 'b', BUCKET_NAME_MAX);
    n += BUCKET_NAME_MAX;
    header[n++] = '/';
    for (unsigned i = 0; i < S3_KEY_MAX; i++, n += 3)
        memcpy(header + n, "%41", 3);
    header[n] = '\0';
    assert_int_equal(copy_source_parse(header, &source), S3_OK);
    assert_int_equal(source.bucket_len, BUCKET_NAME_MAX);
    assert_int_equal(source.key_len, S3_KEY_MAX);
    strcpy(header + n, "A");
    assert_int_equal(copy_source_parse(header, &source), S3_KEY_TOO_LONG);
    memmove(header + 1, header + 2, n); /* one byte less of the bucket, and all of the key */
    assert_int_equal(copy_source_parse(header, &source), S3_KEY_TOO_LONG);
}

static void test_copy_source_range_within_the_source(void **state)
{
    struct range range;

    (void)state;
    assert_int_equal(copy_source_range(NULL, 10, &range), S3_OK);
    assert_int_equal(range.length, 10);
    assert_int_equal(copy_source_range("bytes=5-9", 10, &range), S3_OK); /* cloudserver#408 */
    assert_int_equal(range.first, 5);
    assert_int_equal(range.length, 5);
    assert_int_equal(copy_source_range("bytes=5-10", 10, &range), S3_INVALID_RANGE);
    assert_int_equal(copy_source_range("bytes=0-0", 0, &range), S3_INVALID_RANGE);
    assert_int_equal(copy_source_range("bytes=0-99999999999999999999", 10, &range),
                     S3_INVALID_RANGE);
    assert_int_equal(range.length, 5);
}

static void test_copy_source_range_refuses(void **state)
{
    static const char *const headers[] = {
        "",           "5-9",         "bytes=0-",      "bytes=-5",      "bytes=2-1",
        "bytes=0-1,", "bytes=0-bar", "bytes=hello-2", "bytes=0-1,3-4", "bytes=",
    };
    struct range range;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(headers); i++)
        assert_int_equal(copy_source_range(headers[i], 10, &range), S3_INVALID_ARGUMENT);
}

/* --- Tokens ---------------------------------------------------------------------------------- */

static enum s3_error read_back(const char *token, size_t n, enum token_kind kind, const char *key,
                               size_t len)
{
    enum token_kind read_kind;
    char read[TOKEN_KEY_MAX];
    size_t read_len;
    enum s3_error error = token_read(token, n, &read_kind, read, &read_len);

    if (error == S3_OK) {
        assert_int_equal(read_kind, kind);
        assert_int_equal(read_len, len);
        assert_memory_equal(read, key, len);
    }
    return error;
}

static void test_token_read_what_was_written(void **state)
{
    char key[TOKEN_KEY_MAX];
    char token[TOKEN_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(key); i++)
        key[i] = (char)(i % 255 + 1);
    for (size_t len = 1; len <= sizeof(key); len++) {
        enum token_kind kind = len % 2 ? TOKEN_AFTER_KEY : TOKEN_AFTER_PREFIX;
        size_t n = token_write(kind, key, len, token);

        assert_in_range(n, 1, TOKEN_MAX);
        for (size_t i = 0; i < n; i++)
            assert_true(token[i] != '\0' &&
                        strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
                               token[i]) != NULL);
        assert_int_equal(read_back(token, n, kind, key, len), S3_OK);
    }
}

static void test_token_read_refuses_a_changed_one(void **state)
{
    static const char key[] = "photos/2006/";
    char token[TOKEN_MAX];
    size_t n = token_write(TOKEN_AFTER_PREFIX, key, strlen(key), token);

    (void)state;
    for (size_t i = 0; i < n; i++) {
        char kept = token[i];

        for (unsigned byte = 0; byte < 256; byte++) {
            token[i] = (char)byte;
            if (token[i] != kept)
                assert_int_equal(read_back(token, n, TOKEN_AFTER_PREFIX, "", 0),
                                 S3_INVALID_ARGUMENT);
        }
        token[i] = kept;
        assert_int_equal(read_back(token, i, TOKEN_AFTER_PREFIX, "", 0), S3_INVALID_ARGUMENT);
    }
}

static void test_token_read_refuses_what_is_none(void **state)
{
    /* A CRC that is right, of a NUL and of another kind. */
    char long_one[TOKEN_MAX + 1];
    char token[TOKEN_MAX];
    size_t n;

    (void)state;
    n = token_write(TOKEN_AFTER_KEY, "a\0b", 3, token);
    assert_int_equal(read_back(token, n, TOKEN_AFTER_KEY, "", 0), S3_INVALID_ARGUMENT);
    n = token_write((enum token_kind)'x', "a", 1, token);
    assert_int_equal(read_back(token, n, TOKEN_AFTER_KEY, "", 0), S3_INVALID_ARGUMENT);
    memset(long_one, 'A', sizeof(long_one));
    assert_int_equal(read_back(long_one, sizeof(long_one), TOKEN_AFTER_KEY, "", 0),
                     S3_INVALID_ARGUMENT);
    assert_int_equal(read_back("bad token", 9, TOKEN_AFTER_KEY, "", 0), S3_INVALID_ARGUMENT);
    assert_int_equal(read_back("=", 1, TOKEN_AFTER_KEY, "", 0), S3_INVALID_ARGUMENT);
}

/* --- Buckets --------------------------------------------------------------------------------- */

#define LONG_63 "a12345678901234567890123456789012345678901234567890123456789012"
#define LONG_64 "a123456789012345678901234567890123456789012345678901234567890123"

static void test_bucket_name_is_valid(void **state)
{
    static const char *const good[] = {"abc",  "a-b",   "1.2",       "a.b-c",
                                       "a--b", "0.0.0", "1.2.3.999", LONG_63};
    static const char *const bad[] = {"",     "ab",  "a_b",        "Abc",         "-ab",  "ab-",
                                      ".ab",  "ab.", "a..b",       "a/b",         "a b",  "_mkv",
                                      "a\nb", "a%b", "ab\xc3\xa4", "192.168.5.4", LONG_64};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_true(bucket_name_is_valid(good[i], strlen(good[i])));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(bucket_name_is_valid(bad[i], strlen(bad[i])));
    assert_false(bucket_name_is_valid("a\0b", 3));
}

static void test_bucket_name_is_usable(void **state)
{
    static const char *const good[] = {"a", "A_b", "_mk", "_mkv2", "..", LONG_63};
    static const char *const bad[] = {"", "_mkv", "a/b", LONG_64};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_true(bucket_name_is_usable(good[i], strlen(good[i])));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(bucket_name_is_usable(bad[i], strlen(bad[i])));
    assert_false(bucket_name_is_usable("a\0b", 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_range_of_a_part),
        cmocka_unit_test(test_range_of_a_suffix),
        cmocka_unit_test(test_range_of_nothing_that_is_there),
        cmocka_unit_test(test_range_of_the_whole),
        cmocka_unit_test(test_range_content_as_text),
        cmocka_unit_test(test_copy_source_parse_names_an_object),
        cmocka_unit_test(test_copy_source_parse_decodes_once),
        cmocka_unit_test(test_copy_source_parse_version),
        cmocka_unit_test(test_copy_source_parse_refuses),
        cmocka_unit_test(test_copy_source_parse_longest_key),
        cmocka_unit_test(test_copy_source_range_within_the_source),
        cmocka_unit_test(test_copy_source_range_refuses),
        cmocka_unit_test(test_token_read_what_was_written),
        cmocka_unit_test(test_token_read_refuses_a_changed_one),
        cmocka_unit_test(test_token_read_refuses_what_is_none),
        cmocka_unit_test(test_bucket_name_is_valid),
        cmocka_unit_test(test_bucket_name_is_usable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
