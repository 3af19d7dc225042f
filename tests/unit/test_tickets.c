#include "tests/unit/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/access/ticket.h"
#include "index/cluster/sign.h"

#define ONE "0123456789abcdef0123456789abcdef"
#define TWO "fedcba9876543210fedcba9876543210"

static int parse(const char *text, struct secrets *secrets, char why[SECRET_WHY_SIZE])
{
    memset(secrets, 0, sizeof(*secrets));
    return secrets_parse(text, strlen(text), "FILE", secrets, why);
}

static void test_parse_takes_one_or_two(void **state)
{
    struct secrets one;
    struct secrets two;
    char why[SECRET_WHY_SIZE];

    (void)state;
    assert_int_equal(parse(ONE, &one, why), 0);
    assert_int_equal(one.n, 1);
    assert_int_equal(parse("# the first\n\n" TWO "\r\n" ONE "\n", &two, why), 0);
    assert_int_equal(two.n, 2);
    assert_string_equal(two.items[1].id, one.items[0].id);
    assert_memory_equal(two.items[1].key, one.items[0].key, SHA256_SIZE);
    assert_string_not_equal(two.items[0].id, one.items[0].id);
}

static void test_parse_names_the_line_and_not_the_secret(void **state)
{
    static const struct {
        const char *text;
        const char *why;
    } cases[] = {
        {"", "FILE: there is no secret in it: mkv secret prints one"},
        {"# " ONE "\n", "FILE: there is no secret in it: mkv secret prints one"},
        {"\n0123456789abcdef0123456789abcde\n",
         "FILE:2: a secret has 32 characters at least: mkv secret prints one"},
        {ONE " \n", "FILE:1: a secret is of printable ASCII characters, without spaces"},
        {ONE "\xc3\xa4\n", "FILE:1: a secret is of printable ASCII characters, without spaces"},
        {ONE "\n" ONE "\n", "FILE:2: it is the same secret again"},
        {ONE "\n" TWO "\n" ONE "x\n", "FILE:3: there are two secrets already"},
    };
    struct secrets secrets;
    char why[SECRET_WHY_SIZE];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(parse(cases[i].text, &secrets, why), -EINVAL);
        assert_string_equal(why, cases[i].why);
        assert_int_equal(secrets.n, 0);
    }
}

static void test_parse_refuses_what_is_too_long(void **state)
{
    char text[SECRET_MAX + 2];
    struct secrets secrets;
    char why[SECRET_WHY_SIZE];

    (void)state;
    memset(text, 'x', sizeof(text));
    text[SECRET_MAX + 1] = '\0';
    assert_int_equal(parse(text, &secrets, why), -EINVAL);
    assert_string_equal(why, "FILE:1: a secret has 512 characters at most");
    text[SECRET_MAX] = '\0';
    assert_int_equal(parse(text, &secrets, why), 0);
}

static void test_read_refuses_what_others_may_read(void **state)
{
    char path[] = "/tmp/mkv-test-secret-XXXXXX";
    int fd = mkstemp(path);
    struct secrets secrets = {.n = 0};
    char why[SECRET_WHY_SIZE];

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, ONE "\n", sizeof(ONE)), sizeof(ONE));
    assert_int_equal(secrets_read(path, &secrets, why), 0);
    assert_int_equal(fchmod(fd, 0640), 0);
    assert_int_equal(secrets_read(path, &secrets, why), -EPERM);
    assert_non_null(strstr(why, path));
    assert_null(strstr(why, ONE));
    close(fd);
    unlink(path);
    assert_int_equal(secrets_read(path, &secrets, why), -ENOENT);
}

static void test_invent_makes_a_good_one_each_time(void **state)
{
    char a[SECRET_TEXT_SIZE];
    char b[SECRET_TEXT_SIZE];
    struct secrets secrets;
    char why[SECRET_WHY_SIZE];

    (void)state;
    assert_int_equal(secret_invent(a), 0);
    assert_int_equal(secret_invent(b), 0);
    assert_string_not_equal(a, b);
    assert_int_equal(strspn(a, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
                     43);
    assert_int_equal(parse(a, &secrets, why), 0);
}

static void write_ticket(const char *secret, const char *identity, const char *method,
                         const char *path, int64_t expires, char ticket[TICKET_SIZE])
{
    struct ticket_key key;
    struct secrets secrets;
    char why[SECRET_WHY_SIZE];

    assert_int_equal(parse(secret, &secrets, why), 0);
    ticket_key_derive(&secrets.items[0], identity, &key);
    ticket_write(&key, method, path, strlen(path), expires, ticket);
}

/* As another program makes it of HMAC-SHA-256, MD5 and base64url. */
static void test_a_ticket_is_what_nginx_computes(void **state)
{
    char ticket[TICKET_SIZE];

    (void)state;
    write_ticket(ONE, "0a1b", "GET", "/5d/41/aGVsbG8=.019ab7f0d2bb0000", 1795841398, ticket);
    assert_string_equal(ticket, "d2ac60d5.FvL_4HCr3a6ERJLuU1akBg,1795841398");
}

static void test_each_part_makes_another_ticket(void **state)
{
    char tickets[6][TICKET_SIZE];

    (void)state;
    write_ticket(ONE, "a", "GET", "/x", 1000000000, tickets[0]);
    write_ticket(TWO, "a", "GET", "/x", 1000000000, tickets[1]);
    write_ticket(ONE, "b", "GET", "/x", 1000000000, tickets[2]);
    write_ticket(ONE, "a", "PUT", "/x", 1000000000, tickets[3]);
    write_ticket(ONE, "a", "GET", "/y", 1000000000, tickets[4]);
    write_ticket(ONE, "a", "GET", "/x", 1000000001, tickets[5]);
    for (int i = 0; i < 6; i++) {
        for (int k = 0; k < i; k++) {
            assert_memory_equal(tickets[i] + 8, ".", 1);
            assert_true(strncmp(tickets[i] + 9, tickets[k] + 9, 22) != 0);
        }
    }
}

static void test_sign_derives_anew_for_another_secret(void **state)
{
    struct signing_key key = {.version = 0};
    struct signer signer = {.version = 0};
    struct secrets secrets;
    char why[SECRET_WHY_SIZE];
    char one[TICKET_SIZE] = "x";
    char two[TICKET_SIZE];

    (void)state;
    assert_false(sign(&signer, &key, "a", "GET", "/x", 2, one));
    assert_string_equal(one, "");
    assert_int_equal(parse(ONE "\n" TWO, &secrets, why), 0);
    signer_set(&signer, &secrets, 60);
    assert_true(sign(&signer, &key, "a", "GET", "/x", 2, one));
    assert_memory_equal(one, secrets.items[0].id, 8);
    assert_int_equal(parse(TWO "\n" ONE, &secrets, why), 0);
    signer_set(&signer, &secrets, 60);
    assert_true(sign(&signer, &key, "a", "GET", "/x", 2, two));
    assert_memory_equal(two, secrets.items[0].id, 8);
    assert_memory_not_equal(one + 9, two + 9, 22);
    signer_set(&signer, NULL, 60);
    assert_false(sign(&signer, &key, "a", "GET", "/x", 2, one));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_takes_one_or_two),
        cmocka_unit_test(test_parse_names_the_line_and_not_the_secret),
        cmocka_unit_test(test_parse_refuses_what_is_too_long),
        cmocka_unit_test(test_read_refuses_what_others_may_read),
        cmocka_unit_test(test_invent_makes_a_good_one_each_time),
        cmocka_unit_test(test_a_ticket_is_what_nginx_computes),
        cmocka_unit_test(test_each_part_makes_another_ticket),
        cmocka_unit_test(test_sign_derives_anew_for_another_secret),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
