#include "tests/unit/test.h"

#include <errno.h>
#include <string.h>

#include "index/base/crc32c.h"
#include "index/store/record.h"

static struct record sample(void)
{
    return (struct record){
        .flags = RECORD_MD5,
        .size = 1234567890123,
        .time = 1795000000000,
        .generation = 0x0123456789abcdef,
        .placed_by = 0xfedcba98,
        .md5 = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
        .n_places = 2,
        .places = {{.volume = 300}, {.volume = 0, .has_subvolume = true, .subvolume = 255}},
    };
}

static void assert_same(const struct record *a, const struct record *b)
{
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->size, b->size);
    assert_int_equal(a->time, b->time);
    assert_int_equal(a->generation, b->generation);
    assert_int_equal(a->placed_by, b->placed_by);
    assert_memory_equal(a->md5, b->md5, RECORD_MD5_SIZE);
    assert_int_equal(a->n_places, b->n_places);
    for (unsigned i = 0; i < a->n_places; i++) {
        assert_int_equal(a->places[i].volume, b->places[i].volume);
        assert_int_equal(a->places[i].has_subvolume, b->places[i].has_subvolume);
        assert_int_equal(a->places[i].subvolume, b->places[i].subvolume);
    }
}

static void assert_round_trip(const struct record *record)
{
    unsigned char bytes[RECORD_MAX];
    struct record seen;
    size_t n = record_encode(record, bytes);

    assert_true(n <= RECORD_MAX);
    assert_int_equal(record_decode(bytes, n, &seen), 0);
    assert_same(record, &seen);
}

static void test_record_round_trip(void **state)
{
    struct record record = sample();

    (void)state;
    assert_round_trip(&record);
    record.flags = RECORD_UNLINKED;
    memset(record.md5, 0, sizeof(record.md5));
    assert_round_trip(&record);
    record.generation = record.placed_by = 0; /* the version without them */
    assert_round_trip(&record);
    record.generation = 1;
    assert_round_trip(&record);
    record.size = record.time = record.generation = UINT64_MAX;
    record.placed_by = UINT32_MAX;
    record.flags = RECORD_UNLINKED | RECORD_MD5;
    record.n_places = PLACES_MAX;
    for (unsigned i = 0; i < PLACES_MAX; i++)
        record.places[i] =
            (struct place){.volume = UINT32_MAX, .has_subvolume = true, .subvolume = UINT32_MAX};
    assert_round_trip(&record);
}

static void test_record_is_compact(void **state)
{
    struct record record = sample();
    unsigned char bytes[RECORD_MAX];

    (void)state;
    record.size = 4096;
    record.n_places = 1;
    record.places[0] = (struct place){.volume = 3};
    assert_in_range(record_encode(&record, bytes), 1, 48);
    record.generation = record.placed_by = 0;
    assert_in_range(record_encode(&record, bytes), 1, 36);
}

static void test_record_decode_refuses_any_changed_bit(void **state)
{
    struct record record = sample();
    unsigned char bytes[RECORD_MAX];
    size_t n = record_encode(&record, bytes);
    struct record kept = {.size = 42};

    (void)state;
    for (size_t bit = 0; bit < n * 8; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        assert_true(record_decode(bytes, n, &kept) < 0);
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    assert_int_equal(kept.size, 42);
}

static void test_record_decode_refuses_any_other_length(void **state)
{
    struct record record = sample();
    unsigned char bytes[RECORD_MAX + 8] = {0};
    size_t n = record_encode(&record, bytes);

    (void)state;
    for (size_t len = 0; len < n + 8; len++) {
        if (len != n)
            assert_int_equal(record_decode(bytes, len, &record), -EBADMSG);
    }
}

/* Appends the right checksum, so that what is refused is the content. */
static int decode_content(const unsigned char *content, size_t n)
{
    unsigned char bytes[64];
    struct record record;
    uint32_t crc = crc32c(0, content, n);

    memcpy(bytes, content, n);
    for (unsigned i = 0; i < 4; i++)
        bytes[n + i] = (unsigned char)(crc >> (8 * i));
    return record_decode(bytes, n + 4, &record);
}

#define DECODE(...)                                                                                \
    decode_content((const unsigned char[]){__VA_ARGS__},                                           \
                   sizeof((const unsigned char[]){__VA_ARGS__}))

#define GENERATION 1, 0, 0, 0, 0, 0, 0, 0x80
#define PLACED_BY  1, 2, 3, 4

static void test_record_decode_judges_content_behind_a_right_checksum(void **state)
{
    (void)state;
    assert_int_equal(DECODE(1, 0, 5, 6, 1, 7, 0), 0);
    assert_int_equal(DECODE(3, 0, 5, 6, 1, 7, 0), -ENOTSUP); /* a later version */
    assert_int_equal(DECODE(2, 0, 5, 6, GENERATION, PLACED_BY, 1, 7, 0), 0);
    assert_int_equal(DECODE(2, 4, 5, 6, GENERATION, PLACED_BY, 1, 7, 0), -ENOTSUP);
    assert_int_equal(DECODE(2, 0, 5, 6, 0, 0, 0, 0, 0, 0, 0, 0, PLACED_BY, 1, 7, 0), -EBADMSG);
    assert_int_equal(DECODE(2, 0, 5, 6, GENERATION, 1, 2, 3), -EBADMSG); /* cut */
    assert_int_equal(DECODE(2, 0, 5, 6, GENERATION, PLACED_BY, 1, 7), -EBADMSG);
    assert_int_equal(DECODE(2, 0, 5, 6, GENERATION, PLACED_BY, 1, 7, 0, 0), -EBADMSG);
    assert_int_equal(DECODE(1, 0, 5, 6, GENERATION, PLACED_BY, 1, 7, 0), -EBADMSG);
    assert_int_equal(DECODE(1, 4, 5, 6, 1, 7, 0), -ENOTSUP); /* a later flag */
    assert_int_equal(DECODE(0, 0, 5, 6, 1, 7, 0), -EBADMSG);
    assert_int_equal(DECODE(1, 0, 5, 6, 0), -EBADMSG);             /* no replica */
    assert_int_equal(DECODE(1, 0, 5, 6, 17, 7, 0), -EBADMSG);      /* too many */
    assert_int_equal(DECODE(1, 0, 5, 6, 1, 7), -EBADMSG);          /* cut */
    assert_int_equal(DECODE(1, 0, 5, 6, 1, 7, 0, 0), -EBADMSG);    /* too long */
    assert_int_equal(DECODE(1, 0, 0x85, 0, 6, 1, 7, 0), -EBADMSG); /* not the shortest */
    assert_int_equal(DECODE(1, 2, 5, 6, 1, 7, 0), -EBADMSG);       /* no MD5 */
    assert_int_equal(
        DECODE(1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 6, 1, 7, 0),
        -EBADMSG); /* over 64 bits */
    assert_int_equal(DECODE(1, 0, 5, 6, 1, 0x80, 0x80, 0x80, 0x80, 0x10, 0), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_record_round_trip),
        cmocka_unit_test(test_record_is_compact),
        cmocka_unit_test(test_record_decode_refuses_any_changed_bit),
        cmocka_unit_test(test_record_decode_refuses_any_other_length),
        cmocka_unit_test(test_record_decode_judges_content_behind_a_right_checksum),
    };

    return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
