/* The hash table against a plain list of what it should hold, with hashes from a small range, so
 * that most items collide, and runs of them reach over the end of the table. */
#include "tests/unit/test.h"

#include <stdbool.h>

#include "index/store/slots.h"
#include "tests/support/rng.h"

#define ITEMS  700 /* of a table's first 1,024 slots: nearly three quarters */
#define ROUNDS 200000

struct item {
    uint32_t hash;
    bool in;
};

static bool find(const struct slots *s, const struct item *wanted, size_t *at)
{
    const struct item *item = slots_find(s, wanted->hash, at);

    while (item != NULL && item != wanted) {
        assert_int_equal(item->hash, wanted->hash);
        item = slots_find_next(s, wanted->hash, at);
    }
    return item != NULL;
}

static void run(uint32_t hash_base, uint32_t hash_range, uint64_t seed)
{
    struct rng rng = {.state = seed};
    struct item items[ITEMS] = {0};
    struct slots s = {0};
    size_t count = 0;

    assert_int_equal(slots_reserve(&s, ITEMS), 0);
    for (unsigned i = 0; i < ITEMS; i++)
        items[i].hash = hash_base + (uint32_t)rng_below(&rng, hash_range);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct item *item = &items[rng_below(&rng, ITEMS)];
        size_t at;

        assert_int_equal(find(&s, item, &at), item->in);
        if (item->in)
            slots_drop(&s, at);
        else
            slots_add(&s, item, item->hash);
        item->in = !item->in;
        count += item->in ? 1 : (size_t)-1;
        assert_int_equal(s.count, count);
    }
    for (unsigned i = 0; i < ITEMS; i++) {
        size_t at;

        assert_int_equal(find(&s, &items[i], &at), items[i].in);
    }
    slots_deinit(&s);
}

static void test_slots_agree_with_list(void **state)
{
    (void)state;
    run(0, UINT32_MAX, 1);
    run(0, 300, 2);
    run(1000, 60, 3); /* around the end */
}

static void test_slots_keep_items_when_growing(void **state)
{
    struct item items[5000] = {0};
    struct slots s = {0};
    size_t at;

    (void)state;
    for (uint32_t i = 0; i < 5000; i++) {
        items[i].hash = i / 3 * 7919;
        assert_int_equal(slots_reserve(&s, 1), 0);
        slots_add(&s, &items[i], items[i].hash);
    }
    for (uint32_t i = 0; i < 5000; i++)
        assert_true(find(&s, &items[i], &at));
    slots_deinit(&s);
}

static void test_slots_empty_finds_nothing(void **state)
{
    struct slots s = {0};
    size_t at;

    (void)state;
    assert_null(slots_find(&s, 7, &at));
    slots_deinit(&s);
}

static void test_slots_hash_depends_on_all(void **state)
{
    char key[] = "/a/key/of/some/length";

    (void)state;
    for (size_t i = 0; i < sizeof(key); i++) {
        uint32_t before = slots_hash(1, key, sizeof(key));

        assert_int_equal(before, slots_hash(1, key, sizeof(key)));
        key[i] ^= 1;
        assert_int_not_equal(before, slots_hash(1, key, sizeof(key)));
        assert_int_not_equal(slots_hash(1, key, i), slots_hash(1, key, i + 1));
    }
    assert_int_not_equal(slots_hash(1, key, 5), slots_hash(2, key, 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slots_agree_with_list),
        cmocka_unit_test(test_slots_keep_items_when_growing),
        cmocka_unit_test(test_slots_empty_finds_nothing),
        cmocka_unit_test(test_slots_hash_depends_on_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
