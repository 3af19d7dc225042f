#include "tests/unit/test.h"

#include <stdio.h>
#include <string.h>

#include "index/access/internal.h"
#include "tests/support/access_request.h"

#define DAY_2013 1369353600 /* 2013-05-24T00:00:00Z, of AWS's examples */
#define NOON     1795780800 /* 2026-11-27T12:00:00Z, of boto3's requests */
#define CREDENTIAL                                                                                 \
    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"

static const char file[] = "AKIAIOSFODNN7EXAMPLE wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY rwc:*\n"
                           "- - r:public\n";

static struct keys *keys;

static enum access_result authenticate(const char *text, int64_t now, struct access_auth *auth)
{
    struct access_head head;
    enum access_result result;

    assert_true(access_head_init(&head, text, strlen(text), now));
    memset(auth, 0, sizeof(*auth));
    result = access_authenticate(keys, &head.request, auth);
    access_head_deinit(&head);
    return result;
}

static void expect(const char *text, int64_t now, enum access_result wanted)
{
    struct access_auth auth;
    enum access_result result = authenticate(text, now, &auth);

    if (result != wanted)
        fail_msg("%s of\n%s", access_result_text(result), text);
    access_auth_deinit(&auth);
}

/* --- AWS's examples: "Signature Calculations for the Authorization Header", and "Authenticating
 * Requests: Using Query Parameters" ------------------------------------------------------------ */

static const char get_range[] =
    "GET /test.txt HTTP/1.1\n"
    "Host: examplebucket.s3.amazonaws.com\n"
    "Range: bytes=0-9\n"
    "x-amz-content-sha256: " EMPTY_HASH "\n"
    "x-amz-date: 20130524T000000Z\n"
    "Authorization: " CREDENTIAL ",SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
    "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41\n";

static const char presigned[] =
    "GET /test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F"
    "20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&"
    "X-Amz-SignedHeaders=host&X-Amz-Signature="
    "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404 HTTP/1.1\n"
    "Host: examplebucket.s3.amazonaws.com\n";

static void test_sigv4_examples_of_aws(void **state)
{
    static const char *const heads[] = {
        get_range,
        "PUT /test%24file.text HTTP/1.1\n"
        "Host: examplebucket.s3.amazonaws.com\n"
        "Date: Fri, 24 May 2013 00:00:00 GMT\n"
        "x-amz-date: 20130524T000000Z\n"
        "x-amz-storage-class: REDUCED_REDUNDANCY\n"
        "x-amz-content-sha256: 44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072\n"
        "Authorization: " CREDENTIAL
        ",SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,"
        "Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd\n",
        "GET /?lifecycle HTTP/1.1\n"
        "Host: examplebucket.s3.amazonaws.com\n"
        "x-amz-date: 20130524T000000Z\n"
        "x-amz-content-sha256: " EMPTY_HASH "\n"
        "Authorization: " CREDENTIAL ",SignedHeaders=host;x-amz-content-sha256;x-amz-date,"
        "Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543\n",
        "GET /?max-keys=2&prefix=J HTTP/1.1\n"
        "Host: examplebucket.s3.amazonaws.com\n"
        "x-amz-date: 20130524T000000Z\n"
        "x-amz-content-sha256: " EMPTY_HASH "\n"
        "Authorization: " CREDENTIAL ",SignedHeaders=host;x-amz-content-sha256;x-amz-date,"
        "Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7\n",
        presigned,
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(heads); i++)
        expect(heads[i], DAY_2013, ACCESS_OK);
}

static void test_sigv4_says_who_it_is(void **state)
{
    struct access_auth auth;

    (void)state;
    assert_int_equal(authenticate(get_range, DAY_2013, &auth), ACCESS_OK);
    assert_string_equal(auth.who->access, "AKIAIOSFODNN7EXAMPLE");
    assert_int_equal(auth.scheme, ACCESS_V4);
    assert_false(auth.presigned);
    assert_string_equal(auth.scope, "20130524/us-east-1/s3/aws4_request");
    assert_string_equal(auth.payload, EMPTY_HASH);
    access_auth_deinit(&auth);
    assert_int_equal(authenticate(presigned, DAY_2013, &auth), ACCESS_OK);
    assert_true(auth.presigned);
    assert_string_equal(auth.payload, "UNSIGNED-PAYLOAD");
    access_auth_deinit(&auth);
}

/* What boto3 1.43 sends: odd bytes in the path and in a prefix, "?uploads", metadata with spaces,
 * presigned URLs with a header and with an override. */
static const char *const of_boto3[] = {
    "PUT /bucket/a%20b/%2B%25%26%3D%C3%BC~%27%28%29%2A%21.txt HTTP/1.1\n"
    "Host: 127.0.0.1:3000\n"
    "x-amz-meta-Mixed-Case: one   two\n"
    "x-amz-meta-x: y\n"
    "Content-Type: text/plain\n"
    "Expect: 100-continue\n"
    "x-amz-checksum-crc32: NhCmhg==\n"
    "x-amz-sdk-checksum-algorithm: CRC32\n"
    "X-Amz-Date: 20261127T120000Z\n"
    "X-Amz-Content-SHA256: 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362"
    "938b9824\n"
    "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261127/eu-we"
    "st-3/s3/aws4_request, SignedHeaders=content-type;host;x-amz-checksum-crc32;x-a"
    "mz-content-sha256;x-amz-date;x-amz-meta-mixed-case;x-amz-meta-x;x-amz-sdk-chec"
    "ksum-algorithm, Signature=f53a4efe00d33e813351a6e43ce991c1a9644404926dd839d134"
    "b826fd7b1cbb\n"
    "Content-Length: 5\n",
    "GET /bucket?list-type=2&prefix=a%2Fb%20%2B%25%C3%BC&delimiter=%2F&encoding-typ"
    "e=url HTTP/1.1\n"
    "Host: 127.0.0.1:3000\n"
    "X-Amz-Date: 20261127T120000Z\n"
    "X-Amz-Content-SHA256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b"
    "7852b855\n"
    "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261127/eu-we"
    "st-3/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Sign"
    "ature=ed51b3e7f97ee299d9e5c79db408c6f15e1b62b51b75b1fdc45b773a453c00cf\n",
    "POST /bucket/k?uploads HTTP/1.1\n"
    "Host: 127.0.0.1:3000\n"
    "Cache-Control: no-cache\n"
    "X-Amz-Date: 20261127T120000Z\n"
    "X-Amz-Content-SHA256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b"
    "7852b855\n"
    "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261127/eu-we"
    "st-3/s3/aws4_request, SignedHeaders=cache-control;host;x-amz-content-sha256;x-"
    "amz-date, Signature=d86824243dcd8967933ede6fe6f9305528111f78c95d771bf35c8d66dd"
    "e3deb5\n"
    "Content-Length: 0\n",
    "PUT /bucket/k?partNumber=7&uploadId=0123 HTTP/1.1\n"
    "Host: 127.0.0.1:3000\n"
    "Expect: 100-continue\n"
    "x-amz-checksum-crc32: jNwWgw==\n"
    "x-amz-sdk-checksum-algorithm: CRC32\n"
    "X-Amz-Date: 20261127T120000Z\n"
    "X-Amz-Content-SHA256: 2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717"
    "921a4881\n"
    "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261127/eu-we"
    "st-3/s3/aws4_request, SignedHeaders=host;x-amz-checksum-crc32;x-amz-content-sh"
    "a256;x-amz-date;x-amz-sdk-checksum-algorithm, Signature=fa2fb2f4f85a5b7419b0e3"
    "b8b545bfed2ce8c5f7f55f89aa5bf0bec0c22de3d6\n"
    "Content-Length: 1\n",
    "GET /bucket?acl HTTP/1.1\n"
    "Host: 127.0.0.1:3000\n"
    "X-Amz-Date: 20261127T120000Z\n"
    "X-Amz-Content-SHA256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b"
    "7852b855\n"
    "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261127/eu-we"
    "st-3/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Sign"
    "ature=afd472e48d46158633306a37b1b6ebd0027d909e94b2733198f0dde7621155ef\n",
    "GET /bucket/a%20b.txt?response-content-disposition=attachment%3B%20filename%3D"
    "%22a%20b.txt%22&response-content-type=text%2Fplain&X-Amz-Algorithm=AWS4-HMAC-S"
    "HA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20261127%2Feu-west-3%2Fs3%2Faws4"
    "_request&X-Amz-Date=20261127T120000Z&X-Amz-Expires=600&X-Amz-SignedHeaders=hos"
    "t&X-Amz-Signature=4011f0b534aaaf75ff4cb19d372660ae7208802f57c6029cd2c76ad0ee54"
    "a00b HTTP/1.1\n"
    "Host: 127.0.0.1:3000\n",
    "PUT /bucket/a%20b.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIO"
    "SFODNN7EXAMPLE%2F20261127%2Feu-west-3%2Fs3%2Faws4_request&X-Amz-Date=20261127T"
    "120000Z&X-Amz-Expires=600&X-Amz-SignedHeaders=content-type%3Bhost%3Bx-amz-meta"
    "-name&X-Amz-Signature=17a6bc3db1fe972332fbda599f64d892b79da935e87aa0a49c68154a"
    "777c792e HTTP/1.1\n"
    "Host: 127.0.0.1:3000\n"
    "Content-Type: text/plain\n"
    "x-amz-meta-name: a value\n",
};

static void test_sigv4_requests_of_boto3(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(of_boto3); i++)
        expect(of_boto3[i], NOON + 60, ACCESS_OK);
}

/* --- What clients write in other ways -------------------------------------------------------- */

static void test_sigv4_takes_other_spellings(void **state)
{
    (void)state;
    expect(access_text_with(get_range, ",SignedHeaders", " ,  SignedHeaders"), DAY_2013, ACCESS_OK);
    expect(access_text_with(get_range, "host;range;", "host; range ; "), DAY_2013, ACCESS_OK);
    expect(access_text_with(get_range, "host;range;", "Host;RANGE;"), DAY_2013, ACCESS_OK);
    expect(access_text_with(get_range, "bytes=0-9", "  bytes=0-9\t"), DAY_2013, ACCESS_OK);
    expect(access_text_with(presigned, "%2Fus-east-1%2Fs3%2F", "/us-east-1%2fs3/"), DAY_2013,
           ACCESS_OK);
    expect(access_text_with(presigned, "&X-Amz-Date=20130524T000000Z", ""), DAY_2013,
           ACCESS_BAD_QUERY);
    expect(access_text_with(access_text_with(presigned, "&X-Amz-Date=20130524T000000Z", ""), "?",
                            "?&X-Amz-Date=20130524T000000Z&&"),
           DAY_2013, ACCESS_OK);
}

/* As S3 does, whatever the client wrote. */
static void test_params_are_sorted_and_encoded_anew(void **state)
{
    static const char query[] = "b=2+3&b=%2b&a%2f=/~._-*&uploads&&%zz=%&A=%c3%bc&b=1";
    static const char *const wanted[][2] = {
        {"%25zz", "%25"}, {"A", "%C3%BC"}, {"a%2F", "%2F~._-%2A"}, {"b", "%2B"},
        {"b", "1"},       {"b", "2%203"},  {"uploads", ""}};
    struct params params;

    (void)state;
    assert_int_equal(params_init(&params, query, strlen(query)), 0);
    assert_int_equal(params.n, COUNT_OF(wanted));
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        assert_int_equal(params.at[i].name_len, strlen(wanted[i][0]));
        assert_memory_equal(params.at[i].name, wanted[i][0], params.at[i].name_len);
        assert_int_equal(params.at[i].value_len, strlen(wanted[i][1]));
        assert_memory_equal(params.at[i].value, wanted[i][1], params.at[i].value_len);
    }
    params_deinit(&params);
}

/* S3 makes one space of several; s3cmd and curl sign them as they are. */
static void test_sigv4_takes_white_space_both_ways(void **state)
{
    static const char head[] =
        "PUT /bucket/k HTTP/1.1\n"
        "Host: h\n"
        "x-amz-date: 20130524T000000Z\n"
        "x-amz-meta-a: b  c\n"
        "x-amz-content-sha256: UNSIGNED-PAYLOAD\n"
        "Authorization: " CREDENTIAL
        ", SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-meta-a, "
        "Signature=08118acd0df743d6cdee3fc8d72929c96536e8bd66ed1e06b945ab2e8dd33a0c\n";

    (void)state;
    expect(head, DAY_2013, ACCESS_OK);
    expect(access_text_with(head,
                            "08118acd0df743d6cdee3fc8d72929c96536e8bd66ed1e06b945ab2e8dd33a0c",
                            "1aa0eaa32d23fac472aa79ecaa17bd997d8d54eb14bfde38c62dc383f5081ea3"),
           DAY_2013, ACCESS_OK);
    expect(access_text_with(head, "b  c", "b c"), DAY_2013, ACCESS_MISMATCH);
    expect(access_text_with(head, "b  c", "b   c"), DAY_2013, ACCESS_MISMATCH);
}

/* nginx answers "Expect: 100-continue" and doesn't pass it on: signed, it counts as sent. */
static void test_sigv4_knows_a_signed_expect_that_was_taken_away(void **state)
{
    static const char head[] =
        "PUT /bucket/k HTTP/1.1\n"
        "Host: 127.0.0.1:3000\n"
        "Expect: 100-continue\n"
        "X-Amz-Date: 20130524T000000Z\n"
        "x-amz-content-sha256: UNSIGNED-PAYLOAD\n"
        "Authorization: " CREDENTIAL ", SignedHeaders=expect;host;x-amz-content-sha256;x-amz-date, "
        "Signature=2b7d3351a1a68be4b97eca290a353d655bd1581e4a28c8dc0b8508cf7c899991\n";

    (void)state;
    expect(head, DAY_2013, ACCESS_OK);
    expect(access_text_with(head, "Expect: 100-continue\n", ""), DAY_2013, ACCESS_OK);
    expect(access_text_with(head, "Expect: 100-continue\n", "Expect: 200-ok\n"), DAY_2013,
           ACCESS_MISMATCH);
}

/* --- What isn't signed so -------------------------------------------------------------------- */

/* Each byte that is signed counts. */
static void test_sigv4_finds_what_was_changed(void **state)
{
    (void)state;
    expect(access_text_with(get_range, "GET", "PUT"), DAY_2013, ACCESS_MISMATCH);
    expect(access_text_with(get_range, "/test.txt", "/Test.txt"), DAY_2013, ACCESS_MISMATCH);
    expect(access_text_with(get_range, "/test.txt", "/%74est.txt"), DAY_2013, ACCESS_MISMATCH);
    expect(access_text_with(get_range, "/test.txt", "//test.txt"), DAY_2013, ACCESS_MISMATCH);
    expect(access_text_with(get_range, "/test.txt", "/test.txt?acl"), DAY_2013, ACCESS_MISMATCH);
    expect(access_text_with(get_range, "bytes=0-9", "bytes=0-8"), DAY_2013, ACCESS_MISMATCH);
    expect(access_text_with(get_range, "Range:", "Ranges:"), DAY_2013, ACCESS_MISMATCH);
    expect(access_text_with(get_range, "Range:", "Range: bytes=0-9\nRange:"), DAY_2013,
           ACCESS_MISMATCH);
    expect(access_text_with(get_range, "examplebucket", "otherbucket"), DAY_2013, ACCESS_MISMATCH);
    expect(access_text_with(get_range, EMPTY_HASH, "UNSIGNED-PAYLOAD"), DAY_2013, ACCESS_MISMATCH);
    expect(access_text_with(get_range, "us-east-1", "us-east-2"), DAY_2013, ACCESS_MISMATCH);
    expect(access_text_with(get_range, "20130524T000000Z", "20130524T000001Z"), DAY_2013,
           ACCESS_MISMATCH);
    expect(access_text_with(get_range, "Signature=f", "Signature=e"), DAY_2013, ACCESS_MISMATCH);
    expect(access_text_with(presigned, "Expires=86400", "Expires=86401"), DAY_2013,
           ACCESS_MISMATCH);
    expect(access_text_with(presigned, "?", "?acl&"), DAY_2013, ACCESS_MISMATCH);
    expect(access_text_with(get_range, "AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLF"), DAY_2013,
           ACCESS_UNKNOWN_KEY);
    expect(access_text_with(presigned, "AKIAIOSFODNN7EXAMPLE", "-"), DAY_2013, ACCESS_UNKNOWN_KEY);
}

static void test_sigv4_wants_all_that_matters_signed(void **state)
{
    (void)state;
    expect(access_text_with(get_range, "host;", ""), DAY_2013, ACCESS_UNSIGNED_HEADER);
    expect(access_text_with(get_range, ";x-amz-date,", ","), DAY_2013, ACCESS_UNSIGNED_HEADER);
    expect(access_text_with(get_range, "Range:", "X-Amz-Acl: private\nRange:"), DAY_2013,
           ACCESS_UNSIGNED_HEADER);
    expect(access_text_with(presigned, "Host:", "x-amz-meta-a: b\nHost:"), DAY_2013,
           ACCESS_UNSIGNED_HEADER);
    expect(access_text_with(presigned, "SignedHeaders=host", "SignedHeaders=hos"), DAY_2013,
           ACCESS_UNSIGNED_HEADER);
}

static void test_sigv4_times(void **state)
{
    (void)state;
    expect(get_range, DAY_2013 + ACCESS_SKEW, ACCESS_OK);
    expect(get_range, DAY_2013 + ACCESS_SKEW + 1, ACCESS_SKEWED);
    expect(get_range, DAY_2013 - ACCESS_SKEW, ACCESS_OK);
    expect(get_range, DAY_2013 - ACCESS_SKEW - 1, ACCESS_SKEWED);
    expect(presigned, DAY_2013 + 86400, ACCESS_OK);
    expect(presigned, DAY_2013 + 86401, ACCESS_EXPIRED);
    expect(presigned, DAY_2013 - ACCESS_SKEW, ACCESS_OK);
    expect(presigned, DAY_2013 - ACCESS_SKEW - 1, ACCESS_NOT_YET);
    expect(access_text_with(presigned, "Expires=86400", "Expires=0"), DAY_2013, ACCESS_BAD_EXPIRES);
    expect(access_text_with(presigned, "Expires=86400", "Expires=-1000"), DAY_2013,
           ACCESS_BAD_EXPIRES);
    expect(access_text_with(presigned, "Expires=86400", "Expires=604801"), DAY_2013,
           ACCESS_BAD_EXPIRES);
    expect(access_text_with(presigned, "Expires=86400", "Expires=604800"), DAY_2013,
           ACCESS_MISMATCH);
    expect(access_text_with(get_range, "x-amz-date: 2", "x-amz-day: 2"), DAY_2013, ACCESS_NO_DATE);
    expect(access_text_with(get_range, "000000Z", "000060Z"), DAY_2013, ACCESS_NO_DATE);
    expect(access_text_with(get_range, "x-amz-date: 20130524", "x-amz-date: 20130525"),
           DAY_2013 + 86400, ACCESS_BAD_HEADER);
}

/* Each name makes us write the header's values: a list that repeats one is few bytes for many. */
static void test_sigv4_refuses_a_list_that_repeats(void **state)
{
    static const char *const lists[] = {
        "host;host",
        "host;a;x-amz-date;a",
        "host;x-amz-date;HOST",
        "host;;x-amz-date;",
    };
    char text[4096];
    char many[2048] = "host;x-amz-date";

    (void)state;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        snprintf(text, sizeof(text),
                 "GET / HTTP/1.1\nHost: h\nA: b\nx-amz-date: 20130524T000000Z\n"
                 "x-amz-content-sha256: " EMPTY_HASH "\nAuthorization: " CREDENTIAL
                 ",SignedHeaders=%s,Signature=%064d\n",
                 lists[i], 0);
        expect(text, DAY_2013, ACCESS_BAD_HEADER);
    }
    for (int i = 0; i < 128; i++)
        snprintf(many + strlen(many), 8, ";%d", i);
    snprintf(
        text, sizeof(text),
        "GET / HTTP/1.1\nHost: h\nx-amz-date: 20130524T000000Z\nx-amz-content-sha256: " EMPTY_HASH
        "\nAuthorization: " CREDENTIAL ",SignedHeaders=%s,Signature=%064d\n",
        many, 0);
    expect(text, DAY_2013, ACCESS_BAD_HEADER);
}

static void test_sigv4_malformed(void **state)
{
    static const char *const changes[][2] = {
        {"Credential=", "credential="},
        {"AKIAIOSFODNN7EXAMPLE/", ""},
        {"/us-east-1/", "/"},
        {"/us-east-1/", "//"},
        {"/s3/", "/ec2/"},
        {"aws4_request", "aws4_reques"},
        {"20130524/", "2013052/"},
        {"20130524/", "x0130524/"},
        {",SignedHeaders=", ",Signed="},
        {"Signature=", "Signature=0"},
        {"Signature=f0", "Signature=F0"},
        {"Signature=f0", "Signature="},
        {",SignedHeaders=", ",Credential=a,SignedHeaders="},
        {",SignedHeaders=", ",,SignedHeaders="},
        {",SignedHeaders=", ",SignedHeaders=host,SignedHeaders="},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(changes); i++)
        expect(access_text_with(get_range, changes[i][0], changes[i][1]), DAY_2013,
               ACCESS_BAD_HEADER);
    expect(access_text_with(get_range, "AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), DAY_2013,
           ACCESS_UNKNOWN_SCHEME);
    expect(access_text_with(get_range, "AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256"), DAY_2013,
           ACCESS_UNKNOWN_SCHEME);
    expect(access_text_with(get_range, CREDENTIAL, "Basic "), DAY_2013, ACCESS_UNKNOWN_SCHEME);
    expect(access_text_with(get_range, EMPTY_HASH, EMPTY_HASH "0000"), DAY_2013,
           ACCESS_BAD_PAYLOAD_HASH);
    expect(access_text_with(get_range, "/test.txt", "/test.txt?X-Amz-Signature=1"), DAY_2013,
           ACCESS_TWO_SIGNATURES);
}

static void test_sigv4_malformed_query(void **state)
{
    static const char *const changes[][2] = {
        {"X-Amz-Algorithm=AWS4-HMAC-SHA256&", ""},
        {"AWS4-HMAC-SHA256", "AWS4-HMAC-SHA512"},
        {"X-Amz-Credential=", "X-Amz-credential="},
        {"%2Fs3%2F", "%2F"},
        {"AKIA", "%00KIA"},
        {"X-Amz-Expires=86400&", ""},
        {"Expires=86400", "Expires="},
        {"Expires=86400", "Expires=86400x"},
        {"Expires=86400", "Expires=1-1"},
        {"&X-Amz-SignedHeaders=host", ""},
        {"Signature=aeee", "Signature=aee"},
        {"Date=20130524", "Date=20130523"},
        {"Date=20130524T", "Date=20130524"},
    };
    char many[PARAMS_MAX * 2 + 256] = "GET /?";

    (void)state;
    for (size_t i = 0; i < COUNT_OF(changes); i++)
        expect(access_text_with(presigned, changes[i][0], changes[i][1]), DAY_2013,
               ACCESS_BAD_QUERY);
    for (size_t i = 0; i <= PARAMS_MAX; i++)
        strcat(many, "a&");
    strcat(many, " HTTP/1.1\n");
    expect(many, DAY_2013, ACCESS_BAD_QUERY);
}

static void test_access_without_a_signature_is_anonymous(void **state)
{
    struct access_auth auth;

    (void)state;
    assert_int_equal(authenticate("GET /public/x HTTP/1.1\nHost: a\n", DAY_2013, &auth), ACCESS_OK);
    assert_ptr_equal(auth.who, keys_anonymous(keys));
    assert_int_equal(auth.scheme, ACCESS_ANONYMOUS);
    access_auth_deinit(&auth);
}

/* More regions than are kept, twice. */
static void test_sigv4_keeps_signing_keys_by_day_and_region(void **state)
{
    static const struct {
        const char *region;
        const char *signature;
    } cases[] = {
        {"us-east-1", "4864385cf6c9c5410bb3762595601ec20024805960c53534b69a6103eac4fbff"},
        {"eu-west-3", "3b66af3fdef6fbb99e0530f561081f85d9d88b6e5d8d6a5763e49126adc0eb21"},
        {"a", "2a8304c1f8d6d42afa7f8fd090f8004fe157df7c8b06179686d6056bc54962c4"},
        {"mkv", "d0f86a4e33b905c08c24bb3275a8a2e8be140c73572ae2f2f8c35dcb0be3f636"},
        {"us-east-2", "dce10b4f5be22d164edda11dd69f00ce36d1f96612ddca36c56bee081f9d76fd"},
        {"ap-south-1", "29fdbf40837208221596951e6b962ebc5be18a3460099bf4f4a5967feaa12e15"},
    };

    (void)state;
    for (size_t i = 0; i < 3 * COUNT_OF(cases); i++) {
        size_t k = i / 2 % COUNT_OF(cases);
        char text[1024];

        snprintf(text, sizeof(text),
                 "GET /bucket/k HTTP/1.1\nHost: h\nx-amz-date: 20130524T000000Z\n"
                 "x-amz-content-sha256: UNSIGNED-PAYLOAD\n"
                 "Authorization: AWS4-HMAC-SHA256 "
                 "Credential=AKIAIOSFODNN7EXAMPLE/20130524/%s/s3/aws4_request, "
                 "SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=%s\n",
                 cases[k].region, cases[k].signature);
        expect(text, DAY_2013, ACCESS_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sigv4_examples_of_aws),
        cmocka_unit_test(test_sigv4_says_who_it_is),
        cmocka_unit_test(test_sigv4_requests_of_boto3),
        cmocka_unit_test(test_sigv4_takes_other_spellings),
        cmocka_unit_test(test_params_are_sorted_and_encoded_anew),
        cmocka_unit_test(test_sigv4_takes_white_space_both_ways),
        cmocka_unit_test(test_sigv4_knows_a_signed_expect_that_was_taken_away),
        cmocka_unit_test(test_sigv4_finds_what_was_changed),
        cmocka_unit_test(test_sigv4_wants_all_that_matters_signed),
        cmocka_unit_test(test_sigv4_times),
        cmocka_unit_test(test_sigv4_refuses_a_list_that_repeats),
        cmocka_unit_test(test_sigv4_malformed),
        cmocka_unit_test(test_sigv4_malformed_query),
        cmocka_unit_test(test_access_without_a_signature_is_anonymous),
        cmocka_unit_test(test_sigv4_keeps_signing_keys_by_day_and_region),
    };
    int failed;

    keys = access_keys(file);
    failed = cmocka_run_group_tests_name("sigv4", tests, NULL, NULL);
    keys_release(keys);
    return failed;
}
