#include "tests/unit/test.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "index/cluster/placement.h"

static void assert_path(const void *key, size_t len, const char *expected)
{
    char path[PLACEMENT_PATH_MAX];

    assert_int_equal(placement_path(key, len, path), strlen(expected));
    assert_string_equal(path, expected);
}

/* minikeyvalue's own test values. */
static void test_placement_path_known_values(void **state)
{
    (void)state;
    assert_path("hello", 5, "/5d/41/aGVsbG8=");
    assert_path("helloworld", 10, "/fc/5e/aGVsbG93b3JsZA==");
}

static void test_placement_path_of_a_base64_with_slashes(void **state)
{
    (void)state;
    assert_path("/\xc3\xbf\xc3\xbf.", 6, "/f5/64/L8O/w78u");
    /* "L2E/": the empty component behind the slash. */
    assert_path("/a?", 3, "/fa/8a/L2E/-1");
    /* "L///////": seven empty components in a row make one. */
    assert_path("/\xff\xff\xff\xff\xff", 6, "/a1/f2/L/-7");
}

/* Undoes the cuts and the counts of empty components: what a rebuild will do. */
static void path_to_base64(const char *path, char *out)
{
    const char *name = path + strlen("/HH/HH/");

    for (;;) {
        size_t len = strcspn(name, "/");
        bool cut = len > 0 && name[len - 1] == '.';

        if (name[0] == '-') {
            for (long i = strtol(name + 1, NULL, 10) - 1; i > 0; i--)
                *out++ = '/';
        } else {
            memcpy(out, name, len - cut);
            out += len - cut;
        }
        if (name[len] == '\0')
            break;
        if (!cut)
            *out++ = '/';
        name += len + 1;
    }
    *out = '\0';
}

static void base64(const unsigned char *in, size_t n, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < n; i += 3) {
        unsigned v = (unsigned)in[i] << 16 | (i + 1 < n ? (unsigned)in[i + 1] << 8 : 0) |
                     (i + 2 < n ? (unsigned)in[i + 2] : 0);

        *out++ = digits[v >> 18];
        *out++ = digits[v >> 12 & 63];
        *out++ = i + 1 < n ? digits[v >> 6 & 63] : '=';
        *out++ = i + 2 < n ? digits[v & 63] : '=';
    }
    *out = '\0';
}

/* No component is empty, hidden or too long, and the path gives the base64 back. */
static void check_path(const unsigned char *key, size_t n)
{
    char path[PLACEMENT_PATH_MAX];
    char expected[2 * KEY_MAX];
    char seen[2 * PLACEMENT_PATH_MAX];
    size_t len = placement_path(key, n, path);

    assert_int_equal(len, strlen(path));
    for (const char *c = path; *c != '\0';) {
        size_t component = strcspn(c + 1, "/");

        assert_int_equal(*c, '/');
        assert_true(component >= 1 && component <= 255);
        assert_int_not_equal(c[1], '.');
        c += 1 + component;
    }
    base64(key, n, expected);
    path_to_base64(path, seen);
    assert_string_equal(seen, expected);
}

static void test_placement_path_can_be_undone_for_any_key(void **state)
{
    unsigned char key[KEY_MAX];

    (void)state;
    srand(7);
    for (size_t n = 1; n <= KEY_MAX; n++) {
        memset(key, 0xff, n);
        check_path(key, n);
        memset(key, 'a', n);
        check_path(key, n);
        for (size_t i = 0; i < n; i++)
            key[i] = (unsigned char)(rand() % 4 == 0 ? 0xff : rand());
        check_path(key, n);
        for (size_t i = 0; i < n; i++)
            key[i] = (unsigned char)("\xff\xfc\x0f\xc0"[rand() % 4]);
        check_path(key, n);
    }
}

static const char *const stooges[] = {"larry", "moe", "curly"};

static void test_placement_choose_known_values(void **state)
{
    static const struct {
        const char *key;
        uint32_t volume;
    } cases[] = {{"hello", 0}, {"helloworld", 2}, {"world", 1}, {"blah", 2}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct placement p;

        placement_choose(cases[i].key, strlen(cases[i].key), stooges, 3, 3, 1, &p);
        assert_int_equal(p.volume, cases[i].volume);
        assert_true(p.subvolume < 3);
    }
}

static void test_placement_choose_orders_by_score(void **state)
{
    struct placement one;
    struct placement all[3];

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        placement_choose(&i, sizeof(i), stooges, 3, 1, 1, &one);
        placement_choose(&i, sizeof(i), stooges, 3, 1, 3, all);
        assert_int_equal(one.volume, all[0].volume);
        assert_int_equal(all[0].volume + all[1].volume + all[2].volume, 3);
        assert_int_not_equal(all[0].volume, all[1].volume);
        assert_int_equal(all[0].subvolume, 0);
    }
}

/* A fourth volume takes its share, and nothing moves between the old three. */
static void test_placement_choose_moves_only_to_a_new_volume(void **state)
{
    static const char *const four[] = {"larry", "shemp", "moe", "curly"};
    static const unsigned old_index[] = {0, 9, 1, 2};
    unsigned moved = 0;

    (void)state;
    for (unsigned i = 0; i < 4000; i++) {
        struct placement before;
        struct placement after;

        placement_choose(&i, sizeof(i), stooges, 3, 1, 1, &before);
        placement_choose(&i, sizeof(i), four, 4, 1, 1, &after);
        if (after.volume == 1)
            moved++;
        else
            assert_int_equal(old_index[after.volume], before.volume);
    }
    assert_in_range(moved, 850, 1150);
}

static int failures; /* of libcrypto, to come */

int __real_EVP_Digest(const void *bytes, size_t len, unsigned char *out, unsigned *size,
                      const EVP_MD *type, ENGINE *engine);
int __wrap_EVP_Digest(const void *bytes, size_t len, unsigned char *out, unsigned *size,
                      const EVP_MD *type, ENGINE *engine);

int __wrap_EVP_Digest(const void *bytes, size_t len, unsigned char *out, unsigned *size,
                      const EVP_MD *type, ENGINE *engine)
{
    if (failures == 0)
        return __real_EVP_Digest(bytes, len, out, size, type, engine);
    failures--;
    return 0;
}

/* Whoever asks can't do without an answer. */
static void test_placement_path_without_memory(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        failures = 1;
        assert_path("hello", 5, "/5d/41/aGVsbG8=");
        assert_int_equal(failures, 0);
    }
}

static int setup_group(void **state)
{
    (void)state;
    return placement_init();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_placement_path_known_values),
        cmocka_unit_test(test_placement_path_of_a_base64_with_slashes),
        cmocka_unit_test(test_placement_path_can_be_undone_for_any_key),
        cmocka_unit_test(test_placement_choose_known_values),
        cmocka_unit_test(test_placement_choose_orders_by_score),
        cmocka_unit_test(test_placement_choose_moves_only_to_a_new_volume),
        cmocka_unit_test(test_placement_path_without_memory),
    };

    return cmocka_run_group_tests_name("placement", tests, setup_group, NULL);
}
