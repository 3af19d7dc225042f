/* Certificates and keys that are made here, for ten days from now. */
#include "tests/unit/test.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "index/base/tls_files.h"

#define DAY 86400

static char directory[] = "/tmp/mkv-test-XXXXXX";

static const char *path_of(const char *name)
{
    static char paths[4][64];
    static unsigned turn;

    turn = (turn + 1) % 4;
    snprintf(paths[turn], sizeof(paths[turn]), "%s/%s", directory, name);
    return paths[turn];
}

static FILE *create(const char *name)
{
    FILE *file = fopen(path_of(name), "w");

    assert_non_null(file);
    assert_int_equal(fchmod(fileno(file), 0600), 0);
    return file;
}

/* Writes NAME.crt and NAME.key. */
static void make_pair(const char *name)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    char file_name[32];
    FILE *file;

    assert_non_null(key);
    X509_set_version(certificate, 2);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 10L * DAY);
    X509_set_pubkey(certificate, key);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    snprintf(file_name, sizeof(file_name), "%s.crt", name);
    file = create(file_name);
    assert_int_equal(PEM_write_X509(file, certificate), 1);
    fclose(file);
    snprintf(file_name, sizeof(file_name), "%s.key", name);
    file = create(file_name);
    assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(file);
    snprintf(file_name, sizeof(file_name), "%s.locked", name);
    file = create(file_name);
    assert_int_equal(
        PEM_write_PrivateKey(file, key, EVP_aes_128_cbc(), (unsigned char *)"word", 4, NULL, NULL),
        1);
    fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static void write_text(const char *name, const char *text)
{
    FILE *file = create(name);

    fputs(text, file);
    fclose(file);
}

static int setup(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(directory));
    make_pair("one");
    make_pair("two");
    write_text("nothing", "");
    write_text("words", "no certificate\n");
    return 0;
}

static int teardown(void **state)
{
    static const char *const names[] = {"one.crt",    "one.key", "one.locked", "two.crt", "two.key",
                                        "two.locked", "nothing", "words",      "cut"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        unlink(path_of(names[i]));
    return rmdir(directory);
}

static void test_read_takes_a_pair_and_authorities(void **state)
{
    const struct tls_paths paths = {path_of("one.crt"), path_of("one.key"), path_of("two.crt")};
    struct tls_files files;
    char why[TLS_WHY_SIZE];

    (void)state;
    assert_int_equal(tls_files_read(&paths, &files, why), 0);
    assert_memory_equal(buf_bytes(&files.certificate), "-----BEGIN CERTIFICATE", 22);
    assert_memory_equal(buf_bytes(&files.key), "-----BEGIN PRIVATE KEY", 22);
    assert_true(buf_size(&files.authorities) > 0);
    assert_in_range(files.expires, time(NULL) + 10 * DAY - 60, time(NULL) + 10 * DAY);
    tls_files_deinit(&files);
    assert_null(files.key.data);
}

static void test_read_takes_nothing(void **state)
{
    const struct tls_paths paths = {.key = NULL};
    struct tls_files files;
    char why[TLS_WHY_SIZE];

    (void)state;
    assert_int_equal(tls_files_read(&paths, &files, why), 0);
    assert_int_equal(files.expires, 0);
    tls_files_deinit(&files);
}

static void expect_refused(const char *certificate, const char *key, const char *authorities,
                           int error, const char *wanted)
{
    struct tls_paths paths = {.key = NULL};
    struct tls_files files;
    char why[TLS_WHY_SIZE] = "";

    if (certificate != NULL) {
        paths.certificate = path_of(certificate);
        paths.key = path_of(key);
    }
    if (authorities != NULL)
        paths.authorities = path_of(authorities);
    assert_int_equal(tls_files_read(&paths, &files, why), error);
    if (strstr(why, wanted) == NULL)
        fail_msg("\"%s\" isn't in \"%s\"", wanted, why);
    assert_null(files.key.data);
    assert_null(files.certificate.data);
}

static void test_read_names_what_is_wrong(void **state)
{
    (void)state;
    expect_refused("one.crt", "two.key", NULL, -EINVAL, "two.key: it isn't the key of the first");
    expect_refused("nothing", "one.key", NULL, -EINVAL, "nothing: it holds no certificate");
    expect_refused("words", "one.key", NULL, -EINVAL, "words: it holds no certificate");
    expect_refused("one.key", "one.key", NULL, -EINVAL, "one.key: it holds no certificate");
    expect_refused("one.crt", "one.crt", NULL, -EINVAL, "one.crt: it holds no private key");
    expect_refused("one.crt", "one.locked", NULL, -EINVAL, "one.locked: its key has a passphrase");
    expect_refused("one.crt", "none.key", NULL, -ENOENT, "none.key: No such file");
    expect_refused("none.crt", "one.key", NULL, -ENOENT, "none.crt: No such file");
    expect_refused("one.crt", "one.key", "words", -EINVAL, "words: it holds no certificate");
    expect_refused(NULL, NULL, "none.ca", -ENOENT, "none.ca: No such file");
}

static void test_read_refuses_a_damaged_chain(void **state)
{
    char text[4096];
    FILE *file = fopen(path_of("one.crt"), "r");
    size_t n = fread(text, 1, sizeof(text) / 2, file);

    (void)state;
    fclose(file);
    memcpy(text + n, text, n / 2); /* another one, cut off */
    text[n + n / 2] = '\0';
    write_text("cut", text);
    expect_refused("cut", "one.key", NULL, -EINVAL, "cut: it holds no certificate in PEM, or a");
}

static void test_read_refuses_a_key_that_others_may_read(void **state)
{
    (void)state;
    assert_int_equal(chmod(path_of("one.key"), 0640), 0);
    expect_refused("one.crt", "one.key", NULL, -EPERM, "chmod 600");
    assert_int_equal(chmod(path_of("one.key"), 0600), 0);
    assert_int_equal(chmod(path_of("one.crt"), 0644), 0);
}

static void expect_text(int64_t left, enum log_level level, const char *wanted)
{
    char text[TLS_TEXT_SIZE];

    assert_int_equal(tls_expiry_text("/a.crt", 1800000000 + left, 1800000000, text), level);
    assert_string_equal(text, wanted);
}

static void test_expiry_text_warns_for_two_weeks(void **state)
{
    (void)state;
    expect_text(14 * DAY + 1, LOG_LEVEL_DEBUG, "");
    expect_text(14 * DAY, LOG_LEVEL_WARN,
                "the certificate /a.crt expires in 14 days: renew it and send HUP");
    expect_text(2 * DAY - 1, LOG_LEVEL_WARN,
                "the certificate /a.crt expires in 1 day: renew it and send HUP");
    expect_text(1, LOG_LEVEL_WARN,
                "the certificate /a.crt expires in 0 days: renew it and send HUP");
    expect_text(0, LOG_LEVEL_ERROR, "the certificate /a.crt has expired: renew it and send HUP");
    expect_text(-DAY, LOG_LEVEL_ERROR, "the certificate /a.crt has expired: renew it and send HUP");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_takes_a_pair_and_authorities),
        cmocka_unit_test(test_read_takes_nothing),
        cmocka_unit_test(test_read_names_what_is_wrong),
        cmocka_unit_test(test_read_refuses_a_damaged_chain),
        cmocka_unit_test(test_read_refuses_a_key_that_others_may_read),
        cmocka_unit_test(test_expiry_text_warns_for_two_weeks),
    };

    return cmocka_run_group_tests_name("tls_files", tests, setup, teardown);
}
