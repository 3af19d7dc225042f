/* URIs that name several hosts, of which some take connections and say nothing. */
#include <arpa/inet.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "index/store/postgres/postgres_engine.h"
#include "tests/support/indexes.h"
#include "tests/support/storebox.h"
#include "tests/unit/test.h"

#define SILENT 4

static struct postgres_server *server; /* of all tests; ends with the program */

struct hosts {
    struct indexes x;
    int sockets[SILENT]; /* that listen, and nobody accepts */
    char uri[2 * POSTGRES_URI_MAX];
};

static unsigned listen_to(int fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 100), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    return ntohs(address.sin_port);
}

/* The URI of so many silent hosts, and then the server, if it is to be there. */
static void hosts_init(struct hosts *h, unsigned silent, bool answers, const char *option)
{
    const char *name;
    char names[128] = "";
    char ports[128] = "";

    indexes_init(&h->x, server);
    name = strstr(h->x.uri, "@/") + 2;
    for (unsigned i = 0; i < SILENT; i++) {
        unsigned port;

        h->sockets[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        port = listen_to(h->sockets[i]);
        if (i >= silent)
            continue;
        snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s127.0.0.1",
                 i > 0 ? "," : "");
        snprintf(ports + strlen(ports), sizeof(ports) - strlen(ports), "%s%u", i > 0 ? "," : "",
                 port);
    }
    snprintf(h->uri, sizeof(h->uri), "postgresql://postgres@/%.*s?host=%s%s%s&port=%s%s%s",
             (int)strcspn(name, "?"), name, names, answers ? "," : "",
             answers ? strstr(name, "host=") + strlen("host=") : "", ports, answers ? ",5432" : "",
             option);
    h->x.via = h->uri;
}

static void hosts_deinit(struct hosts *h)
{
    indexes_deinit(&h->x);
    for (unsigned i = 0; i < SILENT; i++)
        close(h->sockets[i]);
}

/* How many have connected since the last time. */
static unsigned count_asked(const struct hosts *h, unsigned silent)
{
    unsigned n = 0;
    int fd;

    while ((fd = accept4(h->sockets[silent], NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        close(fd);
        n++;
    }
    return n;
}

static uint64_t now_ms(void)
{
    return uv_hrtime() / 1000000;
}

/* Only the first connection has to find out which hosts are silent. */
static void test_host_that_answered_comes_first(void **state)
{
    struct hosts h;

    (void)state;
    hosts_init(&h, 2, true, "");
    indexes_open(&h.x, 0);
    INDEXES_WAIT(&h.x, indexes_get(&h.x, 0, "/key") == 0);
    assert_int_equal(count_asked(&h, 0), 1);
    assert_int_equal(count_asked(&h, 1), 1);
    indexes_kill_sessions(&h.x);
    INDEXES_WAIT(&h.x, indexes_get(&h.x, 0, "/key") == 0);
    assert_int_equal(count_asked(&h, 0), 0);
    assert_int_equal(count_asked(&h, 1), 0);
    hosts_deinit(&h);
}

/* How long an opening took that has to fail. */
static uint64_t open_in_vain(struct hosts *h, unsigned deadline_ms)
{
    const struct postgres_engine_options options = {.uri = h->uri,
                                                    .name = "test",
                                                    .sync = true,
                                                    .deadline_ms = deadline_ms,
                                                    .shared = {.copies = 1, .subvolumes = 1}};
    uint64_t began = now_ms();
    struct store *store;

    assert_int_equal(postgres_engine_open(&h->x.loop, &options, &store), STORE_AWAY);
    return now_ms() - began;
}

static void test_opening_ends_by_its_deadline(void **state)
{
    struct hosts h;
    uint64_t took;

    (void)state;
    hosts_init(&h, SILENT, false, "");
    took = open_in_vain(&h, 5000);
    assert_in_range(took, 1500, 5200);
    assert_int_equal(count_asked(&h, 0) + count_asked(&h, 1), 2);
    hosts_deinit(&h);
}

/* The URI's own word on how long a host may take is no reason to wait for longer in all. */
static void test_opening_with_a_long_timeout(void **state)
{
    struct hosts h;

    (void)state;
    hosts_init(&h, 1, false, "&connect_timeout=60");
    assert_in_range(open_in_vain(&h, 3000), 1500, 3200);
    hosts_deinit(&h);
}

static void test_timeout_of_the_uri(void **state)
{
    struct hosts h;
    uint64_t began;

    (void)state;
    hosts_init(&h, 2, true, "&connect_timeout=2");
    began = now_ms();
    indexes_open(&h.x, 0);
    assert_in_range(now_ms() - began, 2000, 5000); /* by default, it would be 6 s */
    hosts_deinit(&h);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_host_that_answered_comes_first),
        cmocka_unit_test(test_opening_ends_by_its_deadline),
        cmocka_unit_test(test_opening_with_a_long_timeout),
        cmocka_unit_test(test_timeout_of_the_uri),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    server = postgres_server_start(NULL);
    return cmocka_run_group_tests_name("postgres_hosts", tests, NULL, NULL);
}
