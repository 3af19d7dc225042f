#include "tests/unit/test.h"

#include <errno.h>
#include <string.h>

#include "index/server.h"
#include "launcher/commands/settings.h"

#define GOOD                                                                                       \
    "mkv-settings 1\nreplicas 2\nsubvolumes 16\ngrace_ms 60000\nsync 1\nmd5 0\n"                   \
    "volume a:1 weight=100\nvolume b:2 zone=cellar weight=7\n"

#ifdef MKV_POSTGRES
#define STORE "postgresql://mkv@a,b/mkv?sslmode=verify-full"
#else
#define STORE NULL
#endif

static const char *parse(const char *bytes, size_t len, struct settings *settings)
{
    static char problem[SETTINGS_TEXT_MAX];

    memset(settings, 0, sizeof(*settings));
    return settings_parse(bytes, len, settings, problem);
}

static void assert_refused(const char *text, const char *because)
{
    struct settings settings;
    const char *bad = parse(text, strlen(text), &settings);

    assert_non_null(bad);
    assert_string_equal(bad, because);
    settings_deinit(&settings);
}

/* A newline would begin another line. */
static void test_append_refuses_a_path_of_two_lines(void **state)
{
    const struct index_server_options options = {.copies = 1,
                                                 .tls_paths = {.authorities = "/a\nb"}};
    struct buf text = {0};

    (void)state;
    assert_int_equal(settings_append(&text, &options, NULL, 0), -EINVAL);
    buf_deinit(&text);
}

static void test_parse_takes_what_append_wrote(void **state)
{
    static const struct volume_entry volumes[] = {
        {.name = "a:1", .weight = 100}, {.name = "[::1]:2", .zone = "cellar", .weight = 7}};
    const struct index_server_options options = {.copies = 2,
                                                 .subvolumes = 256,
                                                 .grace_ms = 86400000,
                                                 .sync = false,
                                                 .md5 = true,
                                                 .store_uri = STORE,
                                                 .secret_file = "/etc/mkv/a secret",
                                                 .tls_paths = {.certificate = "/etc/my index.crt",
                                                               .key = "/k",
                                                               .authorities = "/etc/ca.crt"}};
    struct settings settings;
    struct buf text = {0};

    (void)state;
    assert_int_equal(settings_append(&text, &options, volumes, 2), 0);
    assert_null(parse(buf_bytes(&text), buf_size(&text), &settings));
    assert_int_equal(settings.replicas, 2);
    assert_int_equal(settings.subvolumes, 256);
    assert_int_equal(settings.grace_ms, 86400000);
    assert_false(settings.sync);
    assert_true(settings.md5);
    if (options.store_uri != NULL)
        assert_string_equal(settings.store_uri, options.store_uri);
    assert_string_equal(settings.secret_file, "/etc/mkv/a secret");
    assert_string_equal(settings.tls.certificate, "/etc/my index.crt");
    assert_string_equal(settings.tls.key, "/k");
    assert_string_equal(settings.tls.authorities, "/etc/ca.crt");
    assert_int_equal(settings.volumes.count, 2);
    assert_string_equal(settings.volumes.entries[1].name, "[::1]:2");
    assert_string_equal(settings.volumes.entries[1].zone, "cellar");
    assert_int_equal(settings.volumes.entries[1].weight, 7);
    settings_deinit(&settings);
    buf_deinit(&text);
}

static void test_parse_takes_lines_in_any_order(void **state)
{
    static const char text[] = "mkv-settings 1\nvolume a:1\nmd5 1\nsync 0\ngrace_ms 0\nreplicas 1\n"
                               "subvolumes 1\n";
    struct settings settings;

    (void)state;
    assert_null(parse(text, strlen(text), &settings));
    assert_int_equal(settings.volumes.entries[0].weight, VOLUME_WEIGHT);
    assert_null(settings.tls.authorities);
    settings_deinit(&settings);
}

static void test_parse_refuses_other_formats(void **state)
{
    (void)state;
    assert_refused("", "line 0: it is empty");
    assert_refused("mkv-settings 2\n", "line 1: a newer mkv has written it; use that one");
    assert_refused("mkv-settings 10\n", "line 1: a newer mkv has written it; use that one");
    assert_refused("replicas 1\n", "line 1: it doesn't begin with \"mkv-settings 1\"");
}

static void test_parse_checks_each_field(void **state)
{
    (void)state;
#define AFTER(line) "mkv-settings 1\n" line "\n"
    assert_refused(AFTER("replicas 0"), "line 2: it is no number from 1 to 16");
    assert_refused(AFTER("replicas 17"), "line 2: it is no number from 1 to 16");
    assert_refused(AFTER("replicas 99999999999"), "line 2: it is no number from 1 to 16");
    assert_refused(AFTER("replicas 01"), "line 2: it is no number from 1 to 16");
    assert_refused(AFTER("replicas 1 "), "line 2: it is no number from 1 to 16");
    assert_refused(AFTER("replicas -1"), "line 2: it is no number from 1 to 16");
    assert_refused(AFTER("replicas "), "line 2: it is no number from 1 to 16");
    assert_refused(AFTER("subvolumes 257"), "line 2: it is no number from 1 to 256");
    assert_refused(AFTER("grace_ms 86400001"), "line 2: it is no number from 0 to 86400000");
    assert_refused(AFTER("sync 2"), "line 2: it is no number from 0 to 1");
    assert_refused(AFTER("md5 yes"), "line 2: it is no number from 0 to 1");
    assert_refused(AFTER("md5 1\nmd5 1"), "line 3: it is there twice");
    assert_refused(AFTER("tls_ca ca.crt"), "line 2: it is no absolute path");
    assert_refused(AFTER("tls_ca /a\ntls_ca /b"), "line 3: it is there twice");
    assert_refused(GOOD "tls_cert /a\n", "there is one of tls_cert and tls_key");
    assert_refused(AFTER("md6 1"), "line 2: nothing is called that");
    assert_refused(AFTER("md5"), "line 2: it is no name and value");
    assert_refused(AFTER(""), "line 2: it is no name and value");
    assert_refused(AFTER("secret_file /a\nsecret_file /a"), "line 3: it is there twice");
    assert_refused(AFTER("secret_file a"), "line 2: it is no absolute path");
    assert_refused(AFTER("store /srv/index"),
                   "line 2: it is no URI of a database that this mkv takes");
    assert_refused(AFTER("volume a"), "line 2: the volume 'a' is no HOST:PORT");
    assert_refused(AFTER("volume a:1\nvolume A:1"), "line 3: the volume A:1 is given twice");
    assert_refused(AFTER("volume a:1 zone=a/b"), "line 2: 'zone=a/b': a zone's name is 1 to 64 "
                                                 "letters, digits, '.', '_' and '-'");
    assert_refused(AFTER("volume  "), "line 2: it names no volume");
    assert_refused(AFTER("volume #a:1"), "line 2: it names no volume");
}

/* Whatever it is cut to, it isn't taken for less than it was. */
static void test_parse_refuses_what_was_cut(void **state)
{
    struct settings settings;

    (void)state;
    assert_null(parse(GOOD, strlen(GOOD), &settings));
    settings_deinit(&settings);
    for (size_t n = 0; n < strlen(GOOD); n++) {
        const char *bad = parse(GOOD, n, &settings);

        assert_non_null(bad);
        settings_deinit(&settings);
    }
    assert_refused("mkv-settings 1\nmd5 1\n", "replicas is missing");
}

static void test_parse_refuses_odd_bytes(void **state)
{
    static const char with_nul[] = "mkv-settings 1\nmd5\0 1\n";
    static char text[8192] = "mkv-settings 1\n";
    struct settings settings;

    (void)state;
    assert_string_equal(parse(with_nul, sizeof(with_nul) - 1, &settings),
                        "line 2: a byte NUL is in it");
    settings_deinit(&settings);
    memset(text + 15, 'x', 6000);
    text[6015] = '\n';
    assert_refused(text, "line 2: it is too long");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append_refuses_a_path_of_two_lines),
        cmocka_unit_test(test_parse_takes_what_append_wrote),
        cmocka_unit_test(test_parse_takes_lines_in_any_order),
        cmocka_unit_test(test_parse_refuses_other_formats),
        cmocka_unit_test(test_parse_checks_each_field),
        cmocka_unit_test(test_parse_refuses_what_was_cut),
        cmocka_unit_test(test_parse_refuses_odd_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
