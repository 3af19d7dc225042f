/* Who sends a request of the native API: Basic, Bearer, and signatures for the service "mkv". */
#include "tests/unit/test.h"

#include <stdio.h>
#include <string.h>

#include "index/access/internal.h"
#include "tests/support/access_request.h"

#define DAY_2013 1369353600 /* 2013-05-24T00:00:00Z */

/* "AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" */
#define PAIR "AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define BASE64                                                                                     \
    "QUtJQUlPU0ZPRE5ON0VYQU1QTEU6d0phbHJYVXRuRkVNSS9LN01ERU5HL2JQeFJmaUNZRVhBTVBMRUtFWQ=="

static const char file[] = "AKIAIOSFODNN7EXAMPLE wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY rwc:*\n"
                           "AKcolons a:b:c:d: r:x\n"
                           "- - r:public\n";

static struct keys *keys;

static enum access_result authenticate(const char *text, enum access_service service,
                                       bool is_confidential, struct access_auth *auth)
{
    struct access_head head;
    enum access_result result;

    assert_true(access_head_init(&head, text, strlen(text), DAY_2013));
    head.request.service = service;
    head.request.is_confidential = is_confidential;
    memset(auth, 0, sizeof(*auth));
    result = access_authenticate(keys, &head.request, auth);
    access_head_deinit(&head);
    return result;
}

static void expect_of(enum access_service service, bool is_confidential, const char *text,
                      enum access_result wanted)
{
    struct access_auth auth;
    enum access_result result = authenticate(text, service, is_confidential, &auth);

    if (result != wanted)
        fail_msg("%s of\n%s", access_result_text(result), text);
    if (result == ACCESS_OK && auth.scheme != ACCESS_ANONYMOUS)
        assert_ptr_not_equal(auth.who, keys_anonymous(keys));
    access_auth_deinit(&auth);
}

static void expect(const char *authorization, enum access_result wanted)
{
    char text[2048];

    snprintf(text, sizeof(text), "GET /a HTTP/1.1\nHost: x\nAuthorization: %s\n", authorization);
    expect_of(ACCESS_NATIVE, true, text, wanted);
}

/* --- The secret itself ----------------------------------------------------------------------- */

static void test_native_auth_takes_basic_and_bearer(void **state)
{
    struct access_auth auth;

    (void)state;
    expect("Basic " BASE64, ACCESS_OK);
    expect("basic   " BASE64 " ", ACCESS_OK);
    expect("Bearer " PAIR, ACCESS_OK);
    expect("BEARER\t" PAIR "\t", ACCESS_OK);
    expect("Bearer AKcolons:a:b:c:d:", ACCESS_OK);
    assert_int_equal(authenticate("GET /a HTTP/1.1\nAuthorization: Bearer " PAIR "\n",
                                  ACCESS_NATIVE, true, &auth),
                     ACCESS_OK);
    assert_string_equal(auth.who->access, "AKIAIOSFODNN7EXAMPLE");
    assert_int_equal(auth.scheme, ACCESS_PLAIN);
    access_auth_deinit(&auth);
}

static void test_native_auth_refuses_other_secrets(void **state)
{
    static const char *const words[] = {
        "AKIAIOSFODNN7EXAMPLE:",
        "AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKE",
        "AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEYx",
        "AKIAIOSFODNN7EXAMPLE:a:b:c:d:",
        "AKcolons:a:b:c:d",
        "akiaiosfodnn7example:wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "AKnobody:wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "-:-",
        ":",
    };
    char text[256];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        snprintf(text, sizeof(text), "Bearer %s", words[i]);
        expect(text, ACCESS_BAD_SECRET);
    }
    expect("Basic QUtub2JvZHk6c2VjcmV0OTk=", ACCESS_BAD_SECRET);
}

static void test_native_auth_refuses_what_is_no_pair(void **state)
{
    char text[1024] = "Bearer AKone:";

    (void)state;
    expect("Basic", ACCESS_BAD_WORD);
    expect("Bearer ", ACCESS_BAD_WORD);
    expect("Bearer AKone", ACCESS_BAD_WORD);
    expect("Bearer AKone: secret", ACCESS_BAD_WORD);
    expect("Basic " PAIR, ACCESS_BAD_WORD);
    expect("Basic QUtvbmU=", ACCESS_BAD_WORD);     /* "AKone" */
    expect("Basic QUtvbmU6AHg=", ACCESS_BAD_WORD); /* "AKone:\0x" */
    expect("Basic QUtvbmU6eA", ACCESS_BAD_WORD);
    expect("Digest username=x", ACCESS_UNKNOWN_SCHEME);
    expect("BasicX " BASE64, ACCESS_UNKNOWN_SCHEME);
    expect("", ACCESS_UNKNOWN_SCHEME);
    memset(text + strlen(text), 'x', 300);
    expect(text, ACCESS_BAD_WORD);
    memcpy(text, "Basic QUtv", 10);
    expect(text, ACCESS_BAD_WORD);
}

/* Nobody can find out there whether a secret is right. */
static void test_native_auth_takes_no_secret_in_the_clear(void **state)
{
    (void)state;
    expect_of(ACCESS_NATIVE, false, "GET /a HTTP/1.1\nAuthorization: Basic " BASE64 "\n",
              ACCESS_IN_CLEAR);
    expect_of(ACCESS_NATIVE, false, "GET /a HTTP/1.1\nAuthorization: Bearer " PAIR "\n",
              ACCESS_IN_CLEAR);
    expect_of(ACCESS_NATIVE, false, "GET /a HTTP/1.1\nAuthorization: Bearer x:y\n",
              ACCESS_IN_CLEAR);
    expect_of(ACCESS_NATIVE, false, "GET /a HTTP/1.1\n", ACCESS_OK);
    expect_of(ACCESS_S3, true, "GET /a HTTP/1.1\nAuthorization: Basic " BASE64 "\n",
              ACCESS_UNKNOWN_SCHEME);
    expect_of(ACCESS_S3, true, "GET /a HTTP/1.1\nAuthorization: Bearer " PAIR "\n",
              ACCESS_UNKNOWN_SCHEME);
}

/* --- Signatures ------------------------------------------------------------------------------ */

#define HEAD(service, signature)                                                                   \
    "UNLINK /a/b HTTP/1.1\nHost: x\nx-amz-date: 20130524T000000Z\n"                                \
    "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/" service  \
    "/aws4_request,SignedHeaders=host;x-amz-date,Signature=" signature "\n"
#define QUERY(service, signature)                                                                  \
    "GET /a/b?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524"   \
    "%2Fus-east-1%2F" service "%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&"   \
    "X-Amz-SignedHeaders=host&X-Amz-Signature=" signature " HTTP/1.1\nHost: x\n"

#define MKV_HEAD  "48244d48c76ff9b7b9d0ff2f992979428439d951cc3055039583346f6d3d1154"
#define MKV_QUERY "ade526b9370ee81ff711539d8607f7cd5aa99347209092a9a5dffc113865e533"
#define S3_HEAD   "e8429728afb0f282b71d28d8a6298b715dbec1ce41605835a49496e1dda798a6"
#define S3_QUERY  "e8b0eef49edc2d7fd347aa8bc5bcb9ee6ddeacc836b83489914cd5215af0548c"

/* Derived keys are kept: each service gets its own again and again. */
static void test_native_auth_signatures_are_of_one_service(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        expect_of(ACCESS_NATIVE, false, HEAD("mkv", MKV_HEAD), ACCESS_OK);
        expect_of(ACCESS_S3, false, HEAD("s3", S3_HEAD), ACCESS_OK);
        expect_of(ACCESS_NATIVE, false, QUERY("mkv", MKV_QUERY), ACCESS_OK);
        expect_of(ACCESS_S3, false, QUERY("s3", S3_QUERY), ACCESS_OK);
        expect_of(ACCESS_NATIVE, false, HEAD("mkv", S3_HEAD), ACCESS_MISMATCH);
        expect_of(ACCESS_S3, false, HEAD("s3", MKV_HEAD), ACCESS_MISMATCH);
    }
    expect_of(ACCESS_NATIVE, true, HEAD("s3", S3_HEAD), ACCESS_BAD_HEADER);
    expect_of(ACCESS_S3, true, HEAD("mkv", MKV_HEAD), ACCESS_BAD_HEADER);
    expect_of(ACCESS_NATIVE, true, QUERY("s3", S3_QUERY), ACCESS_BAD_QUERY);
    expect_of(ACCESS_S3, true, QUERY("mkv", MKV_QUERY), ACCESS_BAD_QUERY);
    expect_of(ACCESS_NATIVE, true, HEAD("mk", MKV_HEAD), ACCESS_BAD_HEADER);
    expect_of(ACCESS_NATIVE, true, HEAD("mkvx", MKV_HEAD), ACCESS_BAD_HEADER);
}

#define AT(path, signature)                                                                        \
    "UNLINK " path " HTTP/1.1\nHost: x\nx-amz-date: 20130524T000000Z\n"                            \
    "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/mkv/"      \
    "aws4_request,SignedHeaders=host;x-amz-date,Signature=" signature "\n"

/* Of the canonical paths "/a%20b" and "/a%2520b". */
#define OF_20   "3bca0c07145f3c6b614f2d4b6c3be8aba4e430bd7c4adcf7ced0b4fe11e61436"
#define OF_2520 "13a84a86051485bb8275e71066c89a487dd9548fc8638c44bff87de8c7510e93"

/* A path may be signed as it is or encoded once more, but no signature is good for two keys. */
static void test_native_auth_takes_both_forms_of_a_path(void **state)
{
    (void)state;
    expect_of(ACCESS_NATIVE, false, AT("/a%20b", OF_20), ACCESS_OK);
    expect_of(ACCESS_NATIVE, false, AT("/a%20b", OF_2520), ACCESS_OK);
    expect_of(ACCESS_NATIVE, false, AT("/a%2520b", OF_2520), ACCESS_MISMATCH);
    expect_of(ACCESS_NATIVE, false, AT("/a%2520b", OF_20), ACCESS_MISMATCH);
}

static void test_native_auth_refuses_two_kinds_of_credentials(void **state)
{
    (void)state;
    expect_of(ACCESS_NATIVE, true, QUERY("mkv", MKV_QUERY) "Authorization: Basic " BASE64 "\n",
              ACCESS_TWO_SIGNATURES);
    expect_of(ACCESS_NATIVE, true,
              "GET /a?X-Amz-Credential=x HTTP/1.1\nAuthorization: Bearer " PAIR "\n",
              ACCESS_TWO_SIGNATURES);
    expect_of(ACCESS_NATIVE, true, HEAD("mkv", MKV_HEAD) "authorization: Bearer " PAIR "\n",
              ACCESS_TWO_SIGNATURES);
    expect_of(ACCESS_NATIVE, true,
              "GET /a HTTP/1.1\nAuthorization: Bearer " PAIR "\nAuthorization: Bearer " PAIR "\n",
              ACCESS_TWO_SIGNATURES);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_native_auth_takes_basic_and_bearer),
        cmocka_unit_test(test_native_auth_refuses_other_secrets),
        cmocka_unit_test(test_native_auth_refuses_what_is_no_pair),
        cmocka_unit_test(test_native_auth_takes_no_secret_in_the_clear),
        cmocka_unit_test(test_native_auth_signatures_are_of_one_service),
        cmocka_unit_test(test_native_auth_takes_both_forms_of_a_path),
        cmocka_unit_test(test_native_auth_refuses_two_kinds_of_credentials),
    };
    int failed;

    keys = access_keys(file);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    keys_release(keys);
    return failed;
}
