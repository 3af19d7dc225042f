/* Uploads whose volumes fail in ways that real ones seldom do: volumes that are HTTP servers on the
 * same loop, and do as a test says. */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "index/base/log.h"
#include "index/cluster/flush.h"
#include "index/cluster/upload.h"
#include "index/http/http.h"

#define N        4
#define DEADLINE 10000 /* milliseconds that any one wait may take */

struct fixture;

struct server {
    struct fixture *f;
    struct http_server *http;
    bool syncs;     /* else a sync has no answer */
    unsigned names; /* bytes of its longest name */
    unsigned puts;
    char name[32];
    char identity[16];
};

struct fixture {
    bool is_framed; /* the next upload */
    uv_loop_t loop;
    uv_timer_t deadline;
    struct server servers[N];
    struct transfers *transfers;
    struct volumes *volumes;
    struct upload_budget budget;
    struct upload upload;
    bool ended;
    int status;
    bool settled;
    bool late;
    unsigned stopped;
};

/* --- Volumes --------------------------------------------------------------------------------- */

static void stored_cb(struct http_request *request)
{
    struct server *s = http_request_data(request);

    s->puts++;
    http_respond(request, 201, "", 0);
}

static void ignore_cb(struct http_request *request)
{
    (void)request;
}

static void volume_cb(struct http_request *request, void *arg)
{
    static const struct http_body_reader put = {.end = stored_cb, .closed = ignore_cb};
    static const struct http_body_reader drop = {.closed = ignore_cb};
    struct server *s = arg;
    char space[64];
    int n =
        snprintf(space, sizeof(space), "{\"total\":100000,\"free\":50000,\"names\":%u}", s->names);

    http_add_header(request, "Mkv-Volume-Id", s->identity);
    http_request_set_data(request, s);
    if (http_request_method(request) == HTTP_METHOD_PUT)
        http_read_body(request, &put);
    else if (http_request_method(request) == HTTP_METHOD_GET)
        http_respond(request, 200, space, (size_t)n);
    else if (s->syncs)
        http_respond(request, 204, "", 0);
    else
        http_read_body(request, &drop);
}

static int identified_cb(struct volume *volume, void *arg)
{
    (void)arg;
    volume->id = 7;
    return 0;
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
    snprintf(name, 32, "127.0.0.1:%u", ntohs(address.sin_port));
    return fd;
}

/* --- The fixture ----------------------------------------------------------------------------- */

static void deadline_cb(uv_timer_t *timer)
{
    struct fixture *f = timer->data;

    f->late = true;
}

static void wait_until(struct fixture *f, const bool *condition)
{
    uv_timer_start(&f->deadline, deadline_cb, DEADLINE, 0);
    while (!*condition) {
        uv_run(&f->loop, UV_RUN_ONCE);
        assert_false(f->late);
    }
    uv_timer_stop(&f->deadline);
}

static void settled_cb(void *arg)
{
    struct fixture *f = arg;

    f->settled = true;
}

/* Volumes have so many ms for a sync, and all of an upload's end so many. */
static int setup_with(void **state, unsigned post_timeout, unsigned durable_timeout)
{
    static struct fixture fixture;
    const struct transfer_limits limits = {
        .connect_timeout = 3000,
        .stall_timeout = 10000,
        .down_timeout = 1000,
        .post_timeout = post_timeout,
        .durable_timeout = durable_timeout,
        .kept_connections = 10,
    };
    struct fixture *f = &fixture;
    struct volume_entry entries[N];

    *f = (struct fixture){.late = false};
    *state = f;
    log_set_level(LOG_LEVEL_ERROR);
    assert_int_equal(uv_loop_init(&f->loop), 0);
    uv_timer_init(&f->loop, &f->deadline);
    f->deadline.data = f;
    assert_int_equal(transfers_new(&f->loop, &limits, &f->transfers), 0);
    for (unsigned i = 0; i < N; i++) {
        struct server *s = &f->servers[i];
        int fd = listen_on_loopback(s->name);

        s->f = f;
        s->syncs = true;
        snprintf(s->identity, sizeof(s->identity), "disk-%u", i);
        entries[i] = (struct volume_entry){.weight = VOLUME_WEIGHT};
        strcpy(entries[i].name, s->name);
        assert_int_equal(http_server_start(&f->loop, &fd, 1, &http_default_limits, "GET", volume_cb,
                                           s, &s->http),
                         0);
    }
    assert_int_equal(volumes_new(&f->loop, f->transfers, identified_cb, NULL, &f->volumes), 0);
    assert_int_equal(volumes_set(f->volumes, entries, N), 0);
    volumes_start(f->volumes, settled_cb, f);
    wait_until(f, &f->settled);
    return 0;
}

static int setup(void **state)
{
    return setup_with(state, 100, 60000);
}

static int setup_late(void **state)
{
    return setup_with(state, 60000, 100);
}

static void stopped_cb(void *arg)
{
    struct fixture *f = arg;

    f->stopped++;
}

static void wait_for_stops(struct fixture *f, unsigned n)
{
    while (f->stopped < n)
        uv_run(&f->loop, UV_RUN_ONCE);
    f->stopped = 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    upload_deinit(&f->upload);
    assert_int_equal(f->budget.connections, 0);
    assert_int_equal(f->budget.used, 0);
    volumes_stop(f->volumes, stopped_cb, f);
    wait_for_stops(f, 1);
    transfers_free(f->transfers, stopped_cb, f);
    wait_for_stops(f, 1);
    for (unsigned i = 0; i < N; i++) {
        http_server_stop(f->servers[i].http, stopped_cb, f);
        http_server_abort(f->servers[i].http);
    }
    wait_for_stops(f, N);
    uv_close((uv_handle_t *)&f->deadline, NULL);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    return 0;
}

static void done_cb(struct upload *upload, int status)
{
    struct fixture *f = upload->data;

    f->ended = true;
    f->status = status;
}

static void drained_cb(struct upload *upload)
{
    (void)upload;
}

static int begin(struct fixture *f, const uint32_t *zones, unsigned n, unsigned copies)
{
    struct upload_target candidates[N] = {0};

    for (unsigned i = 0; i < n; i++)
        candidates[i] =
            (struct upload_target){.volume = volumes_at(f->volumes, i), .zone = zones[i]};
    f->upload.data = f;
    return upload_init(&f->upload,
                       &(struct upload_options){
                           .transfers = f->transfers,
                           .budget = &f->budget,
                           .path = "/5d/41/aGVsbG8=",
                           .size = 5,
                           .is_framed = f->is_framed,
                           .time = 1,
                           .copies = copies,
                           .sync = true,
                           .drained = drained_cb,
                           .done = done_cb,
                       },
                       candidates, n);
}

static void upload_to(struct fixture *f, const uint32_t *zones, unsigned n, unsigned copies)
{
    assert_int_equal(begin(f, zones, n, copies), 0);
    assert_int_equal(upload_start(&f->upload), 0);
    assert_int_equal(upload_write(&f->upload, "value", 5), 1);
    upload_end(&f->upload, NULL, 0);
    wait_until(f, &f->ended);
}

/* One copy, to one of two volumes. */
static void upload_it(struct fixture *f)
{
    static const uint32_t zones[] = {0, 1};

    upload_to(f, zones, 2, 1);
}

/* --- Tests ----------------------------------------------------------------------------------- */

static void assert_holders(const struct fixture *f, const char *expected)
{
    char holders[N + 1] = "";

    assert_int_equal(f->status, 0);
    for (unsigned i = 0; i < f->upload.n_targets; i++)
        holders[i] = f->upload.targets[i].holds ? '1' : '0';
    assert_string_equal(holders, expected);
}

static void test_upload_of_a_volume_that_works(void **state)
{
    struct fixture *f = *state;

    upload_it(f);
    assert_int_equal(f->status, 0);
    assert_true(f->upload.targets[0].holds);
    assert_int_equal(f->servers[0].puts, 1);
    assert_int_equal(f->servers[1].puts, 0);
}

static void paused_cb(uv_timer_t *timer)
{
    bool *over = timer->data;

    *over = true;
}

/* The client has sent all bytes and not yet that they are all. */
static void test_upload_of_a_framed_value_waits_for_its_end(void **state)
{
    static const uint32_t zones[] = {0};
    struct fixture *f = *state;
    bool over = false;

    f->is_framed = true;
    assert_int_equal(begin(f, zones, 1, 1), 0);
    assert_int_equal(upload_start(&f->upload), 0);
    assert_int_equal(upload_write(&f->upload, "value", 5), 1);
    f->deadline.data = &over;
    uv_timer_start(&f->deadline, paused_cb, 100, 0);
    while (!over)
        uv_run(&f->loop, UV_RUN_ONCE);
    f->deadline.data = f;
    assert_false(f->ended);
    assert_int_equal(f->servers[0].puts, 0);
    upload_end(&f->upload, NULL, 0);
    wait_until(f, &f->ended);
    assert_holders(f, "1");
}

/* The value may be there, so the target says so, and another volume gets it. */
static void test_upload_when_a_flush_hangs(void **state)
{
    struct fixture *f = *state;

    f->servers[0].syncs = false;
    upload_it(f);
    assert_int_equal(f->status, 0);
    assert_false(f->upload.targets[0].holds);
    assert_true(f->upload.targets[0].may_hold);
    assert_true(f->upload.targets[1].holds);
}

/* With no time left the volume that hangs is given up, and no other one is tried. */
static void test_upload_that_is_late(void **state)
{
    struct fixture *f = *state;

    f->servers[0].syncs = false;
    upload_it(f);
    assert_int_equal(f->status, UV_EAGAIN);
    assert_int_equal(f->servers[1].puts, 0);
    assert_true(f->upload.targets[0].may_hold);
}

static void test_upload_when_all_flushes_hang(void **state)
{
    struct fixture *f = *state;

    f->servers[0].syncs = f->servers[1].syncs = false;
    upload_it(f);
    assert_int_equal(f->status, UV_EAGAIN);
    assert_int_equal(f->servers[0].puts + f->servers[1].puts, 2);
}

/* The third volume is the better one, but its zone has a copy. */
static void test_upload_falls_back_within_the_zone(void **state)
{
    static const uint32_t zones[] = {7, 9, 7, 9};
    struct fixture *f = *state;

    f->servers[1].syncs = false;
    upload_to(f, zones, 4, 2);
    assert_holders(f, "1001");
}

static void test_upload_falls_back_to_a_zone_without_a_copy(void **state)
{
    static const uint32_t zones[] = {7, 9, 7, 8};
    struct fixture *f = *state;

    f->servers[0].syncs = f->servers[2].syncs = false;
    upload_to(f, zones, 4, 2);
    assert_holders(f, "0101");
    assert_int_equal(f->servers[2].puts, 1); /* it is as good as the last one, and before it */
}

/* Better two copies in one zone than none. */
static void test_upload_shares_a_zone_that_is_left(void **state)
{
    static const uint32_t zones[] = {7, 9, 7, 9};
    struct fixture *f = *state;

    f->servers[1].syncs = f->servers[3].syncs = false;
    upload_to(f, zones, 4, 2);
    assert_holders(f, "1010");
}

static void flushed_cb(struct flush *flush, const struct transfer *transfer, int rc, int status)
{
    struct fixture *f = flush->data;

    (void)transfer;
    assert_int_equal(rc, 0);
    f->ended = true;
    f->status = status;
}

/* A request to flush waits for a PUT that is about to be answered, but not for long. */
static void test_flush_when_an_answer_is_owed(void **state)
{
    struct fixture *f = *state;
    struct volume *volume = volumes_at(f->volumes, 0);
    const struct place place = {.volume = volume->id};
    struct flush flush = {.data = f, .until = transfers_now(f->transfers) + DEADLINE};

    flush_expect(volume);
    flush_start(&flush, f->transfers, volume, &place, "/5d/41/aGVsbG8=", flushed_cb);
    wait_until(f, &f->ended);
    assert_int_equal(f->status, 204);
    flush_expect_less(volume);
}

static void pending_cb(struct flush *flush, const struct transfer *transfer, int rc, int status)
{
    (void)transfer;
    (void)status;
    *(int *)flush->data = rc;
}

static void wait_for_rc(struct fixture *f, const int *rc)
{
    uv_timer_start(&f->deadline, deadline_cb, DEADLINE, 0);
    while (*rc == 1 && !f->late)
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_false(f->late);
    uv_timer_stop(&f->deadline);
}

/* Each of those that wait for a volume, or share its request, keeps a deadline of its own. */
static void test_flush_keeps_its_deadline_behind_a_slow_one(void **state)
{
    struct fixture *f = *state;
    struct volume *volume = volumes_at(f->volumes, 0);
    const struct place place = {.volume = volume->id};
    uint64_t now = transfers_now(f->transfers);
    int rcs[3] = {1, 1, 1};
    struct flush flushes[3] = {
        {.data = &rcs[0], .until = now + 600000},
        {.data = &rcs[1], .until = now + 100}, /* goes with it */
        {.data = &rcs[2], .until = now + 100}, /* goes with the next */
    };

    f->servers[0].syncs = false;
    for (unsigned i = 0; i < 3; i++) {
        flush_start(&flushes[i], f->transfers, volume, &place, "/5d/41/aGVsbG8=", pending_cb);
        if (i == 1)
            uv_run(&f->loop, UV_RUN_ONCE);
    }
    wait_for_rc(f, &rcs[1]);
    wait_for_rc(f, &rcs[2]);
    assert_int_equal(rcs[0], 1);
    assert_int_equal(rcs[1], UV_ETIMEDOUT);
    assert_int_equal(rcs[2], UV_ETIMEDOUT);
    transfers_abort(f->transfers);
    wait_for_rc(f, &rcs[0]);
    assert_int_equal(rcs[0], UV_ECANCELED);
}

static void forget_upload(struct fixture *f)
{
    upload_deinit(&f->upload);
    f->upload = (struct upload){.data = f};
}

/* The path's longest name has 8 bytes. A volume that has no such names gets no request, and the
 * next one does. Where that is down the client is told to try again; only where it has none either,
 * that the key is too long. */
static void test_upload_where_names_are_short(void **state)
{
    static const uint32_t zones[] = {0, 1};
    struct fixture *f = *state;
    struct volume *first = volumes_at(f->volumes, 0);
    struct volume *second = volumes_at(f->volumes, 1);

    f->servers[0].names = first->name_max = 7;
    upload_it(f);
    assert_int_equal(f->status, 0);
    assert_int_equal(f->servers[0].puts, 0);
    assert_int_equal(f->servers[1].puts, 1);
    forget_upload(f);
    second->state = VOLUME_DOWN;
    assert_int_equal(begin(f, zones, 2, 1), UV_EAGAIN);
    forget_upload(f);
    f->servers[1].names = second->name_max = 7;
    assert_int_equal(begin(f, zones, 2, 1), UV_ENAMETOOLONG);
    assert_non_null(strstr(f->upload.text, "too long"));
    assert_int_equal(first->state, VOLUME_UP);
    assert_false(volume_is_paused(first));
}

static void held_cb(struct transfer *transfer, int rc, int status)
{
    struct fixture *f = transfer->data;

    assert_int_equal(rc, UV_ECANCELED);
    (void)status;
    f->stopped++;
}

/* Makes a request that isn't answered, on the connection that is kept from the probe. */
static void hold_connection(struct fixture *f, unsigned i, struct transfer *transfer)
{
    char url[64];

    f->servers[i].syncs = false;
    transfer->data = f;
    snprintf(url, sizeof(url), "http://%s/_mkv/sync", f->servers[i].name);
    assert_int_equal(transfer_post(f->transfers, transfer, url, "/", 100ULL * TRANSFER_FLUSH_RATE,
                                   NULL, held_cb),
                     0);
}

/* A want of descriptors is ours: it is said of no volume, and ends the upload at once. */
static void test_upload_without_descriptors(void **state)
{
    struct fixture *f = *state;
    struct rlimit limit;
    struct rlimit none;
    struct transfer held[N] = {0};
    int fd;

    for (unsigned i = 0; i < N; i++)
        hold_connection(f, i, &held[i]);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    close(fd);
    none = (struct rlimit){.rlim_cur = (rlim_t)fd, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    upload_it(f);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(f->status, UV_EAGAIN);
    assert_non_null(strstr(f->upload.text, "too many open files"));
    assert_false(f->upload.targets[1].tried);
    for (unsigned i = 0; i < N; i++)
        transfer_cancel(&held[i]);
    wait_for_stops(f, N);
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(volumes_at(f->volumes, i)->state, VOLUME_UP);
}

static void test_upload_that_needs_too_many_connections(void **state)
{
    static const uint32_t zones[] = {0, 1};
    struct fixture *f = *state;

    f->budget.connections_max = 3;
    f->budget.connections = 3;
    assert_int_equal(begin(f, zones, 2, 1), UV_EAGAIN);
    f->budget.connections = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_upload_of_a_volume_that_works, setup, teardown),
        cmocka_unit_test_setup_teardown(test_upload_of_a_framed_value_waits_for_its_end, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_upload_when_a_flush_hangs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_upload_that_is_late, setup_late, teardown),
        cmocka_unit_test_setup_teardown(test_upload_when_all_flushes_hang, setup, teardown),
        cmocka_unit_test_setup_teardown(test_upload_falls_back_within_the_zone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_upload_falls_back_to_a_zone_without_a_copy, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_upload_shares_a_zone_that_is_left, setup, teardown),
        cmocka_unit_test_setup_teardown(test_flush_when_an_answer_is_owed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_flush_keeps_its_deadline_behind_a_slow_one, setup_late,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_upload_where_names_are_short, setup, teardown),
        cmocka_unit_test_setup_teardown(test_upload_without_descriptors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_upload_that_needs_too_many_connections, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
