#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "launcher/listeners.h"

static void assert_text(int (*append)(const struct listeners *, struct buf *),
                        const struct listeners *listeners, const char *expected)
{
    struct buf out = {0};

    assert_int_equal(append(listeners, &out), 0);
    assert_int_equal(buf_size(&out), strlen(expected));
    assert_memory_equal(buf_bytes(&out), expected, strlen(expected));
    buf_deinit(&out);
}

static void resolve(const char *text, struct listeners *listeners)
{
    struct address address;

    assert_int_equal(address_parse(text, true, &address), 0);
    assert_int_equal(listeners_resolve(&address, listeners), 0);
}

static void test_resolve_any_is_both_families(void **state)
{
    struct listeners l;

    (void)state;
    resolve("3001", &l);
    if (l.n == 1) /* a system without IPv6 */
        assert_text(listeners_append_directives, &l, "listen 0.0.0.0:3001;");
    else
        assert_text(listeners_append_directives, &l,
                    "listen 0.0.0.0:3001; listen [::]:3001 ipv6only=on;");
}

static void test_resolve_literals_and_names(void **state)
{
    struct listeners l;

    (void)state;
    resolve("127.0.0.1:80", &l);
    assert_text(listeners_append_names, &l, "127.0.0.1:80");
    resolve("[::1]:80", &l);
    assert_text(listeners_append_directives, &l, "listen [::1]:80 ipv6only=on;");
    resolve("localhost:80", &l);
    assert_true(l.n >= 1);
}

static void test_resolve_unknown_name(void **state)
{
    struct address address;
    struct listeners l;

    (void)state;
    assert_int_equal(address_parse("no-such-host.invalid:80", true, &address), 0);
    assert_int_equal(listeners_resolve(&address, &l), -EADDRNOTAVAIL);
}

static void test_open_private_picks_a_port(void **state)
{
    struct listeners l = {.n = 1};
    unsigned port;
    char expected[32];

    (void)state;
    assert_int_equal(listeners_open_private(&l.items[0], &port), 0);
    assert_in_range(port, 1, 65535);
    assert_true(fcntl(l.items[0].fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(l.items[0].fd, F_GETFD) & FD_CLOEXEC);
    snprintf(expected, sizeof(expected), "127.0.0.1:%u", port);
    assert_text(listeners_append_names, &l, expected);
    snprintf(expected, sizeof(expected), "NGINX=%d;", l.items[0].fd);
    assert_text(listeners_append_environment, &l, expected);
    listeners_close(&l);
    assert_int_equal(l.items[0].fd, -1);
}

static void test_open_a_port_in_use(void **state)
{
    struct listener taken;
    struct listeners l;
    unsigned port;
    char text[32];

    (void)state;
    assert_int_equal(listeners_open_private(&taken, &port), 0);
    snprintf(text, sizeof(text), "127.0.0.1:%u", port);
    resolve(text, &l);
    assert_int_equal(listeners_open(&l), -EADDRINUSE);
    close(taken.fd);
    resolve(text, &l);
    assert_int_equal(listeners_open(&l), 0);
    listeners_close(&l);
}

static void test_open_skips_what_this_host_lacks(void **state)
{
    struct listener own;
    struct listeners l;
    unsigned port;
    char text[32];

    (void)state;
    resolve("192.0.2.1:3001", &l); /* TEST-NET-1: nobody's */
    assert_int_equal(listeners_open(&l), -EADDRNOTAVAIL);
    assert_int_equal(listeners_open_private(&own, &port), 0);
    close(own.fd);
    resolve("192.0.2.1:3001", &l);
    own.fd = -1;
    l.items[l.n++] = own;
    assert_int_equal(listeners_open(&l), 0);
    snprintf(text, sizeof(text), "127.0.0.1:%u", port);
    assert_text(listeners_append_names, &l, text);
    listeners_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resolve_any_is_both_families),
        cmocka_unit_test(test_resolve_literals_and_names),
        cmocka_unit_test(test_resolve_unknown_name),
        cmocka_unit_test(test_open_private_picks_a_port),
        cmocka_unit_test(test_open_a_port_in_use),
        cmocka_unit_test(test_open_skips_what_this_host_lacks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
