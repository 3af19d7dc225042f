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
        cmocka_unit_test(test_read_refuses_by_line_and_adds_nothing),
    };

    return cmocka_run_group_tests_name("volume_list", tests, NULL, NULL);
}
