/* What the HTTP server counts: each exchange once, however it ends. */
#include "tests/unit/http_fixture.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "index/http/meter.h"

enum { NOTHING, READ, STORE, LIST, HOLD };

static struct meter meter;

static void data_cb(struct http_request *request, const char *bytes, size_t len)
{
    (void)request;
    (void)bytes;
    (void)len;
}

static void end_cb(struct http_request *request)
{
    http_respond(request, 201, "", 0);
}

static void closed_cb(struct http_request *request)
{
    struct fixture *f = http_request_data(request);

    f->closed++;
    f->held = NULL;
}

static void more_cb(struct http_request *request)
{
    struct fixture *f = http_request_data(request);

    if (f->body >= 3000) {
        http_finish(request);
        return;
    }
    http_write(request, "0123456789", 10);
    f->body += 10;
}

static const struct http_body_reader reader = {.data = data_cb, .end = end_cb, .closed = closed_cb};
static const struct http_writer writer = {.more = more_cb, .closed = closed_cb};

static void handle_cb(struct http_request *request, void *arg)
{
    struct fixture *f = arg;
    size_t len;
    const char *path = http_request_path(request, &len);

    http_request_set_data(request, f);
    f->handled++;
    switch (path[1]) {
    case 'r':
        http_request_set_kind(request, READ);
        http_respond(request, 200, "value", 5);
        break;
    case 's':
        http_request_set_kind(request, STORE);
        http_read_body(request, &reader);
        break;
    case 'l':
        http_request_set_kind(request, LIST);
        f->body = 0;
        if (!http_respond_start(request, 200, &writer))
            f->body = 0;
        break;
    case 'h':
        http_request_set_kind(request, HOLD);
        f->held = request;
        http_request_hold(request, closed_cb);
        break;
    default:
        http_respond_text(request, 404, "none\n");
    }
}

static int setup(void **state)
{
    int rc = fixture_start(state, handle_cb, &fixture_limits, NULL);

    memset(&meter, 0, sizeof(meter));
    http_server_set_meter(((struct fixture *)*state)->server, &meter);
    return rc;
}

static uint64_t counted(unsigned kind, int status)
{
    return meter.kinds[kind].statuses[status - METER_STATUS_FIRST];
}

static uint64_t counted_in_all(void)
{
    uint64_t n = 0;

    for (unsigned kind = 0; kind < METER_KINDS; kind++) {
        for (unsigned i = 0; i < METER_STATUSES; i++)
            n += meter.kinds[kind].statuses[i];
    }
    return n;
}

static uint64_t timed(unsigned kind)
{
    uint64_t n = 0;

    for (unsigned i = 0; i <= HISTOGRAM_BOUNDS; i++)
        n += meter.kinds[kind].latencies.counts[i];
    return n;
}

static void test_meter_counts_by_kind_and_status(void **state)
{
    struct fixture *f = *state;

    ask(f, "GET /r HTTP/1.1\r\nHost: x\r\n\r\nHEAD /r HTTP/1.1\r\nHost: x\r\n\r\n"
           "GET /x HTTP/1.1\r\nHost: x\r\n\r\nGET /l HTTP/1.1\r\nHost: x\r\n\r\n"
           "HEAD /l HTTP/1.1\r\nHost: x\r\n\r\nGET /r HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(f, "HTTP/1.1 ", 6);
    assert_int_equal(counted(READ, 200), 3);
    assert_int_equal(counted(LIST, 200), 2);
    assert_int_equal(counted(NOTHING, 404), 1);
    assert_int_equal(counted_in_all(), 6);
    assert_int_equal(timed(READ), 3);
    assert_int_equal(meter.kinds[READ].bytes_out, 10); /* none of the HEAD */
    assert_int_equal(meter.kinds[LIST].bytes_out, 3000);
}

static void test_meter_counts_bodies(void **state)
{
    struct fixture *f = *state;

    ask(f, "PUT /s HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nvalue"
           "PUT /s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
           "GET /r HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(f, "HTTP/1.1 20", 3);
    assert_int_equal(counted(STORE, 201), 2);
    assert_int_equal(meter.kinds[STORE].bytes_in, 8);
    assert_int_equal(meter.kinds[READ].bytes_in, 0);
}

/* What the server itself refuses is of no kind, also behind a request of one. */
static void test_meter_counts_what_is_refused(void **state)
{
    struct fixture *f = *state;

    ask(f, "GET /r HTTP/1.1\r\nHost: x\r\n\r\nnonsense\r\n\r\n");
    expect_close(f);
    assert_int_equal(counted(READ, 200), 1);
    assert_int_equal(counted(NOTHING, 400) + counted(NOTHING, 405), 1);
    ask(f, "nonsense\r\n\r\n");
    expect_close(f);
    assert_int_equal(counted_in_all(), 3);
    ask(f, "GET /r HTTP/1.1\r\nHo"); /* and no more */
    expect(f, "HTTP/1.1 408", 1);
    assert_int_equal(counted(NOTHING, 408), 1);
    ask(f, "PUT /s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n");
    expect(f, "HTTP/1.1 400", 1);
    assert_int_equal(counted(STORE, 400), 1);
    assert_int_equal(counted_in_all(), 5);
}

static void test_meter_counts_clients_that_go(void **state)
{
    struct fixture *f = *state;

    ask(f, "PUT /s HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nval");
    arm(f);
    while (f->handled < 1 && !f->late)
        uv_run(&f->loop, UV_RUN_NOWAIT);
    fresh_client(f);
    arm(f);
    while (f->closed < 1 && !f->late)
        uv_run(&f->loop, UV_RUN_NOWAIT);
    assert_int_equal(counted(STORE, METER_GONE), 1);
    assert_int_equal(meter.kinds[STORE].bytes_in, 3);
    /* One that is answered later is counted then. */
    send_text(f, "GET /h HTTP/1.1\r\nHost: x\r\n\r\n");
    arm(f);
    while (f->held == NULL && !f->late)
        uv_run(&f->loop, UV_RUN_NOWAIT);
    assert_int_equal(counted_in_all(), 1);
    work(1000);
    http_respond(f->held, 503, "", 0);
    expect(f, "HTTP/1.1 503", 1);
    assert_int_equal(counted(HOLD, 503), 1);
    assert_int_equal(counted_in_all(), 2);
    assert_true(meter.kinds[HOLD].latencies.sum >= 1000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_meter_counts_by_kind_and_status, setup, teardown),
        cmocka_unit_test_setup_teardown(test_meter_counts_bodies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_meter_counts_what_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_meter_counts_clients_that_go, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
