#include "tests/unit/test.h"

#include <stdio.h>
#include <string.h>

#include "index/base/key.h"

static void test_key_decode_takes_any_byte_but_nul(void **state)
{
    static const struct {
        const char *path;
        const char *key;
    } cases[] = {
        {"/a", "/a"},
        {"/a%2Fb", "/a/b"},
        {"/a%2fb", "/a/b"},
        {"//", "//"},
        {"/a/../b", "/a/../b"},
        {"/a+b", "/a+b"},
        {"/a%20b", "/a b"},
        {"/%25", "/%"},
        {"/%22'%0a", "/\"'\n"},
        {"/\xc3\xa9", "/\xc3\xa9"},
        {"/%C3%a9", "/\xc3\xa9"},
        {"/%3f%23", "/?#"},
        {"%2fa", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct key key;
        const char *problem = key_decode(cases[i].path, strlen(cases[i].path), &key);

        if (cases[i].key == NULL) {
            assert_non_null(problem);
            continue;
        }
        assert_null(problem);
        assert_int_equal(key.len, strlen(cases[i].key));
        assert_memory_equal(key.bytes, cases[i].key, key.len);
    }
}

static void test_key_decode_refuses_with_a_reason(void **state)
{
    static const char *const cases[] = {"",    "*",    "/",    "a",    "/%",
                                        "/%4", "/%4g", "/%g4", "/%00", "/a%0"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct key key;

        assert_non_null(key_decode(cases[i], strlen(cases[i]), &key));
    }
    /* A NUL that isn't escaped, and bytes behind the end that must not be read. */
    assert_non_null(key_decode("/a\0b", 4, &(struct key){0}));
    assert_non_null(key_decode("/a%41", 3, &(struct key){0}));
    assert_non_null(key_decode("/a%41", 4, &(struct key){0}));
}

typedef const char *(*decoder)(const char *path, size_t len, struct key *key);

static void assert_limit(decoder decode, size_t max)
{
    char path[3 * KEY_MAX + 3];
    struct key key;

    memset(path, 'k', sizeof(path));
    path[0] = '/';
    assert_null(decode(path, max, &key));
    assert_int_equal(key.len, max);
    assert_non_null(decode(path, max + 1, &key));
    for (size_t i = 1; i < sizeof(path) - 2; i += 3)
        memcpy(path + i, "%ff", 3);
    assert_null(decode(path, 1 + 3 * (max - 1), &key));
    assert_int_equal(key.len, max);
    assert_non_null(decode(path, 1 + 3 * max, &key));
}

static void test_key_decode_length_limit(void **state)
{
    (void)state;
    assert_limit(key_decode, 1025);
    assert_limit(key_decode_any, KEY_MAX);
}

/* What KEY_MAX says of itself. */
static void test_key_of_the_longest_part_fits(void **state)
{
    char text[2 * KEY_MAX];
    int len = snprintf(text, sizeof(text), KEY_PARTS "%032d/%05d/%063d/%01024d", 1, 2, 3, 4);

    (void)state;
    assert_int_equal(len, KEY_MAX);
}

#define ID KEY_PARTS "0123456789abcdef0123456789abcdef"

/* Nothing that only looks like a part is one. */
static void test_key_to_place_of_parts(void **state)
{
    static const char *const keys[][2] = {
        {ID "/00001/bucket/key", "/bucket/key"},
        {ID "/00001//", "//"},
        {ID "/00001/", "/"},
        {ID "/00001", NULL},
        {ID "/000001/b/k", NULL},
        {"/b" ID "/00001/b/k", NULL},
        {"/key", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const char *wanted = keys[i][1] != NULL ? keys[i][1] : keys[i][0];
        size_t n;
        const char *got = key_to_place(keys[i][0], strlen(keys[i][0]), &n);

        assert_int_equal(n, strlen(wanted));
        assert_memory_equal(got, wanted, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key_decode_takes_any_byte_but_nul),
        cmocka_unit_test(test_key_decode_refuses_with_a_reason),
        cmocka_unit_test(test_key_decode_length_limit),
        cmocka_unit_test(test_key_of_the_longest_part_fits),
        cmocka_unit_test(test_key_to_place_of_parts),
    };

    return cmocka_run_group_tests_name("key", tests, NULL, NULL);
}
