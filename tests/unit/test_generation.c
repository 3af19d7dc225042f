#include "tests/unit/test.h"

#include <stdlib.h>

#include "index/base/clock.h"
#include "index/base/generation.h"

#define NOW 1763740800123 /* ms; its second has 877 of them left */

static uint64_t second_of(uint64_t generation)
{
    return generation_time(generation) / 1000;
}

static void test_generation_tells_its_time(void **state)
{
    struct generations g;
    uint64_t made;

    (void)state;
    generations_init(&g, 0, 0, 1);
    made = generation_make(&g, NOW);
    assert_int_equal(generation_time(made), NOW);
    assert_int_equal(made, 0x019aa724d47b0000);
    assert_int_equal(generation_time(generation_make(&g, NOW + 5)), NOW + 5);
}

/* However many are made, they are not ahead of the clock by more than their number takes. */
static void test_generation_twice_in_a_millisecond(void **state)
{
    struct generations g;
    uint64_t first;

    (void)state;
    generations_init(&g, 0, 0, 1);
    first = generation_make(&g, NOW);
    for (uint64_t i = 1; i < 0x10000; i++)
        assert_int_equal(generation_make(&g, NOW), first + i);
    assert_int_equal(generation_make(&g, NOW), (uint64_t)(NOW + 1) << 16);
    assert_int_equal(generation_make(&g, NOW + 1), ((uint64_t)(NOW + 1) << 16) + 1);
    assert_int_equal(generation_make(&g, NOW + 2), (uint64_t)(NOW + 2) << 16);
}

/* 0 is none: it says that the name has none. */
static void test_generation_of_a_clock_at_its_beginning(void **state)
{
    struct generations g;

    (void)state;
    generations_init(&g, 0, 0, 1);
    assert_int_equal(generation_make(&g, 0), 1);
    assert_int_equal(generation_make(&g, 0), 2);
}

/* It goes on from where it was, at half the machine's pace, until that has caught up. */
static void test_generation_while_the_clock_goes_back(void **state)
{
    const uint64_t back = NOW - 3600000;
    struct generations g;
    uint64_t before;
    uint64_t after;

    (void)state;
    generations_init(&g, 0, 0, 1);
    before = generation_make(&g, NOW);
    after = generation_make(&g, back);
    assert_int_equal(after, before + 1);
    for (uint64_t ms = 1; ms <= 70; ms++) /* an odd one isn't lost */
        after = generation_make(&g, back + ms);
    assert_int_equal(generation_time(after), NOW + 35);
    after = generation_make(&g, 0); /* and back again */
    assert_int_equal(generation_time(after), NOW + 35);
    after = generation_make(&g, 3000);
    assert_int_equal(generation_time(after), NOW + 1535);
    assert_int_equal(generations_now(&g, 4000), NOW + 2035);

    generations_init(&g, before, 0, 1);
    for (uint64_t now = back; now <= NOW + 3700000; now += 1000)
        after = generation_make(&g, now);
    assert_int_equal(generation_time(after), NOW + 3700000 - 3700000 % 1000);
    assert_int_equal(generation_time(generation_make(&g, NOW + 4000000)), NOW + 4000000);
}

/* The second after that of all that it may follow, and not much later. */
static void test_generation_after_a_restart(void **state)
{
    static const uint64_t before[] = {1, (uint64_t)NOW << 16, ((uint64_t)NOW << 16) + 0xffff,
                                      (uint64_t)(NOW + 876) << 16, (uint64_t)(NOW + 877) << 16};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(before); i++) {
        struct generations g;
        uint64_t made;

        generations_init(&g, before[i], 0, 1);
        made = generation_make(&g, 0);
        assert_int_equal(second_of(made), second_of(before[i]) + 1);
        assert_int_equal(generation_time(made) % 1000, 0);
        assert_true(generation_make(&g, 0) > made);
        generations_init(&g, before[i], 0, 1);
        assert_int_equal(generation_time(generation_make(&g, NOW + 10000)), NOW + 10000);
    }
}

/* As of a machine that is told the time a while after its start, or again and again. */
static void test_generation_while_the_clock_is_set_to_and_fro(void **state)
{
    const uint64_t years = 20ULL * 365 * 86400 * 1000;
    struct generations g;
    uint64_t made = 0;

    (void)state;
    generations_init(&g, (uint64_t)NOW << 16, 0, 1);
    generation_make(&g, NOW - years);
    assert_int_equal(generation_time(generation_make(&g, NOW + 2000)), NOW + 2000);
    for (unsigned i = 0; i < 1000; i++) {
        assert_true(generation_make(&g, NOW - years) > made);
        made = generation_make(&g, NOW + 2000);
    }
    assert_int_equal(generation_time(made), NOW + 2000);
}

/* They fit in 63 bits, whatever the clock shows. */
static void test_generation_of_a_far_year(void **state)
{
    const uint64_t end = 95617584000000; /* the year 5000 */
    struct generations g;

    (void)state;
    generations_init(&g, 0, 0, 1);
    assert_int_equal(generation_make(&g, NOW), (uint64_t)NOW << 16);
    assert_int_equal(generation_make(&g, end), ((uint64_t)NOW << 16) + 1);
    assert_int_equal(generation_make(&g, CLOCK_MS_MAX), ((uint64_t)NOW << 16) + 2);
    assert_int_equal(generation_make(&g, NOW + 5), (uint64_t)(NOW + 5) << 16);
    assert_int_equal(generation_make(&g, end - 1), (end - 1) << 16);
    assert_true(generation_make(&g, end - 1) < INT64_MAX);
}

/* At the end of the time that fits, which a dump may have brought, it still counts on. */
static void test_generation_at_the_end_of_time(void **state)
{
    const uint64_t end = ((1ULL << 48) - 1) << 16;
    struct generations g = {.next = end, .numbers = 1};

    (void)state;
    assert_int_equal(generation_make(&g, 0), end);
    assert_int_equal(generation_make(&g, 2000), end + 1);
    assert_int_equal(generation_make(&g, NOW), end + 2);
}

/* Whatever the clock does, each is greater than all before, and no earlier than the clock. */
static void test_generation_is_never_made_twice(void **state)
{
    struct generations g;
    uint64_t last = 0;
    uint64_t now = NOW;

    (void)state;
    srand(3);
    generations_init(&g, 0, 0, 1);
    for (unsigned i = 0; i < 200000; i++) {
        uint64_t made;
        uint64_t told;

        if (rand() % 50 == 0)
            now = NOW - 10000000 + (uint64_t)rand() % 20000000;
        else
            now += (uint64_t)rand() % 3;
        if (rand() % 100 == 0)
            generations_init(&g, last, 0, 1); /* a restart that knows the last one */
        told = generations_now(&g, now);
        made = generation_make(&g, now);
        assert_true(made > last);
        assert_true(told >= now);
        assert_int_equal(generation_time(made), told);
        last = made;
    }
}

/* --- Times ----------------------------------------------------------------------------------- */

static void test_blob_time_is_of_a_later_second(void **state)
{
    static const struct {
        uint64_t latest;
        uint64_t time;
    } cases[] = {
        {0, NOW},
        {1, NOW},
        {NOW - 124, NOW},
        {NOW - 123, NOW + 877},
        {NOW, NOW + 877},
        {NOW + 876, NOW + 877},
        {NOW + 877, NOW + 1877},
        {NOW + 200000, NOW + 200877},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(blob_time_make(((uint64_t)NOW << 16) + 5, cases[i].latest), cases[i].time);
}

/* Of years that a date can't tell, or before 1970, as a dump may have them. */
static void test_blob_time_that_counts(void **state)
{
    (void)state;
    assert_true(blob_time_counts(0));
    assert_true(blob_time_counts(NOW));
    assert_true(blob_time_counts(CLOCK_MS_MAX - 1000));
    assert_false(blob_time_counts(CLOCK_MS_MAX - 999));
    assert_false(blob_time_counts(CLOCK_MS_MAX));
    assert_false(blob_time_counts((uint64_t)INT64_MAX));
    assert_false(blob_time_counts((uint64_t)-1));
    assert_false(blob_time_counts((uint64_t)INT64_MIN));
    assert_true(blob_time_make((uint64_t)NOW << 16, CLOCK_MS_MAX - 1000) <= CLOCK_MS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generation_tells_its_time),
        cmocka_unit_test(test_generation_twice_in_a_millisecond),
        cmocka_unit_test(test_generation_of_a_clock_at_its_beginning),
        cmocka_unit_test(test_generation_while_the_clock_goes_back),
        cmocka_unit_test(test_generation_after_a_restart),
        cmocka_unit_test(test_generation_while_the_clock_is_set_to_and_fro),
        cmocka_unit_test(test_generation_of_a_far_year),
        cmocka_unit_test(test_generation_at_the_end_of_time),
        cmocka_unit_test(test_generation_is_never_made_twice),
        cmocka_unit_test(test_blob_time_is_of_a_later_second),
        cmocka_unit_test(test_blob_time_that_counts),
    };

    return cmocka_run_group_tests_name("generation", tests, NULL, NULL);
}
