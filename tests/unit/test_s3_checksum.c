#include "tests/unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "index/base/crc32c.h"
#include "index/s3/checksum.h"
#include "index/s3/crc64nvme.h"
#include "index/s3/crc_math.h"

static const enum checksum_kind kinds[] = {CHECKSUM_CRC32, CHECKSUM_CRC32C, CHECKSUM_CRC64NVME,
                                           CHECKSUM_SHA1, CHECKSUM_SHA256};

/* Bytes without a pattern. */
static void fill(unsigned char *bytes, size_t n)
{
    uint32_t state = 1;

    for (size_t i = 0; i < n; i++) {
        state = state * 1664525 + 1013904223;
        bytes[i] = (unsigned char)(state >> 24);
    }
}

static void checksum_of(enum checksum_kind kind, const void *bytes, size_t n,
                        unsigned char out[CHECKSUM_SIZE_MAX])
{
    struct checksum checksum;

    checksum_begin(&checksum, kind);
    checksum_add(&checksum, bytes, n);
    checksum_finish(&checksum, out);
}

static void expect_text(enum checksum_kind kind, const char *value, const char *wanted)
{
    unsigned char bytes[CHECKSUM_SIZE_MAX];
    char text[CHECKSUM_TEXT_MAX];

    checksum_of(kind, value, strlen(value), bytes);
    checksum_format(kind, bytes, 0, text);
    assert_string_equal(text, wanted);
}

static void test_checksum_known_values(void **state)
{
    (void)state;
    expect_text(CHECKSUM_CRC32, "123456789", "y/Q5Jg==");
    expect_text(CHECKSUM_CRC32C, "123456789", "4waSgw==");
    expect_text(CHECKSUM_CRC64NVME, "123456789", "rosUhgp5mIg=");
    expect_text(CHECKSUM_CRC32, "", "AAAAAA==");
    expect_text(CHECKSUM_CRC32C, "", "AAAAAA==");
    expect_text(CHECKSUM_CRC64NVME, "", "AAAAAAAAAAA=");
    expect_text(CHECKSUM_CRC64NVME, "hello", "M3eFcAZSQlc=");
    expect_text(CHECKSUM_SHA1, "abc", "qZk+NkcGgWq6PiVxeFDCbJzQ2J0=");
    expect_text(CHECKSUM_SHA256, "abc", "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
}

static void test_checksum_names_both_ways(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        enum checksum_kind kind = kinds[i];

        assert_int_equal(checksum_of_name(checksum_name(kind)), kind);
        assert_int_equal(checksum_of_header(checksum_header(kind)), kind);
        assert_int_equal(checksum_of_element(checksum_element(kind)), kind);
        assert_int_equal(checksum_of_line(checksum_line(kind), strlen(checksum_line(kind))), kind);
    }
    assert_int_equal(checksum_of_name("crc64nvme"), CHECKSUM_CRC64NVME);
    assert_int_equal(checksum_of_header("X-Amz-Checksum-Sha256"), CHECKSUM_SHA256);
    assert_int_equal(checksum_of_name("MD5"), CHECKSUM_NONE);
    assert_int_equal(checksum_of_header("x-amz-checksum-type"), CHECKSUM_NONE);
    assert_int_equal(checksum_of_element("ChecksumCRC32 "), CHECKSUM_NONE);
    assert_int_equal(checksum_of_line("crc32c", 5), CHECKSUM_CRC32);
    assert_int_equal(checksum_of_line("", 0), CHECKSUM_NONE);
}

static void test_checksum_add_in_pieces(void **state)
{
    unsigned char bytes[1000];

    (void)state;
    fill(bytes, sizeof(bytes));
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        unsigned char whole[CHECKSUM_SIZE_MAX];

        checksum_of(kinds[i], bytes, sizeof(bytes), whole);
        for (size_t piece = 1; piece < 300; piece++) {
            unsigned char split[CHECKSUM_SIZE_MAX];
            struct checksum checksum;

            checksum_begin(&checksum, kinds[i]);
            for (size_t at = 0; at < sizeof(bytes); at += piece)
                checksum_add(&checksum, bytes + at,
                             piece < sizeof(bytes) - at ? piece : sizeof(bytes) - at);
            checksum_add(&checksum, NULL, 0);
            checksum_finish(&checksum, split);
            assert_memory_equal(split, whole, checksum_size(kinds[i]));
        }
    }
}

/* One bit at a time, as the definition has it. */
static uint64_t crc64_slowly(const unsigned char *p, size_t n)
{
    uint64_t crc = UINT64_MAX;

    while (n-- > 0) {
        crc ^= *p++;
        for (int i = 0; i < 8; i++)
            crc = crc & 1 ? crc >> 1 ^ 0x9a6c9329ac4bc9b5 : crc >> 1;
    }
    return ~crc;
}

static void test_crc64nvme_all_ways_alike(void **state)
{
    unsigned char bytes[600];

    (void)state;
    fill(bytes, sizeof(bytes));
    for (size_t from = 0; from < 17; from++) {
        for (size_t n = 0; n <= sizeof(bytes) - from; n++) {
            uint64_t wanted = crc64_slowly(bytes + from, n);

            assert_true(crc64nvme(0, bytes + from, n) == wanted);
            assert_true(crc64nvme_by_table(0, bytes + from, n) == wanted);
        }
    }
}

static void test_crc_combine_as_zlib(void **state)
{
    static const uint64_t lengths[] = {0, 1, 7, 8, 4096, 5242880, 5368709120, INT64_MAX};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(lengths); i++)
        assert_true(
            crc_combine(&crc32_form, 0xcbf43926, 0x12345678, crc_shift(&crc32_form, lengths[i])) ==
            crc32_combine(0xcbf43926, 0x12345678, (z_off_t)lengths[i]));
}

/* The CRC of a value out of those of its parts, wherever it is cut. */
static void test_checksum_join_is_of_the_whole(void **state)
{
    unsigned char bytes[777];

    (void)state;
    fill(bytes, sizeof(bytes));
    for (size_t i = 0; i < COUNT_OF(kinds) && checksum_is_crc(kinds[i]); i++) {
        unsigned char whole[CHECKSUM_SIZE_MAX];

        checksum_of(kinds[i], bytes, sizeof(bytes), whole);
        for (size_t size = 1; size <= sizeof(bytes); size++) { /* the last part has the rest */
            unsigned char joined[CHECKSUM_SIZE_MAX];
            struct checksum_join join;

            checksum_join_begin(&join, kinds[i]);
            for (size_t at = 0; at <= sizeof(bytes); at += size) {
                size_t n = size < sizeof(bytes) - at ? size : sizeof(bytes) - at;
                unsigned char part[CHECKSUM_SIZE_MAX];

                checksum_of(kinds[i], bytes + at, n, part);
                checksum_join_add(&join, part, n);
            }
            checksum_join_finish(&join, joined);
            assert_memory_equal(joined, whole, checksum_size(kinds[i]));
        }
    }
}

static void test_checksum_join_of_nothing(void **state)
{
    static const unsigned char zeros[CHECKSUM_SIZE_MAX];
    unsigned char joined[CHECKSUM_SIZE_MAX];
    struct checksum_join join;

    (void)state;
    checksum_join_begin(&join, CHECKSUM_CRC64NVME);
    checksum_join_finish(&join, joined);
    assert_memory_equal(joined, zeros, 8);
}

static void test_checksum_parse_what_is_formatted(void **state)
{
    static const unsigned parts[] = {0, 1, 10, 10000};
    unsigned char bytes[CHECKSUM_SIZE_MAX];

    (void)state;
    fill(bytes, sizeof(bytes));
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        for (size_t k = 0; k < COUNT_OF(parts); k++) {
            unsigned char read[CHECKSUM_SIZE_MAX];
            char text[CHECKSUM_TEXT_MAX];
            unsigned n = 99;

            checksum_format(kinds[i], bytes, parts[k], text);
            assert_int_equal(checksum_parse(kinds[i], text, strlen(text), read, &n), 0);
            assert_int_equal(n, parts[k]);
            assert_memory_equal(read, bytes, checksum_size(kinds[i]));
        }
    }
}

static void test_checksum_parse_refuses(void **state)
{
    static const struct {
        enum checksum_kind kind;
        const char *text;
    } cases[] = {
        {CHECKSUM_CRC32, ""},
        {CHECKSUM_CRC32, "y/Q5Jg="},
        {CHECKSUM_CRC32, "y/Q5Jg"},
        {CHECKSUM_CRC32, "y/Q5J==="},
        {CHECKSUM_CRC32, "y/Q5Jh=="},
        {CHECKSUM_CRC32, "y/Q5Jghh"},
        {CHECKSUM_CRC32, "y/Q5Jg==="},
        {CHECKSUM_CRC32, "y/Q5Jg==-"},
        {CHECKSUM_CRC32, "y/Q5Jg==-0"},
        {CHECKSUM_CRC32, "y/Q5Jg==-01"},
        {CHECKSUM_CRC32, "y/Q5Jg==-1x"},
        {CHECKSUM_CRC32, "y/Q5Jg==-10001"},
        {CHECKSUM_CRC32, "y/Q5Jg==-100000"},
        {CHECKSUM_CRC32, "y/Q5Jg==-4294967297"},
        {CHECKSUM_CRC32, "bad"},
        {CHECKSUM_CRC64NVME, "y/Q5Jg=="},
        {CHECKSUM_SHA256, "rosUhgp5mIg="},
        {CHECKSUM_SHA1, "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="},
    };
    unsigned char bytes[CHECKSUM_SIZE_MAX];
    unsigned n;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(
            checksum_parse(cases[i].kind, cases[i].text, strlen(cases[i].text), bytes, &n),
            -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checksum_known_values),
        cmocka_unit_test(test_checksum_names_both_ways),
        cmocka_unit_test(test_checksum_add_in_pieces),
        cmocka_unit_test(test_crc64nvme_all_ways_alike),
        cmocka_unit_test(test_crc_combine_as_zlib),
        cmocka_unit_test(test_checksum_join_is_of_the_whole),
        cmocka_unit_test(test_checksum_join_of_nothing),
        cmocka_unit_test(test_checksum_parse_what_is_formatted),
        cmocka_unit_test(test_checksum_parse_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
