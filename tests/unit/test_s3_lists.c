/* Lists of keys and buckets as clients get them: by HTTP, out of a store. */
#include "tests/unit/http_fixture.h"

#include <stdio.h>
#include <string.h>

#include "index/s3/list_buckets.h"
#include "index/s3/list_objects.h"
#include "index/s3/owner.h"
#include "tests/support/late_engine.h"
#include "tests/support/storebox.h"

#define DECLARATION "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define SPACE       " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""
#define OWNER       "<Owner><ID>" OWNER_ID "</ID><DisplayName>mkv</DisplayName></Owner>"
#define AT          "1970-01-01T00:00:01.000Z"
#define OF_KEY                                                                                     \
    "<LastModified>" AT "</LastModified>"                                                          \
    "<ETag>&quot;000102030405060708090a0b0c0d0e0f&quot;</ETag>"                                    \
    "<Size>7</Size><StorageClass>STANDARD</StorageClass>"

static struct storebox box;
static struct store *store; /* that is listed: the box's, or one that has it all later */

/* "/" is the list of buckets, any other path that of the bucket "b". */
static void handle(struct http_request *request, void *arg)
{
    struct respond_ids ids;
    size_t len;

    (void)arg;
    respond_ids_make(&ids, request);
    http_request_path(request, &len);
    if (len == 1)
        list_buckets(request, store, &ids, NULL);
    else
        list_objects(request, store, &ids, "b", 1);
}

static int setup(void **state)
{
    int rc = fixture_start(state, handle, &fixture_limits, NULL);

    storebox_init(&box, NULL, &(struct gdbm_engine_options){0});
    assert_int_equal(storebox_open(&box), 0);
    store = box.store;
    return rc;
}

static int setup_late(void **state)
{
    int rc = setup(state);
    struct fixture *f = *state;

    store = late_engine_new(&f->loop, box.store);
    return rc;
}

static int teardown_all(void **state)
{
    storebox_deinit(&box);
    return teardown(state);
}

static void closed_store_cb(void *arg)
{
    *(bool *)arg = true;
}

/* It is of the loop of the server, which has to go on until it is closed. */
static int teardown_late(void **state)
{
    struct fixture *f = *state;
    bool is_closed = false;

    store_close(store, closed_store_cb, &is_closed);
    while (!is_closed) {
        uv_run(&f->loop, UV_RUN_NOWAIT);
        uv_run(&box.loop, UV_RUN_NOWAIT);
    }
    box.store = NULL;
    return teardown_all(state);
}

static void put_with(const char *key, unsigned flags, uint64_t time)
{
    struct record record = {
        .flags = RECORD_MD5 | flags, .size = 7, .time = time, .generation = 1, .n_places = 1};

    for (unsigned i = 0; i < RECORD_MD5_SIZE; i++)
        record.md5[i] = (unsigned char)i;
    assert_int_equal(gdbm_engine_volume_id(box.store, "larry", &record.places[0].volume), 0);
    assert_int_equal(storebox_put(&box, key, strlen(key), &record), 0);
}

static void put(const char *key)
{
    put_with(key, 0, 1999);
}

/* By a client of HTTP/1.0, whose body isn't chunked. */
static const char *get(struct fixture *f, const char *target, int status)
{
    char request[2048];
    char line[32];

    snprintf(request, sizeof(request), "GET %s HTTP/1.0\r\n\r\n", target);
    ask(f, request);
    expect_close(f);
    snprintf(line, sizeof(line), "HTTP/1.1 %d ", status);
    assert_memory_equal(f->answers, line, strlen(line));
    return strstr(f->answers, "\r\n\r\n") + 4;
}

static void expect_page(struct fixture *f, const char *target, const char *wanted)
{
    assert_string_equal(get(f, target, 200), wanted);
    assert_int_equal(count(f->answers, "Content-Type: application/xml\r\n"), 1);
}

static void expect_refused(struct fixture *f, const char *target)
{
    assert_non_null(strstr(get(f, target, 400), "<Code>InvalidArgument</Code>"));
}

/* The value of an element that stands once in the last answer. */
static const char *value_of(struct fixture *f, const char *element)
{
    static char value[256];
    char tag[64];
    const char *at;

    snprintf(tag, sizeof(tag), "<%s>", element);
    at = strstr(f->answers, tag);
    assert_non_null(at);
    at += strlen(tag);
    snprintf(value, sizeof(value), "%.*s", (int)strcspn(at, "<"), at);
    return value;
}

/* --- Keys ------------------------------------------------------------------------------------ */

static void test_list_objects_v1(void **state)
{
    struct fixture *f = *state;

    put("/b/a&b");
    put("/b/d/e");
    put("/b/f");
    expect_page(f, "/b?delimiter=/",
                DECLARATION "<ListBucketResult" SPACE "><Name>b</Name><Prefix></Prefix>"
                            "<Marker></Marker><MaxKeys>1000</MaxKeys><Delimiter>/</Delimiter>"
                            "<Contents><Key>a&amp;b</Key>" OF_KEY OWNER "</Contents>"
                            "<CommonPrefixes><Prefix>d/</Prefix></CommonPrefixes>"
                            "<Contents><Key>f</Key>" OF_KEY OWNER "</Contents>"
                            "<IsTruncated>false</IsTruncated></ListBucketResult>");
    expect_page(f, "/b?delimiter=/&marker=a%26b&max-keys=1&encoding-type=url",
                DECLARATION
                "<ListBucketResult" SPACE "><Name>b</Name><Prefix></Prefix>"
                "<Marker>a%26b</Marker><MaxKeys>1</MaxKeys><Delimiter>/</Delimiter>"
                "<EncodingType>url</EncodingType>"
                "<CommonPrefixes><Prefix>d/</Prefix></CommonPrefixes>"
                "<IsTruncated>true</IsTruncated><NextMarker>d/</NextMarker></ListBucketResult>");
    get(f, "/b?max-keys=1", 200);
    assert_string_equal(value_of(f, "IsTruncated"), "true");
    assert_int_equal(count(f->answers, "NextMarker"), 0);
}

static void test_list_objects_v2(void **state)
{
    struct fixture *f = *state;
    char target[512];

    put("/b/a b");
    put("/b/c/d");
    put("/b/e");
    expect_page(f, "/b?list-type=2&start-after=a&prefix=a&fetch-owner=true",
                DECLARATION "<ListBucketResult" SPACE "><Name>b</Name><Prefix>a</Prefix>"
                            "<StartAfter>a</StartAfter><MaxKeys>1000</MaxKeys>"
                            "<Contents><Key>a b</Key>" OF_KEY OWNER "</Contents>"
                            "<KeyCount>1</KeyCount><IsTruncated>false</IsTruncated>"
                            "</ListBucketResult>");
    expect_page(f, "/b?list-type=2&max-keys=0&continuation-token=",
                DECLARATION "<ListBucketResult" SPACE "><Name>b</Name><Prefix></Prefix>"
                            "<ContinuationToken></ContinuationToken><MaxKeys>0</MaxKeys>"
                            "<KeyCount>0</KeyCount><IsTruncated>false</IsTruncated>"
                            "</ListBucketResult>");
    get(f, "/b?list-type=2&delimiter=/&max-keys=2", 200);
    assert_string_equal(value_of(f, "KeyCount"), "2");
    snprintf(target, sizeof(target), "/b?list-type=2&delimiter=/&continuation-token=%s",
             value_of(f, "NextContinuationToken"));
    get(f, target, 200);
    assert_string_equal(value_of(f, "Key"), "e");
    assert_string_equal(value_of(f, "KeyCount"), "1");
    assert_string_equal(value_of(f, "ContinuationToken"), strrchr(target, '=') + 1);
    assert_int_equal(count(f->answers, "NextContinuationToken"), 0);
    assert_int_equal(count(f->answers, "Owner"), 0);
}

static void test_list_objects_versions(void **state)
{
    struct fixture *f = *state;

    put("/b/a");
    put("/b/c/d");
    put("/b/e");
    expect_page(f, "/b?versions&max-keys=1",
                DECLARATION "<ListVersionsResult" SPACE "><Name>b</Name><Prefix></Prefix>"
                            "<KeyMarker></KeyMarker><VersionIdMarker></VersionIdMarker>"
                            "<MaxKeys>1</MaxKeys><Version><Key>a</Key><VersionId>null</VersionId>"
                            "<IsLatest>true</IsLatest>" OF_KEY OWNER "</Version>"
                            "<IsTruncated>true</IsTruncated><NextKeyMarker>a</NextKeyMarker>"
                            "<NextVersionIdMarker>null</NextVersionIdMarker></ListVersionsResult>");
    get(f, "/b?versions&delimiter=/&max-keys=1&key-marker=a&version-id-marker=null", 200);
    assert_string_equal(value_of(f, "NextKeyMarker"), "c/");
    assert_int_equal(count(f->answers, "NextVersionIdMarker"), 0);
    get(f, "/b?versions&delimiter=/&key-marker=c/", 200);
    assert_string_equal(value_of(f, "Key"), "e");
}

static void test_list_objects_any_bytes(void **state)
{
    struct fixture *f = *state;

    put("/b/\1\n");
    put("/b/a%+\377");
    put("/b/\303\244<");
    get(f, "/b", 200);
    assert_int_equal(count(f->answers, "<Key>"), 2);
    assert_int_equal(count(f->answers, "<Key>&#x1;&#xA;</Key>"), 1);
    assert_int_equal(count(f->answers, "<Key>\303\244&lt;</Key>"), 1);
    get(f, "/b?encoding-type=url", 200);
    assert_int_equal(count(f->answers, "<Key>"), 3);
    assert_int_equal(count(f->answers, "<Key>%01%0A</Key>"), 1);
    assert_int_equal(count(f->answers, "<Key>a%25%2B%FF</Key>"), 1);
    assert_int_equal(count(f->answers, "<Key>%C3%A4%3C</Key>"), 1);
    get(f, "/b?encoding-type=url&prefix=%0A%20", 200);
    assert_int_equal(count(f->answers, "<Prefix>&#xA; </Prefix>"), 1);
    get(f, "/b?list-type=2&encoding-type=url&prefix=%0A%20", 200);
    assert_int_equal(count(f->answers, "<Prefix>%0A%20</Prefix>"), 1);
    get(f, "/b?encoding-type=url&prefix=a%25%2B%FF&delimiter=%0A", 200);
    assert_int_equal(count(f->answers, "<Prefix>a%25%2B%FF</Prefix>"), 1);
    assert_int_equal(count(f->answers, "<Delimiter>%0A</Delimiter>"), 1);
}

/* More than a turn of the stream takes. */
static void test_list_objects_of_many_keys(void **state)
{
    struct fixture *f = *state;
    char key[32];

    for (unsigned i = 0; i < 1001; i++) {
        snprintf(key, sizeof(key), "/b/%04u", i);
        put_with(key, i % 2 == 1 ? RECORD_UNLINKED : 0, 1999);
    }
    get(f, "/b?list-type=2", 200);
    assert_int_equal(count(f->answers, "<Contents>"), 501);
    assert_string_equal(value_of(f, "KeyCount"), "501");
    assert_string_equal(value_of(f, "IsTruncated"), "false");
}

static void test_list_objects_refuses(void **state)
{
    struct fixture *f = *state;

    expect_refused(f, "/b?max-keys=blah");
    expect_refused(f, "/b?list-type=2&continuation-token=abc");
}

/* --- Buckets --------------------------------------------------------------------------------- */

/* Created ones have a record; "none" is empty, "zone" has keys and none. */
static void put_buckets(void)
{
    put_with("/_mkv/s3/bucket/both", 0, 3000);
    put_with("/_mkv/s3/bucket/none", 0, 4000);
    put("/_mkv/s3/upload/x");
    put("/both/a");
    put_with("/gone/a", RECORD_UNLINKED, 1999);
    put("/key");
    put("//x");
    put("/any-Name_/x");
    put("/zone/a/b");
    put("/zone/c");
}

#define BUCKET(name, second)                                                                       \
    "<Bucket><Name>" name "</Name><CreationDate>1970-01-01T00:00:0" second                         \
    "Z</CreationDate></Bucket>"
#define BUCKETS_START DECLARATION "<ListAllMyBucketsResult" SPACE ">" OWNER "<Buckets>"

static void test_list_buckets_with_records_and_without(void **state)
{
    struct fixture *f = *state;

    expect_page(f, "/", BUCKETS_START "</Buckets></ListAllMyBucketsResult>");
    put_buckets();
    expect_page(f, "/",
                BUCKETS_START BUCKET("both", "3.000") BUCKET("none", "4.000")
                    BUCKET("any-Name_", "1.999")
                        BUCKET("zone", "1.999") "</Buckets></ListAllMyBucketsResult>");
    expect_page(f, "/?prefix=zo",
                BUCKETS_START BUCKET("zone", "1.999") "</Buckets><Prefix>zo</Prefix>"
                                                      "</ListAllMyBucketsResult>");
}

/* Page after page, each of one bucket. */
static void test_list_buckets_in_pages(void **state)
{
    static const char *const wanted[] = {"both", "none", "any-Name_", "zone"};
    struct fixture *f = *state;
    char target[512] = "/?max-buckets=1";

    put_buckets();
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        get(f, target, 200);
        assert_int_equal(count(f->answers, "<Name>"), 1);
        assert_string_equal(value_of(f, "Name"), wanted[i]);
        if (i + 1 < COUNT_OF(wanted))
            snprintf(target, sizeof(target), "/?max-buckets=1&continuation-token=%s",
                     value_of(f, "ContinuationToken"));
    }
    assert_int_equal(count(f->answers, "ContinuationToken"), 0);
}

static void test_list_buckets_refuses(void **state)
{
    struct fixture *f = *state;

    expect_refused(f, "/?max-buckets=0");
    expect_refused(f, "/?max-buckets=10001");
    expect_refused(f, "/?max-buckets=1000000");
    expect_refused(f, "/?max-buckets=x");
    expect_refused(f, "/?max-buckets=");
    expect_refused(f, "/?continuation-token=x");
    expect_refused(f, "/?prefix=%zz");
}

/* --- A store that answers later -----------------------------------------------------------------
 */

/* Turns the loop until so many readings wait. */
static void expect_waiting(struct fixture *f, unsigned n)
{
    arm(f);
    while (late_engine_waiting(store) != n) {
        assert_false(f->late);
        uv_run(&f->loop, UV_RUN_ONCE);
    }
}

/* What waits for the store goes with its client. */
static void test_list_whose_client_leaves(void **state)
{
    static const char *const targets[] = {"/b?list-type=2", "/"};
    struct fixture *f = *state;
    char request[64];

    put("/b/a");
    late_engine_hold(store, true);
    for (size_t i = 0; i < COUNT_OF(targets); i++) {
        snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", targets[i]);
        ask(f, request);
        expect_waiting(f, 1);
        fresh_client(f);
        expect_waiting(f, 0);
    }
    late_engine_hold(store, false);
    get(f, "/b?list-type=2", 200);
    assert_int_equal(count(f->answers, "<Key>"), 1);
}

/* A list that can't be read to its end isn't one that has no more. */
static void test_list_of_a_store_that_is_away(void **state)
{
    struct fixture *f = *state;

    put("/b/a");
    late_engine_set_away(store, true);
    ask(f, "GET /b HTTP/1.1\r\nHost: x\r\n\r\n");
    expect_close(f);
    assert_int_equal(count(f->answers, "</ListBucketResult>"), 0);
    assert_int_equal(count(f->answers, "\r\n0\r\n"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_list_##name, setup, teardown_all)
#define LATE(name) cmocka_unit_test_setup_teardown(test_list_##name, setup_late, teardown_late)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(objects_v1),
        TEST(objects_v2),
        TEST(objects_versions),
        TEST(objects_any_bytes),
        TEST(objects_of_many_keys),
        TEST(objects_refuses),
        TEST(buckets_with_records_and_without),
        TEST(buckets_in_pages),
        TEST(buckets_refuses),
    };
    const struct CMUnitTest late_tests[] = {
        LATE(objects_v1),
        LATE(objects_v2),
        LATE(objects_versions),
        LATE(objects_any_bytes),
        LATE(objects_of_many_keys),
        LATE(objects_refuses),
        LATE(buckets_with_records_and_without),
        LATE(buckets_in_pages),
        LATE(buckets_refuses),
        LATE(whose_client_leaves),
        LATE(of_a_store_that_is_away),
    };
    int failed = cmocka_run_group_tests_name("at once", tests, NULL, NULL);

    return failed + cmocka_run_group_tests_name("later", late_tests, NULL, NULL);
}
