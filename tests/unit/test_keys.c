#include "tests/unit/test.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/access/internal.h"
#include "tests/support/access_request.h"

static const char example[] = "# ACCESS SECRET GRANT...\n"
                              "AKbackup\t9f3c9f3c#  rw:pg-backups\r\n"
                              "\n"
                              "  AKadmin ab21ab21   rwc:*   # not:a:grant\n"
                              "AKtwo 12345678 r:one/a%20b/%25 w:two\n"
                              "- - r:site/public/ # anonymous";

static const struct identity *find(struct keys *keys, const char *access)
{
    bool known;
    const struct identity *who = keys_find(keys, access, &known);

    assert_true(known);
    return who;
}

static bool may(const struct identity *who, enum access_right right, const char *bucket,
                const char *key)
{
    return access_may(who, right, bucket, key, strlen(key));
}

static void test_keys_read_takes_the_example(void **state)
{
    struct keys *keys = access_keys(example);

    (void)state;
    assert_int_equal(keys_count(keys), 3);
    assert_string_equal(find(keys, "AKbackup")->secret, "9f3c9f3c#");
    assert_string_equal(find(keys, "AKadmin")->secret, "ab21ab21");
    assert_int_equal(find(keys, "AKadmin")->n_grants, 1);
    assert_string_equal(find(keys, "AKtwo")->access, "AKtwo");
    assert_string_equal(keys_anonymous(keys)->access, "-");
    keys_release(keys);
}

static void test_keys_find_a_stranger(void **state)
{
    struct keys *keys = access_keys(example);
    bool known = true;
    const struct identity *who = keys_find(keys, "AKnobody", &known);

    (void)state;
    assert_false(known);
    assert_int_equal(strlen(who->secret), 64);
    assert_false(may(who, ACCESS_READ, "site", "public/x"));
    known = true;
    keys_find(keys, "", &known);
    assert_false(known);
    known = true;
    keys_find(keys, "-", &known);
    assert_false(known);
    keys_release(keys);
}

static void test_access_may_what_grants_say(void **state)
{
    struct keys *keys = access_keys(example);
    const struct identity *backup = find(keys, "AKbackup");
    const struct identity *two = find(keys, "AKtwo");
    const struct identity *anonymous = keys_anonymous(keys);

    (void)state;
    assert_true(may(backup, ACCESS_READ, "pg-backups", "a"));
    assert_true(may(backup, ACCESS_WRITE, "pg-backups", ""));
    assert_false(may(backup, ACCESS_BUCKETS, "pg-backups", ""));
    assert_false(may(backup, ACCESS_READ, "pg-backups2", "a"));
    assert_false(may(backup, ACCESS_READ, "pg-backup", "a"));
    assert_true(may(find(keys, "AKadmin"), ACCESS_BUCKETS, "any", ""));
    assert_true(may(two, ACCESS_READ, "one", "a b/%"));
    assert_true(may(two, ACCESS_READ, "one", "a b/%and more"));
    assert_false(may(two, ACCESS_READ, "one", "a b/"));
    assert_false(may(two, ACCESS_READ, "one", "a%20b/%25"));
    assert_false(may(two, ACCESS_READ, "one", ""));
    assert_false(may(two, ACCESS_WRITE, "one", "a b/%"));
    assert_false(may(two, ACCESS_READ, "two", "x"));
    assert_true(may(two, ACCESS_WRITE, "two", "x"));
    assert_true(may(anonymous, ACCESS_READ, "site", "public/index.html"));
    assert_true(may(anonymous, ACCESS_READ, "site", "public/"));
    assert_false(may(anonymous, ACCESS_READ, "site", "public"));
    assert_false(may(anonymous, ACCESS_READ, "site", ""));
    assert_false(may(anonymous, ACCESS_WRITE, "site", "public/index.html"));
    keys_release(keys);
}

static void test_access_may_see_buckets_with_a_grant(void **state)
{
    struct keys *keys = access_keys(example);

    (void)state;
    assert_true(access_may_see(find(keys, "AKadmin"), "any"));
    assert_true(access_may_see(find(keys, "AKtwo"), "two"));
    assert_true(access_may_see(find(keys, "AKtwo"), "one"));
    assert_false(access_may_see(find(keys, "AKtwo"), "site"));
    assert_true(access_may_see(keys_anonymous(keys), "site"));
    assert_false(access_may_see(keys_anonymous(keys), "one"));
    keys_release(keys);
}

static void test_access_may_somewhere_what_any_grant_says(void **state)
{
    struct keys *keys = access_keys("AKsome secret99 r:bucket w:bucket/in/ r:other\n");
    const struct identity *who = find(keys, "AKsome");

    (void)state;
    assert_true(access_may_somewhere(who, ACCESS_READ, "bucket"));
    assert_true(access_may_somewhere(who, ACCESS_WRITE, "bucket"));
    assert_false(access_may_somewhere(who, ACCESS_BUCKETS, "bucket"));
    assert_true(access_may_somewhere(who, ACCESS_READ, "other"));
    assert_false(access_may_somewhere(who, ACCESS_WRITE, "other"));
    assert_false(access_may_somewhere(who, ACCESS_READ, "third"));
    assert_false(access_may_somewhere(keys_anonymous(keys), ACCESS_WRITE, "bucket"));
    keys_release(keys);
}

static bool may_path(const struct identity *who, enum access_right right, const char *path)
{
    return access_may_path(who, right, path, strlen(path));
}

/* A key of the native API is an object in a bucket, or in none. */
static void test_access_may_path_what_grants_of_buckets_say(void **state)
{
    struct keys *keys = access_keys(example);
    const struct identity *backup = find(keys, "AKbackup");
    const struct identity *two = find(keys, "AKtwo");

    (void)state;
    assert_true(may_path(backup, ACCESS_READ, "/pg-backups/a"));
    assert_true(may_path(backup, ACCESS_WRITE, "/pg-backups/"));
    assert_false(may_path(backup, ACCESS_READ, "/pg-backups"));
    assert_false(may_path(backup, ACCESS_READ, "/pg-backups2/a"));
    assert_false(may_path(backup, ACCESS_READ, "/pg-backup/a"));
    assert_false(may_path(backup, ACCESS_READ, "//pg-backups/a"));
    assert_false(may_path(backup, ACCESS_READ, "/"));
    assert_true(may_path(find(keys, "AKadmin"), ACCESS_READ, "/"));
    assert_true(may_path(find(keys, "AKadmin"), ACCESS_WRITE, "/any"));
    assert_true(may_path(two, ACCESS_READ, "/one/a b/%and more"));
    assert_false(may_path(two, ACCESS_READ, "/one/a b/"));
    assert_false(may_path(two, ACCESS_WRITE, "/one/a b/%"));
    assert_true(may_path(two, ACCESS_WRITE, "/two/x"));
    assert_true(may_path(keys_anonymous(keys), ACCESS_READ, "/site/public/index.html"));
    assert_false(may_path(keys_anonymous(keys), ACCESS_READ, "/site/public"));
    assert_false(may_path(keys_anonymous(keys), ACCESS_WRITE, "/site/public/index.html"));
    keys_release(keys);
}

static void test_access_may_what_grants_of_paths_say(void **state)
{
    struct keys *keys = access_keys("AKlogs secret99 w:/logs- r:/log/a%20b\nAKall secret99 rw:/\n");
    const struct identity *logs = find(keys, "AKlogs");
    const struct identity *all = find(keys, "AKall");

    (void)state;
    assert_true(may_path(logs, ACCESS_WRITE, "/logs-1"));
    assert_true(may_path(logs, ACCESS_WRITE, "/logs-"));
    assert_true(may_path(logs, ACCESS_WRITE, "/logs-1/a"));
    assert_false(may_path(logs, ACCESS_WRITE, "/logs"));
    assert_false(may_path(logs, ACCESS_READ, "/logs-1"));
    assert_true(may_path(logs, ACCESS_READ, "/log/a bc"));
    assert_false(may_path(logs, ACCESS_READ, "/log/a"));
    assert_true(may_path(all, ACCESS_READ, "/"));
    assert_true(may_path(all, ACCESS_WRITE, "/wehave"));
    /* By S3. */
    assert_true(may(logs, ACCESS_WRITE, "logs-1", "a"));
    assert_true(may(logs, ACCESS_WRITE, "logs-1", ""));
    assert_false(may(logs, ACCESS_WRITE, "logs", "-1"));
    assert_true(may(logs, ACCESS_READ, "log", "a b/c"));
    assert_false(may(logs, ACCESS_READ, "log", "a"));
    assert_false(may(logs, ACCESS_READ, "log", ""));
    assert_false(may(logs, ACCESS_READ, "lo", "g/a b"));
    assert_true(may(all, ACCESS_READ, "any", ""));
    assert_true(access_may_see(logs, "log"));
    assert_true(access_may_see(logs, "logs-1"));
    assert_false(access_may_see(logs, "logs"));
    assert_false(access_may_see(logs, "lo"));
    assert_false(access_may_see(logs, "other"));
    assert_true(access_may_somewhere(all, ACCESS_WRITE, "any"));
    assert_false(access_may_somewhere(all, ACCESS_BUCKETS, "any"));
    keys_release(keys);
}

static void test_keys_without_an_anonymous_line_allow_nothing(void **state)
{
    struct keys *keys = access_keys("");

    (void)state;
    assert_int_equal(keys_count(keys), 0);
    assert_false(may(keys_anonymous(keys), ACCESS_READ, "site", "x"));
    assert_false(access_may_see(keys_anonymous(keys), "site"));
    keys_release(keys);
}

/* Expects that it is refused, with that text and without the secret in it. */
static void expect_refused(const char *text, size_t len, unsigned mode, int error,
                           const char *wanted)
{
    struct keys *keys = NULL;
    char why[KEYS_WHY_SIZE] = "";

    assert_int_equal(access_keys_read(text, len, mode, &keys, why), error);
    assert_null(keys);
    if (strstr(why, wanted) == NULL)
        fail_msg("\"%s\" isn't in \"%s\"", wanted, why);
    assert_null(strstr(why, "secret99"));
}

static void test_keys_read_refuses_what_others_may_use(void **state)
{
    static const unsigned modes[] = {0640, 0604, 0620, 0602, 0610, 0666, 0777};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(modes); i++)
        expect_refused(example, strlen(example), modes[i], -EPERM, "chmod 600");
}

static void test_keys_read_takes_a_credential_of_systemd(void **state)
{
    char why[KEYS_WHY_SIZE] = "";
    struct keys *keys = NULL;

    (void)state;
    if (geteuid() == 0 && getegid() == 0) {
        assert_int_equal(access_keys_read(example, strlen(example), 0440, &keys, why), 0);
        keys_release(keys);
    } else {
        expect_refused(example, strlen(example), 0440, -EPERM, "chmod 600");
    }
}

static void test_keys_read_refuses_bad_lines(void **state)
{
    static const struct {
        const char *text;
        const char *wanted;
    } cases[] = {
        {"AKone", ":1: a line is ACCESS SECRET GRANT..., and the secret is missing"},
        {"# x\n\nAKone secret99", ":3: there is no grant"},
        {"AKone secret99 # r:x", ":1: there is no grant"},
        {"AK secret99 r:x", "an access key has"},
        {"AK/one secret99 r:x", "without /"},
        {"AK\xc3\xbcx secret99 r:x", "printable"},
        {"AKone secret9 r:x", "a secret has 8"},
        {"AKone secret99\x01 r:x", "a secret is of printable"},
        {"AKone secret99 x", "RIGHTS:BUCKET"},
        {"AKone secret99 :x", "needs rights"},
        {"AKone secret99 rx:x", "letters of r, w, c and a"},
        {"AKone secret99 r:", "bucket is a name"},
        {"AKone secret99 r:/x%2", "two hexadecimal digits"},
        {"AKone secret99 rwc:/x", "to a whole bucket"},
        {"AKone secret99 a:x", "the right a is one to all"},
        {"AKone secret99 ra:/x", "the right a is one to all"},
        {"AK:one secret99 r:x", "without / , : ; and ="},
        {"AKone secret99 r:x*", "bucket is a name"},
        {"AKone secret99 r:*/x", "bucket is a name"},
        {"AKone secret99 r:x/%2", "two hexadecimal digits"},
        {"AKone secret99 r:x/%00", "two hexadecimal digits"},
        {"AKone secret99 rc:x/y", "to a whole bucket"},
        {"AKone secret99 r:x\nAKtwo secret99 r:y\nAKone secret99 r:z",
         ":3: line 1 has that access key already"},
        {"- x r:x", "anonymous is - -"},
        {"-", "anonymous is - -"},
        {"- -", "there is no grant"},
        {"- - r:x\n- - r:y", ":2: anonymous has a line already"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        expect_refused(cases[i].text, strlen(cases[i].text), 0600, -EINVAL, cases[i].wanted);
    expect_refused("AKone secret99 r:x\0y", 20, 0600, -EINVAL, "NUL");
}

static void test_access_may_administer_by_a_right_of_its_own(void **state)
{
    struct keys *keys = access_keys("AKall secret99 rwc:*\nAKwatch secret99 r:one a:*\n");

    (void)state;
    assert_false(access_may_administer(find(keys, "AKall")));
    assert_false(access_may_administer(keys_anonymous(keys)));
    assert_true(access_may_administer(find(keys, "AKwatch")));
    assert_false(may(find(keys, "AKwatch"), ACCESS_READ, "two", "a"));
    assert_false(access_may_see(find(keys, "AKwatch"), "two"));
    assert_true(access_may_see(find(keys, "AKwatch"), "one"));
    keys_release(keys);
}

static void test_keys_read_refuses_what_is_no_file(void **state)
{
    char path[] = "/tmp/mkv-keys-XXXXXX";
    char why[KEYS_WHY_SIZE];
    struct keys *keys = NULL;

    (void)state;
    assert_int_equal(keys_read("/nowhere/keys", &keys, why), -ENOENT);
    assert_non_null(strstr(why, "/nowhere/keys: No such file"));
    assert_non_null(mkdtemp(path));
    assert_int_equal(keys_read(path, &keys, why), -EINVAL);
    assert_non_null(strstr(why, "regular"));
    rmdir(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(keys_read(path, &keys, why), -EINVAL);
    unlink(path);
    assert_null(keys);
}

/* A megabyte is read; lines as short and as many as they can be find room. */
static void test_keys_read_as_large_as_it_may_be(void **state)
{
    char *text = malloc(KEYS_FILE_MAX + 1);
    struct keys *keys;
    char why[KEYS_WHY_SIZE];
    size_t n = 0;

    (void)state;
    assert_non_null(text);
    for (unsigned i = 0; n + 17 <= KEYS_FILE_MAX && i < 46656; i++) {
        static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";

        memcpy(text + n, "xxx 12345678 r:d\n", 17);
        text[n] = digits[i / 1296];
        text[n + 1] = digits[i / 36 % 36];
        text[n + 2] = digits[i % 36];
        n += 17;
    }
    assert_int_equal(access_keys_read(text, n, 0600, &keys, why), 0);
    assert_int_equal(keys_count(keys), 46656);
    assert_true(may(find(keys, "zzz"), ACCESS_READ, "d", "x"));
    keys_release(keys);
    memset(text + n, '\n', KEYS_FILE_MAX + 1 - n);
    expect_refused(text, KEYS_FILE_MAX + 1, 0600, -EFBIG, "larger");
    assert_int_equal(access_keys_read(text, KEYS_FILE_MAX, 0600, &keys, why), 0);
    keys_release(keys);
    free(text);
}

static void test_keys_hold_keeps_them(void **state)
{
    struct keys *keys = access_keys(example);
    const struct identity *who = find(keys, "AKbackup");

    (void)state;
    keys_hold(keys);
    keys_release(keys);
    assert_true(may(who, ACCESS_READ, "pg-backups", "a"));
    keys_release(keys);
    keys_release(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_read_takes_the_example),
        cmocka_unit_test(test_keys_find_a_stranger),
        cmocka_unit_test(test_access_may_what_grants_say),
        cmocka_unit_test(test_access_may_see_buckets_with_a_grant),
        cmocka_unit_test(test_access_may_somewhere_what_any_grant_says),
        cmocka_unit_test(test_access_may_path_what_grants_of_buckets_say),
        cmocka_unit_test(test_access_may_what_grants_of_paths_say),
        cmocka_unit_test(test_keys_without_an_anonymous_line_allow_nothing),
        cmocka_unit_test(test_keys_read_refuses_what_others_may_use),
        cmocka_unit_test(test_keys_read_takes_a_credential_of_systemd),
        cmocka_unit_test(test_keys_read_refuses_bad_lines),
        cmocka_unit_test(test_access_may_administer_by_a_right_of_its_own),
        cmocka_unit_test(test_keys_read_refuses_what_is_no_file),
        cmocka_unit_test(test_keys_read_as_large_as_it_may_be),
        cmocka_unit_test(test_keys_hold_keeps_them),
    };

    return cmocka_run_group_tests_name("keys", tests, NULL, NULL);
}
