#include "tests/unit/test.h"

#include <stdio.h>
#include <string.h>

#include "index/access/internal.h"
#include "tests/support/access_request.h"

#define NOON      1795780800 /* 2026-11-27T12:00:00Z, of boto3's requests */
#define PHOTO_DAY 1175024202 /* 2007-03-27T19:36:42Z, of the first of AWS's examples */
#define EXPIRES   1175139620 /* of the presigned one */

static const char file[] = "AKIAIOSFODNN7EXAMPLE wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY rwc:*\n";

static struct keys *keys;

static enum access_result authenticate(const char *text, const char *host_bucket, int64_t now)
{
    struct access_head head;
    struct access_auth auth = {0};
    enum access_result result;

    assert_true(access_head_init(&head, text, strlen(text), now));
    head.request.host_bucket = host_bucket;
    result = access_authenticate(keys, &head.request, &auth);
    if (result == ACCESS_OK) {
        assert_int_equal(auth.scheme, ACCESS_V2);
        assert_string_equal(auth.who->access, "AKIAIOSFODNN7EXAMPLE");
    }
    access_auth_deinit(&auth);
    access_head_deinit(&head);
    return result;
}

static void expect(const char *text, const char *host_bucket, int64_t now,
                   enum access_result wanted)
{
    enum access_result result = authenticate(text, host_bucket, now);

    if (result != wanted)
        fail_msg("%s of\n%s", access_result_text(result), text);
}

/* --- "Signing and authenticating REST requests": its examples -------------------------------- */

static const char get[] = "GET /photos/puppy.jpg HTTP/1.1\n"
                          "Host: awsexamplebucket1.us-west-1.s3.amazonaws.com\n"
                          "Date: Tue, 27 Mar 2007 19:36:42 +0000\n"
                          "Authorization: AWS AKIAIOSFODNN7EXAMPLE:qgk2+6Sv9/oM7G3qLEjTH1a1l1g=\n";

static const char presigned[] =
    "GET /photos/puppy.jpg?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&"
    "Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1175139620 HTTP/1.1\n"
    "Host: johnsmith.s3.amazonaws.com\n";

static void test_sigv2_examples_of_aws(void **state)
{
    static const struct {
        const char *head;
        int64_t after; /* the first one */
    } cases[] = {
        {get, 0},
        {"PUT /photos/puppy.jpg HTTP/1.1\n"
         "Content-Type: image/jpeg\n"
         "Content-Length: 94328\n"
         "Host: awsexamplebucket1.s3.us-west-1.amazonaws.com\n"
         "Date: Tue, 27 Mar 2007 21:15:45 +0000\n"
         "Authorization: AWS AKIAIOSFODNN7EXAMPLE:iqRzw+ileNPu1fhspnRs8nOjjIA=\n",
         5943},
        {"GET /?prefix=photos&max-keys=50&marker=puppy HTTP/1.1\n"
         "User-Agent: Mozilla/5.0\n"
         "Host: awsexamplebucket1.s3.us-west-1.amazonaws.com\n"
         "Date: Tue, 27 Mar 2007 19:42:41 +0000\n"
         "Authorization: AWS AKIAIOSFODNN7EXAMPLE:m0WP8eCtspQl5Ahe6L1SozdX9YA=\n",
         359},
        {"GET /?acl HTTP/1.1\n"
         "Host: awsexamplebucket1.s3.us-west-1.amazonaws.com\n"
         "Date: Tue, 27 Mar 2007 19:44:46 +0000\n"
         "Authorization: AWS AKIAIOSFODNN7EXAMPLE:82ZHiFIjc+WbcwFKGUVEQspPn+0=\n",
         484},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        expect(cases[i].head, "awsexamplebucket1", PHOTO_DAY + cases[i].after, ACCESS_OK);
    expect(presigned, "johnsmith", EXPIRES, ACCESS_OK);
}

/* x-amz-date in place of Date (whose example on the page signs a Date that it doesn't send, so the
 * signature is another); headers in any case, one of them twice. */
static void test_sigv2_examples_of_aws_with_amazon_headers(void **state)
{
    (void)state;
    expect("DELETE /awsexamplebucket1/photos/puppy.jpg HTTP/1.1\n"
           "User-Agent: dotnet\n"
           "Host: s3.us-west-1.amazonaws.com\n"
           "Date: Tue, 27 Mar 2007 21:20:27 +0000\n"
           "x-amz-date: Tue, 27 Mar 2007 21:20:26 +0000\n"
           "Authorization: AWS AKIAIOSFODNN7EXAMPLE:Ri1hpB1zpS9pGqR7y8kuNFCl4sE=\n",
           NULL, PHOTO_DAY + 6224, ACCESS_OK);
    expect("PUT /db-backup.dat.gz HTTP/1.1\n"
           "User-Agent: curl/7.15.5\n"
           "Host: static.example.com:8080\n"
           "Date: Tue, 27 Mar 2007 21:06:08 +0000\n"
           "x-amz-acl: public-read\n"
           "content-type: application/x-download\n"
           "Content-MD5: 4gJE4saaMU4BqNR0kLY+lw==\n"
           "X-Amz-Meta-ReviewedBy: joe@example.com\n"
           "X-Amz-Meta-ReviewedBy: jane@example.com\n"
           "X-Amz-Meta-FileChecksum: 0x02661779\n"
           "X-Amz-Meta-ChecksumAlgorithm: crc32\n"
           "Content-Disposition: attachment; filename=database.dat\n"
           "Content-Encoding: gzip\n"
           "Content-Length: 5913339\n"
           "Authorization: AWS AKIAIOSFODNN7EXAMPLE:jtBQa0Aq+DkULFI8qrpwIjGEx0E=\n",
           "static.example.com", PHOTO_DAY + 5366, ACCESS_OK);
}

/* What boto3 1.43 sends, and presigns by default: with headers as parameters. */
static const char *const of_boto3[] = {
    "PUT /bucket/a%20b/%2B%25%26%3D%C3%BC~%27%28%29%2A%21.txt HTTP/1.1\n"
    "Host: 127.0.0.1:3000\n"
    "x-amz-meta-Mixed-Case: one   two\n"
    "x-amz-meta-x: y\n"
    "Content-Type: text/plain\n"
    "Expect: 100-continue\n"
    "x-amz-checksum-crc32: NhCmhg==\n"
    "x-amz-sdk-checksum-algorithm: CRC32\n"
    "Date: Fri, 27 Nov 2026 12:00:00 GMT\n"
    "Authorization: AWS AKIAIOSFODNN7EXAMPLE:hVfuKZLlisSI2sYCuK/7m2dt2FM=\n"
    "Content-Length: 5\n",
    "GET /bucket?list-type=2&prefix=a%2Fb%20%2B%25%C3%BC&delimiter=%2F&encoding-typ"
    "e=url HTTP/1.1\n"
    "Host: 127.0.0.1:3000\n"
    "Date: Fri, 27 Nov 2026 12:00:00 GMT\n"
    "Authorization: AWS AKIAIOSFODNN7EXAMPLE:zD/qEwh5g3IETWsP4IEluGq+5Lk=\n",
    "POST /bucket/k?uploads HTTP/1.1\n"
    "Host: 127.0.0.1:3000\n"
    "Cache-Control: no-cache\n"
    "Date: Fri, 27 Nov 2026 12:00:00 GMT\n"
    "Authorization: AWS AKIAIOSFODNN7EXAMPLE:3K+uHZfq8K1r097Bj/ZbH0sKrP0=\n"
    "Content-Length: 0\n",
    "PUT /bucket/k?partNumber=7&uploadId=0123 HTTP/1.1\n"
    "Host: 127.0.0.1:3000\n"
    "Expect: 100-continue\n"
    "x-amz-checksum-crc32: jNwWgw==\n"
    "x-amz-sdk-checksum-algorithm: CRC32\n"
    "Date: Fri, 27 Nov 2026 12:00:00 GMT\n"
    "Authorization: AWS AKIAIOSFODNN7EXAMPLE:yc550FNgmoYNrYUn8PufOR4Evb0=\n"
    "Content-Length: 1\n",
    "GET /bucket?acl HTTP/1.1\n"
    "Host: 127.0.0.1:3000\n"
    "Date: Fri, 27 Nov 2026 12:00:00 GMT\n"
    "Authorization: AWS AKIAIOSFODNN7EXAMPLE:4bHCISGfALCchRIaM7mszsYsjJE=\n",
    "GET /bucket/a%20b.txt?response-content-disposition=attachment%3B%20filename%3D"
    "%22a%20b.txt%22&response-content-type=text%2Fplain&AWSAccessKeyId=AKIAIOSFODNN"
    "7EXAMPLE&Signature=UoHGMEM0npa2VxJlgw4EtPbGMcs%3D&Expires=1795781400 HTTP/1.1"
    "\n"
    "Host: 127.0.0.1:3000\n",
    "PUT /bucket/a%20b.txt?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=JlkTdXGJSZ"
    "92Akm%2Bhvm4DheJ5Vk%3D&x-amz-meta-name=a%20value&content-type=text%2Fplain&Exp"
    "ires=1795781400 HTTP/1.1\n"
    "Host: 127.0.0.1:3000\n"
    "Content-Type: text/plain\n"
    "x-amz-meta-name: a value\n",
};

static void test_sigv2_requests_of_boto3(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(of_boto3); i++)
        expect(of_boto3[i], NULL, NOON + 60, ACCESS_OK);
    /* The URL alone says what the headers would. */
    expect(access_text_with(of_boto3[COUNT_OF(of_boto3) - 1],
                            "Content-Type: text/plain\nx-amz-meta-name: a value\n", ""),
           NULL, NOON + 60, ACCESS_OK);
    expect(access_text_with(of_boto3[COUNT_OF(of_boto3) - 1], "meta-name: a value",
                            "meta-name: another"),
           NULL, NOON + 60, ACCESS_MISMATCH);
    expect(
        access_text_with(of_boto3[COUNT_OF(of_boto3) - 1], "Type: text/plain", "Type: text/html"),
        NULL, NOON + 60, ACCESS_MISMATCH);
}

/* A bucket's resource ends in a slash for some, whatever the path that they send. */
static void test_sigv2_of_a_bucket_with_a_slash_and_without(void **state)
{
    static const char head[] =
        "GET /bucket HTTP/1.1\n"
        "Date: Fri, 27 Nov 2026 12:00:00 GMT\n"
        "Authorization: AWS AKIAIOSFODNN7EXAMPLE:zD/qEwh5g3IETWsP4IEluGq+5Lk=\n";

    (void)state;
    expect(head, NULL, NOON, ACCESS_OK);
    expect(access_text_with(head, "zD/qEwh5g3IETWsP4IEluGq+5Lk=", "fTzVB+Tu1BmVSXNfZrBIszdCaRE="),
           NULL, NOON, ACCESS_OK);
    expect(access_text_with(head, "/bucket", "/bucket/"), NULL, NOON, ACCESS_OK);
    expect(access_text_with(head, "/bucket", "/bucket//"), NULL, NOON, ACCESS_MISMATCH);
    expect(access_text_with(head, "/bucket", "/"), "bucket", NOON, ACCESS_OK);
}

/* --- What isn't signed so -------------------------------------------------------------------- */

static void test_sigv2_finds_what_was_changed(void **state)
{
    static const char *const changes[][2] = {
        {"GET", "PUT"},
        {"puppy", "kitty"},
        {" HTTP", "?acl HTTP"},
        {"Host:", "x-amz-acl: private\nHost:"},
        {"Host:", "Content-Type: text/plain\nHost:"},
        {"Host:", "Content-MD5: 4gJE4saaMU4BqNR0kLY+lw==\nHost:"},
        {":qgk2", ":qgk3"},
        {":qgk2", ":"},
        {"l1g=", "l1g=A"},
        {":36:42", ":36:43"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(changes); i++)
        expect(access_text_with(get, changes[i][0], changes[i][1]), "awsexamplebucket1", PHOTO_DAY,
               ACCESS_MISMATCH);
    expect(get, "awsexamplebucket2", PHOTO_DAY, ACCESS_MISMATCH);
    expect(get, NULL, PHOTO_DAY, ACCESS_MISMATCH);
    expect(access_text_with(get, "AKIAIOS", "AKIAIOT"), "awsexamplebucket1", PHOTO_DAY,
           ACCESS_UNKNOWN_KEY);
    expect(access_text_with(presigned, "Expires=1", "Expires=2"), "johnsmith", EXPIRES,
           ACCESS_MISMATCH);
    expect(access_text_with(presigned, "?AWS", "?versionId=1&AWS"), "johnsmith", EXPIRES,
           ACCESS_MISMATCH);
    expect(access_text_with(presigned, "?AWS", "?x-amz-acl=private&AWS"), "johnsmith", EXPIRES,
           ACCESS_MISMATCH);
    expect(access_text_with(presigned, "?AWS", "?response-expires=1&AWS"), "johnsmith", EXPIRES,
           ACCESS_MISMATCH);
}

static void test_sigv2_times(void **state)
{
    (void)state;
    expect(get, "awsexamplebucket1", PHOTO_DAY + ACCESS_SKEW, ACCESS_OK);
    expect(get, "awsexamplebucket1", PHOTO_DAY + ACCESS_SKEW + 1, ACCESS_SKEWED);
    expect(get, "awsexamplebucket1", PHOTO_DAY - ACCESS_SKEW - 1, ACCESS_SKEWED);
    expect(access_text_with(get, "Date: Tue", "Day: Tue"), "awsexamplebucket1", PHOTO_DAY,
           ACCESS_NO_DATE);
    expect(access_text_with(get, "+0000", "+0100"), "awsexamplebucket1", PHOTO_DAY, ACCESS_NO_DATE);
    expect(presigned, "johnsmith", EXPIRES + 1, ACCESS_EXPIRED);
}

static void test_sigv2_malformed(void **state)
{
    static const char *const changes[][2] = {
        {"&Expires=1175139620", ""},        {"Expires=1", "Expires=-1"},
        {"Expires=1175139620", "Expires="}, {"Expires=1", "Expires=1000000000"},
        {"Signature=", "Signature=AAAA"},   {"AKIA", "%00KIA"},
    };
    char many[8192] = "GET /a HTTP/1.1\nAuthorization: AWS AKIAIOSFODNN7EXAMPLE:x\n";

    (void)state;
    for (size_t i = 0; i < COUNT_OF(changes); i++)
        expect(access_text_with(presigned, changes[i][0], changes[i][1]), NULL, EXPIRES,
               ACCESS_BAD_QUERY);
    expect(access_text_with(get, "EXAMPLE:", "EXAMPLE"), NULL, PHOTO_DAY, ACCESS_BAD_HEADER);
    for (unsigned i = 0; i < 65; i++)
        snprintf(many + strlen(many), 64, "x-amz-meta-%u: x\n", i);
    expect(many, NULL, PHOTO_DAY, ACCESS_UNSIGNED_HEADER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sigv2_examples_of_aws),
        cmocka_unit_test(test_sigv2_examples_of_aws_with_amazon_headers),
        cmocka_unit_test(test_sigv2_requests_of_boto3),
        cmocka_unit_test(test_sigv2_of_a_bucket_with_a_slash_and_without),
        cmocka_unit_test(test_sigv2_finds_what_was_changed),
        cmocka_unit_test(test_sigv2_times),
        cmocka_unit_test(test_sigv2_malformed),
    };
    int failed;

    keys = access_keys(file);
    failed = cmocka_run_group_tests_name("sigv2", tests, NULL, NULL);
    keys_release(keys);
    return failed;
}
