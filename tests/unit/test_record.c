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
    assert_int_equal(a->meta_len, b->meta_len);
    assert_memory_equal(a->meta, b->meta, a->meta_len);
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
    memset(&seen, 0xa5, sizeof(seen));
    assert_int_equal(record_decode(bytes, n, &seen), 0);
    assert_same(record, &seen);
    assert_int_equal(record_peek_generation(bytes, n), record->generation);
    assert_int_equal(record_is_unlinked(bytes, n), (record->flags & RECORD_UNLINKED) != 0);
    n = record_encode_beside(record, bytes);
    assert_true(n <= RECORD_MAX);
    memset(&seen, 0xa5, sizeof(seen));
    assert_int_equal(record_decode_beside(bytes, n, record->generation, &seen), 0);
    assert_same(record, &seen);
    assert_int_equal(record_is_unlinked(bytes, n), (record->flags & RECORD_UNLINKED) != 0);
    memset(&seen, 0xa5, sizeof(seen));
    record_copy(&seen, record);
    assert_same(record, &seen);
    assert_true(record_equal(record, &seen));
}

/* But for its metadata. */
static void make_longest(struct record *record)
{
    record->size = record->time = record->generation = UINT64_MAX;
    record->placed_by = UINT32_MAX;
    record->flags = RECORD_UNLINKED | RECORD_MD5;
    record->n_places = PLACES_MAX;
    for (unsigned i = 0; i < PLACES_MAX; i++)
        record->places[i] =
            (struct place){.volume = UINT32_MAX, .has_subvolume = true, .subvolume = UINT32_MAX};
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
    make_longest(&record);
    assert_round_trip(&record);
}

static void set_meta(struct record *record, unsigned len)
{
    record->meta_len = len;
    for (unsigned i = 0; i < len; i++)
        record->meta[i] = (char)(i * 7 + len);
}

static void test_record_round_trip_of_metadata_of_any_length(void **state)
{
    struct record record = sample();

    (void)state;
    for (unsigned len = 0; len <= RECORD_META_MAX; len++) {
        set_meta(&record, len);
        assert_round_trip(&record);
    }
    record.generation = record.placed_by = 0;
    record.flags = 0;
    memset(record.md5, 0, sizeof(record.md5));
    assert_round_trip(&record);
    make_longest(&record);
    assert_round_trip(&record);
}

/* What lies behind the metadata in memory is nobody's. */
static void test_record_equal_compares_metadata_and_nothing_behind_it(void **state)
{
    struct record a = sample();
    struct record b = sample();

    (void)state;
    set_meta(&a, 40);
    set_meta(&b, 40);
    b.meta[40] = 'x';
    assert_true(record_equal(&a, &b));
    b.meta[39] ^= 1;
    assert_false(record_equal(&a, &b));
    b.meta[39] ^= 1;
    b.meta_len = 41;
    assert_false(record_equal(&a, &b));
    b.meta_len = 0;
    assert_false(record_equal(&a, &b));
}

/* Indexes that older ones made are read, and written again byte for byte. */
static void test_record_without_metadata_is_what_it_was(void **state)
{
    static const unsigned char expected[] = {
        2,    1,    5,    6, 1, 0, 0, 0, 0,    0,    0,    0x80, 0x04,
        0x03, 0x02, 0x01, 2, 7, 0, 9, 4, 0x7f, 0x99, 0x3d, 0xa9,
    };
    const struct record record = {
        .flags = RECORD_UNLINKED,
        .size = 5,
        .time = 6,
        .generation = 0x8000000000000001,
        .placed_by = 0x01020304,
        .n_places = 2,
        .places = {{.volume = 7}, {.volume = 9, .has_subvolume = true, .subvolume = 3}},
    };
    unsigned char bytes[RECORD_MAX];

    (void)state;
    assert_int_equal(record_encode(&record, bytes), sizeof(expected));
    assert_memory_equal(bytes, expected, sizeof(expected));
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
    struct record kept = {.size = 42};
    size_t n;

    (void)state;
    set_meta(&record, 300);
    n = record_encode(&record, bytes);
    for (size_t bit = 0; bit < n * 8; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        assert_true(record_decode(bytes, n, &kept) < 0);
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    assert_int_equal(kept.size, 42);
}

/* A bit of the generation beside it, too; and neither of the two forms passes for the other. */
static void test_record_beside_its_generation(void **state)
{
    struct record record = sample();
    unsigned char bytes[RECORD_MAX];
    struct record kept = {.size = 42};
    size_t n;

    (void)state;
    n = record_encode(&record, bytes);
    assert_true(record_decode_beside(bytes, n, record.generation, &kept) < 0);
    n = record_encode_beside(&record, bytes);
    assert_true(record_decode(bytes, n, &kept) < 0);
    for (size_t bit = 0; bit < n * 8; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        assert_true(record_decode_beside(bytes, n, record.generation, &kept) < 0);
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    for (unsigned bit = 0; bit < 64; bit++)
        assert_int_equal(
            record_decode_beside(bytes, n, record.generation ^ (uint64_t)1 << bit, &kept),
            -EBADMSG);
    for (size_t len = 0; len < n; len++)
        assert_int_equal(record_decode_beside(bytes, len, record.generation, &kept), -EBADMSG);
    assert_int_equal(kept.size, 42);
    record.time = record.generation >> 16; /* the usual case: it isn't written again */
    assert_int_equal(record_encode_beside(&record, bytes), n - 6);
    assert_round_trip(&record);
}

static void test_record_decode_refuses_any_other_length(void **state)
{
    struct record record = sample();
    unsigned char bytes[RECORD_MAX + 8] = {0};
    size_t n;

    (void)state;
    set_meta(&record, 300);
    n = record_encode(&record, bytes);
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
    assert_int_equal(DECODE(2, 8, 5, 6, GENERATION, PLACED_BY, 1, 7, 0), -ENOTSUP);
    assert_int_equal(DECODE(2, 0, 5, 6, 0, 0, 0, 0, 0, 0, 0, 0, PLACED_BY, 1, 7, 0), -EBADMSG);
    assert_int_equal(DECODE(2, 0, 5, 6, GENERATION, 1, 2, 3), -EBADMSG); /* cut */
    assert_int_equal(DECODE(2, 0, 5, 6, GENERATION, PLACED_BY, 1, 7), -EBADMSG);
    assert_int_equal(DECODE(2, 0, 5, 6, GENERATION, PLACED_BY, 1, 7, 0, 0), -EBADMSG);
    assert_int_equal(DECODE(1, 0, 5, 6, GENERATION, PLACED_BY, 1, 7, 0), -EBADMSG);
    assert_int_equal(DECODE(1, 8, 5, 6, 1, 7, 0), -ENOTSUP); /* a later flag */
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
    assert_int_equal(DECODE(1, 4, 5, 6, 1, 7, 0, 2, 'a', 'b'), 0);
    assert_int_equal(DECODE(1, 4, 5, 6, 1, 7, 0), -EBADMSG);         /* no metadata */
    assert_int_equal(DECODE(1, 4, 5, 6, 1, 7, 0, 0), -EBADMSG);      /* likewise */
    assert_int_equal(DECODE(1, 4, 5, 6, 1, 7, 0, 2, 'a'), -EBADMSG); /* cut */
    assert_int_equal(DECODE(1, 4, 5, 6, 1, 7, 0, 1, 'a', 'b'), -EBADMSG);
    assert_int_equal(DECODE(1, 4, 5, 6, 1, 7, 0, 0xd5, 0x16), -EBADMSG); /* 2,901 bytes */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_record_round_trip),
        cmocka_unit_test(test_record_round_trip_of_metadata_of_any_length),
        cmocka_unit_test(test_record_equal_compares_metadata_and_nothing_behind_it),
        cmocka_unit_test(test_record_without_metadata_is_what_it_was),
        cmocka_unit_test(test_record_is_compact),
        cmocka_unit_test(test_record_decode_refuses_any_changed_bit),
        cmocka_unit_test(test_record_decode_refuses_any_other_length),
        cmocka_unit_test(test_record_beside_its_generation),
        cmocka_unit_test(test_record_decode_judges_content_behind_a_right_checksum),
    };

    return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
