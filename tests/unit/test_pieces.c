/* Answers that worker threads make piece by piece, with a source that does what the test says. */
#include "tests/unit/http_fixture.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher/volume/pieces.h"

#define PLACES  2
#define PATH    "/tmp/mkv-test-pieces.%d"
#define PIECE   60000
#define FOREVER 1000000

static struct pieces *pieces;
static char socket_path[64];
static bool is_stopped;

/* What the source does, and what became of it. */
static struct {
    bool at_once;
    unsigned empty;   /* pieces without a byte, first; */
    unsigned full;    /* then so many of PIECE bytes, and the last */
    bool fails;       /* in place of the last one */
    bool keeps_empty; /* it never gets anywhere */
    atomic_bool held; /* it doesn't come back */
    atomic_uint made;
    atomic_uint working;     /* threads at this moment, ... */
    atomic_uint working_max; /* ... and at most */
    unsigned freed;
} plan;

struct source {
    unsigned n; /* pieces made */
};

static void make_piece(struct source *source, struct piece *piece)
{
    static char text[PIECE];
    unsigned n = source->n++;

    memset(text, 'x', sizeof(text));
    if (n < plan.empty || plan.keeps_empty)
        return;
    if (n - plan.empty < plan.full) {
        assert_int_equal(buf_append(&piece->bytes, text, sizeof(text)), 0);
    } else if (plan.fails) {
        strcpy(piece->failure, "the disk fell off");
    } else {
        buf_append_string(&piece->bytes, "end\n");
        piece->last = true;
    }
}

static void make(void *source, struct piece *piece, uint64_t until)
{
    unsigned working = atomic_fetch_add(&plan.working, 1) + 1;

    assert_true(until > uv_hrtime() - 1000000000ULL);
    if (working > atomic_load(&plan.working_max))
        atomic_store(&plan.working_max, working);
    while (atomic_load(&plan.held))
        usleep(1000);
    make_piece(source, piece);
    atomic_fetch_add(&plan.made, 1);
    atomic_fetch_sub(&plan.working, 1);
}

static void free_source(void *source)
{
    free(source);
    plan.freed++;
}

static void handler_cb(struct http_request *request, void *arg)
{
    static const struct pieces_source how = {.make = make, .free = free_source};
    struct source *source = calloc(1, sizeof(*source));

    (void)arg;
    assert_non_null(source);
    pieces_answer(pieces, request, plan.at_once, &how, source);
}

static int setup(void **state)
{
    struct http_limits limits = fixture_limits;
    int rc;

    memset(&plan, 0, sizeof(plan));
    snprintf(socket_path, sizeof(socket_path), PATH, (int)getpid());
    limits.connections = limits.streams = 10;
    is_stopped = false;
    rc = fixture_start(state, handler_cb, &limits, socket_path);
    return rc == 0 ? pieces_new(&(*(struct fixture **)state)->loop, PLACES, 1, &pieces) : rc;
}

static void pieces_stopped_cb(void *arg)
{
    (void)arg;
    is_stopped = true;
}

static int end(void **state)
{
    atomic_store(&plan.held, false);
    teardown(state);
    unlink(socket_path);
    if (!is_stopped)
        pieces_stop(pieces, pieces_stopped_cb, NULL);
    return is_stopped ? 0 : -1;
}

static void request(struct fixture *f)
{
    ask(f, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
}

static void wait_until_freed(struct fixture *f, unsigned n)
{
    arm(f);
    while (plan.freed < n && !f->late)
        uv_run(&f->loop, UV_RUN_NOWAIT);
    assert_int_equal(plan.freed, n);
}

static void wait_until_made(struct fixture *f, unsigned n)
{
    arm(f);
    while (atomic_load(&plan.made) < n && !f->late)
        uv_run(&f->loop, UV_RUN_NOWAIT);
    assert_true(atomic_load(&plan.made) >= n);
}

static void wait_until_working(struct fixture *f)
{
    arm(f);
    while (atomic_load(&plan.working) == 0 && !f->late)
        uv_run(&f->loop, UV_RUN_NOWAIT);
    assert_false(f->late);
}

/* How many bytes come until the answer's last chunk. */
static size_t read_all(struct fixture *f)
{
    size_t n = 0;

    arm(f);
    do {
        n += f->n_answers;
        f->n_answers = 0;
        uv_run(&f->loop, UV_RUN_NOWAIT);
        read_answers(f);
    } while (strstr(f->answers, "end\n\r\n0\r\n") == NULL && !f->late);
    assert_false(f->late);
    return n + f->n_answers;
}

static void test_pieces_answer_of_several(void **state)
{
    struct fixture *f = *state;

    plan.empty = 2;
    plan.full = 2;
    plan.at_once = true; /* and then the next one, when it has bytes */
    request(f);
    assert_in_range(read_all(f), 2 * PIECE, 2 * PIECE + 1000);
    plan.at_once = false;
    request(f);
    assert_in_range(read_all(f), 2 * PIECE, 2 * PIECE + 1000);
    wait_until_freed(f, 2);
    assert_int_equal(plan.made, 2 * 5);
}

static void test_pieces_failure_before_the_first_byte(void **state)
{
    struct fixture *f = *state;

    plan.empty = 1;
    plan.fails = true;
    request(f);
    expect(f, "HTTP/1.1 500 ", 1);
    expect(f, "the disk fell off\n", 1);
    assert_int_equal(plan.freed, 1);
}

static void test_pieces_failure_after_some(void **state)
{
    struct fixture *f = *state;

    plan.full = 1;
    plan.fails = true;
    request(f);
    arm(f);
    while (plan.freed == 0 && !f->late) {
        f->n_answers = 0;
        uv_run(&f->loop, UV_RUN_NOWAIT);
        read_answers(f);
    }
    read_answers(f);
    assert_memory_equal(f->answers + f->n_answers - 5, "0\r\n\r\n", 5);
    expect(f, "error\t", 1);
    expect(f, "the disk fell off", 1);
}

/* A client that doesn't read gets what the kernel takes; one piece waits, and no more are made. */
static void test_pieces_for_a_client_that_does_not_read(void **state)
{
    struct fixture *f = *state;
    unsigned made;

    plan.full = 200;
    request(f);
    wait_until_made(f, 3);
    arm_for(f, 300);
    while (!f->late)
        uv_run(&f->loop, UV_RUN_NOWAIT);
    made = atomic_load(&plan.made);
    assert_in_range(made, 3, 12);
    assert_in_range(read_all(f), 200 * PIECE, 200 * PIECE + 20000);
    wait_until_freed(f, 1);
}

static void test_pieces_client_that_goes(void **state)
{
    struct fixture *f = *state;

    plan.full = FOREVER;
    request(f);
    wait_until_made(f, 3); /* one is ready, or being made */
    close(f->client);
    f->client = -1;
    wait_until_freed(f, 1);
    atomic_store(&plan.held, true);
    request(f);
    wait_until_working(f); /* before the head */
    close(f->client);
    f->client = -1;
    spin(f);
    assert_int_equal(plan.freed, 1);
    atomic_store(&plan.held, false);
    wait_until_freed(f, 2);
}

/* It has nothing to send, so an empty line has to find out. */
static void test_pieces_client_that_goes_while_nothing_is_found(void **state)
{
    struct fixture *f = *state;

    plan.keeps_empty = true;
    request(f);
    expect(f, "HTTP/1.1 200 ", 1); /* it doesn't wait for ever */
    expect(f, "\r\n1\r\n\n\r\n", 1);
    close(f->client);
    f->client = -1;
    wait_until_freed(f, 1);
}

static void test_pieces_places(void **state)
{
    struct fixture *f = *state;
    int others[PLACES];

    atomic_store(&plan.held, true);
    for (int i = 0; i < PLACES; i++) {
        request(f);
        spin(f);
        others[i] = f->client;
        f->client = -1;
    }
    request(f);
    expect(f, "HTTP/1.1 503 ", 1);
    expect(f, "Retry-After: 1", 1);
    assert_int_equal(plan.freed, 1);
    atomic_store(&plan.held, false);
    wait_until_freed(f, 1 + PLACES); /* by turns on one thread */
    assert_int_equal(plan.working_max, 1);
    request(f);
    expect(f, "HTTP/1.1 200 ", 1);
    for (int i = 0; i < PLACES; i++)
        close(others[i]);
}

static void test_pieces_stop_waits_for_the_thread(void **state)
{
    struct fixture *f = *state;

    plan.full = FOREVER;
    atomic_store(&plan.held, true);
    request(f);
    wait_until_working(f);
    http_server_stop(f->server, stopped_cb, f);
    http_server_abort(f->server);
    expect_stopped(f);
    pieces_stop(pieces, pieces_stopped_cb, NULL);
    spin(f);
    assert_false(is_stopped);
    atomic_store(&plan.held, false);
    wait_until_freed(f, 1);
    assert_true(is_stopped);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_pieces_answer_of_several),
        TEST(test_pieces_failure_before_the_first_byte),
        TEST(test_pieces_failure_after_some),
        TEST(test_pieces_for_a_client_that_does_not_read),
        TEST(test_pieces_client_that_goes),
        TEST(test_pieces_client_that_goes_while_nothing_is_found),
        TEST(test_pieces_places),
        TEST(test_pieces_stop_waits_for_the_thread),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
