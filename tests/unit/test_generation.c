#include "tests/unit/test.h"

#include <stdlib.h>

#include "index/objects/generation.h"

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
    generations_init(&g, 0);
    made = generation_make(&g, 0, NOW);
    assert_int_equal(generation_time(made), NOW);
    assert_int_equal(made, 0x019aa724d47b0000);
    assert_int_equal(generation_time(generation_make(&g, 0, NOW + 5)), NOW + 5);
}

static void test_generation_twice_in_a_millisecond(void **state)
{
    struct generations g;
    uint64_t first;

    (void)state;
    generations_init(&g, 0);
    first = generation_make(&g, 0, NOW);
    for (uint64_t i = 1; i < 0x10000; i++)
        assert_int_equal(generation_make(&g, 0, NOW), first + i);
    assert_int_equal(generation_make(&g, 0, NOW), (uint64_t)(NOW + 1) << 16);
    assert_int_equal(generation_make(&g, 0, NOW + 1), ((uint64_t)(NOW + 1) << 16) + 1);
}

/* It goes on from where it was, at the machine's pace. */
static void test_generation_while_the_clock_goes_back(void **state)
{
    struct generations g;
    uint64_t before;
    uint64_t after;

    (void)state;
    generations_init(&g, 0);
    before = generation_make(&g, 0, NOW);
    after = generation_make(&g, 0, NOW - 3600000);
    assert_true(after > before);
    assert_int_equal(generation_time(after), NOW);
    after = generation_make(&g, 0, NOW - 3600000 + 70);
    assert_int_equal(generation_time(after), NOW + 70);
    after = generation_make(&g, 0, 0);
    assert_int_equal(generation_time(after), NOW + 70);
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

        generations_init(&g, before[i]);
        made = generation_make(&g, 0, 0);
        assert_int_equal(second_of(made), second_of(before[i]) + 1);
        assert_int_equal(generation_time(made) % 1000, 0);
        assert_true(generation_make(&g, 0, 0) > made);
        generations_init(&g, before[i]);
        assert_int_equal(generation_time(generation_make(&g, 0, NOW + 10000)), NOW + 10000);
    }
}

static void test_generation_has_a_later_second_than_a_known_one(void **state)
{
    struct generations g;
    uint64_t first;
    uint64_t second;

    (void)state;
    generations_init(&g, 0);
    first = generation_make(&g, 0, NOW);
    second = generation_make(&g, first, NOW);
    assert_int_equal(generation_time(second), NOW / 1000 * 1000 + 1000);
    second = generation_make(&g, 1, NOW); /* one that is long past */
    assert_int_equal(generation_time(second), NOW / 1000 * 1000 + 1000);
    generations_init(&g, 0);
    second = generation_make(&g, (uint64_t)(NOW + 5000) << 16, NOW); /* of another index's clock */
    assert_int_equal(generation_time(second), NOW / 1000 * 1000 + 6000);
    assert_int_equal(generation_time(generation_make(&g, 0, NOW + 1)), NOW / 1000 * 1000 + 6001);
}

/* At the end of the time that fits it still counts on. */
static void test_generation_at_the_end_of_time(void **state)
{
    const uint64_t end = ((1ULL << 48) - 1) << 16;
    struct generations g;
    uint64_t made;

    (void)state;
    generations_init(&g, 0);
    made = generation_make(&g, 0, UINT64_MAX >> 8);
    assert_int_equal(made, end);
    assert_int_equal(generation_make(&g, made, 0), end + 1);
    assert_int_equal(generation_make(&g, 0, NOW), end + 2);
}

/* Whatever the clock does, each is greater than all before, and later than what is known. */
static void test_generation_is_never_made_twice(void **state)
{
    struct generations g;
    uint64_t last = 0;
    uint64_t now = NOW;

    (void)state;
    srand(3);
    generations_init(&g, 0);
    for (unsigned i = 0; i < 200000; i++) {
        uint64_t known = rand() % 4 == 0 ? last - (uint64_t)(rand() % 3) * 0x10000000 : 0;
        uint64_t made;

        if (last == 0)
            known = 0;
        if (rand() % 50 == 0)
            now = NOW - 10000000 + (uint64_t)rand() % 20000000;
        else
            now += (uint64_t)rand() % 3;
        if (rand() % 100 == 0)
            generations_init(&g, last); /* a restart that knows the last one */
        made = generation_make(&g, known, now);
        assert_true(made > last);
        assert_true(known == 0 || second_of(made) > second_of(known));
        last = made;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generation_tells_its_time),
        cmocka_unit_test(test_generation_twice_in_a_millisecond),
        cmocka_unit_test(test_generation_while_the_clock_goes_back),
        cmocka_unit_test(test_generation_after_a_restart),
        cmocka_unit_test(test_generation_has_a_later_second_than_a_known_one),
        cmocka_unit_test(test_generation_at_the_end_of_time),
        cmocka_unit_test(test_generation_is_never_made_twice),
    };

    return cmocka_run_group_tests_name("generation", tests, NULL, NULL);
}
