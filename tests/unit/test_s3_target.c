/* What a request of S3 is about. */
#include "tests/unit/test.h"

#include <stdio.h>
#include <string.h>

#include "index/s3/target.h"

#define DOMAIN "s3.lan"

static enum s3_error parse(const char *path, const char *host, struct target *target)
{
    return target_parse(path, strlen(path), host, DOMAIN, target);
}

static void expect(const char *path, const char *host, const char *bucket, const char *key)
{
    struct target target;
    char whole[KEY_MAX + 1];

    assert_int_equal(parse(path, host, &target), S3_OK);
    assert_string_equal(target.bucket, bucket);
    assert_int_equal(target.bucket_len, strlen(bucket));
    assert_int_equal(target.key_len, strlen(key));
    if (*key == '\0')
        return;
    assert_memory_equal(target_key(&target), key, strlen(key));
    snprintf(whole, sizeof(whole), "/%s/%s", bucket, key);
    assert_int_equal(target.key.len, strlen(whole));
    assert_memory_equal(target.key.bytes, whole, strlen(whole));
}

static void test_target_by_path(void **state)
{
    (void)state;
    expect("/", "x", "", "");
    expect("/b", "x", "b", "");
    expect("/b/", NULL, "b", "");
    expect("/bucket/key", "s3.lan", "bucket", "key");
    expect("/bucket/a/b//c/", "x", "bucket", "a/b//c/");
    expect("/bucket//key", "x", "bucket", "/key");
    expect("/bucket/../a", "x", "bucket", "../a");
    expect("/bucket/a%2Fb%20c+d%25%2B", "x", "bucket", "a/b c+d%+");
    expect("/buck%65t/%C3%a9", "x", "bucket", "\303\251");
}

static void test_target_by_host(void **state)
{
    (void)state;
    expect("/", "bucket.s3.lan", "bucket", "");
    expect("/a/b", "bucket.s3.lan:3900", "bucket", "a/b");
    expect("/a/b", "my.bucket.S3.LAN", "my.bucket", "a/b");
    expect("/a", "Bucket.s3.lan ", "bucket", "a");
    expect("//a", "bucket.s3.lan", "bucket", "/a");
    /* Not of the domain. */
    expect("/a/b", ".s3.lan", "a", "b");
    expect("/a/b", "buckets3.lan", "a", "b");
    expect("/a/b", "bucket.s3.lan.evil", "a", "b");
    expect("/a/b", "10.0.0.1:3900", "a", "b");
    expect("/a/b", "", "a", "b");
}

static void test_target_that_is_none(void **state)
{
    struct target target;

    (void)state;
    assert_int_equal(parse("*", "x", &target), S3_INVALID_URI);
    assert_int_equal(parse("", "x", &target), S3_INVALID_URI);
    assert_int_equal(parse("/b/%", "x", &target), S3_INVALID_URI);
    assert_int_equal(parse("/b/a%2", "x", &target), S3_INVALID_URI);
    assert_int_equal(parse("/b/a%2g", "x", &target), S3_INVALID_URI);
    assert_int_equal(parse("/b/a%00", "x", &target), S3_INVALID_URI);
    assert_int_equal(parse("/%2/a", "x", &target), S3_INVALID_URI);
    assert_int_equal(parse("//a", "x", &target), S3_INVALID_BUCKET_NAME);
    assert_int_equal(parse("/a%2Fb/c", "x", &target), S3_INVALID_BUCKET_NAME);
    assert_int_equal(parse("/_mkv/s3/bucket/b", "x", &target), S3_INVALID_BUCKET_NAME);
    assert_int_equal(parse("/%5Fmkv/x", "x", &target), S3_INVALID_BUCKET_NAME);
    assert_int_equal(parse("/x", "_mkv.s3.lan", &target), S3_INVALID_BUCKET_NAME);
    assert_int_equal(parse("/x", "a/b.s3.lan", &target), S3_INVALID_BUCKET_NAME);
}

static void test_target_lengths(void **state)
{
    char path[3 * 1024 + 128];
    struct target target;

    (void)state;
    snprintf(path, sizeof(path), "/%063d", 0);
    assert_int_equal(parse(path, "x", &target), S3_OK);
    snprintf(path, sizeof(path), "/%064d", 0);
    assert_int_equal(parse(path, "x", &target), S3_INVALID_BUCKET_NAME);
    snprintf(path, sizeof(path), "/%064d.s3.lan", 0);
    assert_int_equal(parse("/", path + 1, &target), S3_INVALID_BUCKET_NAME);

    snprintf(path, sizeof(path), "/b/%01025d", 0);
    assert_int_equal(parse(path, "x", &target), S3_KEY_TOO_LONG);
}

static void test_target_utf8(void **state)
{
    struct target target;

    (void)state;
    assert_int_equal(parse("/b/%C3%A9%F0%9F%98%80a", "x", &target), S3_OK);
    assert_true(target_is_utf8(&target));
    assert_int_equal(parse("/b/a%FF", "x", &target), S3_OK);
    assert_false(target_is_utf8(&target));
    assert_int_equal(parse("/b/a%C3", "x", &target), S3_OK);
    assert_false(target_is_utf8(&target));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_target_by_path),      cmocka_unit_test(test_target_by_host),
        cmocka_unit_test(test_target_that_is_none), cmocka_unit_test(test_target_lengths),
        cmocka_unit_test(test_target_utf8),
    };

    return cmocka_run_group_tests_name("s3_target", tests, NULL, NULL);
}
