#include "tests/unit/test.h"

#include <errno.h>
#include <string.h>

#include "index/base/crc32c.h"
#include "index/store/gdbm/page.h"
#include "index/store/orphan.h"

_Static_assert(ORPHAN_MAX <= PAGE_VALUE_MAX, "an orphan fits in a page");

static struct orphan sample(void)
{
    return (struct orphan){
        .until = 1795000000000,
        .time = 1794999999000,
        .n_places = 2,
        .places = {{.volume = 300}, {.volume = 0, .has_subvolume = true, .subvolume = 255}},
    };
}

static void assert_round_trip(const struct orphan *orphan)
{
    unsigned char bytes[ORPHAN_MAX];
    struct orphan seen;
    size_t n = orphan_encode(orphan, bytes);

    assert_true(n <= ORPHAN_MAX);
    assert_int_equal(orphan_decode(bytes, n, &seen), 0);
    assert_int_equal(orphan->until, seen.until);
    assert_int_equal(orphan->time, seen.time);
    assert_int_equal(orphan->n_places, seen.n_places);
    for (unsigned i = 0; i < orphan->n_places; i++) {
        assert_int_equal(orphan->places[i].volume, seen.places[i].volume);
        assert_int_equal(orphan->places[i].has_subvolume, seen.places[i].has_subvolume);
        assert_int_equal(orphan->places[i].subvolume, seen.places[i].subvolume);
    }
}

static void test_orphan_round_trip(void **state)
{
    struct orphan orphan = sample();

    (void)state;
    assert_round_trip(&orphan);
    orphan.until = 0;
    orphan.n_places = 1;
    assert_round_trip(&orphan);
    orphan.time = 0;
    assert_round_trip(&orphan);
    orphan.until = orphan.time = UINT64_MAX;
    orphan.n_places = ORPHAN_PLACES_MAX;
    for (unsigned i = 0; i < ORPHAN_PLACES_MAX; i++)
        orphan.places[i] =
            (struct place){.volume = UINT32_MAX, .has_subvolume = true, .subvolume = UINT32_MAX};
    assert_round_trip(&orphan);
}

static void test_orphan_decode_refuses_any_changed_bit_and_any_other_length(void **state)
{
    struct orphan orphan = sample();
    unsigned char bytes[ORPHAN_MAX + 8] = {0};
    size_t n = orphan_encode(&orphan, bytes);
    struct orphan kept = {.until = 42};

    (void)state;
    for (size_t bit = 0; bit < n * 8; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        assert_true(orphan_decode(bytes, n, &kept) < 0);
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    for (size_t len = 0; len < n + 8; len++) {
        if (len != n)
            assert_int_equal(orphan_decode(bytes, len, &kept), -EBADMSG);
    }
    assert_int_equal(kept.until, 42);
}

/* Appends the right checksum, so that what is refused is the content. */
static int decode_content(const unsigned char *content, size_t n)
{
    unsigned char bytes[64];
    struct orphan orphan;
    uint32_t crc = crc32c(0, content, n);

    memcpy(bytes, content, n);
    for (unsigned i = 0; i < 4; i++)
        bytes[n + i] = (unsigned char)(crc >> (8 * i));
    return orphan_decode(bytes, n + 4, &orphan);
}

#define DECODE(...)                                                                                \
    decode_content((const unsigned char[]){__VA_ARGS__},                                           \
                   sizeof((const unsigned char[]){__VA_ARGS__}))

static void test_orphan_decode_judges_content_behind_a_right_checksum(void **state)
{
    (void)state;
    assert_int_equal(DECODE(1, 5, 1, 7, 0), 0);
    assert_int_equal(DECODE(2, 5, 9, 1, 7, 0), 0);
    assert_int_equal(DECODE(3, 5, 9, 1, 7, 0), -ENOTSUP); /* a later version */
    assert_int_equal(DECODE(2, 5, 0, 1, 7, 0), -EBADMSG); /* no time: that is version 1 */
    assert_int_equal(DECODE(0, 5, 1, 7, 0), -EBADMSG);
    assert_int_equal(DECODE(1, 5, 0), -EBADMSG);             /* no place */
    assert_int_equal(DECODE(1, 5, 33, 7, 0), -EBADMSG);      /* too many */
    assert_int_equal(DECODE(1, 5, 1, 7), -EBADMSG);          /* cut */
    assert_int_equal(DECODE(1, 5, 1, 7, 0, 0), -EBADMSG);    /* too long */
    assert_int_equal(DECODE(1, 0x85, 0, 1, 7, 0), -EBADMSG); /* not the shortest */
    assert_int_equal(DECODE(1, 5, 1, 0x80, 0x80, 0x80, 0x80, 0x10, 0), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_orphan_round_trip),
        cmocka_unit_test(test_orphan_decode_refuses_any_changed_bit_and_any_other_length),
        cmocka_unit_test(test_orphan_decode_judges_content_behind_a_right_checksum),
    };

    return cmocka_run_group_tests_name("orphan", tests, NULL, NULL);
}
