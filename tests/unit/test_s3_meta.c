#include "tests/unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "index/s3/meta.h"
#include "index/s3/parts.h"
#include "tests/support/request_head.h"

/* --- Requests -------------------------------------------------------------------------------- */

static enum s3_error add_target(struct meta *meta, const char *target, const char *lines)
{
    struct http_request request;
    enum s3_error error;

    request_head_init(&request, target, lines, strlen(lines));
    error = meta_add_request(meta, &request);
    request_head_deinit(&request);
    return error;
}

static enum s3_error add_request(struct meta *meta, const char *lines)
{
    return add_target(meta, "/b/k", lines);
}

static void expect_lines(const char *headers, const char *wanted)
{
    struct meta meta = {.len = 0};

    assert_int_equal(add_request(&meta, headers), S3_OK);
    assert_int_equal(meta.len, strlen(wanted));
    assert_memory_equal(meta.bytes, wanted, meta.len);
}

static void expect_error(const char *headers, enum s3_error wanted)
{
    struct meta meta = {.len = 0};

    assert_int_equal(add_request(&meta, headers), wanted);
}

static void test_meta_add_request_headers_that_are_kept(void **state)
{
    (void)state;
    expect_lines("", "");
    expect_lines("Host:x\nX-Amz-Date:y\nContent-Length:1\nContent-MD5:z\n", "");
    expect_lines("content-type:text/plain; charset=utf-8\nCACHE-CONTROL:no-cache\n"
                 "Content-Disposition:attachment; filename=\"a b\"\nContent-Language:de\n"
                 "Expires:0\n",
                 "type=text/plain; charset=utf-8\ncache=no-cache\n"
                 "disposition=attachment; filename=\"a b\"\nlanguage=de\nexpires=0\n");
    expect_lines("Content-Type:\n", "");
    expect_lines("Content-Type:a=b\nContent-Type:c\n", "type=a=b\n");
}

static void test_meta_add_request_leaves_framing_out(void **state)
{
    (void)state;
    expect_lines("Content-Encoding:gzip\n", "encoding=gzip\n");
    expect_lines("Content-Encoding:aws-chunked\n", "");
    expect_lines("Content-Encoding:aws-chunked,gzip\n", "encoding=gzip\n");
    expect_lines("Content-Encoding:gzip, AWS-Chunked\n", "encoding=gzip\n");
    expect_lines("Content-Encoding: gzip ,,br , aws-chunked \n", "encoding=gzip, br\n");
    expect_lines("Content-Encoding:aws-chunked\ncontent-encoding:gzip\n", "encoding=gzip\n");
    expect_lines("Content-Encoding:deflate, gzip\n", "encoding=deflate, gzip\n");
    expect_lines("Content-Encoding:aws-chunked2\n", "encoding=aws-chunked2\n");
}

static void test_meta_add_request_user_metadata(void **state)
{
    (void)state;
    expect_lines("x-amz-meta-b:2\nX-Amz-Meta-A_x.Y:1\n", "x-b=2\nx-a_x.y=1\n");
    expect_lines("x-amz-meta-a:\n", "x-a=\n");
    expect_lines("x-amz-meta-a:1\nx-amz-meta-b:2\nX-AMZ-META-A:3\n", "x-a=1,3\nx-b=2\n");
    expect_lines("x-amz-meta-a:caf\xc3\xa9 \xff=%0D%0A\n", "x-a=caf\xc3\xa9 \xff=%0D%0A\n");
    expect_lines("x-amz-metadata-directive:COPY\n", "");
}

static void test_meta_add_request_refuses(void **state)
{
    (void)state;
    expect_error("x-amz-meta-:1\n", S3_INVALID_ARGUMENT);
    expect_error("x-amz-meta-a!:1\n", S3_INVALID_ARGUMENT);
    expect_error("x-amz-meta-a=b:1\n", S3_INVALID_ARGUMENT);
    expect_error("x-amz-meta-a:1\t2\n", S3_INVALID_ARGUMENT);
    expect_error("x-amz-meta-a:\x7f\n", S3_INVALID_ARGUMENT);
    expect_error("x-amz-meta-a:1\r\n", S3_INVALID_ARGUMENT);
    expect_error("Content-Type:a\tb\n", S3_INVALID_ARGUMENT);
}

/* What is signed in a presigned URL. */
static void test_meta_add_request_user_metadata_of_the_query(void **state)
{
    static const char target[] = "/b/k?x-amz-meta-b=2&X-Amz-Date=z&x%2Damz-meta-A=%20caf%C3%A9+%3D&"
                                 "x-amz-metadata-directive=COPY&x-amz-meta-c";
    static const char wanted[] = "x-d=1\nx-a= caf\xc3\xa9 =\nx-b=2\nx-c=\n";
    static const struct {
        const char *target;
        enum s3_error error;
    } refused[] = {
        {"/b/k?x-amz-meta-=1", S3_INVALID_ARGUMENT},
        {"/b/k?x-amz-meta-a%3D=1", S3_INVALID_ARGUMENT},
        {"/b/k?x-amz-meta-a=1%0D%0Ab", S3_INVALID_ARGUMENT},
        {"/b/k?x-amz-meta-a=%00", S3_INVALID_ARGUMENT},
        {"/b/k?x-amz-meta-a=1&x-amz-meta-A=2", S3_INVALID_ARGUMENT},
        {"/b/k?x-amz-meta-d=1", S3_INVALID_ARGUMENT},
    };
    struct meta meta = {.len = 0};
    char many[3000] = "/b/k?x-amz-meta-name=";
    const size_t begin = strlen(many);

    (void)state;
    assert_int_equal(add_target(&meta, target, "x-amz-meta-d:1\n"), S3_OK);
    assert_int_equal(meta.len, strlen(wanted));
    assert_memory_equal(meta.bytes, wanted, meta.len);
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        meta.len = 0;
        assert_int_equal(add_target(&meta, refused[i].target, "x-amz-meta-d:1\n"),
                         refused[i].error);
    }
    memset(many + begin, 'v', META_USER_MAX - 4 + 1);
    meta.len = 0;
    assert_int_equal(add_target(&meta, many, ""), S3_METADATA_TOO_LARGE);
    many[begin + META_USER_MAX - 4] = '\0';
    meta.len = 0;
    assert_int_equal(add_target(&meta, many, ""), S3_OK);
    meta.len = 0;
    assert_int_equal(add_target(&meta, many, "x-amz-meta-d:\n"), S3_METADATA_TOO_LARGE);
}

/* `before`, then n times 'v', then `after`. */
static enum s3_error add_long(const char *before, size_t n, const char *after)
{
    char lines[20000];
    struct meta meta = {.len = 0};

    assert_true(strlen(before) + n + strlen(after) < sizeof(lines));
    strcpy(lines, before);
    memset(lines + strlen(before), 'v', n);
    strcpy(lines + strlen(before) + n, after);
    return add_request(&meta, lines);
}

static void test_meta_add_request_too_much(void **state)
{
    char lines[20000] = "";

    (void)state;
    assert_int_equal(add_long("x-amz-meta-name:", 2044, "\n"), S3_OK);
    assert_int_equal(add_long("x-amz-meta-name:", 2045, "\n"), S3_METADATA_TOO_LARGE);
    assert_int_equal(add_long("x-amz-meta-a:1\nx-amz-meta-", 2045, ":1\n"), S3_OK);
    assert_int_equal(add_long("x-amz-meta-a:1\nx-amz-meta-", 2046, ":1\n"), S3_METADATA_TOO_LARGE);
    assert_int_equal(add_long("x-amz-meta-", 2048, ":\n"), S3_OK);
    assert_int_equal(add_long("x-amz-meta-", 2049, ":\n"), S3_METADATA_TOO_LARGE);
    assert_int_equal(add_long("x-amz-meta-", 10000, ":\n"), S3_METADATA_TOO_LARGE);
    assert_int_equal(add_long("x-amz-meta-a:", 10000, "\n"), S3_METADATA_TOO_LARGE);
    assert_int_equal(add_long("Cache-Control:", META_MAX - META_RESERVED - 7, "\n"), S3_OK);
    assert_int_equal(add_long("Cache-Control:", META_MAX - META_RESERVED - 6, "\n"),
                     S3_METADATA_TOO_LARGE);
    assert_int_equal(add_long("Content-Encoding:", 10000, "\n"), S3_METADATA_TOO_LARGE);
    assert_int_equal(add_long("x-amz-meta-a:1\nx-amz-meta-a:", 2045, "\n"), S3_OK);
    assert_int_equal(add_long("x-amz-meta-a:1\nx-amz-meta-a:", 2046, "\n"), S3_METADATA_TOO_LARGE);
    for (unsigned i = 0; i < HTTP_HEADERS_MAX; i++)
        sprintf(lines + strlen(lines), "x-amz-meta-%019u:\n", i);
    expect_error(lines, S3_OK);
    strcat(lines, "x-amz-meta-z:\n"); /* which no client can send */
    expect_error(lines, S3_OK);
}

/* --- Reading --------------------------------------------------------------------------------- */

static void test_meta_find_the_first_line_of_that_name(void **state)
{
    static const char bytes[] = "no line\n=x\ntype=a\ntype=b\nlast=c";
    struct meta_line line;

    (void)state;
    assert_true(meta_find(bytes, strlen(bytes), "type", &line));
    assert_int_equal(line.value_len, 1);
    assert_memory_equal(line.value, "a", 1);
    assert_true(meta_find(bytes, strlen(bytes), "last", &line));
    assert_memory_equal(line.value, "c", 1);
    assert_false(meta_find(bytes, strlen(bytes), "typ", &line));
    assert_false(meta_find(bytes, strlen(bytes), "", &line));
    assert_false(meta_find(NULL, 0, "type", &line));
}

/* What somebody wrote into a file's attribute by hand is no header's. */
static void test_meta_next_leaves_out_what_is_no_line(void **state)
{
    static const char bytes[] = "\n\nType=a\na b=c\nx-a=\x01\nx-b=1\r\nx-c=ok\n\n";
    struct meta_line line;
    size_t at = 0;

    (void)state;
    assert_true(meta_next(bytes, sizeof(bytes) - 1, &at, &line));
    assert_memory_equal(line.name, "x-c", 3);
    assert_false(meta_next(bytes, sizeof(bytes) - 1, &at, &line));
}

static void test_meta_header_of_each_line(void **state)
{
    static const char bytes[] =
        "type=a\ncache=b\ndisposition=c\nencoding=d\nlanguage=e\nexpires=f\n"
        "x-name=g\nx-=h\netag=i\nparts=1\ncrc32=j\nother=k\n";
    static const char *const wanted[] = {
        "Content-Type",     "Cache-Control", "Content-Disposition", "Content-Encoding",
        "Content-Language", "Expires",       "x-amz-meta-name",
    };
    char name[META_HEADER_MAX];
    struct meta_line line;
    size_t at = 0;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        assert_true(meta_next(bytes, strlen(bytes), &at, &line));
        assert_true(meta_header(&line, name));
        assert_string_equal(name, wanted[i]);
    }
    for (size_t i = COUNT_OF(wanted); meta_next(bytes, strlen(bytes), &at, &line); i++)
        assert_false(meta_header(&line, name));
}

static void test_meta_add_client_lines_of_another_object(void **state)
{
    static const char bytes[] = "type=a\netag=i\nx-b=1\nparts=1*2\ncrc32=y/Q5Jg==\n";
    struct meta meta = {.len = 0};

    (void)state;
    assert_int_equal(meta_add_client_lines(&meta, bytes, strlen(bytes)), S3_OK);
    assert_int_equal(meta.len, strlen("type=a\nx-b=1\n"));
    assert_memory_equal(meta.bytes, "type=a\nx-b=1\n", meta.len);
}

/* --- What the server adds -------------------------------------------------------------------- */

static const unsigned char md5[RECORD_MD5_SIZE] = {0xab, 0xcd};

static void expect_etag(const char *bytes, const struct record *record, const char *wanted)
{
    char etag[META_ETAG_SIZE];

    meta_etag(bytes, strlen(bytes), record, etag);
    assert_string_equal(etag, wanted);
}

static void test_meta_etag_of_a_record(void **state)
{
    static struct record with = {.flags = RECORD_MD5, .md5 = {0x5d, 0x41}};
    static struct record without = {.time = 0x1234, .size = 0xab};

    (void)state;
    expect_etag("", &with, "\"5d410000000000000000000000000000\"");
    expect_etag("etag=00112233445566778899aabbccddeeff-3\n", &with,
                "\"00112233445566778899aabbccddeeff-3\"");
    expect_etag("etag=a\"b\n", &with, "\"5d410000000000000000000000000000\"");
    expect_etag("etag=\n", &with, "\"5d410000000000000000000000000000\"");
    expect_etag("etag=00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n", &with,
                "\"5d410000000000000000000000000000\"");
    expect_etag("", &without, "\"1234-ab\"");
    without = (struct record){.time = UINT64_MAX, .size = UINT64_MAX};
    expect_etag("", &without, "\"ffffffffffffffff-ffffffffffffffff\"");
}

static void test_meta_checksum_kept_and_found(void **state)
{
    static const unsigned char bytes[CHECKSUM_SIZE_MAX] = {0xcb, 0xf4, 0x39, 0x26};
    struct meta meta = {.len = 0};
    struct meta_line line;

    (void)state;
    assert_int_equal(meta_checksum(meta.bytes, meta.len, &line), CHECKSUM_NONE);
    meta_add_checksum(&meta, CHECKSUM_CRC32, bytes, 0);
    assert_int_equal(meta_checksum(meta.bytes, meta.len, &line), CHECKSUM_CRC32);
    assert_int_equal(line.value_len, 8);
    assert_memory_equal(line.value, "y/Q5Jg==", 8);
    assert_false(meta_checksum_is_composite(&line));
    meta.len = 0;
    meta_add_checksum(&meta, CHECKSUM_CRC32, bytes, 12);
    assert_int_equal(meta_checksum(meta.bytes, meta.len, &line), CHECKSUM_CRC32);
    assert_true(meta_checksum_is_composite(&line));
    assert_memory_equal(line.value, "y/Q5Jg==-12", line.value_len);
}

/* What a client may send and what the server adds at most, together. */
static void test_meta_has_room_for_all(void **state)
{
    static const unsigned char bytes[CHECKSUM_SIZE_MAX];
    static uint64_t sizes[10000];
    static char lines[META_MAX + 100];
    struct meta meta = {.len = 0};
    struct meta_line line;

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(sizes); i++)
        sizes[i] = 5368709120 - i;
    strcpy(lines, "Cache-Control:");
    memset(lines + strlen(lines), 'v', META_MAX - META_RESERVED - 7);
    assert_int_equal(add_request(&meta, lines), S3_OK);
    assert_int_equal(meta.len, META_MAX - META_RESERVED);
    meta_add_etag(&meta, md5, 10000);
    meta_add_checksum(&meta, CHECKSUM_SHA256, bytes, 10000);
    meta_add_parts(&meta, sizes, COUNT_OF(sizes));
    assert_true(meta.len <= META_MAX);
    assert_true(meta_find(meta.bytes, meta.len, "parts", &line));
    assert_int_equal(parts_count(line.value, line.value_len), 10000);
    assert_true(meta_find(meta.bytes, meta.len, "etag", &line));
    assert_memory_equal(line.value, "abcd0000000000000000000000000000-10000", line.value_len);
}

/* --- Parts ----------------------------------------------------------------------------------- */

static void expect_parts(const uint64_t *sizes, unsigned n, size_t room, const char *wanted)
{
    char text[256];
    size_t len = parts_format(sizes, n, text, room);

    assert_int_equal(len, strlen(wanted));
    assert_memory_equal(text, wanted, len);
    assert_int_equal(parts_count(text, len), n);
}

static void test_parts_format_runs(void **state)
{
    static const uint64_t sizes[] = {8388608, 8388608, 8388608, 5242880, 0, 0};

    (void)state;
    expect_parts(sizes, 1, 256, "8388608");
    expect_parts(sizes, 3, 256, "8388608*3");
    expect_parts(sizes, 4, 256, "8388608*3,5242880");
    expect_parts(sizes, 6, 256, "8388608*3,5242880,0*2");
    expect_parts(sizes, 6, 21, "8388608*3,5242880,0*2");
    expect_parts(sizes, 6, 20, "?*6");
}

static void test_parts_find_each(void **state)
{
    static const uint64_t sizes[] = {7, 7, 7, 5, 9, 9, 0, 3};
    char text[256];
    size_t len = parts_format(sizes, COUNT_OF(sizes), text, sizeof(text));
    struct range range;
    uint64_t offset = 0;

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
        assert_int_equal(parts_find(text, len, i + 1, &range), 0);
        assert_int_equal(range.first, offset);
        assert_int_equal(range.length, sizes[i]);
        offset += sizes[i];
    }
    assert_int_equal(parts_find(text, len, 0, &range), -ENOENT);
    assert_int_equal(parts_find(text, len, COUNT_OF(sizes) + 1, &range), -ENOENT);
    assert_int_equal(parts_find("?*3", 3, 3, &range), -ENODATA);
    assert_int_equal(parts_find("?*3", 3, 4, &range), -ENOENT);
}

static void test_parts_count_refuses(void **state)
{
    static const char *const texts[] = {
        "",
        ",",
        "1,",
        ",1",
        "*2",
        "1*",
        "1*0",
        "01",
        "1*02",
        "-1",
        "1x",
        "1;2",
        "?x",
        "1*2*3",
        "18446744073709551616",
        "18446744073709551615*2",
        "18446744073709551615,1",
        "1*2147483648",
        "1*2147483647,1",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_int_equal(parts_count(texts[i], strlen(texts[i])), -EINVAL);
    assert_int_equal(parts_count("18446744073709551615", 20), 1);
    assert_int_equal(parts_count("?", 1), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_meta_add_request_headers_that_are_kept),
        cmocka_unit_test(test_meta_add_request_leaves_framing_out),
        cmocka_unit_test(test_meta_add_request_user_metadata),
        cmocka_unit_test(test_meta_add_request_refuses),
        cmocka_unit_test(test_meta_add_request_user_metadata_of_the_query),
        cmocka_unit_test(test_meta_add_request_too_much),
        cmocka_unit_test(test_meta_find_the_first_line_of_that_name),
        cmocka_unit_test(test_meta_next_leaves_out_what_is_no_line),
        cmocka_unit_test(test_meta_header_of_each_line),
        cmocka_unit_test(test_meta_add_client_lines_of_another_object),
        cmocka_unit_test(test_meta_etag_of_a_record),
        cmocka_unit_test(test_meta_checksum_kept_and_found),
        cmocka_unit_test(test_meta_has_room_for_all),
        cmocka_unit_test(test_parts_format_runs),
        cmocka_unit_test(test_parts_find_each),
        cmocka_unit_test(test_parts_count_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
