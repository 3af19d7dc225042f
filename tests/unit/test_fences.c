/* The search by groups against a plain one, with fences that share much, differ late, end in zeros
 * or are one another's beginnings: so that heads are often equal. */
#include "tests/unit/test.h"

#include <stdlib.h>
#include <string.h>

#include "index/store/gdbm/fences.h"
#include "index/store/key_order.h"
#include "tests/support/rng.h"

#define KEY_ROOM 1032
#define KEY_TAIL 40
#define FENCES   40000 /* four levels */
#define PROBES   20000

struct key {
    unsigned char bytes[KEY_ROOM];
    size_t len;
};

static int compare_keys(const void *a, const void *b)
{
    const struct key *x = a;
    const struct key *y = b;

    return key_compare(x->bytes, x->len, y->bytes, y->len);
}

/* Half a dozen letters, NUL and 0xff among them, behind up to `prefix` others. */
static void make_key(struct rng *rng, size_t prefix, struct key *key)
{
    static const unsigned char letters[] = {0, 1, 'a', 'b', 0x7f, 0xff};
    size_t same = prefix - rng_below(rng, 24);

    key->len = same + rng_below(rng, KEY_TAIL - 24);
    for (size_t i = 0; i < key->len; i++)
        key->bytes[i] = i < same ? 'p' : letters[rng_below(rng, sizeof(letters))];
}

/* The fences, of which there are `n`; fewer are left where some were the same. */
static size_t make_fences(struct rng *rng, size_t n, size_t prefix, struct key *keys,
                          struct fences *f)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++)
        make_key(rng, prefix, &keys[i]);
    qsort(keys, n, sizeof(*keys), compare_keys);
    keys[0].len = 0;
    for (size_t i = 0; i < n; i++) {
        if (kept > 0 && compare_keys(&keys[kept - 1], &keys[i]) == 0)
            continue;
        keys[kept] = keys[i];
        assert_int_equal(fences_append(f, (uint32_t)kept, 1, keys[kept].bytes, keys[kept].len), 0);
        kept++;
    }
    return kept;
}

static size_t find_plainly(const struct key *keys, size_t n, const struct key *wanted)
{
    size_t first = 0;

    while (n > 1) {
        size_t half = n / 2;

        if (compare_keys(&keys[first + half], wanted) <= 0)
            first += half;
        n -= half;
    }
    return first;
}

static void check_search(size_t n, size_t prefix)
{
    struct rng rng = {.state = n};
    struct key *keys = calloc(n, sizeof(*keys));
    struct fences f = {0};
    struct key key;

    assert_non_null(keys);
    n = make_fences(&rng, n, prefix, keys, &f);
    assert_int_equal(f.count, n);
    assert_int_equal(fences_index(&f), 0);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(fences_find(&f, keys[i].bytes, keys[i].len), i);
    for (unsigned i = 0; i < PROBES; i++) {
        make_key(&rng, prefix, &key);
        assert_int_equal(fences_find(&f, key.bytes, key.len), find_plainly(keys, n, &key));
    }
    fences_deinit(&f);
    free(keys);
}

static void test_fences_find_agrees_with_plain_search(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 100; n++) {
        check_search(n, 24);
        check_search(n, KEY_ROOM - KEY_TAIL);
    }
    for (size_t n = 1020; n <= 1060; n += 4)
        check_search(n, 24);
    check_search(FENCES, 24);
}

static void test_fences_append_makes_first_fence_empty(void **state)
{
    struct fences f = {0};
    size_t len;

    (void)state;
    assert_int_equal(fences_append(&f, 7, 1, "key", 3), 0);
    assert_int_equal(fences_index(&f), 0);
    fence_key(&f, 0, &len);
    assert_int_equal(len, 0);
    assert_int_equal(fences_find(&f, "a", 1), 0);
    fences_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fences_find_agrees_with_plain_search),
        cmocka_unit_test(test_fences_append_makes_first_fence_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
