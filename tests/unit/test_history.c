/* What the checker of histories (tests/model/history.h) says of some that are right, and of some
 * that no order explains. What it prints of these is no failure of this test. */
#include "tests/unit/test.h"

#include <stdlib.h>

#include "tests/model/history.h"

/* Whether these operations fit an order. */
static bool fits(const struct history_op *ops, size_t n)
{
    struct history history;
    bool result;

    history_init(&history);
    for (size_t i = 0; i < n; i++)
        history_add(&history, &ops[i]);
    result = history_check(&history, "/key");
    free(history.ops);
    return result;
}

#define FITS(...)                                                                                  \
    fits((const struct history_op[]){__VA_ARGS__},                                                 \
         COUNT_OF(((const struct history_op[]){__VA_ARGS__})))

static struct history_op put_between(double start, double end, unsigned version)
{
    return (struct history_op){.start = start,
                               .end = end,
                               .needs = HISTORY_ANY,
                               .effect = HISTORY_PUTS,
                               .version = version};
}

static struct history_op create_between(double start, double end, unsigned version)
{
    struct history_op op = put_between(start, end, version);

    op.needs = HISTORY_ABSENT;
    return op;
}

static struct history_op swap_between(double start, double end, unsigned from, unsigned to)
{
    struct history_op op = put_between(start, end, to);

    op.needs = HISTORY_PRESENT;
    op.matches = from;
    return op;
}

static struct history_op delete_between(double start, double end)
{
    return (struct history_op){
        .start = start, .end = end, .needs = HISTORY_ANY, .effect = HISTORY_DELETES};
}

static struct history_op get_between(double start, double end, unsigned version)
{
    return (struct history_op){.start = start,
                               .end = end,
                               .needs = version != 0 ? HISTORY_PRESENT : HISTORY_ABSENT,
                               .version = version};
}

static struct history_op perhaps(struct history_op op)
{
    op.maybe = true;
    return op;
}

static void test_history_check_knows_lost_and_stale_values(void **state)
{
    (void)state;
    assert_true(FITS(put_between(1, 2, 1), get_between(3, 4, 1)));
    assert_false(FITS(put_between(1, 2, 1), get_between(3, 4, 0)));
    assert_false(FITS(put_between(1, 2, 1), put_between(3, 4, 2), get_between(5, 6, 1)));
    assert_false(FITS(put_between(1, 2, 1), delete_between(3, 4), get_between(5, 6, 1)));
    /* One that is still going on may be seen, and then nobody sees what was before. */
    assert_true(FITS(put_between(1, 2, 1), put_between(3, 9, 2), get_between(4, 5, 1),
                     get_between(6, 7, 2)));
    assert_false(FITS(put_between(1, 2, 1), put_between(3, 9, 2), get_between(4, 5, 2),
                      get_between(6, 7, 1)));
}

static void test_history_check_knows_conditions_that_did_not_hold(void **state)
{
    (void)state;
    assert_true(FITS(create_between(1, 4, 1), delete_between(2, 3), create_between(5, 6, 2)));
    assert_false(FITS(create_between(1, 2, 1), create_between(3, 4, 2)));
    assert_false(FITS(create_between(1, 4, 1), create_between(2, 3, 2)));
    assert_true(FITS(put_between(1, 2, 1), swap_between(3, 4, 1, 2), get_between(5, 6, 2)));
    assert_false(FITS(put_between(1, 2, 1), put_between(3, 4, 2), swap_between(5, 6, 1, 3)));
    assert_false(FITS(put_between(1, 2, 1), swap_between(3, 6, 1, 2), swap_between(4, 5, 1, 3)));
    assert_true(FITS(put_between(1, 2, 1), swap_between(3, 6, 1, 2), swap_between(4, 5, 2, 3)));
    /* A PUT that nobody has seen came before what replaced it, which then can't have found nothing.
     */
    assert_true(FITS(put_between(1, 4, 1), put_between(2, 3, 2), get_between(5, 6, 2)));
    assert_false(FITS(put_between(1, 4, 1), create_between(2, 3, 2), get_between(5, 6, 2)));
}

static void test_history_check_knows_refusals_that_had_no_reason(void **state)
{
    struct history_op exists = {.start = 3, .end = 4, .needs = HISTORY_PRESENT};
    struct history_op differs = {.start = 3, .end = 4, .needs = HISTORY_PRESENT, .differs = 1};

    (void)state;
    assert_true(FITS(put_between(1, 2, 1), exists));
    assert_false(FITS(exists));
    assert_false(FITS(put_between(1, 2, 1), differs));
    assert_true(FITS(put_between(1, 2, 2), differs));
    assert_true(FITS(put_between(1, 2, 1), put_between(2, 5, 2), differs));
}

static void test_history_check_lets_the_unanswered_happen_or_not(void **state)
{
    (void)state;
    assert_true(FITS(perhaps(put_between(1, 2, 1)), get_between(3, 4, 1)));
    assert_true(FITS(perhaps(put_between(1, 2, 1)), get_between(3, 4, 0)));
    assert_false(FITS(perhaps(put_between(1, 2, 1)), get_between(3, 4, 0), get_between(5, 6, 1)));
    assert_false(
        FITS(perhaps(create_between(3, 4, 2)), put_between(1, 2, 1), get_between(5, 6, 2)));
}

/* Nobody has seen the values, but that there was one, or none. */
static void test_history_check_knows_when_the_unseen_must_have_been(void **state)
{
    struct history_op exists = {.start = 5, .end = 6, .needs = HISTORY_PRESENT};

    (void)state;
    assert_true(FITS(put_between(1, 4, 1), delete_between(2, 3), exists));
    assert_true(FITS(put_between(1, 4, 1), delete_between(2, 3), get_between(5, 6, 0)));
    assert_false(FITS(put_between(2, 3, 1), delete_between(4, 4.5), exists));
    assert_false(FITS(put_between(1, 2, 1), delete_between(3, 4), put_between(4.5, 4.7, 2),
                      get_between(5, 6, 0)));
    assert_true(FITS(put_between(1, 2, 1), delete_between(3, 6), create_between(4, 5, 2),
                     get_between(7, 8, 2)));
    assert_false(FITS(put_between(1, 2, 1), delete_between(2.1, 2.2), put_between(3, 6, 3),
                      create_between(4, 5, 2), get_between(7, 8, 2)));
}

static void test_history_check_follows_many_at_once(void **state)
{
    struct history_op ops[13];
    unsigned n = 0;

    (void)state;
    for (; n < 12; n++)
        ops[n] = put_between(1 + 0.01 * n, 2 + 0.01 * n, n + 1);
    ops[n++] = get_between(3, 4, 5);
    assert_true(fits(ops, n));
    ops[n - 1].version = 20;
    assert_false(fits(ops, n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_history_check_knows_lost_and_stale_values),
        cmocka_unit_test(test_history_check_knows_conditions_that_did_not_hold),
        cmocka_unit_test(test_history_check_knows_refusals_that_had_no_reason),
        cmocka_unit_test(test_history_check_lets_the_unanswered_happen_or_not),
        cmocka_unit_test(test_history_check_knows_when_the_unseen_must_have_been),
        cmocka_unit_test(test_history_check_follows_many_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
