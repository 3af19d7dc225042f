#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/base/log.h"
#include "index/base/text.h"

static void assert_printable(const char *bytes, size_t len, const char *expected)
{
    char out[256];
    size_t n = text_printable(bytes, len, out, sizeof(out));

    assert_int_equal(n, strlen(expected));
    assert_memory_equal(out, expected, n);
}

static void test_printable_escapes_what_drives_a_terminal(void **state)
{
    (void)state;
    assert_printable("a b~", 4, "a b~");
    assert_printable("\0\t\n\x1b[2J\x7f", 8, "\\x00\\x09\\x0a\\x1b[2J\\x7f");
    assert_printable("\xc2\x80\xc2\x9b\xc2\x9f\xc2\xa0", 8,
                     "\\xc2\\x80\\xc2\\x9b\\xc2\\x9f\xc2\xa0");
    assert_printable("\x9b\x9b", 2, "\\x9b\\x9b");
}

static void test_printable_keeps_utf8_and_nothing_else(void **state)
{
    (void)state;
    assert_printable("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9,
                     "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    assert_printable("\xc3(\xe2\x82", 4, "\\xc3(\\xe2\\x82"); /* cut off */
    assert_printable("\xc0\x9b\xed\xa0\x80", 5, "\\xc0\\x9b\\xed\\xa0\\x80");
}

static void test_printable_never_writes_half_a_character(void **state)
{
    char out[8];

    (void)state;
    assert_int_equal(text_printable("abc\n", 4, out, 6), 3);
    assert_int_equal(text_printable("abc\n", 4, out, 7), 7);
    assert_int_equal(text_printable("a\xe2\x82\xac", 4, out, 3), 1);
}

/* --- Where lines go -------------------------------------------------------------------------- */

struct fixture {
    char directory[32];
    char path[64];
    int saved_stderr;
};

static int setup(void **state)
{
    static struct fixture f;

    strcpy(f.directory, "/tmp/mkv-test-XXXXXX");
    if (mkdtemp(f.directory) == NULL)
        return -1;
    snprintf(f.path, sizeof(f.path), "%s/log", f.directory);
    f.saved_stderr = dup(STDERR_FILENO);
    *state = &f;
    alarm(20); /* a write that waits is the fault that these tests look for */
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    alarm(0);
    dup2(f->saved_stderr, STDERR_FILENO);
    close(f->saved_stderr);
    unlink(f->path);
    rmdir(f->directory);
    return log_open(NULL);
}

static void test_open_refuses_a_fifo(void **state)
{
    struct fixture *f = *state;
    int reader;

    assert_int_equal(mkfifo(f->path, 0600), 0);
    assert_int_equal(log_open(f->path), -EINVAL);
    reader = open(f->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_int_equal(log_open(f->path), -EINVAL);
    close(reader);
}

static size_t read_text(int fd, char *text, size_t size)
{
    ssize_t n = read(fd, text, size - 1);

    assert_true(n >= 0);
    text[n] = '\0';
    return (size_t)n;
}

static void test_reopen_of_a_fifo_keeps_the_old_file(void **state)
{
    struct fixture *f = *state;
    char text[512];
    int old;

    assert_int_equal(log_open(f->path), 0);
    old = open(f->path, O_RDONLY | O_CLOEXEC);
    unlink(f->path);
    assert_int_equal(mkfifo(f->path, 0600), 0);
    log_reopen();
    log_info("after");
    read_text(old, text, sizeof(text));
    assert_non_null(strstr(text, "cannot reopen the log file"));
    assert_non_null(strstr(text, " info  mkv: after\n"));
    close(old);
}

static void relay(const char *line)
{
    log_relay(line, strlen(line));
}

static void test_relay_keeps_level_and_text(void **state)
{
    struct fixture *f = *state;
    char text[1024];
    int in;

    assert_int_equal(log_open(f->path), 0);
    relay("2026-11-21T09:48:00.123Z warn  mkv: a \\x0a line");
    relay("error mkv: without a time");
    relay("2026-11-21T09:48:00.123Z debug mkv: below the level");
    relay("==1==ERROR: no line of ours");
    relay("info");
    relay("warn  nginx: a source that it can't be");
    in = open(f->path, O_RDONLY | O_CLOEXEC);
    read_text(in, text, sizeof(text));
    close(in);
    assert_non_null(strstr(text, "Z warn  mkv: a \\x0a line\n"));
    assert_non_null(strstr(text, "Z error mkv: without a time\n"));
    assert_null(strstr(text, "below the level"));
    assert_null(strstr(text, "09:48:00.123Z"));
    assert_non_null(strstr(text, "Z error mkv: ==1==ERROR: no line of ours\n"));
    assert_non_null(strstr(text, "Z error mkv: info\n"));
    assert_non_null(strstr(text, "Z error mkv: warn  nginx: a source"));
}

/* Empties the pipe; the number of lines. */
static size_t drain(int fd, char *text, size_t size)
{
    size_t lines = 0;
    size_t n;

    fcntl(fd, F_SETFL, O_NONBLOCK);
    n = read_text(fd, text, size);
    for (size_t i = 0; i < n; i++)
        lines += text[i] == '\n';
    return lines;
}

static void fill_and_drain(int reader)
{
    static char text[1 << 20];
    char expected[64];
    size_t taken;

    for (size_t i = 0; i < 200; i++)
        log_info("%01000zu", i);
    taken = drain(reader, text, sizeof(text));
    assert_in_range(taken, 1, 199);
    log_info("after");
    assert_int_equal(drain(reader, text, sizeof(text)), 2);
    snprintf(expected, sizeof(expected), " warn  mkv: %zu log lines are lost", 200 - taken);
    assert_non_null(strstr(text, expected));
    assert_non_null(strstr(text, " info  mkv: after\n"));
    log_info("again");
    assert_int_equal(drain(reader, text, sizeof(text)), 1);
}

/* With a description of stderr that is ours alone, and with everybody's. */
static void test_a_full_pipe_is_not_waited_for(void **state)
{
    int pipe_fds[2];

    (void)state;
    for (int own = 0; own < 2; own++) {
        assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
        dup2(pipe_fds[1], STDERR_FILENO);
        if (own)
            assert_int_equal(log_open(NULL), 0);
        fill_and_drain(pipe_fds[0]);
        assert_false(fcntl(pipe_fds[1], F_GETFL) & O_NONBLOCK);
        close(pipe_fds[0]);
        close(pipe_fds[1]);
    }
}

/* Writes the text as a line of JSON, and reads that. */
static size_t write_as_json(struct fixture *f, const char *text, size_t len, char *line,
                            size_t size)
{
    FILE *file;

    unlink(f->path);
    assert_int_equal(log_open(f->path), 0);
    log_set_format(LOG_FORMAT_JSON);
    log_line(LOG_LEVEL_WARN, "nginx", text, len);
    log_set_format(LOG_FORMAT_TEXT);
    assert_int_equal(log_open(NULL), 0);
    file = fopen(f->path, "r");
    assert_non_null(file);
    assert_non_null(fgets(line, (int)size, file));
    assert_int_equal(fgetc(file), EOF);
    fclose(file);
    return strlen(line);
}

static void test_json_is_one_object_a_line(void **state)
{
    char line[8192];

    assert_true(write_as_json(*state, "say \"a\\b\" \n\xc3\xa9\xff", 14, line, sizeof(line)) > 35);
    assert_memory_equal(line, "{\"time\":\"20", 11);
    assert_string_equal(line + 32, "Z\",\"level\":\"warn\",\"source\":\"nginx\","
                                   "\"message\":\"say \\\"a\\\\b\\\" \\\\x0a\xc3\xa9\\\\xff\"}\n");
}

static void test_json_that_is_too_long_is_cut_within(void **state)
{
    static char quotes[8000];
    char line[8192];
    size_t n;

    memset(quotes, '"', sizeof(quotes));
    n = write_as_json(*state, quotes, sizeof(quotes), line, sizeof(line));
    assert_in_range(n, 3500, 4096);
    assert_string_equal(line + n - 5, "\\\"\"}\n");
}

static void test_format_parse_knows_two(void **state)
{
    enum log_format format = LOG_FORMAT_TEXT;

    (void)state;
    assert_int_equal(log_format_parse("json", &format), 0);
    assert_int_equal(format, LOG_FORMAT_JSON);
    assert_int_equal(log_format_parse("xml", &format), -EINVAL);
    assert_int_equal(format, LOG_FORMAT_JSON);
    assert_int_equal(log_format_parse("text", &format), 0);
    assert_int_equal(format, LOG_FORMAT_TEXT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_printable_escapes_what_drives_a_terminal),
        cmocka_unit_test(test_printable_keeps_utf8_and_nothing_else),
        cmocka_unit_test(test_printable_never_writes_half_a_character),
        cmocka_unit_test_setup_teardown(test_a_full_pipe_is_not_waited_for, setup, teardown),
        cmocka_unit_test_setup_teardown(test_relay_keeps_level_and_text, setup, teardown),
        cmocka_unit_test_setup_teardown(test_json_is_one_object_a_line, setup, teardown),
        cmocka_unit_test_setup_teardown(test_json_that_is_too_long_is_cut_within, setup, teardown),
        cmocka_unit_test(test_format_parse_knows_two),
        cmocka_unit_test_setup_teardown(test_open_refuses_a_fifo, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reopen_of_a_fifo_keeps_the_old_file, setup, teardown),
    };

    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
