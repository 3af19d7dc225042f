/* XML that clients send: the reader itself, and the bodies that are read by it. */
#include "tests/unit/test.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/buf.h"
#include "index/s3/body_complete.h"
#include "index/s3/body_delete.h"
#include "index/s3/body_location.h"
#include "index/s3/xml_in.h"

/* --- The reader ------------------------------------------------------------------------------ */

static int begin(void *arg, unsigned depth, const char *name)
{
    return buf_append_format(arg, "%u<%s ", depth, name);
}

static int end(void *arg, unsigned depth, const char *name, const char *text, size_t len)
{
    assert_int_equal(strlen(text), len);
    return strcmp(text, "refused") == 0 ? -EPERM
                                        : buf_append_format(arg, "%u>%s=%s ", depth, name, text);
}

static const struct xml_in_reader reader = {.begin = begin, .end = end};

/* Reads a document in pieces of `piece` bytes, and what its elements were into `out`. */
static int read_document(const char *bytes, size_t n, size_t piece, size_t max, struct buf *out)
{
    struct xml_in *in = xml_in_new(&reader, out, max);
    int rc = 0;

    assert_non_null(in);
    for (size_t at = 0; at < n && rc == 0; at += piece)
        rc = xml_in_add(in, bytes + at, piece < n - at ? piece : n - at);
    assert_int_equal(rc == 0 ? 0 : rc, xml_in_add(in, "", 0)); /* a failure stays */
    if (rc == 0)
        rc = xml_in_end(in);
    xml_in_free(in);
    return rc;
}

static void expect_document(const char *text, const char *wanted)
{
    for (size_t piece = 1; piece <= strlen(text); piece++) {
        struct buf out = {.data = NULL};

        assert_int_equal(read_document(text, strlen(text), piece, 1000, &out), 0);
        assert_int_equal(buf_append(&out, "", 1), 0);
        assert_string_equal(buf_bytes(&out), wanted);
        buf_deinit(&out);
    }
}

static void expect_refused(const char *text, int error)
{
    for (size_t piece = 1; piece <= strlen(text) + 1; piece++) {
        struct buf out = {.data = NULL};

        assert_int_equal(read_document(text, strlen(text), piece, 1000, &out), error);
        buf_deinit(&out);
    }
}

static void test_xml_in_reads_elements(void **state)
{
    (void)state;
    expect_document("<a><b>x</b> y<c/></a>", "1<a 2<b 2>b=x 2<c 2>c= 1>a= ");
    expect_document("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<a b='c'>&lt;&#65;<![CDATA[<>]]>"
                    "<!-- no --></a>\n",
                    "1<a 1>a=<A<> ");
    expect_document("<a xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\xc3\xa4</a>",
                    "1<a 1>a=\xc3\xa4 ");
    expect_document("<s:a xmlns:s='urn:x'><s:b>1</s:b></s:a>", "1<a 2<b 2>b=1 1>a= ");
}

static void test_xml_in_refuses(void **state)
{
    (void)state;
    expect_refused("", -ENODATA);
    expect_refused(" ", -EBADMSG);
    expect_refused("<a>", -EBADMSG);
    expect_refused("<a></b>", -EBADMSG);
    expect_refused("<a/><b/>", -EBADMSG);
    expect_refused("<a>&b;</a>", -EBADMSG);
    expect_refused("<a>\xff</a>", -EBADMSG);
    expect_refused("<a>&#0;</a>", -EBADMSG);
    expect_refused("<a><s:b/></a>", -EBADMSG);
    expect_refused("<!DOCTYPE a><a/>", -EBADMSG);
    expect_refused("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", -EBADMSG);
    expect_refused("<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", -EBADMSG);
    expect_refused("<a><b>refused</b></a>", -EPERM);
    expect_refused("<a><b><c><d><e><f><g><h><i/></h></g></f></e></d></c></b></a>", -EBADMSG);
    expect_document("<a><b><c><d><e><f><g><h/></g></f></e></d></c></b></a>",
                    "1<a 2<b 3<c 4<d 5<e 6<f 7<g 8<h 8>h= 7>g= 6>f= 5>e= 4>d= 3>c= 2>b= 1>a= ");
}

/* A document of `before`, n times 'x', and `after`. */
static int read_long(const char *before, size_t n, const char *after, size_t max)
{
    struct buf document = {.data = NULL};
    struct buf out = {.data = NULL};
    int rc;

    assert_int_equal(buf_append_string(&document, before), 0);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(buf_append(&document, "x", 1), 0);
    assert_int_equal(buf_append_string(&document, after), 0);
    rc = read_document(buf_bytes(&document), buf_size(&document), 100, max, &out);
    assert_int_equal(read_document(buf_bytes(&document), buf_size(&document), 1000000, max, &out),
                     rc);
    buf_deinit(&document);
    buf_deinit(&out);
    return rc;
}

static void test_xml_in_is_bounded(void **state)
{
    (void)state;
    assert_int_equal(read_long("<a>", XML_IN_TEXT_MAX, "</a>", 1000000), 0);
    assert_int_equal(read_long("<a>", XML_IN_TEXT_MAX + 1, "</a>", 1000000), -EBADMSG);
    assert_int_equal(read_long("<a>", 93, "</a>", 100), 0);
    assert_int_equal(read_long("<a>", 94, "</a>", 100), -EMSGSIZE);
    assert_int_equal(read_long("<a b='", 1000, "'/>", 1000000), 0);
    assert_int_equal(read_long("<a b='", 100000, "'/>", 1000000), -EBADMSG);
    assert_int_equal(read_long("<!--", 100000, "--><a/>", 1000000), -EBADMSG);
    assert_int_equal(read_long("<a>&", 100000, ";</a>", 1000000), -EBADMSG);
}

/* --- CompleteMultipartUpload ----------------------------------------------------------------- */

#define MD5_A "0123456789abcdef0123456789abcdef"

static enum s3_error read_complete(struct body_complete *body, const char *text, size_t piece)
{
    size_t n = strlen(text);
    enum s3_error error = S3_OK;

    for (size_t at = 0; at < n && error == S3_OK; at += piece)
        error = body_complete_add(body, text + at, piece < n - at ? piece : n - at);
    if (error == S3_OK)
        error = body_complete_end(body);
    return error;
}

static void expect_complete_error(const char *text, enum s3_error wanted)
{
    for (size_t piece = 1; piece <= strlen(text) + 1; piece++) {
        struct body_complete *body = body_complete_new();

        assert_non_null(body);
        assert_int_equal(read_complete(body, text, piece), wanted);
        if (*text != '\0')
            assert_int_equal(body_complete_add(body, "<", 1), wanted);
        body_complete_free(body);
    }
}

static void test_body_complete_parts(void **state)
{
    static const char text[] =
        "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\n"
        "  <Part><PartNumber>1</PartNumber><ETag>&quot;" MD5_A "&quot;</ETag>\n"
        "    <ChecksumCRC64NVME>rosUhgp5mIg=</ChecksumCRC64NVME></Part>\n"
        "  <Part><ETag>" MD5_A "</ETag><PartNumber>10000</PartNumber><Unknown>1</Unknown></Part>\n"
        "</CompleteMultipartUpload>\n";
    static const unsigned char md5[MD5_SIZE] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
                                                0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};

    (void)state;
    for (size_t piece = 1; piece < sizeof(text); piece += 7) {
        struct body_complete *body = body_complete_new();
        const struct complete_part *parts;
        unsigned n;

        assert_int_equal(read_complete(body, text, piece), S3_OK);
        parts = body_complete_parts(body, &n);
        assert_int_equal(n, 2);
        assert_int_equal(parts[0].number, 1);
        assert_true(parts[0].has_md5);
        assert_memory_equal(parts[0].md5, md5, MD5_SIZE);
        assert_int_equal(parts[0].checksum_kind, CHECKSUM_CRC64NVME);
        assert_memory_equal(parts[0].checksum, "\xae\x8b\x14\x86\x0a\x79\x98\x88", 8);
        assert_int_equal(parts[1].number, 10000);
        assert_memory_equal(parts[1].md5, md5, MD5_SIZE);
        assert_int_equal(parts[1].checksum_kind, CHECKSUM_NONE);
        body_complete_free(body);
    }
}

#define COMPLETE(text)       "<CompleteMultipartUpload>" text "</CompleteMultipartUpload>"
#define PART(number, inside) "<Part><PartNumber>" number "</PartNumber>" inside "</Part>"
#define ETAG                 "<ETag>" MD5_A "</ETag>"

static void test_body_complete_part_that_is_listed_twice(void **state)
{
    static const char text[] =
        COMPLETE(PART("1", ETAG) PART("2", "<ETag>x</ETag>") PART("2", ETAG));
    struct body_complete *body = body_complete_new();
    const struct complete_part *parts;
    unsigned n;

    (void)state;
    assert_int_equal(read_complete(body, text, 9), S3_OK);
    parts = body_complete_parts(body, &n);
    assert_int_equal(n, 2);
    assert_int_equal(parts[1].number, 2);
    assert_true(parts[1].has_md5);
    body_complete_free(body);
}

static void test_body_complete_etag_of_no_part(void **state)
{
    static const char *const etags[] = {
        "",         "\"\"",     "\"",      "0123456789ABCDEF0123456789abcdef",
        "\"" MD5_A, MD5_A "-1", MD5_A "0", "zz23456789abcdef0123456789abcdef",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(etags); i++) {
        struct body_complete *body = body_complete_new();
        char text[256];
        unsigned n;

        snprintf(text, sizeof(text), COMPLETE(PART("1", "<ETag>%s</ETag>")), etags[i]);
        assert_int_equal(read_complete(body, text, 10), S3_OK);
        assert_false(body_complete_parts(body, &n)[0].has_md5);
        body_complete_free(body);
    }
}

/* versity/versitygw#152, #1544 and #1072. */
static void test_body_complete_refuses(void **state)
{
    (void)state;
    expect_complete_error("", S3_MALFORMED_XML);
    expect_complete_error(COMPLETE(""), S3_MALFORMED_XML);
    expect_complete_error("<CompleteMultipartUpload/>", S3_MALFORMED_XML);
    expect_complete_error("<CompleteMultipartUpload>", S3_MALFORMED_XML);
    expect_complete_error("<Delete>" PART("1", ETAG) "</Delete>", S3_MALFORMED_XML);
    expect_complete_error(COMPLETE("<Object></Object>"), S3_MALFORMED_XML);
    expect_complete_error(COMPLETE("<Part/>"), S3_MALFORMED_XML);
    expect_complete_error(COMPLETE("<Part>" ETAG "</Part>"), S3_MALFORMED_XML);
    expect_complete_error(COMPLETE(PART("1", "")), S3_MALFORMED_XML);
    expect_complete_error(COMPLETE(PART("1", ETAG ETAG)), S3_MALFORMED_XML);
    expect_complete_error(COMPLETE(PART("1</PartNumber><PartNumber>2", ETAG)), S3_MALFORMED_XML);
    expect_complete_error(COMPLETE(PART("x", ETAG)), S3_MALFORMED_XML);
    expect_complete_error(COMPLETE(PART("1x", ETAG)), S3_MALFORMED_XML);
    expect_complete_error(COMPLETE(PART("", ETAG)), S3_MALFORMED_XML);
    expect_complete_error(COMPLETE(PART("0", ETAG)), S3_INVALID_ARGUMENT);
    expect_complete_error(COMPLETE(PART("-1", ETAG)), S3_INVALID_ARGUMENT);
    expect_complete_error(COMPLETE(PART("10001", ETAG)), S3_INVALID_ARGUMENT);
    expect_complete_error(COMPLETE(PART("99999999999999999999", ETAG)), S3_INVALID_ARGUMENT);
    expect_complete_error(COMPLETE(PART("2", ETAG) PART("1", ETAG)), S3_INVALID_PART_ORDER);
    expect_complete_error(COMPLETE(PART("1", ETAG "<ChecksumCRC32>x</ChecksumCRC32>")),
                          S3_MALFORMED_XML);
    expect_complete_error(COMPLETE(PART("1", ETAG "<ChecksumCRC32>y/Q5Jg==-1</ChecksumCRC32>")),
                          S3_MALFORMED_XML);
}

/* scality/cloudserver#444: more than 1,000 parts, indented and with the longest checksums. */
static void test_body_complete_of_all_parts(void **state)
{
    struct body_complete *body = body_complete_new();
    const struct complete_part *parts;
    struct buf text = {.data = NULL};
    unsigned n;

    (void)state;
    assert_int_equal(buf_append_string(&text, "<CompleteMultipartUpload>\n"), 0);
    for (unsigned i = 1; i <= PART_NUMBER_MAX; i++)
        assert_int_equal(
            buf_append_format(
                &text,
                "        <Part>\n            <ChecksumSHA256>ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/"
                "YfIAFa0=</ChecksumSHA256>\n            <ETag>&quot;" MD5_A
                "&quot;</ETag>\n            <PartNumber>%u</PartNumber>\n        </Part>\n",
                i),
            0);
    assert_int_equal(buf_append_string(&text, "</CompleteMultipartUpload>"), 0);
    assert_int_equal(body_complete_add(body, buf_bytes(&text), buf_size(&text)), S3_OK);
    assert_int_equal(body_complete_end(body), S3_OK);
    parts = body_complete_parts(body, &n);
    assert_int_equal(n, PART_NUMBER_MAX);
    for (unsigned i = 0; i < n; i++)
        assert_true(parts[i].number == i + 1 && parts[i].has_md5 &&
                    parts[i].checksum_kind == CHECKSUM_SHA256);
    buf_deinit(&text);
    body_complete_free(body);
}

/* --- DeleteObjects --------------------------------------------------------------------------- */

static enum s3_error read_delete(struct body_delete *body, const char *text, size_t piece)
{
    size_t n = strlen(text);
    enum s3_error error = S3_OK;

    for (size_t at = 0; at < n && error == S3_OK; at += piece)
        error = body_delete_add(body, text + at, piece < n - at ? piece : n - at);
    if (error == S3_OK)
        error = body_delete_end(body);
    return error;
}

static void expect_delete_error(const char *text, enum s3_error wanted)
{
    for (size_t piece = 1; piece <= strlen(text) + 1; piece++) {
        struct body_delete *body = body_delete_new();

        assert_non_null(body);
        assert_int_equal(read_delete(body, text, piece), wanted);
        body_delete_free(body);
    }
}

static void test_body_delete_keys(void **state)
{
    static const char text[] =
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>"
        "<Object><Key>a&amp;&#x1f600; b</Key><VersionId>null</VersionId></Object>\n"
        "<Object><VersionId/><Key> </Key></Object>"
        "<Object><Key>k</Key><VersionId>3sL4</VersionId><ETag>\"x\"</ETag></Object></Delete>";

    (void)state;
    for (size_t piece = 1; piece < sizeof(text); piece += 5) {
        struct body_delete *body = body_delete_new();
        struct delete_entry entry;

        assert_int_equal(read_delete(body, text, piece), S3_OK);
        assert_true(body_delete_is_quiet(body));
        assert_int_equal(body_delete_count(body), 3);
        entry = body_delete_entry(body, 0);
        assert_string_equal(entry.key, "a&\xf0\x9f\x98\x80 b");
        assert_int_equal(entry.key_len, strlen(entry.key));
        assert_null(entry.version);
        assert_null(entry.etag);
        entry = body_delete_entry(body, 1);
        assert_string_equal(entry.key, " ");
        assert_null(entry.version);
        entry = body_delete_entry(body, 2);
        assert_string_equal(entry.version, "3sL4");
        assert_string_equal(entry.etag, "\"x\"");
        body_delete_free(body);
    }
}

#define DELETE(text) "<Delete>" text "</Delete>"
#define OBJECT(text) "<Object>" text "</Object>"

static void test_body_delete_refuses(void **state)
{
    (void)state;
    expect_delete_error("", S3_MISSING_REQUEST_BODY);
    expect_delete_error(DELETE(""), S3_MALFORMED_XML);
    expect_delete_error(DELETE("<Quiet>true</Quiet>"), S3_MALFORMED_XML);
    expect_delete_error(DELETE("<Quiet>perhaps</Quiet>" OBJECT("<Key>a</Key>")), S3_MALFORMED_XML);
    expect_delete_error(DELETE(OBJECT("")), S3_MALFORMED_XML);
    expect_delete_error(DELETE(OBJECT("<Key></Key>")), S3_MALFORMED_XML);
    expect_delete_error(DELETE(OBJECT("<Key>a</Key><Key>b</Key>")), S3_MALFORMED_XML);
    expect_delete_error(DELETE(OBJECT("<ETag>a</ETag>")), S3_MALFORMED_XML);
    expect_delete_error(DELETE("<Other><Key>a</Key></Other>"), S3_MALFORMED_XML);
    expect_delete_error("<Remove>" OBJECT("<Key>a</Key>") "</Remove>", S3_MALFORMED_XML);
    expect_delete_error(DELETE(OBJECT("<Key>a</Key><Size>1</Size>")), S3_NOT_IMPLEMENTED);
}

/* As many keys as are allowed, as long as they can be, each byte of them a reference; or more. */
static enum s3_error read_many(unsigned n, struct body_delete *body)
{
    struct buf text = {.data = NULL};
    enum s3_error error;

    assert_int_equal(buf_append_string(&text, "<Delete>"), 0);
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(buf_append_string(&text, "<Object><Key>"), 0);
        for (unsigned k = 0; k < 1024; k++)
            assert_int_equal(buf_append_string(&text, "&quot;"), 0);
        assert_int_equal(buf_append_string(&text, "</Key></Object>"), 0);
    }
    assert_int_equal(buf_append_string(&text, "</Delete>"), 0);
    error = body_delete_add(body, buf_bytes(&text), buf_size(&text));
    buf_deinit(&text);
    return error != S3_OK ? error : body_delete_end(body);
}

static void test_body_delete_of_a_thousand_keys(void **state)
{
    struct body_delete *body = body_delete_new();

    (void)state;
    assert_int_equal(read_many(1000, body), S3_OK);
    assert_int_equal(body_delete_count(body), 1000);
    assert_false(body_delete_is_quiet(body));
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(body_delete_entry(body, i).key_len, 1024);
    body_delete_free(body);
    body = body_delete_new();
    assert_int_equal(read_many(1001, body), S3_MALFORMED_XML);
    body_delete_free(body);
}

/* --- CreateBucket ---------------------------------------------------------------------------- */

static enum s3_error read_location(const char *text)
{
    struct body_location *body = body_location_new();
    enum s3_error error = body_location_add(body, text, strlen(text));

    if (error == S3_OK)
        error = body_location_end(body);
    body_location_free(body);
    return error;
}

static void test_body_location(void **state)
{
    (void)state;
    assert_int_equal(read_location(""), S3_OK);
    assert_int_equal(read_location("<CreateBucketConfiguration/>"), S3_OK);
    assert_int_equal(read_location("<CreateBucketConfiguration xmlns='urn:x'><LocationConstraint>"
                                   "eu</LocationConstraint></CreateBucketConfiguration>"),
                     S3_OK);
    assert_int_equal(read_location("<CreateBucketConfiguration><Bucket><Type>Directory</Type>"
                                   "</Bucket></CreateBucketConfiguration>"),
                     S3_NOT_IMPLEMENTED);
    assert_int_equal(read_location("<CreateBucketConfiguration><LocationConstraint>a=\n"
                                   "</LocationConstraint></CreateBucketConfiguration>"),
                     S3_ILLEGAL_LOCATION_CONSTRAINT);
    assert_int_equal(read_location("<LocationConstraint/>"), S3_MALFORMED_XML);
    assert_int_equal(read_location("<CreateBucketConfiguration>"), S3_MALFORMED_XML);
    assert_int_equal(read_location("x"), S3_MALFORMED_XML);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_xml_in_reads_elements),
        cmocka_unit_test(test_xml_in_refuses),
        cmocka_unit_test(test_xml_in_is_bounded),
        cmocka_unit_test(test_body_complete_parts),
        cmocka_unit_test(test_body_complete_part_that_is_listed_twice),
        cmocka_unit_test(test_body_complete_etag_of_no_part),
        cmocka_unit_test(test_body_complete_refuses),
        cmocka_unit_test(test_body_complete_of_all_parts),
        cmocka_unit_test(test_body_delete_keys),
        cmocka_unit_test(test_body_delete_refuses),
        cmocka_unit_test(test_body_delete_of_a_thousand_keys),
        cmocka_unit_test(test_body_location),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
