#include "tests/unit/test.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/access/payload.h"
#include "index/base/buf.h"
#include "tests/support/access_request.h"

#define DAY_2013 1369353600 /* 2013-05-24T00:00:00Z, of AWS's examples */
#define CREDENTIAL                                                                                 \
    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"

static const char file[] = "AKIAIOSFODNN7EXAMPLE wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY rwc:*\n";

static struct keys *keys;

/* --- AWS's examples: 66,560 times 'a', in chunks of 64 KiB ------------------------------------ */

static const char signed_head[] =
    "PUT /examplebucket/chunkObject.txt HTTP/1.1\n"
    "Host: s3.amazonaws.com\n"
    "x-amz-date: 20130524T000000Z\n"
    "x-amz-storage-class: REDUCED_REDUNDANCY\n"
    "Authorization: " CREDENTIAL ",SignedHeaders=content-encoding;content-length;host;"
    "x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class,"
    "Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9\n"
    "x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD\n"
    "Content-Encoding: aws-chunked\n"
    "x-amz-decoded-content-length: 66560\n"
    "Content-Length: 66824\n";

static const char trailer_head[] =
    "PUT /examplebucket/chunkObject.txt HTTP/1.1\n"
    "Host: s3.amazonaws.com\n"
    "x-amz-date: 20130524T000000Z\n"
    "x-amz-storage-class: REDUCED_REDUNDANCY\n"
    "Authorization: " CREDENTIAL ",SignedHeaders=content-encoding;host;x-amz-content-sha256;"
    "x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer,"
    "Signature=106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e\n"
    "x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER\n"
    "Content-Encoding: aws-chunked\n"
    "x-amz-decoded-content-length: 66560\n"
    "x-amz-trailer: x-amz-checksum-crc32c\n";

/* Appends `n` times 'a' as a chunk, signed unless there is no signature. */
static void append_chunk(struct buf *body, size_t n, const char *signature)
{
    if (signature != NULL)
        buf_append_format(body, "%zx;chunk-signature=%s\r\n", n, signature);
    else
        buf_append_format(body, "%zx\r\n", n);
    for (size_t i = 0; i < n; i++)
        buf_append(body, "a", 1);
    if (n > 0)
        buf_append(body, "\r\n", 2);
}

static void append_signed_chunks(struct buf *body)
{
    append_chunk(body, 65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648");
    append_chunk(body, 1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497");
    append_chunk(body, 0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9");
    buf_append_string(body, "\r\n");
}

#define TRAILER_SIGNATURE "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"

static void append_trailer_chunks(struct buf *body)
{
    append_chunk(body, 65536, "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2");
    append_chunk(body, 1024, "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7");
    append_chunk(body, 0, "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992");
}

/* --- Requests -------------------------------------------------------------------------------- */

struct upload {
    struct access_head head;
    struct access_auth auth;
    struct payload payload;
    size_t got; /* bytes of the value */
};

/* Begins with the head; without keys, unless it is signed. */
static enum access_result begin(struct upload *upload, const char *head)
{
    bool is_signed = strstr(head, "Authorization:") != NULL;

    memset(upload, 0, sizeof(*upload));
    assert_true(access_head_init(&upload->head, head, strlen(head), DAY_2013));
    if (is_signed)
        assert_int_equal(access_authenticate(keys, &upload->head.request, &upload->auth),
                         ACCESS_OK);
    return payload_init(&upload->payload, &upload->head.request, is_signed ? &upload->auth : NULL);
}

/* Feeds bytes; those of a value are all 'a'. */
static enum access_result feed(struct upload *upload, const char *at, size_t n)
{
    const char *end = at + n;
    enum access_result result;
    const char *bytes;
    size_t len;

    while ((result = payload_next(&upload->payload, &at, end, &bytes, &len)) == ACCESS_OK &&
           len > 0) {
        upload->got += len;
        for (size_t i = 0; i < len; i++)
            if (bytes[i] != 'a')
                fail_msg("byte %zu of a piece is no part of the value", i);
    }
    if (result == ACCESS_OK)
        assert_ptr_equal(at, end);
    else
        assert_int_equal(len, 0);
    return result;
}

static void finish(struct upload *upload)
{
    payload_deinit(&upload->payload);
    access_auth_deinit(&upload->auth);
    access_head_deinit(&upload->head);
}

/* What comes of this body, cut in two at `cut`. */
static enum access_result outcome(const char *head, const char *body, size_t size, size_t cut,
                                  size_t *got)
{
    struct upload upload;
    enum access_result result = begin(&upload, head);

    assert_int_equal(result, ACCESS_OK);
    result = feed(&upload, body, cut);
    if (result == ACCESS_OK)
        result = feed(&upload, body + cut, size - cut);
    if (result == ACCESS_OK)
        result = payload_end(&upload.payload);
    else
        assert_int_equal(payload_end(&upload.payload), result); /* what failed stays failed */
    *got = upload.got;
    finish(&upload);
    return result;
}

/* Cut at each byte. */
static void expect(const char *head, const char *body, size_t size, enum access_result wanted,
                   size_t wanted_got)
{
    for (size_t cut = 0; cut <= size; cut++) {
        size_t got;
        enum access_result result = outcome(head, body, size, cut, &got);

        if (result != wanted)
            fail_msg("%s of \"%.*s\", cut at %zu", access_result_text(result),
                     (int)(size < 100 ? size : 100), body, cut);
        if (wanted == ACCESS_OK)
            assert_int_equal(got, wanted_got);
    }
}

static void expect_text(const char *head, const char *body, enum access_result wanted, size_t got)
{
    expect(head, body, strlen(body), wanted, got);
}

static void expect_head(const char *head, enum access_result wanted)
{
    struct upload upload;

    assert_int_equal(begin(&upload, head), wanted);
    finish(&upload);
}

/* --- Signed chunks --------------------------------------------------------------------------- */

/* At each byte of the framing, and at some of the value's: each cut hashes it all. */
static void expect_long(const char *head, const struct buf *body, enum access_result wanted)
{
    size_t size = buf_size(body);
    size_t got = 0;

    for (size_t cut = 0; cut <= size; cut += cut < 200 || cut > size - 700 ? 1 : 4093) {
        assert_int_equal(outcome(head, buf_bytes(body), size, cut, &got), wanted);
        if (wanted == ACCESS_OK)
            assert_int_equal(got, 66560);
    }
}

static void test_payload_example_of_aws_for_signed_chunks(void **state)
{
    struct buf body = {0};

    (void)state;
    append_signed_chunks(&body);
    assert_int_equal(buf_size(&body), 66824);
    expect_long(signed_head, &body, ACCESS_OK);
    buf_deinit(&body);
}

/* minio-go ends the checksum's line by "\n", with an empty line behind it. */
static void test_payload_example_of_aws_for_a_signed_trailer(void **state)
{
    static const char *const trailers[] = {
        "x-amz-checksum-crc32c:sOO8/Q==\n\r\nx-amz-trailer-signature:" TRAILER_SIGNATURE "\r\n\r\n",
        "x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:" TRAILER_SIGNATURE "\r\n\r\n",
        "\r\nx-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:" TRAILER_SIGNATURE
        "\r\n\r\n",
        "X-Amz-Checksum-Crc32c: sOO8/Q== \nX-Amz-Trailer-Signature: " TRAILER_SIGNATURE "\n\n",
    };
    struct buf body = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(trailers); i++) {
        buf_clear(&body);
        append_trailer_chunks(&body);
        buf_append_string(&body, trailers[i]);
        expect_long(trailer_head, &body, ACCESS_OK);
    }
    buf_deinit(&body);
}

static void test_payload_byte_by_byte(void **state)
{
    struct buf body = {0};
    struct upload upload;

    (void)state;
    append_trailer_chunks(&body);
    buf_append_string(&body, "x-amz-checksum-crc32c:sOO8/Q==\r\n"
                             "x-amz-trailer-signature:" TRAILER_SIGNATURE "\r\n\r\n");
    assert_int_equal(begin(&upload, trailer_head), ACCESS_OK);
    assert_true(upload.payload.is_chunked);
    assert_true(upload.payload.is_streaming);
    assert_int_equal(upload.payload.decoded_length, 66560);
    assert_string_equal(upload.payload.trailer, "x-amz-checksum-crc32c");
    for (size_t i = 0; i < buf_size(&body); i++)
        assert_int_equal(feed(&upload, buf_bytes(&body) + i, 1), ACCESS_OK);
    assert_int_equal(payload_end(&upload.payload), ACCESS_OK);
    assert_int_equal(upload.got, 66560);
    assert_string_equal(upload.payload.value, "sOO8/Q==");
    finish(&upload);
    buf_deinit(&body);
}

/* A byte that is another one, wherever it is. */
static void test_payload_finds_what_was_changed(void **state)
{
    struct buf body = {0};
    size_t got;

    (void)state;
    append_signed_chunks(&body);
    for (size_t i = 0; i < buf_size(&body); i += i < 90 || i > buf_size(&body) - 1300 ? 1 : 997) {
        enum access_result result;
        char *at = body.data + body.head + i;
        char was = *at;
        bool is_value = was == 'a' && ((i >= 86 && i < 65622) || (i > 65710 && i < 66736));

        *at = '0';
        if (was != '0' && !is_value) { /* feed() itself would stumble over the value */
            result = outcome(signed_head, buf_bytes(&body), buf_size(&body), i, &got);
            if (result != ACCESS_MISMATCH && result != ACCESS_INCOMPLETE &&
                result != ACCESS_BAD_TRAILER)
                fail_msg("%zu: %s", i, access_result_text(result));
        }
        *at = was;
    }
    buf_deinit(&body);
}

/* The value is what was signed: one 'a' more in one chunk, and one less in the next. */
static void test_payload_verifies_each_chunk_when_it_is_whole(void **state)
{
    struct buf body = {0};
    struct upload upload;

    (void)state;
    append_chunk(&body, 65535, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648");
    assert_int_equal(begin(&upload, signed_head), ACCESS_OK);
    assert_int_equal(feed(&upload, buf_bytes(&body), buf_size(&body) - 3), ACCESS_OK);
    assert_int_equal(feed(&upload, "a", 1), ACCESS_MISMATCH);
    assert_int_equal(upload.got, 65534); /* without the last byte */
    assert_int_equal(feed(&upload, "a", 1), ACCESS_MISMATCH);
    finish(&upload);
    buf_deinit(&body);
}

static void test_payload_of_signed_chunks_needs_its_end(void **state)
{
    struct buf body = {0};
    size_t got;

    (void)state;
    append_signed_chunks(&body);
    for (size_t size = 0; size<buf_size(&body); size += size> 66600 ? 1 : 3331)
        assert_int_equal(outcome(signed_head, buf_bytes(&body), size, size / 2, &got),
                         ACCESS_INCOMPLETE);
    buf_append_string(&body, "0");
    expect_long(signed_head, &body, ACCESS_INCOMPLETE);
    buf_clear(&body); /* the chunk of 1,024 bytes is left out */
    append_chunk(&body, 65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648");
    append_chunk(&body, 0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9");
    buf_append_string(&body, "\r\n");
    expect_long(signed_head, &body, ACCESS_MISMATCH);
    buf_clear(&body); /* a chunk without a signature */
    append_chunk(&body, 65536, NULL);
    expect_long(signed_head, &body, ACCESS_INCOMPLETE);
    buf_deinit(&body);
}

static void test_payload_with_a_bad_signed_trailer(void **state)
{
    static const struct {
        const char *trailers;
        enum access_result wanted;
    } cases[] = {
        {"x-amz-checksum-crc32c:sOO8/Q==\r\n\r\n", ACCESS_INCOMPLETE}, /* its signature lacks */
        {"x-amz-checksum-crc32c:sOO8/A==\r\nx-amz-trailer-signature:" TRAILER_SIGNATURE "\r\n\r\n",
         ACCESS_MISMATCH},
        {"x-amz-trailer-signature:" TRAILER_SIGNATURE "\r\n\r\n", ACCESS_MISMATCH},
        {"x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:\r\n\r\n", ACCESS_MISMATCH},
        {"x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:" TRAILER_SIGNATURE
         "\r\nx-amz-trailer-signature:" TRAILER_SIGNATURE "\r\n\r\n",
         ACCESS_BAD_TRAILER},
        {"x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:" TRAILER_SIGNATURE
         "\r\nx-amz-checksum-crc32c:sOO8/Q==\r\n\r\n",
         ACCESS_BAD_TRAILER},
        {"\r\n", ACCESS_BAD_TRAILER},
    };
    struct buf body = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        buf_clear(&body);
        append_trailer_chunks(&body);
        buf_append_string(&body, cases[i].trailers);
        expect_long(trailer_head, &body, cases[i].wanted);
    }
    buf_deinit(&body);
}

/* --- Chunks that aren't signed --------------------------------------------------------------- */

#define UNSIGNED "PUT /b/k HTTP/1.1\nx-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\n"
#define LENGTH   "x-amz-decoded-content-length: 5\n"
#define CRC      "x-amz-trailer: x-amz-checksum-crc32\n"

static void test_payload_of_unsigned_chunks(void **state)
{
    (void)state;
    expect_text(UNSIGNED LENGTH, "5\r\naaaaa\r\n0\r\n\r\n", ACCESS_OK, 5);
    expect_text(UNSIGNED LENGTH, "2\r\naa\r\n0003;x=y\r\naaa\r\n0\r\n\r\n", ACCESS_OK, 5);
    expect_text(UNSIGNED "x-amz-decoded-content-length: 26\n",
                "1A\r\naaaaaaaaaaaaaaaaaaaaaaaaaa\r\n0\r\n\r\n", ACCESS_OK, 26);
    expect_text(UNSIGNED "x-amz-decoded-content-length: 0\n", "0\r\n\r\n", ACCESS_OK, 0);
    expect_text(UNSIGNED LENGTH CRC, "5\r\naaaaa\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n",
                ACCESS_OK, 5);
    expect_text(UNSIGNED LENGTH CRC, "5\r\naaaaa\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\n\r\n\r\n",
                ACCESS_OK, 5);
}

/* Whatever says that it is chunked; pyarrow without a signature has no x-amz-content-sha256. */
static void test_payload_other_signs_of_chunks(void **state)
{
    static const char body[] = "5\r\naaaaa\r\n0\r\nx-amz-checksum-crc64nvme:M3eFcAZSQlc=\r\n\r\n";

    (void)state;
    expect_text("PUT /b/k HTTP/1.1\ncontent-encoding: aws-chunked\n" LENGTH
                "x-amz-trailer: x-amz-checksum-crc64nvme\n",
                body, ACCESS_OK, 5);
    expect_text("PUT /b/k HTTP/1.1\n" LENGTH "x-amz-trailer: x-amz-checksum-crc64nvme\n", body,
                ACCESS_OK, 5);
    expect_text("PUT /b/k HTTP/1.1\ncontent-encoding: gzip, AWS-chunked\n"
                "x-amz-trailer: x-amz-checksum-crc64nvme\n",
                body, ACCESS_OK, 5);
    expect_text("PUT /b/k HTTP/1.1\ncontent-encoding: gzip,aws-chunked\n", "", ACCESS_OK, 0);
    expect_text("PUT /b/k HTTP/1.1\ncontent-encoding: gzip,aws-chunked\n", "aaaaa",
                ACCESS_INCOMPLETE, 0);
}

/* boto3 lets its callers say "aws-chunked", and hashes the body as it is. */
static void test_payload_with_a_hash_is_plain_whatever_its_encoding(void **state)
{
    (void)state;
    expect_text("PUT /b/k HTTP/1.1\ncontent-encoding: aws-chunked\nx-amz-content-sha256: "
                "ed968e840d10d2d313a870bc131a4e2c311d7ad09bdf32b3418147221f51a6e2\n",
                "aaaaa", ACCESS_OK, 5);
}

/* Of "5\r\naaaaa\r\n0\r\n\r\n": the framing is a part of what the hash is of. */
static void test_payload_of_chunks_with_a_hash(void **state)
{
    static const char head[] = "PUT /b/k HTTP/1.1\n" LENGTH "x-amz-content-sha256: "
                               "5f10c030b3148f5940c403894e2dcc12ffda90a4112b05dcf5b3874e6b33351b\n";

    (void)state;
    expect_text(head, "5\r\naaaaa\r\n0\r\n\r\n", ACCESS_OK, 5);
    expect_text(head, "5\r\naaaaa\r\n0\n\r\n", ACCESS_HASH_MISMATCH, 5);
    expect_text(head, "2\r\naa\r\n3\r\naaa\r\n0\r\n\r\n", ACCESS_HASH_MISMATCH, 5);
    expect_text(head, "5\r\naaaaa\r\n0\r\n", ACCESS_INCOMPLETE, 5);
    expect_text("PUT /b/k HTTP/1.1\n" LENGTH "x-amz-content-sha256: "
                "ed968e840d10d2d313a870bc131a4e2c311d7ad09bdf32b3418147221f51a6e2\n",
                "5\r\naaaaa\r\n0\r\n\r\n", ACCESS_HASH_MISMATCH, 5);
}

static void test_payload_malformed_chunks(void **state)
{
    static const char *const bodies[] = {
        "",
        "5",
        "5\r\naaaaa",
        "5\r\naaaaa\r\n",
        "5\r\naaaaa\r\n0\r\n",
        "5\r\naaaaa\r\n0\r\n\r\nx",
        "5\r\naaaaa0\r\n\r\n",
        "5\r\naaaaa\n0\r\n\r\n",
        "4\r\naaaa\r\n0\r\n\r\n",
        "6\r\naaaaaa\r\n0\r\n\r\n",
        "3\r\naaa\r\n3\r\naaa\r\n0\r\n\r\n",
        "\r\naaaaa\r\n0\r\n\r\n",
        "g\r\naaaaa\r\n0\r\n\r\n",
        "+5\r\naaaaa\r\n0\r\n\r\n",
        "0x5\r\naaaaa\r\n0\r\n\r\n",
        " 5\r\naaaaa\r\n0\r\n\r\n",
        "5 \r\naaaaa\r\n0\r\n\r\n",
        "-5\r\naaaaa\r\n0\r\n\r\n",
        "0000000000000005\r\naaaaa\r\n0\r\n\r\n",
        "fffffffffffffff\r\naaaaa\r\n0\r\n\r\n",
        "ffffffffffffffff\r\naaaaa\r\n0\r\n\r\n",
        "10000000000000005\r\naaaaa\r\n0\r\n\r\n",
    };
    char line[PAYLOAD_LINE_MAX + 64];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bodies); i++)
        expect_text(UNSIGNED LENGTH, bodies[i], ACCESS_INCOMPLETE, 0);
    expect(UNSIGNED LENGTH, "5\0\r\naaaaa\r\n0\r\n\r\n", 16, ACCESS_INCOMPLETE, 0);
    snprintf(line, sizeof(line), "5;%0*d\r\naaaaa\r\n0\r\n\r\n", PAYLOAD_LINE_MAX - 3, 0);
    expect_text(UNSIGNED LENGTH, line, ACCESS_OK, 5);
    snprintf(line, sizeof(line), "5;%0*d\r\naaaaa\r\n0\r\n\r\n", PAYLOAD_LINE_MAX - 2, 0);
    expect_text(UNSIGNED LENGTH, line, ACCESS_INCOMPLETE, 0);
}

static void test_payload_malformed_trailers(void **state)
{
    static const char *const trailers[] = {
        "\r\n", /* announced, and missing */
        "\r\n\r\n",
        "x-amz-checksum-crc32\r\n\r\n",
        "x-amz-checksum-crc32c:NhCmhg==\r\n\r\n",
        ":NhCmhg==\r\n\r\n",
        "x-amz-checksum-crc32 :NhCmhg==\r\n\r\n",
        "x-amz-checksum-crc32:NhCmhg==\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n",
        "x-amz-checksum-crc32:NhCmhg==\r\nx-amz-meta-a:b\r\n\r\n",
        "x-amz-checksum-crc32:NhCmhg==\r\nx-amz-trailer-signature:00\r\n\r\n",
    };
    char body[1024];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(trailers); i++) {
        snprintf(body, sizeof(body), "5\r\naaaaa\r\n0\r\n%s", trailers[i]);
        expect_text(UNSIGNED LENGTH CRC, body, ACCESS_BAD_TRAILER, 0);
    }
    expect_text(UNSIGNED LENGTH, "5\r\naaaaa\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n",
                ACCESS_BAD_TRAILER, 0);
    snprintf(body, sizeof(body), "5\r\naaaaa\r\n0\r\nx-amz-checksum-crc32:%0*d\r\n\r\n",
             PAYLOAD_VALUE_MAX, 0);
    expect_text(UNSIGNED LENGTH CRC, body, ACCESS_OK, 5);
    snprintf(body, sizeof(body), "5\r\naaaaa\r\n0\r\nx-amz-checksum-crc32:%0*d\r\n\r\n",
             PAYLOAD_VALUE_MAX + 1, 0);
    expect_text(UNSIGNED LENGTH CRC, body, ACCESS_BAD_TRAILER, 0);
    snprintf(body, sizeof(body), "5\r\naaaaa\r\n0\r\n%0*d", PAYLOAD_LINE_MAX + 1, 0);
    expect_text(UNSIGNED LENGTH CRC, body, ACCESS_BAD_TRAILER, 0);
    expect_text(UNSIGNED LENGTH CRC, "5\r\naaaaa\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n",
                ACCESS_INCOMPLETE, 0);
}

/* Without keys nobody can tell whether signatures are right; the framing goes all the same. */
static void test_payload_of_signed_chunks_without_keys(void **state)
{
    (void)state;
    expect_text("PUT /b/k HTTP/1.1\n"
                "x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD\n" LENGTH,
                "5;chunk-signature=00\r\naaaaa\r\n0;chunk-signature=00\r\n\r\n", ACCESS_OK, 5);
    expect_text("PUT /b/k HTTP/1.1\n"
                "x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER\n" LENGTH CRC,
                "5;chunk-signature=00\r\naaaaa\r\n0;chunk-signature=00\r\n"
                "x-amz-checksum-crc32:NhCmhg==\n\r\nx-amz-trailer-signature:00\r\n\r\n",
                ACCESS_OK, 5);
}

/* --- Plain ----------------------------------------------------------------------------------- */

static void test_payload_plain(void **state)
{
    static const char hashed[] =
        "PUT /b/k HTTP/1.1\nx-amz-content-sha256: "
        "ed968e840d10d2d313a870bc131a4e2c311d7ad09bdf32b3418147221f51a6e2\n";

    (void)state;
    expect_text("PUT /b/k HTTP/1.1\n", "aaaaa", ACCESS_OK, 5);
    expect_text("PUT /b/k HTTP/1.1\n", "", ACCESS_OK, 0);
    expect_text("PUT /b/k HTTP/1.1\nx-amz-content-sha256: UNSIGNED-PAYLOAD\n", "aaaaa", ACCESS_OK,
                5);
    expect_text(hashed, "aaaaa", ACCESS_OK, 5);
    expect_text(hashed, "aaaa", ACCESS_HASH_MISMATCH, 0);
    expect_text(hashed, "aaaaaa", ACCESS_HASH_MISMATCH, 0);
    expect_text(hashed, "", ACCESS_HASH_MISMATCH, 0);
}

/* --- Heads ----------------------------------------------------------------------------------- */

static void test_payload_init_refuses_heads(void **state)
{
    static const char *const lengths[] = {
        "", "-1", "+5", "5 ", "0x5", "1e3", "1000000000000000000"};
    static const char *const trailers[] = {"x-amz-meta-a",
                                           "x-amz-checksum-crc32,x-amz-checksum-sha1",
                                           "x-amz-checksum-crc32 ", "crc32", ""};
    char head[512];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        snprintf(head, sizeof(head), UNSIGNED "x-amz-decoded-content-length: %s\n", lengths[i]);
        expect_head(head, ACCESS_BAD_LENGTH);
    }
    for (size_t i = 0; i < COUNT_OF(trailers); i++) {
        snprintf(head, sizeof(head), UNSIGNED LENGTH "x-amz-trailer: %s\n", trailers[i]);
        expect_head(head, ACCESS_BAD_ANNOUNCEMENT);
    }
    snprintf(head, sizeof(head), UNSIGNED LENGTH "x-amz-trailer: x-amz-checksum-%0*d\n", 50, 0);
    expect_head(head, ACCESS_BAD_ANNOUNCEMENT);
    expect_head(UNSIGNED, ACCESS_NO_LENGTH);
    expect_head(
        "PUT /b/k HTTP/1.1\nx-amz-content-sha256: STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD\n",
        ACCESS_UNSUPPORTED_PAYLOAD);
    expect_head("PUT /b/k HTTP/1.1\nx-amz-content-sha256: STREAMING-PAYLOAD\n",
                ACCESS_BAD_PAYLOAD_HASH);
    expect_head("PUT /b/k HTTP/1.1\nx-amz-content-sha256: "
                "ED968e840d10d2d313a870bc131a4e2c311d7ad09bdf32b3418147221f51a6e2\n",
                ACCESS_BAD_PAYLOAD_HASH);
}

/* Signed chunks go on from the signature of the head, of which anonymous has none. */
static void test_payload_init_refuses_signed_chunks_of_anonymous(void **state)
{
    static const char head[] = "PUT /b/k HTTP/1.1\n"
                               "x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD\n" LENGTH;
    struct access_auth auth = {.scheme = ACCESS_ANONYMOUS};
    struct access_head parsed;
    struct payload payload;

    (void)state;
    assert_true(access_head_init(&parsed, head, strlen(head), DAY_2013));
    assert_int_equal(payload_init(&payload, &parsed.request, &auth), ACCESS_UNSIGNED_PAYLOAD);
    access_head_deinit(&parsed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_payload_example_of_aws_for_signed_chunks),
        cmocka_unit_test(test_payload_example_of_aws_for_a_signed_trailer),
        cmocka_unit_test(test_payload_byte_by_byte),
        cmocka_unit_test(test_payload_finds_what_was_changed),
        cmocka_unit_test(test_payload_verifies_each_chunk_when_it_is_whole),
        cmocka_unit_test(test_payload_of_signed_chunks_needs_its_end),
        cmocka_unit_test(test_payload_with_a_bad_signed_trailer),
        cmocka_unit_test(test_payload_of_unsigned_chunks),
        cmocka_unit_test(test_payload_other_signs_of_chunks),
        cmocka_unit_test(test_payload_with_a_hash_is_plain_whatever_its_encoding),
        cmocka_unit_test(test_payload_of_chunks_with_a_hash),
        cmocka_unit_test(test_payload_malformed_chunks),
        cmocka_unit_test(test_payload_malformed_trailers),
        cmocka_unit_test(test_payload_of_signed_chunks_without_keys),
        cmocka_unit_test(test_payload_plain),
        cmocka_unit_test(test_payload_init_refuses_heads),
        cmocka_unit_test(test_payload_init_refuses_signed_chunks_of_anonymous),
    };
    int failed;

    keys = access_keys(file);
    failed = cmocka_run_group_tests_name("payload", tests, NULL, NULL);
    keys_release(keys);
    return failed;
}
