/* How often volumes are asked, and what is known of them then: with a volume that is an HTTP server
 * on the same loop. */
#include "tests/unit/test.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "index/base/log.h"
#include "index/cluster/volumes.h"
#include "index/http/http.h"

#define DEADLINE 10000 /* milliseconds that any one wait may take */
#define PATH     "/5d/41/aGVsbG8=.019ab7f0d2bb0000"

static int socket_error; /* the errno of each socket(2), or 0 */

int __wrap_socket(int family, int type, int protocol);
int __real_socket(int family, int type, int protocol);

int __wrap_socket(int family, int type, int protocol)
{
    errno = socket_error;
    return errno == 0 ? __real_socket(family, type, protocol) : -1;
}

struct fixture {
    uv_loop_t loop;
    uv_timer_t deadline;
    struct http_server *server;
    struct transfers *transfers;
    struct volumes *volumes;
    struct volume *volume; /* the one there is */
    char name[32];         /* of it */
    const char *answer;    /* of the volume, where not the usual one */
    unsigned probes;       /* that it has answered */
    uint64_t probed_at;    /* loop time of the last one */
    unsigned settled;      /* calls */
    bool late;
    bool stopped;
};

static void volume_cb(struct http_request *request, void *arg)
{
    struct fixture *f = arg;
    const char *space = f->answer != NULL ? f->answer : "{\"total\":100000,\"free\":50000}";

    f->probes++;
    f->probed_at = uv_now(&f->loop);
    http_add_header(request, "Mkv-Volume-Id", "the-disk");
    http_respond(request, 200, space, strlen(space));
}

static int identified_cb(struct volume *volume, void *arg)
{
    (void)arg;
    volume->id = 7;
    return 0;
}

static void deadline_cb(uv_timer_t *timer)
{
    struct fixture *f = timer->data;

    f->late = true;
}

static void wait_for_probe(struct fixture *f, unsigned n)
{
    uv_timer_start(&f->deadline, deadline_cb, DEADLINE, 0);
    while (f->probes < n || f->volume->probing) {
        uv_run(&f->loop, UV_RUN_ONCE);
        assert_false(f->late);
    }
}

static int listen_on_loopback(char name[32])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    snprintf(name, 32, "localhost:%u", ntohs(address.sin_port));
    return fd;
}

static void settled_cb(void *arg)
{
    struct fixture *f = arg;

    f->settled++;
}

static int setup(void **state)
{
    static struct fixture fixture;
    struct fixture *f = &fixture;
    struct volume_entry entry = {.weight = VOLUME_WEIGHT};
    int fd;

    *f = (struct fixture){.late = false};
    *state = f;
    log_set_level(LOG_LEVEL_ERROR);
    assert_int_equal(uv_loop_init(&f->loop), 0);
    uv_timer_init(&f->loop, &f->deadline);
    f->deadline.data = f;
    fd = listen_on_loopback(f->name);
    strcpy(entry.name, f->name);
    assert_int_equal(
        http_server_start(&f->loop, &fd, 1, &http_default_limits, "GET", volume_cb, f, &f->server),
        0);
    assert_int_equal(transfers_new(&f->loop, &transfer_default_limits, &f->transfers), 0);
    assert_int_equal(volumes_new(&f->loop, f->transfers, identified_cb, NULL, &f->volumes), 0);
    assert_int_equal(volumes_set(f->volumes, &entry, 1), 0);
    f->volume = volumes_at(f->volumes, 0);
    volumes_start(f->volumes, settled_cb, f);
    wait_for_probe(f, 1);
    return 0;
}

static void stopped_cb(void *arg)
{
    struct fixture *f = arg;

    f->stopped = true;
}

static void wait_for_stop(struct fixture *f)
{
    while (!f->stopped)
        uv_run(&f->loop, UV_RUN_ONCE);
    f->stopped = false;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    volumes_stop(f->volumes, stopped_cb, f);
    wait_for_stop(f);
    transfers_free(f->transfers, stopped_cb, f);
    wait_for_stop(f);
    http_server_stop(f->server, stopped_cb, f);
    wait_for_stop(f);
    uv_close((uv_handle_t *)&f->deadline, NULL);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    return 0;
}

static void test_probe_answered(void **state)
{
    struct fixture *f = *state;
    char address[ADDRESS_TEXT_MAX];

    assert_int_equal(f->volume->state, VOLUME_UP);
    assert_string_equal(f->volume->identity, "the-disk");
    snprintf(address, sizeof(address), "127.0.0.1%s", strchr(f->name, ':'));
    assert_string_equal(f->volume->address, address);
    assert_int_equal(f->volume->id, 7);
    assert_int_equal(f->volume->free_bytes, 50000);
    assert_true(volume_takes(f->volume, PATH, 49999));
    assert_false(volume_takes(f->volume, PATH, 50000));
}

/* A failed request is a reason to ask at once, and once only. */
static void test_volume_report_of_a_failure(void **state)
{
    struct fixture *f = *state;
    uint64_t first = f->probed_at;
    uint64_t second;

    volume_report(f->volume, 0, 899);
    wait_for_probe(f, 2);
    second = f->probed_at;
    assert_in_range(second - first, 0, 899);
    wait_for_probe(f, 3);
    assert_in_range(f->probed_at - second, 900, DEADLINE);
    assert_int_equal(f->settled, 1);
}

/* One that comes while the volume is asked is told of what came before: it is asked again. */
static void test_volume_report_while_it_is_asked(void **state)
{
    struct fixture *f = *state;
    uint64_t second;

    while (!f->volume->probing)
        uv_run(&f->loop, UV_RUN_ONCE);
    volume_report(f->volume, 0, 899);
    wait_for_probe(f, 2);
    second = f->probed_at;
    wait_for_probe(f, 3);
    assert_in_range(f->probed_at - second, 0, 899);
}

/* Has the volume asked at once. */
static void ask_again(struct fixture *f, const char *answer)
{
    f->answer = answer;
    volume_report(f->volume, 0, 899);
    wait_for_probe(f, f->probes + 1);
}

/* What isn't true can be answered, and is added up with what other volumes answer. */
static void test_probe_bounds_the_numbers(void **state)
{
    struct fixture *f = *state;

    ask_again(f, "{\"total\":9223372036854775807,\"free\":9223372036854775807}");
    assert_true(f->volume->total_bytes == VOLUME_BYTES_MAX);
    assert_true(f->volume->free_bytes == VOLUME_BYTES_MAX);
    ask_again(f, "{\"total\":1000,\"free\":5000}");
    assert_int_equal(f->volume->total_bytes, 1000);
    assert_int_equal(f->volume->free_bytes, 1000);
    ask_again(f, "{\"total\":-1,\"free\":5000}");
    assert_true(f->volume->total_bytes == UINT64_MAX);
    ask_again(f, "{\"total\":1000,\"free\":-5}");
    assert_true(f->volume->free_bytes == UINT64_MAX);
}

static void test_probe_takes_the_volumes_word(void **state)
{
    struct fixture *f = *state;
    char text[800];

    ask_again(f, "{\"total\":1000000,\"free\":5000,\"state\":\"read-only\",\"reason\":\"so\"}");
    assert_int_equal(f->volume->state, VOLUME_READ_ONLY);
    assert_string_equal(volume_state_name(f->volume->state), "read-only");
    assert_string_equal(f->volume->reason, "so");
    assert_true(volume_is_live(f->volume));
    assert_false(volume_is_writable(f->volume));
    assert_false(volume_takes(f->volume, PATH, 1));
    ask_again(f, "{\"state\":\"down\",\"reason\":\"\\u001b[31m\\n\\u009b\\u007f\"}");
    assert_int_equal(f->volume->state, VOLUME_DOWN);
    assert_string_equal(f->volume->reason, "?[31m????");
    assert_false(volume_is_live(f->volume));
    snprintf(text, sizeof(text), "{\"state\":\"read-only\",\"reason\":\"%0300d\"}", 0);
    ask_again(f, text);
    assert_int_equal(f->volume->state, VOLUME_READ_ONLY);
    assert_int_equal(strlen(f->volume->reason), VOLUME_REASON_MAX - 1);
    /* What is too long, or no such answer, says nothing. */
    snprintf(text, sizeof(text), "{\"state\":\"read-only\",\"reason\":\"%0700d\"}", 0);
    ask_again(f, text);
    assert_int_equal(f->volume->state, VOLUME_UP);
    ask_again(f, "{\"state\":7,\"reason\":[]}");
    assert_int_equal(f->volume->state, VOLUME_UP);
    ask_again(f, "{\"state\":\"down\"}");
    assert_int_equal(f->volume->state, VOLUME_DOWN);
    assert_string_equal(f->volume->reason, "it says so");
    ask_again(f, NULL);
    assert_int_equal(f->volume->state, VOLUME_UP);
    assert_string_equal(f->volume->reason, "");
}

static void test_probe_takes_the_longest_name(void **state)
{
    static const char *const unknown[] = {"0", "-1", "4294967297", "\"24\"", "1e99", "null"};
    struct fixture *f = *state;
    char text[64];

    assert_true(volume_can_name(f->volume, PATH));
    ask_again(f, "{\"names\":25}"); /* as long as the last component */
    assert_true(volume_can_name(f->volume, PATH));
    ask_again(f, "{\"names\":24}");
    assert_false(volume_can_name(f->volume, PATH));
    assert_false(volume_takes(f->volume, PATH, 1));
    assert_false(volume_can_name(f->volume, "/5d/41/aGVsbG8aGVsbG8aGVsbG8aGVs/x"));
    assert_true(volume_can_name(f->volume, "/5d/41/aGVsbG8a/GVsbG8aGVsbG8/x"));
    for (size_t i = 0; i < COUNT_OF(unknown); i++) {
        snprintf(text, sizeof(text), "{\"names\":%s}", unknown[i]);
        ask_again(f, text);
        assert_true(volume_can_name(f->volume, PATH));
        ask_again(f, "{\"names\":24}");
    }
}

static void ended_cb(struct transfer *transfer, int rc, int status)
{
    (void)status;
    *(int *)transfer->data = rc;
}

/* What a request ends with for whose connection there is no socket. */
static int ask_without_socket(struct fixture *f, int error)
{
    int rc = 1;
    struct transfer transfer = {.data = &rc, .anew = true};
    char url[64];

    snprintf(url, sizeof(url), "http://%s/", f->name);
    socket_error = error;
    assert_int_equal(transfer_head(f->transfers, &transfer, url, ended_cb), 0);
    uv_timer_start(&f->deadline, deadline_cb, DEADLINE, 0);
    while (rc == 1) {
        uv_run(&f->loop, UV_RUN_ONCE);
        assert_false(f->late);
    }
    socket_error = 0;
    return rc;
}

/* What this process or machine is short of says nothing of a volume. */
static void test_volume_report_when_we_are_short(void **state)
{
    static const int errors[] = {EMFILE, ENFILE, ENOMEM, ENOBUFS, EADDRNOTAVAIL};
    struct fixture *f = *state;
    int rc;

    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        rc = ask_without_socket(f, errors[i]);
        assert_int_equal(rc, -errors[i]);
        volume_report(f->volume, rc, 0);
        assert_int_equal(f->volume->state, VOLUME_UP);
    }
    rc = ask_without_socket(f, EACCES);
    assert_int_equal(rc, UV_ECONNREFUSED);
    volume_report(f->volume, rc, 0);
    assert_int_equal(f->volume->state, VOLUME_DOWN);
}

/* The pause grows with each failure after it, however many come during one. */
static void test_volume_report_store_pauses(void **state)
{
    struct fixture *f = *state;

    volume_report_store(f->volume, 0, 409);
    volume_report(f->volume, 0, 500);
    assert_false(volume_is_paused(f->volume));
    for (unsigned ms = 1000; ms <= 64000; ms *= 2) {
        for (int i = 0; i < 3; i++)
            volume_report_store(f->volume, 0, 500);
        assert_true(volume_is_paused(f->volume));
        assert_int_equal(f->volume->paused_until - uv_now(&f->loop), ms < 60000 ? ms : 60000);
        f->volume->paused_until = uv_now(&f->loop); /* as if it were over */
    }
    volume_report_store(f->volume, 0, 503);
    assert_true(volume_takes(f->volume, PATH, 1)); /* where there is no other one */
    ask_again(f, NULL);
    assert_int_equal(f->volume->state, VOLUME_UP);
    assert_non_null(strstr(f->volume->reason, "503"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_probe_answered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_volume_report_of_a_failure, setup, teardown),
        cmocka_unit_test_setup_teardown(test_volume_report_while_it_is_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_probe_bounds_the_numbers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_probe_takes_the_volumes_word, setup, teardown),
        cmocka_unit_test_setup_teardown(test_probe_takes_the_longest_name, setup, teardown),
        cmocka_unit_test_setup_teardown(test_volume_report_when_we_are_short, setup, teardown),
        cmocka_unit_test_setup_teardown(test_volume_report_store_pauses, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
