#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher/commands/volume_list.h"

/* Reads a file of these bytes. NULL, or what is wrong, without the file's name. */
static const char *read_bytes(struct volume_list *list, const char *bytes, size_t len)
{
    static char problem[VOLUME_LIST_TEXT_MAX];
    char path[] = "/tmp/mkv-test-XXXXXX";
    int fd = mkstemp(path);
    const char *bad;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), len);
    close(fd);
    bad = volume_list_read(list, path, problem);
    unlink(path);
    if (bad == NULL)
        return NULL;
    assert_ptr_equal(bad, problem);
    assert_memory_equal(bad, path, strlen(path));
    return bad + strlen(path);
}

#define READ(list, bytes) read_bytes(list, bytes, sizeof(bytes) - 1)

static void assert_names(struct volume_list *list, const char *first, const char *second)
{
    assert_int_equal(list->count, 2);
    assert_string_equal(list->entries[0].name, first);
    assert_string_equal(list->entries[1].name, second);
    volume_list_deinit(list);
}

static void test_read_takes_lines_as_editors_write_them(void **state)
{
    struct volume_list list = {.count = 0};

    (void)state;
    assert_null(READ(&list, "# all\n\n a:1 # one\n\tb:2\n"));
    assert_names(&list, "a:1", "b:2");
    assert_null(READ(&list, "a:1\nb:2"));
    assert_names(&list, "a:1", "b:2");
    assert_null(READ(&list, "a:1\r\n\r\nb:2\r\n"));
    assert_names(&list, "a:1", "b:2");
    assert_null(READ(&list, "\xef\xbb\xbf"
                            "a:1\r\nb:2\r\n"));
    assert_names(&list, "a:1", "b:2");
    assert_null(READ(&list, ""));
    assert_int_equal(list.count, 0);
}

static void test_read_takes_zones_and_weights(void **state)
{
    static const struct volume_entry expected[] = {
        {"a:1", "", 100},  {"b:2", "rack-1.left_side", 100}, {"c:3", "", 1}, {"d:4", "Z", 1000},
        {"e:5", "9", 250},
    };
    struct volume_list list = {.count = 0};

    (void)state;
    assert_null(READ(&list, "a:1\nb:2 zone=rack-1.left_side # the left one\nc:3\tweight=1\r\n"
                            "d:4  zone=Z \t weight=1000\n e:5 weight=0250 zone=9#\n"));
    assert_int_equal(list.count, COUNT_OF(expected));
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        assert_string_equal(list.entries[i].name, expected[i].name);
        assert_string_equal(list.entries[i].zone, expected[i].zone);
        assert_int_equal(list.entries[i].weight, expected[i].weight);
    }
    volume_list_deinit(&list);
}

#define ZONE_64 "zone=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void assert_bad_words(const char *words, const char *expected)
{
    struct volume_list list = {.count = 0};
    char line[256];
    char problem[256];
    int len = snprintf(line, sizeof(line), "a:1\nb:2 %s\nc:3\n", words);

    snprintf(problem, sizeof(problem), ", line 2: %s", expected);
    assert_string_equal(read_bytes(&list, line, (size_t)len), problem);
    assert_int_equal(list.count, 0);
    volume_list_deinit(&list);
}

static void test_read_refuses_other_words(void **state)
{
    static const char zone[] = ": a zone's name is 1 to 64 letters, digits, '.', '_' and '-'";
    static const char weight[] = ": a weight is a number from 1 to 1000";
    static const char too_long[] = ZONE_64 "0";
    static const char *const zones[] = {"zone=", "zone=a/b", "zone=\xc3\xa9", "zone=a=b", too_long};
    static const char *const weights[] = {"weight=",    "weight=0",     "weight=1001",
                                          "weight=-1",  "weight=1.5",   "weight=+1",
                                          "weight=1e2", "weight=00001", "weight=4294967297"};
    struct volume_list list = {.count = 0};
    char expected[256];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(zones); i++) {
        snprintf(expected, sizeof(expected), "'%s'%s", zones[i], zone);
        assert_bad_words(zones[i], expected);
    }
    for (size_t i = 0; i < COUNT_OF(weights); i++) {
        snprintf(expected, sizeof(expected), "'%s'%s", weights[i], weight);
        assert_bad_words(weights[i], expected);
    }
    assert_bad_words("zone", "'zone': it is neither zone=NAME nor weight=N");
    assert_bad_words("Zone=a", "'Zone=a': it is neither zone=NAME nor weight=N");
    assert_bad_words("d:4", "'d:4': it is neither zone=NAME nor weight=N");
    assert_bad_words("zone=a zone=a", "'zone=a': zone= is given twice");
    assert_bad_words("weight=1 zone=a weight=2", "'weight=2': weight= is given twice");
    assert_null(READ(&list, "a:1 " ZONE_64 "\n"));
    volume_list_deinit(&list);
}

static void test_read_takes_names_with_a_scheme(void **state)
{
    struct volume_list list = {.count = 0};

    (void)state;
    assert_null(READ(&list, "https://a:1 zone=x\nhttps://[::1]:2"));
    assert_names(&list, "https://a:1", "https://[::1]:2");
    assert_string_equal(READ(&list, "https://a:1\na:1\n"),
                        ", line 2: the volume a:1 is given twice");
    assert_string_equal(READ(&list, "a:1\nhttps://A:1\n"),
                        ", line 2: the volume https://A:1 is given twice");
    assert_string_equal(READ(&list, "http://a:1\n"),
                        ", line 1: the volume 'http://a:1' is no HOST:PORT");
    volume_list_deinit(&list);
}

static void test_read_refuses_by_line_and_adds_nothing(void **state)
{
    struct volume_list list = {.count = 0};
    char problem[VOLUME_LIST_TEXT_MAX];
    char longer[8000];

    (void)state;
    assert_null(volume_list_add(&list, "z:9", problem));
    assert_string_equal(READ(&list, "a:1\nb:2\0c:3\n"), ", line 2: a byte NUL is in it");
    assert_string_equal(READ(&list, "a:1\nb:2 # \0\n"), ", line 2: a byte NUL is in it");
    assert_string_equal(READ(&list, "\0\n"), ", line 1: a byte NUL is in it");
    assert_string_equal(READ(&list, "a:1\rb:2\n"),
                        ", line 1: the volume 'a:1\rb:2' is no HOST:PORT");
    assert_string_equal(READ(&list, "\n\x1b[31ma:1\n"),
                        ", line 2: the volume '\x1b[31ma:1' is no HOST:PORT");
    assert_string_equal(READ(&list, "a:1\n\xef\xbb\xbf"
                                    "b:2\n"),
                        ", line 2: the volume '\xef\xbb\xbf"
                        "b:2' is no HOST:PORT");
    memset(longer, ' ', sizeof(longer));
    longer[1] = '\n';
    assert_string_equal(read_bytes(&list, longer, sizeof(longer)), ", line 2: it is too long");
    assert_int_equal(list.count, 1);
    volume_list_deinit(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_takes_lines_as_editors_write_them),
        cmocka_unit_test(test_read_takes_zones_and_weights),
        cmocka_unit_test(test_read_refuses_other_words),
        cmocka_unit_test(test_read_takes_names_with_a_scheme),
        cmocka_unit_test(test_read_refuses_by_line_and_adds_nothing),
    };

    return cmocka_run_group_tests_name("volume_list", tests, NULL, NULL);
}
