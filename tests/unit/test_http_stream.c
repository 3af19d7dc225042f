/* Streamed answers of the HTTP server. */
#include "tests/unit/http_fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE 1000
#define CROWD 40

/* The streamed answer of the moment. */
static struct {
    size_t size;    /* bytes that it has, SIZE_MAX when only the test writes */
    size_t fail_at; /* the source fails there */
    size_t written;
    unsigned mores;
    unsigned started; /* answers of which http_respond_start() said true */
    bool starting;    /* inside the handler */
    bool bad_header;
    unsigned busy; /* microseconds that `more` takes */
} source;

static void more_cb(struct http_request *request)
{
    static char piece[PIECE];
    size_t n = source.size - source.written;

    assert_false(source.starting);
    source.mores++;
    work(source.busy);
    if (source.size == SIZE_MAX)
        return;
    if (source.written >= source.fail_at) {
        http_fail(request);
        return;
    }
    if (n == 0) {
        http_finish(request);
        return;
    }
    n = n < PIECE ? n : PIECE;
    memset(piece, 'x', n);
    http_write(request, piece, 0);
    http_write(request, piece, n);
    source.written += n;
}

static void closed_cb(struct http_request *request)
{
    struct fixture *f = http_request_data(request);

    assert_false(source.starting);
    f->closed++;
    f->held = NULL;
}

static const struct http_writer writer = {.more = more_cb, .closed = closed_cb};
static const struct http_writer patient = {.more = more_cb, .closed = closed_cb, .waits = true};
static const struct http_writer small = {.more = more_cb, .closed = closed_cb, .is_small = true};

static const struct http_writer *writer_of(const struct http_request *request)
{
    if (http_request_header(request, "X-Small") != NULL)
        return &small;
    return http_request_header(request, "X-Wait") != NULL ? &patient : &writer;
}

/* "/hold" waits for the test to write, "/now" is all written at once, "/5" has 5 bytes. */
static void start_answer(struct http_request *request)
{
    struct fixture *f = http_request_data(request);
    size_t len;
    const char *path = http_request_path(request, &len);
    bool hold = len == 5 && memcmp(path, "/hold", 5) == 0;

    source.size = hold ? SIZE_MAX : strtoul(path + 1, NULL, 10);
    source.written = 0;
    if (source.bad_header)
        http_add_header(request, "X-Note", "\n");
    else
        http_add_header(request, "X-Note", "yes");
    if (!http_respond_start(request, 200, writer_of(request)))
        return;
    source.started++;
    f->held = request;
    if (len == 4 && memcmp(path, "/now", 4) == 0) {
        http_write(request, "he", 2);
        http_write(request, "re", 2);
        http_finish(request);
    }
}

static void data_cb(struct http_request *request, const char *bytes, size_t len)
{
    (void)bytes;
    (void)len;
    if (http_request_header(request, "X-Early") != NULL)
        start_answer(request);
}

static const struct http_body_reader reader = {
    .data = data_cb, .end = start_answer, .closed = closed_cb};

static void handler_cb(struct http_request *request, void *arg)
{
    source.starting = true;
    http_request_set_data(request, arg);
    if (http_request_header(request, "X-Read") != NULL)
        http_read_body(request, &reader);
    else
        start_answer(request);
    source.starting = false;
}

static int start_with(void **state, const struct http_limits *limits)
{
    memset(&source, 0, sizeof(source));
    source.fail_at = SIZE_MAX;
    return fixture_start(state, handler_cb, limits, NULL);
}

static int setup(void **state)
{
    return start_with(state, &fixture_limits);
}

static int setup_impatient(void **state)
{
    struct http_limits limits = fixture_limits;

    limits.write_timeout = 100;
    return start_with(state, &limits);
}

static void expect_closed(struct fixture *f, unsigned n)
{
    arm(f);
    while (f->closed < n && !f->late)
        uv_run(&f->loop, UV_RUN_NOWAIT);
    spin(f);
    assert_int_equal(f->closed, n);
}

/* Lets the server write until the client's socket takes no more. */
static void fill_up(struct fixture *f)
{
    size_t before = SIZE_MAX;

    arm(f);
    while (before != source.written && !f->late) {
        before = source.written;
        for (int i = 0; i < 100; i++)
            spin(f);
    }
    assert_false(f->late);
}

/* Reads to the end of the stream; the number of 'x' in it, or the negative errno that ended it. */
static long drain(struct fixture *f)
{
    static char some[64 * 1024];
    long found = 0;
    ssize_t n;

    arm(f);
    while (!f->late && (n = recv(f->client, some, sizeof(some), 0)) != 0) {
        if (n < 0 && errno != EAGAIN)
            return -errno;
        for (ssize_t i = 0; i < n; i++)
            found += some[i] == 'x';
        uv_run(&f->loop, UV_RUN_NOWAIT);
    }
    assert_false(f->late);
    return found;
}

/* --- Whole answers --------------------------------------------------------------------------- */

static const char pipeline[] =
    "GET /now HTTP/1.1\r\nHost: h\r\n\r\n"
    "PUT /3 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
    "PUT /4 HTTP/1.1\r\nHost: h\r\nX-Read: y\r\nContent-Length: 5\r\n\r\nhello"
    "PUT /5 HTTP/1.1\r\nHost: h\r\nX-Read: y\r\nX-Early: y\r\n"
    "Content-Length: 1\r\n\r\nh"
    "GET /2001 HTTP/1.1\r\nHost: h\r\n\r\n"
    "GET /0 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

static void expect_pipeline(struct fixture *f)
{
    static const char *const in_order[] = {
        "Transfer-Encoding: chunked\r\nX-Note: yes\r\n\r\n2\r\nhe\r\n2\r\nre\r\n0\r\n\r\nHTTP/1.1",
        "\r\n\r\n3\r\nxxx\r\n0\r\n\r\nHTTP/1.1",
        "\r\n\r\n4\r\nxxxx\r\n0\r\n\r\nHTTP/1.1",
        "\r\n\r\n5\r\nxxxxx\r\n0\r\n\r\nHTTP/1.1",
        "\r\n\r\n3e8\r\nxxx",
        "x\r\n3e8\r\nxxx",
        "x\r\n1\r\nx\r\n0\r\n\r\nHTTP/1.1",
        "Connection: close\r\n",
        "\r\n\r\n0\r\n\r\n"};
    const char *at = f->answers;

    expect_close(f);
    for (size_t i = 0; i < COUNT_OF(in_order); i++) {
        at = strstr(at, in_order[i]);
        if (at == NULL)
            break;
    }
    if (at == NULL)
        fail_msg("not all is there, or not in order: %s", f->answers);
    assert_int_equal(count(f->answers, "HTTP/1.1 200 OK"), 6);
    assert_int_equal(count(f->answers, "Content-Length"), 0);
    assert_int_equal(f->closed, 0);
}

static void test_http_stream_pipeline_split_at_every_byte(void **state)
{
    send_split_at_every_byte(*state, pipeline, sizeof(pipeline) - 1, expect_pipeline);
}

static void test_http_stream_head_has_no_body(void **state)
{
    struct fixture *f = *state;

    ask(f, "HEAD /5 HTTP/1.1\r\nHost: h\r\n\r\nGET /now HTTP/1.1\r\nHost: h\r\n\r\n");
    expect(f, "2\r\nre\r\n0\r\n\r\n", 1);
    assert_int_equal(count(f->answers, "Transfer-Encoding: chunked\r\nX-Note: yes\r\n\r\nHTTP/1.1"),
                     1);
    assert_int_equal(source.started, 1);
    assert_int_equal(source.mores, 0);
}

static void test_http_stream_one_point_zero_is_not_chunked(void **state)
{
    struct fixture *f = *state;

    ask(f, "GET /5 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    expect_close(f);
    assert_int_equal(count(f->answers, "Connection: close\r\nX-Note: yes\r\n\r\nxxxxx"), 1);
    assert_int_equal(count(f->answers, "chunked"), 0);
    assert_string_equal(strstr(f->answers, "\r\n\r\n"), "\r\n\r\nxxxxx");
}

static void test_http_stream_bad_header_is_a_500(void **state)
{
    struct fixture *f = *state;

    source.bad_header = true;
    ask(f, "GET /5 HTTP/1.1\r\nHost: h\r\n\r\n");
    expect(f, "HTTP/1.1 500 ", 1);
    assert_int_equal(source.started, 0);
}

static void test_http_stream_source_that_has_nothing_now(void **state)
{
    struct fixture *f = *state;

    ask(f, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\nGET /now HTTP/1.1\r\nHost: h\r\n\r\n");
    expect(f, "chunked\r\n", 1);
    spin(f);
    assert_int_equal(source.mores, 1);
    http_write(f->held, "one", 3);
    expect(f, "\r\n\r\n3\r\none\r\n", 1);
    spin(f);
    assert_int_equal(source.mores, 2);
    spin(f);
    assert_int_equal(source.mores, 2);
    assert_int_equal(count(f->answers, "HTTP/1.1"), 1);
    http_finish(f->held);
    expect(f, "one\r\n0\r\n\r\nHTTP/1.1 200 OK", 1);
}

/* --- A body that nobody reads ---------------------------------------------------------------- */

static void test_http_stream_survives_a_long_body(void **state)
{
    struct fixture *f = *state;
    static char some[64 * 1024];
    size_t sent = 0;

    ask(f, "PUT /hold HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000\r\n\r\n");
    expect(f, "Connection: close\r\n", 1);
    for (int i = 0; i < 1000; i++) {
        ssize_t n = send(f->client, some, sizeof(some), MSG_NOSIGNAL);

        sent += n > 0 ? (size_t)n : 0;
        spin(f);
    }
    assert_in_range(sent, 1 << 20, 32 << 20); /* dropped, but not without an end */
    assert_non_null(f->held);
    http_write(f->held, "still here", 10);
    http_finish(f->held);
    expect(f, "a\r\nstill here\r\n0\r\n\r\n", 1);
    assert_int_equal(f->closed, 0);
}

static void test_http_stream_half_closed_at_once(void **state)
{
    static const char request[] = "GET /300000 HTTP/1.1\r\nHost: h\r\n\r\n";
    struct fixture *f = *state;

    fresh_client(f);
    send(f->client, request, sizeof(request) - 1, MSG_NOSIGNAL);
    shutdown(f->client, SHUT_WR);
    assert_int_equal(drain(f), 300000);
    assert_int_equal(f->closed, 0);
}

static void test_http_stream_half_closed_behind_a_chunked_body(void **state)
{
    struct fixture *f = *state;

    ask(f,
        "PUT /hold HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    shutdown(f->client, SHUT_WR);
    expect(f, "Connection: close\r\n", 1);
    spin(f);
    assert_non_null(f->held);
    http_write(f->held, "late", 4);
    http_finish(f->held);
    expect_close(f);
    assert_int_equal(count(f->answers, "4\r\nlate\r\n0\r\n\r\n"), 1);
}

static void test_http_stream_body_behind_a_finished_answer(void **state)
{
    struct fixture *f = *state;

    ask(f, "PUT /3 HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nb");
    expect(f, "xxx\r\n0\r\n\r\n", 1);
    send_text(f, "odyGET /now HTTP/1.1\r\nHost: h\r\n\r\n");
    expect(f, "re\r\n0\r\n\r\n", 1);
}

/* --- Clients that are slow or gone ----------------------------------------------------------- */

static void test_http_stream_memory_is_bounded(void **state)
{
    struct fixture *f = *state;
    const size_t size = 64000000; /* more than the sockets' buffers hold */

    ask(f, "GET /64000000 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    fill_up(f);
    assert_in_range(source.written, PIECE, size / 2);
    assert_int_equal(drain(f), size);
    assert_int_equal(f->closed, 0);
}

static void test_http_stream_client_that_does_not_read_is_cut_off(void **state)
{
    struct fixture *f = *state;

    ask(f, "GET /64000000 HTTP/1.1\r\nHost: h\r\n\r\n");
    expect_closed(f, 1);
    assert_true(source.written < 64000000);
}

static void test_http_stream_client_that_vanishes_is_reported_once(void **state)
{
    struct fixture *f = *state;

    ask(f, "GET /64000000 HTTP/1.1\r\nHost: h\r\n\r\n");
    fill_up(f);
    close(f->client);
    f->client = -1;
    expect_closed(f, 1);
}

/* --- Many at once ---------------------------------------------------------------------------- */

static int setup_crowd(void **state)
{
    struct http_limits limits = fixture_limits;

    limits.connections = CROWD + 10;
    limits.streams = CROWD;
    return start_with(state, &limits);
}

static void dial_crowd(struct fixture *f, int *crowd, const char *request)
{
    for (int i = 0; i < CROWD; i++) {
        crowd[i] = dial(f);
        send(crowd[i], request, strlen(request), MSG_NOSIGNAL);
    }
    arm(f);
    while (source.started < CROWD && !f->late)
        uv_run(&f->loop, UV_RUN_NOWAIT);
    assert_int_equal(source.started, CROWD);
}

static void close_crowd(struct fixture *f, const int *crowd)
{
    for (int i = 0; i < CROWD; i++)
        close(crowd[i]);
    f->held = NULL;
}

static void test_http_stream_crowd_shares_the_loop(void **state)
{
    struct fixture *f = *state;
    int crowd[CROWD];

    source.busy = 200;
    dial_crowd(f, crowd, "GET /64000000 HTTP/1.1\r\nHost: h\r\n\r\n");
    for (int i = 0; i < 50; i++) {
        unsigned before = source.mores;

        uv_run(&f->loop, UV_RUN_NOWAIT);
        assert_in_range(source.mores - before, 0, 7); /* a turn has 1 ms */
    }
    assert_true(source.mores > 20);
    close_crowd(f, crowd);
}

static void test_http_stream_one_too_many_waits_for_a_place(void **state)
{
    struct fixture *f = *state;
    int crowd[CROWD];

    dial_crowd(f, crowd, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
    ask(f, "GET /5 HTTP/1.1\r\nHost: h\r\n\r\nHEAD /5 HTTP/1.1\r\nHost: h\r\n\r\n");
    expect(f, "HTTP/1.1 503 ", 1);
    expect(f, "Retry-After: 1\r\n", 1);
    expect(f, "HTTP/1.1 200 ", 1);
    assert_int_equal(count(f->answers, "X-Note"), 1); /* not with the 503 */
    close(crowd[0]);
    expect_closed(f, 1);
    send_text(f, "GET /5 HTTP/1.1\r\nHost: h\r\n\r\n");
    expect(f, "xxxxx\r\n0\r\n\r\n", 1);
    crowd[0] = dial(f);
    close_crowd(f, crowd);
}

/* However many small answers wait for what they are about, others go on. */
static void test_http_stream_small_ones_take_no_place(void **state)
{
    struct fixture *f = *state;
    int crowd[CROWD];

    dial_crowd(f, crowd, "GET /hold HTTP/1.1\r\nHost: h\r\nX-Small: y\r\n\r\n");
    ask(f, "GET /5 HTTP/1.1\r\nHost: h\r\n\r\n");
    expect(f, "xxxxx\r\n0\r\n\r\n", 1);
    close_crowd(f, crowd);
}

static void test_http_stream_small_one_needs_no_place(void **state)
{
    struct fixture *f = *state;
    int crowd[CROWD];

    dial_crowd(f, crowd, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
    ask(f, "GET /5 HTTP/1.1\r\nHost: h\r\nX-Small: y\r\n\r\n");
    expect(f, "xxxxx\r\n0\r\n\r\n", 1);
    close_crowd(f, crowd);
}

#define WAITING "GET /5 HTTP/1.1\r\nHost: h\r\nX-Wait: y\r\n\r\n"

/* Those that wait have their head, and are asked for more one after the other, as places come free.
 */
static void test_http_stream_patient_ones_wait_for_places(void **state)
{
    struct fixture *f = *state;
    int crowd[CROWD];
    int others[3];

    dial_crowd(f, crowd, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
    for (int i = 0; i < 3; i++) {
        others[i] = dial(f);
        send(others[i], WAITING, strlen(WAITING), MSG_NOSIGNAL);
        spin(f);
    }
    ask(f, WAITING);
    expect(f, "HTTP/1.1 200 ", 1);
    source.mores = 0;
    spin(f);
    assert_int_equal(source.mores, 0);
    close(others[1]); /* it gives its turn up */
    expect_closed(f, 1);
    assert_int_equal(source.mores, 0);
    close(crowd[0]);
    expect(f, "\r\n0\r\n\r\n", 1);
    for (int i = 0; i < 3; i += 2)
        close(others[i]);
    crowd[0] = dial(f);
    close_crowd(f, crowd);
}

/* The crowd doesn't read, and after a second one of it has to go for one that waits. */
static void test_http_stream_stalled_one_makes_room_for_a_patient_one(void **state)
{
    struct fixture *f = *state;
    int crowd[CROWD];

    dial_crowd(f, crowd, "GET /64000000 HTTP/1.1\r\nHost: h\r\n\r\n");
    fill_up(f);
    ask(f, WAITING);
    expect(f, "xxxxx\r\n0\r\n\r\n", 1);
    expect_closed(f, 1);
    close_crowd(f, crowd);
}

/* The crowd doesn't read, and after a second one of it has to go. */
static void test_http_stream_stalled_one_makes_room(void **state)
{
    struct fixture *f = *state;
    int crowd[CROWD];
    unsigned refused = 0;

    dial_crowd(f, crowd, "GET /64000000 HTTP/1.1\r\nHost: h\r\n\r\n");
    fill_up(f);
    do {
        ask(f, "GET /5 HTTP/1.1\r\nHost: h\r\n\r\n");
        expect(f, "HTTP/1.1 ", 1);
        refused += count(f->answers, "HTTP/1.1 503 ");
    } while (refused < 100000 && count(f->answers, "HTTP/1.1 503 ") == 1);
    expect(f, "xxxxx\r\n0\r\n\r\n", 1);
    assert_in_range(refused, 1, 99999);
    assert_int_equal(f->closed, 1);
    close_crowd(f, crowd);
}

/* --- Failing sources ------------------------------------------------------------------------- */

static void test_http_fail_leaves_out_the_last_chunk(void **state)
{
    struct fixture *f = *state;

    source.fail_at = 2000;
    ask(f, "GET /5000 HTTP/1.1\r\nHost: h\r\n\r\nGET /now HTTP/1.1\r\nHost: h\r\n\r\n");
    expect_close(f);
    assert_int_equal(count(f->answers, "\r\n0\r\n"), 0);
    assert_int_equal(count(f->answers, "HTTP/1.1"), 1);
    assert_int_equal(f->closed, 0);
}

static void test_http_fail_resets_one_point_zero(void **state)
{
    struct fixture *f = *state;

    source.fail_at = 2000;
    ask(f, "GET /5000 HTTP/1.0\r\n\r\n");
    assert_int_equal(drain(f), -ECONNRESET);
    assert_int_equal(f->closed, 0);
}

/* --- The server's end ------------------------------------------------------------------------ */

static void test_http_stream_ends_in_a_drain(void **state)
{
    struct fixture *f = *state;

    ask(f, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
    expect(f, "chunked\r\n", 1);
    http_server_stop(f->server, stopped_cb, f);
    spin(f);
    assert_false(f->stopped);
    http_write(f->held, "rest", 4);
    http_finish(f->held);
    expect_close(f);
    assert_int_equal(count(f->answers, "4\r\nrest\r\n0\r\n\r\n"), 1);
    expect_stopped(f);
    assert_int_equal(f->closed, 0);
}

static void test_http_abort_cuts_a_stream(void **state)
{
    struct fixture *f = *state;

    ask(f, "GET /hold HTTP/1.0\r\n\r\n");
    expect(f, "X-Note: yes", 1);
    http_server_stop(f->server, stopped_cb, f);
    http_server_abort(f->server);
    assert_int_equal(f->closed, 1);
    expect_stopped(f);
    assert_int_equal(drain(f), -ECONNRESET);
    assert_int_equal(f->closed, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_http_stream_pipeline_split_at_every_byte),
        TEST(test_http_stream_head_has_no_body),
        TEST(test_http_stream_one_point_zero_is_not_chunked),
        TEST(test_http_stream_bad_header_is_a_500),
        TEST(test_http_stream_source_that_has_nothing_now),
        TEST(test_http_stream_survives_a_long_body),
        TEST(test_http_stream_half_closed_at_once),
        TEST(test_http_stream_half_closed_behind_a_chunked_body),
        TEST(test_http_stream_body_behind_a_finished_answer),
        TEST(test_http_stream_memory_is_bounded),
        cmocka_unit_test_setup_teardown(test_http_stream_client_that_does_not_read_is_cut_off,
                                        setup_impatient, teardown),
        TEST(test_http_stream_client_that_vanishes_is_reported_once),
        cmocka_unit_test_setup_teardown(test_http_stream_crowd_shares_the_loop, setup_crowd,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_http_stream_one_too_many_waits_for_a_place,
                                        setup_crowd, teardown),
        cmocka_unit_test_setup_teardown(test_http_stream_small_ones_take_no_place, setup_crowd,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_http_stream_small_one_needs_no_place, setup_crowd,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_http_stream_patient_ones_wait_for_places, setup_crowd,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_http_stream_stalled_one_makes_room_for_a_patient_one,
                                        setup_crowd, teardown),
        cmocka_unit_test_setup_teardown(test_http_stream_stalled_one_makes_room, setup_crowd,
                                        teardown),
        TEST(test_http_fail_leaves_out_the_last_chunk),
        TEST(test_http_fail_resets_one_point_zero),
        TEST(test_http_stream_ends_in_a_drain),
        TEST(test_http_abort_cuts_a_stream),
    };

    return cmocka_run_group_tests_name("http_stream", tests, NULL, NULL);
}
