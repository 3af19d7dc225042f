#include "tests/unit/test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/base/address.h"
#include "launcher/common.h"
#include "launcher/options_file.h"

struct sample {
    struct basic_options basic;
    struct address listen;
    unsigned subvolumes;
    const char *name;
    bool sync;
};

static const struct option sample_options[] = {
    {"port", "[ADDR:]PORT", "3000", "where to listen", option_set_listen,
     offsetof(struct sample, listen)},
    {"subvolumes", "N", "1", "directories a volume", option_set_subvolumes,
     offsetof(struct sample, subvolumes)},
    {"name", "NAME", "none", "what it is called", option_set_string, offsetof(struct sample, name)},
    {"sync", NULL, NULL, "wait", option_set_bool, offsetof(struct sample, sync)},
    BASIC_OPTIONS,
};

static const struct command sample_command = {
    .name = "sample",
    .operands = "DIR [LABEL] [VOLUME...]",
    .summary = "Summary.",
    .details = "Details.\n",
    .options = sample_options,
    .n_options = COUNT_OF(sample_options),
};

static int saved_stderr;
static int stderr_end;

static void catch_stderr(void)
{
    int ends[2];

    saved_stderr = dup(STDERR_FILENO);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    stderr_end = ends[0];
}

static void release_stderr(char said[512])
{
    ssize_t n;

    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    n = read(stderr_end, said, 511);
    close(stderr_end);
    said[n > 0 ? n : 0] = '\0';
}

/* Applies these bytes as the file "f". */
static int apply(struct options_file *file, struct sample *s, const char *bytes, size_t n,
                 char said[512])
{
    int rc;

    memset(s, 0, sizeof(*s));
    memset(file, 0, sizeof(*file));
    assert_int_equal(buf_append(&file->text, bytes, n), 0);
    assert_int_equal(buf_append(&file->text, "", 1), 0);
    buf_truncate(&file->text, n);
    catch_stderr();
    rc = options_file_apply(file, &sample_command, "f", s);
    release_stderr(said);
    return rc;
}

static int apply_text(struct options_file *file, struct sample *s, const char *text, char said[512])
{
    return apply(file, s, text, strlen(text), said);
}

static void test_apply_takes_options_and_operands(void **state)
{
    struct options_file file;
    struct sample s;
    char said[512];

    (void)state;
    assert_int_equal(apply_text(&file, &s,
                                "# a comment\n\n \t\n"
                                "  port\t [::1]:80 \t\r\n"
                                "volume a:1\n"
                                "sync\n"
                                "label  two \"words\" of#it \n"
                                "volume b:2\n"
                                " # port 1\n"
                                "dir /srv/a b",
                                said),
                     0);
    assert_string_equal(said, "");
    assert_string_equal(s.listen.host, "::1");
    assert_int_equal(s.listen.port, 80);
    assert_true(s.sync);
    assert_int_equal(s.subvolumes, 0);
    assert_int_equal(file.n_operands, 4);
    assert_string_equal(file.operands[0], "/srv/a b");
    assert_string_equal(file.operands[1], "two \"words\" of#it");
    assert_string_equal(file.operands[2], "a:1");
    assert_string_equal(file.operands[3], "b:2");
    options_file_deinit(&file);
}

static void test_apply_leaves_no_gap_for_operands_that_are_missing(void **state)
{
    struct options_file file;
    struct sample s;
    char said[512];

    (void)state;
    assert_int_equal(apply_text(&file, &s, "volume a:1\ndir d\n", said), 0);
    assert_int_equal(file.n_operands, 2);
    assert_string_equal(file.operands[0], "d");
    assert_string_equal(file.operands[1], "a:1");
    options_file_deinit(&file);
    assert_int_equal(apply_text(&file, &s, "", said), 0);
    assert_int_equal(file.n_operands, 0);
    options_file_deinit(&file);
}

static void test_apply_names_the_line_that_it_refuses(void **state)
{
    static const struct {
        const char *text;
        const char *said; /* up to the hint */
    } cases[] = {
        {"\n\nfoo 1", "mkv: f:3: unknown option 'foo'"},
        {"--port 1", "mkv: f:1: unknown option '--port': names stand without dashes"},
        {"port=1", "mkv: f:1: unknown option 'port=1': a blank stands before a value, no '='"},
        {"PORT 1", "mkv: f:1: unknown option 'PORT'"},
        {"port 1\n#\nport 2", "mkv: f:3: port stands in line 1 already"},
        {"sync\nsync", "mkv: f:2: sync stands in line 1 already"},
        {"dir a\ndir b", "mkv: f:2: dir stands in line 1 already"},
        {"port", "mkv: f:1: port needs a value: [ADDR:]PORT"},
        {"dir  ", "mkv: f:1: dir needs a value"},
        {"sync yes", "mkv: f:1: sync takes no value: 'yes'"},
        {"port 0", "mkv: f:1: port must be PORT or ADDR:PORT: '0'"},
        {"subvolumes 2 # two", "mkv: f:1: subvolumes: a comment needs a line of its own: # two"},
        {"dir /srv/disk1\t#one", "mkv: f:1: dir: a comment needs a line of its own: #one"},
        {"name \"two words\"",
         "mkv: f:1: name: a value takes no quotes, and blanks within it count: \"two words\""},
        {"dir '/srv/disk1'",
         "mkv: f:1: dir: a value takes no quotes, and blanks within it count: '/srv/disk1'"},
        {"help", "mkv: f:1: help is for the command line only"},
        {"version", "mkv: f:1: version is for the command line only"},
        {"config g", "mkv: f:1: config is for the command line only"},
        {"\033[31m 1", "mkv: f:1: unknown option '\\x1b[31m'"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct options_file file;
        struct sample s;
        char said[512];
        char want[256];

        snprintf(want, sizeof(want), "%s (see 'mkv sample --help')\n", cases[i].said);
        assert_int_equal(apply_text(&file, &s, cases[i].text, said), EXIT_USAGE);
        assert_string_equal(said, want);
        options_file_deinit(&file);
    }
}

static void test_apply_bounds_a_line_and_refuses_a_nul(void **state)
{
    char text[OPTIONS_LINE_MAX + 16];
    struct options_file file;
    struct sample s;
    char said[512];

    (void)state;
    memset(text, 'x', sizeof(text));
    memcpy(text, "name ", 5);
    assert_int_equal(apply(&file, &s, text, OPTIONS_LINE_MAX, said), 0);
    assert_int_equal(strlen(s.name), OPTIONS_LINE_MAX - 5);
    options_file_deinit(&file);
    assert_int_equal(apply(&file, &s, text, OPTIONS_LINE_MAX + 1, said), EXIT_USAGE);
    assert_non_null(strstr(said, "f:1: the line has 4097 bytes, and 4096 is the most"));
    options_file_deinit(&file);
    assert_int_equal(apply(&file, &s, "sync\nname a\0b\n", 14, said), EXIT_USAGE);
    assert_non_null(strstr(said, "f:2: there is a NUL byte"));
    options_file_deinit(&file);
}

static void test_apply_finds_credentials(void **state)
{
    struct options_file file;
    struct sample s;
    char said[512];

    (void)state;
    setenv("CREDENTIALS_DIRECTORY", "/run/credentials/a@b.service", 1);
    assert_int_equal(apply_text(&file, &s, "name %d/secret\ndir x%d/\n", said), 0);
    assert_string_equal(s.name, "/run/credentials/a@b.service/secret");
    assert_string_equal(file.operands[0], "x%d/");
    options_file_deinit(&file);
    unsetenv("CREDENTIALS_DIRECTORY");
    assert_int_equal(apply_text(&file, &s, "\nname %d/secret\n", said), EXIT_USAGE);
    assert_non_null(strstr(said, "f:2: name is a credential, '%d/secret', and there are none"));
    options_file_deinit(&file);
}

static void write_file(const char *path, const char *text, mode_t mode)
{
    FILE *out = fopen(path, "w");

    assert_non_null(out);
    fputs(text, out);
    fclose(out);
    assert_int_equal(chmod(path, mode), 0);
}

/* options_parse() with the words of `line`, each between blanks. */
static int parse(char *line, struct sample *s, char ***argv, int *n, char said[512])
{
    static char *words[16];
    int argc = 0;
    int rc;

    for (char *word = strtok(line, " "); word != NULL; word = strtok(NULL, " "))
        words[argc++] = word;
    memset(s, 0, sizeof(*s));
    *argv = words;
    catch_stderr();
    rc = options_parse(&sample_command, argc, argv, s, n);
    release_stderr(said);
    return rc;
}

static void test_parse_prefers_the_command_line_to_the_file_to_the_default(void **state)
{
    char line[] = "--port 1 --config options.conf";
    char operands[] = "--config=options.conf x";
    struct sample s;
    char said[512];
    char **argv;
    int n;

    (void)state;
    write_file("options.conf", "port 2\nsubvolumes 2\ndir d\nvolume a:1\n", 0600);
    assert_int_equal(parse(line, &s, &argv, &n, said), 0);
    assert_int_equal(s.listen.port, 1);
    assert_int_equal(s.subvolumes, 2);
    assert_string_equal(s.name, "none");
    assert_string_equal(s.basic.config, "options.conf");
    assert_int_equal(n, 2);
    assert_string_equal(argv[0], "d");
    assert_int_equal(parse(operands, &s, &argv, &n, said), 0);
    assert_int_equal(s.listen.port, 2);
    assert_int_equal(n, 1); /* operands of the command line replace all of the file's */
    assert_string_equal(argv[0], "x");
}

static void test_parse_refuses_files_that_cannot_be_trusted_or_read(void **state)
{
    char open_to_all[] = "--config options.conf";
    char of_another[] = "--config options.conf";
    char missing[] = "--config missing.conf";
    char directory[] = "--config .";
    char empty[] = "--config=";
    struct sample s;
    char said[512];
    char **argv;
    int n;

    (void)state;
    write_file("options.conf", "port 2\n", 0666);
    assert_int_equal(parse(open_to_all, &s, &argv, &n, said), EXIT_USAGE);
    assert_non_null(strstr(said, "--config options.conf: everybody may write it (mode 0666)"));
    if (geteuid() == 0) {
        write_file("options.conf", "port 2\n", 0644);
        assert_int_equal(chown("options.conf", 12345, 12345), 0);
        assert_int_equal(parse(of_another, &s, &argv, &n, said), EXIT_USAGE);
        assert_non_null(strstr(said, "it belongs to another user (uid 12345)"));
        assert_int_equal(chown("options.conf", 0, 0), 0);
    }
    assert_int_equal(parse(missing, &s, &argv, &n, said), EXIT_USAGE);
    assert_non_null(strstr(said, "--config missing.conf: No such file or directory"));
    assert_int_equal(parse(directory, &s, &argv, &n, said), EXIT_USAGE);
    assert_non_null(strstr(said, "it is no regular file"));
    assert_int_equal(parse(empty, &s, &argv, &n, said), EXIT_USAGE);
    assert_non_null(strstr(said, "--config must not be empty"));
}

static int enter_directory(void **state)
{
    static char path[] = "/tmp/test_options_file.XXXXXX";

    *state = mkdtemp(path);
    return *state != NULL && chdir(path) == 0 ? 0 : -1;
}

static int leave_directory(void **state)
{
    unlink("options.conf");
    return chdir("/") == 0 && rmdir(*state) == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_apply_takes_options_and_operands),
        cmocka_unit_test(test_apply_leaves_no_gap_for_operands_that_are_missing),
        cmocka_unit_test(test_apply_names_the_line_that_it_refuses),
        cmocka_unit_test(test_apply_bounds_a_line_and_refuses_a_nul),
        cmocka_unit_test(test_apply_finds_credentials),
        cmocka_unit_test(test_parse_prefers_the_command_line_to_the_file_to_the_default),
        cmocka_unit_test(test_parse_refuses_files_that_cannot_be_trusted_or_read),
    };

    return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
