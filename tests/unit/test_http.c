/* The HTTP server on a real socket: requests, plain answers, limits. */
#include "tests/unit/http_fixture.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>

/* --- The handler: PUT answers the length of its body, the rest the path ----------------------- */

static void data_cb(struct http_request *request, const char *bytes, size_t len)
{
    struct fixture *f = http_request_data(request);

    assert_non_null(bytes);
    f->body += len;
}

static void end_cb(struct http_request *request)
{
    struct fixture *f = http_request_data(request);
    char text[32];
    int n = snprintf(text, sizeof(text), "[%zu]", f->body);

    if (f->held != request)
        http_respond(request, 201, text, (size_t)n);
}

static void closed_cb(struct http_request *request)
{
    struct fixture *f = http_request_data(request);

    f->closed++;
    if (f->held == request)
        f->held = NULL;
}

static const struct http_body_reader reader = {.data = data_cb, .end = end_cb, .closed = closed_cb};
static const struct http_body_reader hasty = {
    .data = data_cb, .end = end_cb, .closed = closed_cb, .least_rate = 1000};

static const char big_answer[1 << 20]; /* NULs, which no head has */

static void answer_query(struct http_request *request)
{
    size_t len = 99;
    const char *query = http_request_query(request, &len);
    char text[64];
    int n = query != NULL ? snprintf(text, sizeof(text), "(%zu:%.*s)", len, (int)len, query)
                          : snprintf(text, sizeof(text), "none%zu", len);

    http_respond(request, 200, text, (size_t)n);
}

static void answer_method(struct http_request *request, const char *method)
{
    size_t len;
    const char *path = http_request_path(request, &len);
    char text[64];
    int n = snprintf(text, sizeof(text), "%s:%.*s", method, (int)len, path);

    http_respond(request, 200, text, (size_t)n);
}

static void handler_cb(struct http_request *request, void *arg)
{
    struct fixture *f = arg;
    size_t len;
    const char *path = http_request_path(request, &len);
    const char *note = http_request_header(request, "x-note");

    f->handled += len == 8 && memcmp(path, "/handled", 8) == 0;
    f->body = 0;
    http_request_set_data(request, f);
    if (note != NULL)
        http_add_header(request, "X-Note", note);
    if (len == 6 && memcmp(path, "/hasty", 6) == 0) {
        http_read_body(request, &hasty);
    } else if (len == 5 && memcmp(path, "/hold", 5) == 0) {
        f->held = request;
        http_read_body(request, &reader);
    } else if (len == 5 && memcmp(path, "/wait", 5) == 0) {
        f->held = request;
        http_request_wait(request, reader.closed);
    } else if (http_request_method(request) == HTTP_METHOD_UNLINK) {
        answer_query(request);
    } else if (http_request_method(request) == HTTP_METHOD_REBALANCE) {
        answer_method(request, "rebalance");
    } else if (http_request_method(request) == HTTP_METHOD_OTHER) {
        answer_method(request, "other");
    } else if (len == 4 && memcmp(path, "/big", 4) == 0) {
        http_respond(request, 200, big_answer, sizeof(big_answer));
    } else if (len == 5 && memcmp(path, "/slow", 5) == 0) {
        work(100);
        f->slow++;
        http_respond(request, 200, NULL, 0);
    } else if (len == 5 && memcmp(path, "/busy", 5) == 0) {
        http_respond(request, 409, "busy", 4);
    } else if (http_request_method(request) == HTTP_METHOD_PUT) {
        http_read_body(request, &reader);
    } else {
        http_respond(request, 200, path, len);
    }
}

static int setup(void **state)
{
    return fixture_start(state, handler_cb, &fixture_limits, NULL);
}

/* --- Tests ----------------------------------------------------------------------------------- */

static const char pipeline[] =
    "GET /one?query HTTP/1.1\r\nHost: h\r\nX-Note: a b\r\n\r\n"
    "PUT /two HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
    "PUT /three HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    "3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nX-Note: trailer\r\n\r\n"
    "GET http://h:1/four HTTP/1.1\r\nHost: h\r\n\r\n"
    "DELETE /five HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

static void expect_pipeline(struct fixture *f)
{
    static const char *const in_order[] = {
        "X-Note: a b\r\n\r\n/one", "\r\n\r\n[5]", "\r\n\r\n[7]", "/four",
        "Connection: close",       "/five"};
    const char *at = f->answers;

    expect_close(f);
    for (size_t i = 0; i < COUNT_OF(in_order); i++) {
        at = strstr(at, in_order[i]);
        if (at == NULL)
            break;
    }
    if (at == NULL)
        fail_msg("not all is there, or not in order: %s", f->answers);
    assert_int_equal(count(f->answers, "HTTP/1.1 "), 5);
    assert_int_equal(count(f->answers, "X-Note"), 1);
}

static void test_http_pipeline_split_at_every_byte(void **state)
{
    send_split_at_every_byte(*state, pipeline, sizeof(pipeline) - 1, expect_pipeline);
}

static void test_http_pipeline_byte_by_byte(void **state)
{
    send_byte_by_byte(*state, pipeline, sizeof(pipeline) - 1, expect_pipeline);
}

static void test_http_refuses_what_is_no_http(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *request;
        const char *answer;
    } cases[] = {
        {"\x16\x03\x01\x02", "HTTP/1.1 400 "},
        {"GET / HTTP/1.1\r\nHost h\r\n\r\n", "HTTP/1.1 400 "},
        {"GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 400 "},
        {"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
         "HTTP/1.1 400 "},
        {"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n", "HTTP/1.1 400 "},
        {"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
         "HTTP/1.1 400 "},
        {"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n",
         "HTTP/1.1 400 "},
        {"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", "HTTP/1.1 400 "},
        {"DELETE /handled HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", "HTTP/1.1 400 "},
        {"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "HTTP/1.1 400 "},
        {"RECONCILE / HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 405 "},
        {"REBALANCED / HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 405 "},
        {"FROBNICATE / HTTP/1.1\r\nHost: h\r\n\r\n", "Allow: " METHODS "\r\n"},
        {"GET / HTTP/7.3\r\n\r\n", "HTTP/1.1 505 "},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        ask(f, cases[i].request);
        expect(f, cases[i].answer, 1);
        expect(f, "Connection: close\r\n", 1);
        assert_int_equal(f->handled, 0);
    }
}

/* What llhttp takes, and another reader of the same bytes may take for something else. */
#define HEAD    "GET /handled HTTP/1.1\r\nHost: h\r\n"
#define CHUNKED "PUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
#define CASE(request, status)                                                                      \
    {                                                                                              \
        request, sizeof(request) - 1, "HTTP/1.1 " #status " "                                      \
    }
static const struct {
    const char *request;
    size_t n;
    const char *answer;
} refusals[] = {
    CASE("GET /handled\r\n\r\n", 400),
    CASE("GET  /handled HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    CASE("GET /handled  HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    CASE("GET /handled HTTP/1.1 \r\nHost: h\r\n\r\n", 400),
    CASE("GET /handled HTTP/1.1\nHost: h\r\n\r\n", 400),
    CASE("GET /handled\tHTTP/1.1\r\nHost: h\r\n\r\n", 400),
    CASE("GET /hand\fled HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    CASE("GET /hand\0led HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    CASE("GET /handled RTSP/1.0\r\nHost: h\r\n\r\n", 400),
    CASE("SOURCE /handled ICE/1.0\r\nHost: h\r\n\r\n", 400),
    CASE("GET /handled HTTP/2.0\r\nHost: h\r\n\r\n", 505),
    CASE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    CASE("GET /handled HTTP/0.9\r\nHost: h\r\n\r\n", 505),
    CASE("GET /handled HTTP/1.2\r\nHost: h\r\n\r\n", 505),
    CASE("GET /handled HTTP/1.1\r\n\r\n", 400),
    CASE(HEAD "Host: h\r\n\r\n", 400),
    CASE("GET /handled HTTP/1.0\r\nHost: h\r\nHost: h\r\n\r\n", 400),
    CASE("GET /handled HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    CASE("GET /handled HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    CASE(HEAD "\n", 400),
    CASE(HEAD "X: y\n\r\n", 400),
    CASE(HEAD "X: y\rZ: z\r\n\r\n", 400),
    CASE(HEAD "X: y\r\r\n\r\n", 400),
    CASE(HEAD "X: a\0b\r\n\r\n", 400),
    CASE(HEAD "X: a\x01\r\n\r\n", 400),
    CASE(HEAD "X: a\r\n b\r\n\r\n", 400),
    CASE(HEAD "X:\r\n\tb\r\n\r\n", 400),
    CASE("GET /handled HTTP/1.1\r\n Host: h\r\n\r\n", 400),
    CASE(HEAD "X : y\r\n\r\n", 400),
    CASE(HEAD "X\t: y\r\n\r\n", 400),
    CASE(HEAD ": y\r\n\r\n", 400),
    CASE(HEAD "X\0: y\r\n\r\n", 400),
    CASE(HEAD "Content-Length: 2\r\nContent-Length: 2\r\n\r\nab", 400),
    CASE(HEAD "Content-Length: 2, 2\r\n\r\nab", 400),
    CASE(HEAD "Content-Length: +2\r\n\r\nab", 400),
    CASE(HEAD "Content-Length: 18446744073709551615\r\n\r\n", 413),
    CASE(HEAD "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n", 400),
    CASE(HEAD "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 400),
    CASE(HEAD "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    CASE(HEAD "Transfer-Encoding:\r\n\r\n0\r\n\r\n", 400),
    CASE("PUT /handled HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    CASE(HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    CASE(HEAD "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n", 501),
    CASE("GET https://h/handled HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    CASE("GET ftp://h/handled HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    CASE("GET http:///handled HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    CASE("GET http://u@h/handled HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    CASE(CHUNKED "3\r\nabcXY0\r\n\r\n", 400),
    CASE(CHUNKED "3\r\nabc\n0\r\n\r\n", 400),
    CASE(CHUNKED "3\rXabc\r\n0\r\n\r\n", 400),
    CASE(CHUNKED "3\nabc\r\n0\r\n\r\n", 400),
    CASE(CHUNKED "3 \r\nabc\r\n0\r\n\r\n", 400),
    CASE(CHUNKED " 3\r\nabc\r\n0\r\n\r\n", 400),
    CASE(CHUNKED "0x3\r\nabc\r\n0\r\n\r\n", 400),
    CASE(CHUNKED "-3\r\nabc\r\n0\r\n\r\n", 400),
    CASE(CHUNKED "\r\nabc\r\n0\r\n\r\n", 400),
    CASE(CHUNKED ";x\r\nabc\r\n0\r\n\r\n", 400),
    CASE(CHUNKED "8000000000000000\r\nabc", 400),
    CASE(CHUNKED "10000000000000003\r\nabc\r\n0\r\n\r\n", 400),
    CASE(CHUNKED "3;a=\x01\r\nabc\r\n0\r\n\r\n", 400),
    CASE(CHUNKED "3;a\nabc\r\n0\r\n\r\n", 400),
    CASE(CHUNKED "3\r\nabc\r\n0\r\nX: a\r\n b\r\n\r\n", 400),
    CASE(CHUNKED "3\r\nabc\r\n0\r\nX : a\r\n\r\n", 400),
    CASE(CHUNKED "3\r\nabc\r\n0\r\nX: a\n\r\n", 400),
    CASE(CHUNKED "3\r\nabc\r\n0\r\nXX\r\n\r\n", 400),
    CASE(CHUNKED "3\r\nabc\r\n0\r\n\n", 400),
};

static void test_http_refuses_what_is_not_to_the_letter(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        fresh_client(f);
        send_bytes(f, refusals[i].request, refusals[i].n);
        expect(f, refusals[i].answer, 1);
        expect(f, "Connection: close\r\n", 1);
        assert_int_equal(count(f->answers, "HTTP/1.1 2"), 0);
        assert_int_equal(f->handled, 0);
    }
}

static void test_http_takes_what_is_to_the_letter(void **state)
{
    static const char *const requests[] = {
        HEAD "\r\n",
        "\r\n" HEAD "X:\r\nY:  a\tb \t\r\nZ: \xc3\xa9\r\n\r\n",
        "GET /handled?\xc3\xa9 HTTP/1.1\r\nHost: [::1]:80 \r\n\r\n",
        "GET /handled HTTP/1.1\r\nHost:\r\n\r\n",
        "GET /handled HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "GET HTTP://h:80/handled HTTP/1.1\r\nHost: other\r\n\r\n",
        "DELETE /handled HTTP/1.1\r\nHost: h\r\nContent-Length:\t2 \r\n\r\nab",
        ("PUT /handled HTTP/1.1\r\nHost: h\r\ntransfer-encoding: Chunked \r\n\r\n"
         "000A;a=\"b c\";d\r\n0123456789\r\n1\r\nx\r\n00\r\nX: y\r\nZ:\r\n\r\n"),
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < COUNT_OF(requests); i++) {
        ask(f, requests[i]);
        send_text(f, HEAD "\r\n");
        expect(f, "HTTP/1.1 20", 2);
        assert_int_equal(f->handled, 2 * (i + 1));
    }
}

/* What only grows a chunk's size line, or the trailers, is bounded too. */
static void test_http_limits_on_what_nobody_reads(void **state)
{
    struct fixture *f = *state;
    char big[20 * 1024];

    memset(big, 'a', sizeof(big));
    big[sizeof(big) - 1] = '\0';
    ask(f, CHUNKED "3;");
    send_text(f, big);
    expect(f, "HTTP/1.1 400 ", 1);
    ask(f, CHUNKED);
    memset(big, '0', sizeof(big) - 1);
    send_text(f, big);
    expect(f, "HTTP/1.1 400 ", 1);
    ask(f, CHUNKED "0\r\n");
    for (int i = 0; i < 10; i++) {
        send_text(f, "X: ");
        send_bytes(f, big, 10000);
        send_text(f, "\r\n");
    }
    expect(f, "HTTP/1.1 400 ", 1);
}

static void test_http_garbage_behind_an_early_answer(void **state)
{
    struct fixture *f = *state;

    ask(f, "PUT /busy HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc@@@@");
    expect(f, "HTTP/1.1 409 ", 1);
    expect(f, "HTTP/1.1 400 ", 1);
}

static void test_http_absolute_target_without_a_path(void **state)
{
    struct fixture *f = *state;

    ask(f,
        "GET http://host?q/abs HTTP/1.1\r\nHost: h\r\n\r\nGET /next HTTP/1.1\r\nHost: h\r\n\r\n");
    expect(f, "/next", 1);
    assert_int_equal(count(f->answers, "/abs"), 0);
}

static void send_fields(struct fixture *f, unsigned n, size_t len)
{
    static char value[32 * 1024];

    memset(value, 'a', len);
    for (unsigned i = 0; i < n; i++) {
        send_text(f, "X: ");
        send_bytes(f, value, len);
        send_text(f, "\r\n");
    }
    send_text(f, "\r\n");
}

static void test_http_limits_on_a_head(void **state)
{
    struct fixture *f = *state;
    char big[32 * 1024];

    memset(big, 'a', sizeof(big));
    big[sizeof(big) - 1] = '\0';
    ask(f, "GET /");
    send_text(f, big);
    expect(f, "HTTP/1.1 414 ", 1);
    ask(f, "GET / HTTP/1.1\r\nX: ");
    send_text(f, big);
    expect(f, "HTTP/1.1 431 ", 1);
    ask(f, "GET / HTTP/1.1\r\nHost: h\r\n");
    send_fields(f, 200, 1);
    expect(f, "HTTP/1.1 431 ", 1);
    ask(f, "GET / HTTP/1.1\r\nHost: h\r\n");
    send_fields(f, 5, 16000);
    expect(f, "HTTP/1.1 431 ", 1);
    ask(f, "GET / HTTP/1.1\r\nHost: h\r\n");
    send_fields(f, 99, 600);
    expect(f, "HTTP/1.1 200 ", 1);
    send_text(f, "GET / HTTP/1.1\r\nHost: h\r\n");
    send_fields(f, 4, 16 * 1024 - 10);
    expect(f, "HTTP/1.1 200 ", 2);
}

static void test_http_head_has_the_length_but_no_body(void **state)
{
    struct fixture *f = *state;

    ask(f, "HEAD /path HTTP/1.1\r\nHost: h\r\n\r\nGET /next HTTP/1.1\r\nHost: h\r\n\r\n");
    expect(f, "/next", 1);
    assert_int_equal(count(f->answers, "Content-Length: 5"), 2);
    assert_int_equal(count(f->answers, "/path"), 0);
}

static void test_http_one_point_zero_closes_unless_asked(void **state)
{
    struct fixture *f = *state;

    ask(f, "GET /old HTTP/1.0\r\n\r\n");
    expect_close(f);
    assert_int_equal(count(f->answers, "/old"), 1);
    ask(f, "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    expect(f, "Connection: keep-alive", 1);
    send_text(f, "GET /b HTTP/1.0\r\n\r\n");
    expect_close(f);
    assert_int_equal(count(f->answers, "HTTP/1.1 200 OK"), 2);
}

static void test_http_continue_only_when_the_body_is_wanted(void **state)
{
    struct fixture *f = *state;

    ask(f, "PUT /x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    expect(f, "HTTP/1.1 100 Continue\r\n\r\n", 1);
    send_text(f, "ab");
    expect(f, "[2]", 1);
    ask(f, "PUT /busy HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    expect(f, "HTTP/1.1 409 ", 1);
    assert_int_equal(count(f->answers, "100 Continue"), 0);
}

static void test_http_early_answer_keeps_a_connection_with_a_short_body(void **state)
{
    struct fixture *f = *state;

    ask(f, "PUT /busy HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n");
    expect(f, "HTTP/1.1 409 ", 1);
    send_text(f, "bodyGET /next HTTP/1.1\r\nHost: h\r\n\r\n");
    expect(f, "/next", 1);
}

static void test_http_early_answer_survives_a_long_body(void **state)
{
    struct fixture *f = *state;
    char some[16 * 1024] = {0};

    ask(f, "PUT /busy HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000\r\n\r\n");
    for (int i = 0; i < 10; i++)
        send_bytes(f, some, sizeof(some));
    expect(f, "HTTP/1.1 409 ", 1);
    expect(f, "Connection: close", 1);
    /* Neither is it read to the end. */
    for (int i = 0; i < 1000; i++) {
        if (send(f->client, some, sizeof(some), MSG_NOSIGNAL) < 0 && errno != EAGAIN)
            return;
        spin(f);
    }
    fail_msg("16 MiB were read behind a refusal");
}

static void test_http_client_that_vanishes_is_reported_once(void **state)
{
    struct fixture *f = *state;

    ask(f, "PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf");
    arm(f);
    close(f->client);
    f->client = -1;
    while (f->closed == 0 && !f->late)
        uv_run(&f->loop, UV_RUN_NOWAIT);
    spin(f);
    assert_int_equal(f->closed, 1);
}

static void test_http_half_closed_client_gets_its_answer(void **state)
{
    struct fixture *f = *state;

    ask(f, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
    shutdown(f->client, SHUT_WR);
    spin(f);
    assert_non_null(f->held);
    http_respond(f->held, 200, "late", 4);
    f->held = NULL;
    expect_close(f);
    assert_int_equal(count(f->answers, "late"), 1);
    assert_int_equal(f->closed, 0);
}

/* The end comes with the request, or after its answer has begun. */
static void test_http_half_closed_at_once(void **state)
{
    static const struct {
        const char *request;
        const char *answer;
    } cases[] = {
        {"GET /one HTTP/1.1\r\nHost: h\r\n\r\n", "\r\n\r\n/one"},
        {"DELETE /one HTTP/1.1\r\nHost: h\r\n\r\n", "\r\n\r\n/one"},
        {"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc", "\r\n\r\n[3]"},
        {CHUNKED "3\r\nabc\r\n0\r\n\r\n", "\r\n\r\n[3]"},
        {"PUT /busy HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\na", "\r\n\r\nbusy"},
        {"PUT /busy HTTP/1.1\r\nHost: h\r\nContent-Length: 300000\r\n\r\na", "\r\n\r\nbusy"},
        {"GET /one HTTP/1.1\r\nHost: h\r\n\r\nGET /t", "\r\n\r\n/one"},
        {"G T /one HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 400 "},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        fresh_client(f);
        send(f->client, cases[i].request, strlen(cases[i].request), MSG_NOSIGNAL);
        shutdown(f->client, SHUT_WR);
        expect_close(f);
        if (count(f->answers, cases[i].answer) != 1 || count(f->answers, "HTTP/1.1 ") != 1)
            fail_msg("%s got: %s", cases[i].request, f->answers);
    }
    assert_int_equal(f->closed, 0);
}

static void test_http_half_closed_in_mid_message_has_gone(void **state)
{
    struct fixture *f = *state;

    ask(f, "PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nab");
    shutdown(f->client, SHUT_WR);
    expect_close(f);
    assert_int_equal(f->closed, 1);
    ask(f, CHUNKED "3\r\nabc\r\n0\r\n");
    shutdown(f->client, SHUT_WR);
    expect_close(f);
    assert_int_equal(f->closed, 2);
    ask(f, "GET /x HTTP/1.1\r\nHost: h\r\n");
    shutdown(f->client, SHUT_WR);
    expect_close(f);
    assert_int_equal(f->n_answers, 0);
}

/* Its answers are more than the sockets hold. */
static void test_http_half_closed_before_its_answers_are_written(void **state)
{
    static const char big[] = "GET /big HTTP/1.1\r\nHost: h\r\n\r\n";
    static char some[64 * 1024];
    struct fixture *f = *state;
    size_t found = 0;
    ssize_t n;

    fresh_client(f);
    for (int i = 0; i < 10; i++)
        send_text(f, big);
    shutdown(f->client, SHUT_WR);
    for (int i = 0; i < 20; i++)
        spin(f);
    arm(f);
    while (!f->late && (n = recv(f->client, some, sizeof(some), 0)) != 0) {
        for (ssize_t i = 0; i < n; i++)
            found += some[i] == '\0';
        uv_run(&f->loop, UV_RUN_NOWAIT);
    }
    assert_int_equal(found, 10 * sizeof(big_answer));
}

/* More than the loop does in one turn. */
static void test_http_half_closed_behind_a_long_pipeline(void **state)
{
    static const char get[] = "GET /one HTTP/1.1\r\nHost: h\r\n\r\n";
    static char requests[2000 * (sizeof(get) - 1)];
    struct fixture *f = *state;
    size_t answers = 0;

    for (size_t i = 0; i < sizeof(requests); i++)
        requests[i] = get[i % (sizeof(get) - 1)];
    fresh_client(f);
    send_bytes(f, requests, sizeof(requests));
    shutdown(f->client, SHUT_WR);
    arm(f);
    while (read_answers(f)) {
        uv_run(&f->loop, UV_RUN_NOWAIT);
        assert_false(f->late);
        if (f->n_answers > sizeof(f->answers) / 2) { /* an answer may lie across the cut */
            char *last = f->answers + f->n_answers;

            while (memcmp(last, "HTTP/1.1 ", 9) != 0)
                last--;
            *last = '\0';
            answers += count(f->answers, "\r\n\r\n/one");
            *last = 'H';
            f->n_answers -= (size_t)(last - f->answers);
            memmove(f->answers, last, f->n_answers + 1);
        }
    }
    assert_int_equal(answers + count(f->answers, "\r\n\r\n/one"), 2000);
}

static void test_http_requests_behind_one_without_answer_wait(void **state)
{
    struct fixture *f = *state;

    ask(f, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\nGET /second HTTP/1.1\r\nHost: h\r\n\r\n");
    spin(f);
    send_text(f, "GET /third HTTP/1.1\r\nHost: h\r\n\r\n");
    spin(f);
    assert_int_equal(f->n_answers, 0);
    assert_non_null(f->held);
    http_respond(f->held, 200, "first", 5);
    f->held = NULL;
    expect(f, "/third", 1);
    assert_true(strstr(f->answers, "first") < strstr(f->answers, "/second"));
    assert_true(strstr(f->answers, "/second") < strstr(f->answers, "/third"));
}

/* Waits until the handler has put a request off. */
static struct http_request *await_held(struct fixture *f)
{
    struct http_request *held;

    arm(f);
    while (f->held == NULL && !f->late)
        spin(f);
    held = f->held;
    assert_non_null(held);
    f->held = NULL;
    spin(f);
    assert_int_equal(f->body, 0);
    return held;
}

static void test_http_body_that_waited_is_read(void **state)
{
    static const char *const requests[] = {
        "PUT /wait HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
        "PUT /wait HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < COUNT_OF(requests); i++) {
        ask(f, requests[i]);
        send_text(f, "GET /next HTTP/1.1\r\nHost: h\r\n\r\n");
        http_read_body(await_held(f), &reader);
        expect(f, "/next", 1);
        assert_true(strstr(f->answers, "[5]") < strstr(f->answers, "/next"));
        assert_int_equal(count(f->answers, "[5]"), 1);
    }
    assert_int_equal(f->closed, 0);
}

static void test_http_body_that_waited_is_asked_for(void **state)
{
    struct fixture *f = *state;

    ask(f, "PUT /wait HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    http_read_body(await_held(f), &reader);
    expect(f, "HTTP/1.1 100 Continue\r\n\r\n", 1);
    send_text(f, "hello");
    expect(f, "[5]", 1);
}

static void test_http_request_without_body_that_waited_ends(void **state)
{
    struct fixture *f = *state;

    ask(f, "PUT /wait HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
    http_read_body(await_held(f), &reader);
    expect(f, "[0]", 1);
    ask(f, "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
    http_request_hold(await_held(f), reader.closed);
    spin(f);
    assert_int_equal(f->closed, 0);
    assert_int_equal(f->n_answers, 0);
}

/* The rest of the body is dropped, as behind any answer that comes before it. */
static void test_http_answer_instead_of_a_body_that_waits(void **state)
{
    struct fixture *f = *state;

    ask(f, "PUT /wait HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhel");
    http_respond(await_held(f), 409, "no", 2);
    expect(f, "\r\n\r\nno", 1);
    send_text(f, "loGET /next HTTP/1.1\r\nHost: h\r\n\r\n");
    expect(f, "/next", 1);
    assert_int_equal(f->body, 0);
    ask(f, "PUT /wait HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n");
    http_respond(await_held(f), 409, "no", 2);
    expect_close(f);
    assert_int_equal(count(f->answers, "100 Continue"), 0);
}

static void test_http_client_that_leaves_while_its_request_waits(void **state)
{
    const struct linger reset = {.l_onoff = 1};
    struct fixture *f = *state;

    ask(f, "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
    await_held(f);
    arm(f);
    setsockopt(f->client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(f->client);
    f->client = -1;
    while (f->closed == 0 && !f->late)
        uv_run(&f->loop, UV_RUN_NOWAIT);
    assert_int_equal(f->closed, 1);
}

/* All has been sent: it may still want its answer. */
static void test_http_client_that_half_closes_while_its_body_waits(void **state)
{
    struct fixture *f = *state;

    ask(f, "PUT /wait HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
    shutdown(f->client, SHUT_WR);
    http_read_body(await_held(f), &reader);
    expect_close(f);
    assert_int_equal(count(f->answers, "[5]"), 1);
    assert_int_equal(f->closed, 0);
}

static void test_http_pause_stops_reading(void **state)
{
    struct fixture *f = *state;
    static char some[64 * 1024];
    size_t sent = 0;
    size_t before;

    ask(f, "PUT /hold HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000\r\n\r\n");
    arm(f);
    while (f->held == NULL && !f->late)
        spin(f);
    http_pause_body(f->held);
    before = f->body;
    for (int i = 0; i < 200; i++) {
        ssize_t n = send(f->client, some, sizeof(some), MSG_NOSIGNAL);

        sent += n > 0 ? (size_t)n : 0;
        spin(f);
    }
    assert_true(f->body - before <= 64 * 1024);
    http_resume_body(f->held);
    arm(f);
    while (f->body < sent && !f->late)
        spin(f);
    assert_int_equal(f->body, sent);
}

static void test_http_slow_clients_time_out(void **state)
{
    struct fixture *f = *state;

    ask(f, "GET / HTTP/1.1\r\nHost:");
    expect(f, "HTTP/1.1 408 ", 1);
    ask(f, "PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf");
    expect(f, "HTTP/1.1 408 ", 1);
    assert_int_equal(f->closed, 1);
}

/* Sends bytes of a body, `n` each time, as often as the fixture's limit lets a client rest; how
 * many were taken before the server lost its patience, or all. */
static size_t trickle(struct fixture *f, size_t n, size_t all)
{
    static const char some[1000] = "x";
    const uint64_t rest = fixture_limits.body_timeout / 2;
    uint64_t next = 0;
    size_t sent = 0;

    arm(f);
    while (f->n_answers == 0 && !f->late) {
        if (uv_now(&f->loop) >= next && sent < all) {
            send_bytes(f, some, n);
            sent += n;
            next = uv_now(&f->loop) + rest;
        }
        uv_run(&f->loop, UV_RUN_NOWAIT);
        read_answers(f);
    }
    return sent;
}

/* It has 200 ms, and a second for each 1,000 bytes; the sweep comes once a second. */
static void test_http_body_that_trickles_times_out(void **state)
{
    struct fixture *f = *state;

    ask(f, "PUT /hasty HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n");
    assert_in_range(trickle(f, 1, 50), 1, 30);
    expect(f, "HTTP/1.1 408 ", 1);
    assert_int_equal(f->closed, 1);
    ask(f, "PUT /hasty HTTP/1.1\r\nHost: h\r\nContent-Length: 3000\r\n\r\n");
    assert_int_equal(trickle(f, 200, 3000), 3000);
    expect(f, "[3000]", 1);
    ask(f, "PUT /patient HTTP/1.1\r\nHost: h\r\nContent-Length: 15\r\n\r\n");
    assert_int_equal(trickle(f, 1, 15), 15);
    expect(f, "[15]", 1);
}

/* llhttp hasn't seen anything of the first ones yet. */
static void test_http_slow_rebalances_time_out(void **state)
{
    struct fixture *f = *state;
    static const char *const halves[] = {
        "R",
        "\r\nREB",
        "REBALANCE",
        "REBALANCE ",
        "REBALANCE /one HTTP/1.1\r\nHost:",
        "GET /one HTTP/1.1\r\nHost: h\r\n\r\nREBAL", /* held back behind an answer */
    };

    for (size_t i = 0; i < COUNT_OF(halves); i++) {
        ask(f, halves[i]);
        expect(f, "HTTP/1.1 408 ", 1);
        expect(f, "Connection: close\r\n", 1);
        expect_close(f);
        assert_int_equal(f->handled, 0);
    }
    assert_int_equal(f->closed, 0);
}

static void test_http_too_many_connections(void **state)
{
    struct fixture *f = *state;
    int others[3];

    for (size_t i = 0; i < COUNT_OF(others); i++)
        others[i] = dial(f);
    spin(f);
    fresh_client(f);
    expect(f, "HTTP/1.1 503 ", 1);
    for (size_t i = 0; i < COUNT_OF(others); i++)
        close(others[i]);
    spin(f);
    ask(f, "GET /again HTTP/1.1\r\nHost: h\r\n\r\n");
    expect(f, "/again", 1);
}

/* Asks, on connections of its own, until one of them isn't refused, and sets *ms to how long that
 * took. */
static void ask_until_served(struct fixture *f, uint64_t *ms)
{
    uint64_t begin = uv_hrtime();
    uint64_t end = begin + DEADLINE * UINT64_C(1000000);

    do {
        ask(f, "GET /served HTTP/1.1\r\nHost: h\r\n\r\n");
        while (strstr(f->answers, "HTTP/1.1 ") == NULL && read_answers(f) && uv_hrtime() < end)
            uv_run(&f->loop, UV_RUN_NOWAIT);
    } while (strstr(f->answers, "/served") == NULL && uv_hrtime() < end);
    *ms = (uv_hrtime() - begin) / 1000000;
}

/* Whether the server has closed it. */
static bool is_closed(int client)
{
    char byte;

    return recv(client, &byte, 1, 0) == 0;
}

/* Long before its own time is over, and not at once. */
static void test_http_one_that_waits_makes_room(void **state)
{
    struct fixture *f = *state;
    int others[3];
    uint64_t ms;

    for (size_t i = 0; i < COUNT_OF(others); i++) {
        others[i] = dial(f);
        spin(f);
    }
    ask_until_served(f, &ms);
    expect(f, "/served", 1);
    assert_in_range(ms, HTTP_YOUNG / 2, DEADLINE - 1);
    assert_true(is_closed(others[0]));
    assert_false(is_closed(others[1]));
    assert_false(is_closed(others[2]));
    for (size_t i = 0; i < COUNT_OF(others); i++)
        close(others[i]);
}

/* The second of two listening sockets is full of connections, and the first still serves. */
static void test_http_each_listener_has_its_share(void **state)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct http_limits limits = fixture_limits;
    struct fixture *f = *state;
    struct http_server *server;
    struct sockaddr_storage addresses[2];
    int listeners[2];
    int others[4];

    limits.connections = 8;
    for (int i = 0; i < 2; i++) {
        socklen_t size = sizeof(addresses[i]);

        listeners[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(listeners[i], (struct sockaddr *)&any, sizeof(any)), 0);
        assert_int_equal(getsockname(listeners[i], (struct sockaddr *)&addresses[i], &size), 0);
    }
    assert_int_equal(
        http_server_start(&f->loop, listeners, 2, &limits, METHODS, handler_cb, f, &server), 0);
    f->address = addresses[1];
    for (size_t i = 0; i < COUNT_OF(others); i++)
        others[i] = dial(f);
    spin(f);
    fresh_client(f);
    expect(f, "HTTP/1.1 503 ", 1);
    expect(f, "Retry-After: 1\r\n", 1);
    f->address = addresses[0];
    ask(f, "GET /first HTTP/1.1\r\nHost: h\r\n\r\n");
    expect(f, "/first", 1);
    for (size_t i = 0; i < COUNT_OF(others); i++)
        close(others[i]);
    http_server_stop(server, stopped_cb, f);
    http_server_abort(server);
    arm(f);
    while (!f->stopped && !f->late)
        uv_run(&f->loop, UV_RUN_NOWAIT);
    assert_true(f->stopped);
    f->stopped = false;
}

static void test_http_connections_max_leaves_half_of_the_descriptors(void **state)
{
    struct rlimit before;
    struct rlimit few;

    (void)state;
    getrlimit(RLIMIT_NOFILE, &before);
    few = before;
    few.rlim_cur = 256;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    assert_int_equal(http_connections_max(10000), 128);
    assert_int_equal(http_connections_max(100), 100);
    setrlimit(RLIMIT_NOFILE, &before);
}

/* The client waits, and nothing spins, until there is a descriptor again. */
static void test_http_accepts_again_after_descriptors_ran_out(void **state)
{
    struct fixture *f = *state;
    struct rlimit before;
    struct rlimit none;
    unsigned turns = 0;

    f->client = dial(f);
    getrlimit(RLIMIT_NOFILE, &before);
    none = before;
    none.rlim_cur = 0; /* those that are open stay */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    /* It sleeps, though a client is at the door. */
    arm_for(f, 300);
    while (!f->late) {
        uv_run(&f->loop, UV_RUN_ONCE);
        turns++;
    }
    assert_in_range(turns, 1, 20);
    setrlimit(RLIMIT_NOFILE, &before);
    send_text(f, "GET /late HTTP/1.1\r\nHost: h\r\n\r\n");
    expect(f, "/late", 1);
}

/* Thousands of requests in one piece leave the loop to others. */
static void test_http_pipeline_shares_the_loop(void **state)
{
    static const char get[] = "GET /slow HTTP/1.1\r\nHost: h\r\n\r\n";
    static char requests[500 * (sizeof(get) - 1)];
    struct fixture *f = *state;
    unsigned turns = 0;

    for (size_t i = 0; i < sizeof(requests); i++)
        requests[i] = get[i % (sizeof(get) - 1)];
    fresh_client(f);
    send(f->client, requests, sizeof(requests), MSG_NOSIGNAL);
    arm(f);
    while (f->slow < 500 && !f->late) {
        unsigned before = f->slow;

        uv_run(&f->loop, UV_RUN_NOWAIT);
        assert_in_range(f->slow - before, 0, 30); /* of 100 us each; a turn has 1 ms */
        turns++;
    }
    assert_int_equal(f->slow, 500);
    assert_true(turns > 10);
}

static void test_http_add_header_refuses_line_breaks(void **state)
{
    struct fixture *f = *state;

    ask(f, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
    spin(f);
    http_add_header(f->held, "X-Fine", "value");
    http_add_header(f->held, "X", "a\r\nInjected: yes");
    http_respond(f->held, 200, "body", 4);
    expect(f, "HTTP/1.1 500", 1);
    assert_int_equal(count(f->answers, "Injected"), 0);
    assert_int_equal(count(f->answers, "X-Fine"), 0);
    assert_int_equal(count(f->answers, "body"), 0);
}

static void test_http_stop_lets_an_exchange_end(void **state)
{
    struct fixture *f = *state;

    ask(f, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
    spin(f);
    http_server_stop(f->server, stopped_cb, f);
    spin(f);
    assert_false(f->stopped);
    http_respond(f->held, 200, "done", 4);
    expect_close(f);
    assert_int_equal(count(f->answers, "done"), 1);
    expect_stopped(f);
}

static void test_http_query_and_unlink(void **state)
{
    struct fixture *f = *state;

    ask(f, "UNLINK /a HTTP/1.1\r\nHost: h\r\n\r\n"
           "UNLINK /a? HTTP/1.1\r\nHost: h\r\n\r\n"
           "UNLINK /a?b=%2F?c HTTP/1.1\r\nHost: h\r\n\r\n"
           "UNLINK http://host?q HTTP/1.1\r\nHost: h\r\n\r\n");
    expect(f, "HTTP/1.1 200 OK", 4);
    expect(f, "none0", 1);
    expect(f, "(0:)", 1);
    expect(f, "(7:b=%2F?c)", 1);
    expect(f, "(1:q)", 1);
}

/* llhttp doesn't know REBALANCE, so what comes before it, in it and behind it is told apart by us;
 * REPORT and REBIND begin as it does, and one of them is what llhttp sees in its place. */
static const char rebalances[] =
    "\r\n\r\nREBALANCE /rebalanced/one HTTP/1.1\r\nHost: h\r\n\r\n"
    "REBIND /two HTTP/1.1\r\nHost: h\r\n\r\n"
    "\r\n"
    "REBALANCE /rebalanced/three HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n"
    "REBALANCE "
    "GET /four HTTP/1.1\r\nHost: h\r\n\r\n"
    "REPORT /five HTTP/1.1\r\nHost: h\r\n\r\n"
    "REBALANCE /rebalanced/six HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

static void expect_rebalances(struct fixture *f)
{
    static const char *const in_order[] = {"rebalance:/rebalanced/one",
                                           "other:/two",
                                           "rebalance:/rebalanced/three",
                                           "\r\n\r\n/four",
                                           "other:/five",
                                           "rebalance:/rebalanced/six"};
    const char *at = f->answers;

    expect_close(f);
    for (size_t i = 0; i < COUNT_OF(in_order) && at != NULL; i++)
        at = strstr(at, in_order[i]);
    if (at == NULL)
        fail_msg("not all is there, or not in order: %s", f->answers);
    assert_int_equal(count(f->answers, "HTTP/1.1 200 "), COUNT_OF(in_order));
}

static void test_http_rebalance_split_at_every_byte(void **state)
{
    send_split_at_every_byte(*state, rebalances, sizeof(rebalances) - 1, expect_rebalances);
}

static void test_http_rebalance_byte_by_byte(void **state)
{
    send_byte_by_byte(*state, rebalances, sizeof(rebalances) - 1, expect_rebalances);
}

static int setup_local(void **state)
{
    char directory[] = "/tmp/mkv_test_http.XXXXXX";
    char path[64];

    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/socket", directory);
    return fixture_start(state, handler_cb, &fixture_limits, path);
}

static int teardown_local(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_un local;

    memcpy(&local, &f->address, sizeof(local));
    assert_int_equal(unlink(local.sun_path), 0);
    *strrchr(local.sun_path, '/') = '\0';
    assert_int_equal(rmdir(local.sun_path), 0);
    return teardown(state);
}

static void test_http_unix_socket(void **state)
{
    struct fixture *f = *state;
    char some[256 * 1024] = {0};

    ask(f, pipeline);
    expect_pipeline(f);
    ask(f, "PUT /long HTTP/1.1\r\nHost: h\r\nContent-Length: 262144\r\n\r\n");
    send_bytes(f, some, sizeof(some));
    expect(f, "[262144]", 1);
    ask(f, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
    spin(f);
    http_server_stop(f->server, stopped_cb, f);
    spin(f);
    http_respond(f->held, 200, "done", 4);
    expect_close(f);
    assert_int_equal(count(f->answers, "done"), 1);
    expect_stopped(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_http_pipeline_split_at_every_byte),
        TEST(test_http_pipeline_byte_by_byte),
        TEST(test_http_refuses_what_is_no_http),
        TEST(test_http_refuses_what_is_not_to_the_letter),
        TEST(test_http_takes_what_is_to_the_letter),
        TEST(test_http_limits_on_what_nobody_reads),
        TEST(test_http_garbage_behind_an_early_answer),
        TEST(test_http_absolute_target_without_a_path),
        TEST(test_http_limits_on_a_head),
        TEST(test_http_head_has_the_length_but_no_body),
        TEST(test_http_one_point_zero_closes_unless_asked),
        TEST(test_http_continue_only_when_the_body_is_wanted),
        TEST(test_http_early_answer_keeps_a_connection_with_a_short_body),
        TEST(test_http_early_answer_survives_a_long_body),
        TEST(test_http_client_that_vanishes_is_reported_once),
        TEST(test_http_half_closed_client_gets_its_answer),
        TEST(test_http_half_closed_at_once),
        TEST(test_http_half_closed_in_mid_message_has_gone),
        TEST(test_http_half_closed_before_its_answers_are_written),
        TEST(test_http_half_closed_behind_a_long_pipeline),
        TEST(test_http_requests_behind_one_without_answer_wait),
        TEST(test_http_body_that_waited_is_read),
        TEST(test_http_body_that_waited_is_asked_for),
        TEST(test_http_request_without_body_that_waited_ends),
        TEST(test_http_answer_instead_of_a_body_that_waits),
        TEST(test_http_client_that_leaves_while_its_request_waits),
        TEST(test_http_client_that_half_closes_while_its_body_waits),
        TEST(test_http_pause_stops_reading),
        TEST(test_http_slow_clients_time_out),
        TEST(test_http_body_that_trickles_times_out),
        TEST(test_http_slow_rebalances_time_out),
        TEST(test_http_too_many_connections),
        TEST(test_http_one_that_waits_makes_room),
        TEST(test_http_each_listener_has_its_share),
        TEST(test_http_connections_max_leaves_half_of_the_descriptors),
        TEST(test_http_accepts_again_after_descriptors_ran_out),
        TEST(test_http_pipeline_shares_the_loop),
        TEST(test_http_add_header_refuses_line_breaks),
        TEST(test_http_stop_lets_an_exchange_end),
        TEST(test_http_query_and_unlink),
        TEST(test_http_rebalance_split_at_every_byte),
        TEST(test_http_rebalance_byte_by_byte),
        cmocka_unit_test_setup_teardown(test_http_unix_socket, setup_local, teardown_local),
    };

    return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
