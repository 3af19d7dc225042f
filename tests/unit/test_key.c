#include "tests/unit/test.h"

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

static void test_key_decode_length_limit(void **state)
{
    char path[3 * KEY_MAX + 3];
    struct key key;

    (void)state;
    memset(path, 'k', sizeof(path));
    path[0] = '/';
    assert_null(key_decode(path, KEY_MAX, &key));
    assert_int_equal(key.len, KEY_MAX);
    assert_non_null(key_decode(path, KEY_MAX + 1, &key));
    for (size_t i = 1; i < sizeof(path) - 2; i += 3)
        memcpy(path + i, "%ff", 3);
    assert_null(key_decode(path, 1 + 3 * (KEY_MAX - 1), &key));
    assert_int_equal(key.len, KEY_MAX);
    assert_non_null(key_decode(path, 1 + 3 * KEY_MAX, &key));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key_decode_takes_any_byte_but_nul),
        cmocka_unit_test(test_key_decode_refuses_with_a_reason),
        cmocka_unit_test(test_key_decode_length_limit),
    };

    return cmocka_run_group_tests_name("key", tests, NULL, NULL);
}
