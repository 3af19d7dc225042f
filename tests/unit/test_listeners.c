#include "tests/unit/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "launcher/nginx/listeners.h"

/* --- Another host ---------------------------------------------------------------------------- */

static bool kernel_has_ipv6 = true;
static const char *named[3]; /* what "several" stands for */

int __real_socket(int family, int type, int protocol);
int __wrap_socket(int family, int type, int protocol);
int __real_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                       struct addrinfo **found);
int __wrap_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                       struct addrinfo **found);

int __wrap_socket(int family, int type, int protocol)
{
    if (family != AF_INET6 || kernel_has_ipv6)
        return __real_socket(family, type, protocol);
    errno = EAFNOSUPPORT;
    return -1;
}

int __wrap_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                       struct addrinfo **found)
{
    struct addrinfo numeric = *hints;
    struct addrinfo **end = found;
    int rc = 0;

    if (strcmp(host, "several") != 0)
        return __real_getaddrinfo(host, port, hints, found);
    numeric.ai_flags |= AI_NUMERICHOST;
    for (size_t i = 0; i < 3 && named[i] != NULL && rc == 0; i++) {
        rc = __real_getaddrinfo(named[i], port, &numeric, end);
        while (rc == 0 && *end != NULL)
            end = &(*end)->ai_next;
    }
    return rc;
}

/* --- The tests ------------------------------------------------------------------------------- */

static int append_directives(const struct listeners *listeners, struct buf *out)
{
    return listeners_append_directives(listeners, "", out);
}

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
        assert_text(append_directives, &l, "listen 0.0.0.0:3001;");
    else
        assert_text(append_directives, &l, "listen 0.0.0.0:3001; listen [::]:3001 ipv6only=on;");
}

static void test_resolve_literals_and_names(void **state)
{
    struct listeners l;

    (void)state;
    resolve("127.0.0.1:80", &l);
    assert_text(listeners_append_names, &l, "127.0.0.1:80");
    resolve("[::1]:80", &l);
    assert_text(append_directives, &l, "listen [::1]:80 ipv6only=on;");
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

static unsigned free_port(void)
{
    struct listener l;
    unsigned port;

    assert_int_equal(listeners_open_private(&l, &port), 0);
    close(l.fd);
    return port;
}

/* "several" with a free port stands for three addresses, of which only 127.0.0.1 is taken. */
static void assert_loopback_is_left(const char *first, const char *second, const char *third)
{
    struct listeners l;
    char text[32];

    named[0] = first;
    named[1] = second;
    named[2] = third;
    snprintf(text, sizeof(text), "several:%u", free_port());
    resolve(text, &l);
    assert_int_equal(l.n, 1);
    assert_int_equal(listeners_open(&l), 0);
    snprintf(text, sizeof(text), "127.0.0.1:%u",
             ntohs(((const struct sockaddr_in *)&l.items[0].address)->sin_port));
    assert_text(listeners_append_names, &l, text);
    listeners_close(&l);
}

static void test_resolve_leaves_out_addresses_of_other_hosts(void **state)
{
    (void)state;
    assert_loopback_is_left("192.0.2.1", "127.0.0.1", NULL); /* TEST-NET-1: nobody's */
    assert_loopback_is_left("127.0.0.1", "192.0.2.1", "2001:db8::1");
}

static void test_resolve_leaves_out_ipv6_where_the_kernel_lacks_it(void **state)
{
    struct listeners l;

    (void)state;
    kernel_has_ipv6 = false;
    assert_loopback_is_left("127.0.0.1", "::1", NULL);
    assert_loopback_is_left("::1", "127.0.0.1", NULL);
    resolve("3001", &l);
    assert_text(append_directives, &l, "listen 0.0.0.0:3001;");
    kernel_has_ipv6 = true;
}

static void test_resolve_keeps_all_where_none_can_be_had(void **state)
{
    struct listeners l;

    (void)state;
    resolve("192.0.2.1:3001", &l);
    assert_text(listeners_append_names, &l, "192.0.2.1:3001");
    assert_int_equal(listeners_open(&l), -EADDRNOTAVAIL);
    kernel_has_ipv6 = false;
    resolve("[::1]:3001", &l);
    assert_text(listeners_append_names, &l, "[::1]:3001");
    assert_int_equal(listeners_open(&l), -EAFNOSUPPORT);
    kernel_has_ipv6 = true;
}

/* One of two that is in use is no reason to serve on the other. */
static void test_open_a_name_with_a_port_in_use(void **state)
{
    struct listener taken;
    struct listeners l;
    unsigned port;
    char text[32];

    (void)state;
    assert_int_equal(listeners_open_private(&taken, &port), 0);
    named[0] = "127.0.0.2";
    named[1] = "127.0.0.1";
    named[2] = NULL;
    snprintf(text, sizeof(text), "several:%u", port);
    resolve(text, &l);
    assert_int_equal(l.n, 2);
    assert_int_equal(listeners_open(&l), -EADDRINUSE);
    assert_int_equal(l.items[0].fd, -1);
    close(taken.fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resolve_any_is_both_families),
        cmocka_unit_test(test_resolve_literals_and_names),
        cmocka_unit_test(test_resolve_unknown_name),
        cmocka_unit_test(test_open_private_picks_a_port),
        cmocka_unit_test(test_open_a_port_in_use),
        cmocka_unit_test(test_resolve_leaves_out_addresses_of_other_hosts),
        cmocka_unit_test(test_resolve_leaves_out_ipv6_where_the_kernel_lacks_it),
        cmocka_unit_test(test_resolve_keeps_all_where_none_can_be_had),
        cmocka_unit_test(test_open_a_name_with_a_port_in_use),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
