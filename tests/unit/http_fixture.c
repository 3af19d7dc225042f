#include "tests/unit/http_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "index/base/log.h"

const struct http_limits fixture_limits = {
    .connections = 3,
    .streams = 3,
    .head_timeout = 200,
    .body_timeout = 200,
    .idle_timeout = 75000,
    .write_timeout = 60000,
};

static void deadline_cb(uv_timer_t *timer)
{
    struct fixture *f = timer->data;

    f->late = true;
}

void stopped_cb(void *arg)
{
    struct fixture *f = arg;

    f->stopped = true;
}

static int bind_socket(const struct sockaddr *address, socklen_t size)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, address, size), 0);
    return fd;
}

static int bind_port(struct fixture *f)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = bind_socket((struct sockaddr *)&any, sizeof(any));

    f->address_size = sizeof(f->address);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&f->address, &f->address_size), 0);
    return fd;
}

static int bind_path(struct fixture *f, const char *path)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX};

    assert_true(strlen(path) < sizeof(local.sun_path));
    strcpy(local.sun_path, path);
    memcpy(&f->address, &local, sizeof(local));
    f->address_size = sizeof(local);
    return bind_socket((struct sockaddr *)&local, sizeof(local));
}

int fixture_start(void **state, http_handler_cb handler, const struct http_limits *limits,
                  const char *path)
{
    struct fixture *f = calloc(1, sizeof(*f));
    int fd;

    assert_non_null(f);
    fd = path != NULL ? bind_path(f, path) : bind_port(f);
    log_open("/dev/null");
    uv_loop_init(&f->loop);
    uv_timer_init(&f->loop, &f->deadline);
    f->deadline.data = f;
    f->client = -1;
    *state = f;
    return http_server_start(&f->loop, &fd, 1, limits, METHODS, handler, f, &f->server);
}

int teardown(void **state)
{
    struct fixture *f = *state;

    if (f->client >= 0)
        close(f->client);
    if (f->server != NULL) {
        http_server_stop(f->server, stopped_cb, f);
        http_server_abort(f->server);
    }
    uv_close((uv_handle_t *)&f->deadline, NULL);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_true(f->stopped);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    free(f);
    return 0;
}

int dial(struct fixture *f)
{
    int fd = socket(f->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&f->address, f->address_size), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

void expect_stopped(struct fixture *f)
{
    arm(f);
    while (!f->stopped && !f->late)
        uv_run(&f->loop, UV_RUN_NOWAIT);
    assert_true(f->stopped);
    f->server = NULL;
}

void spin(struct fixture *f)
{
    for (int i = 0; i < 3; i++)
        uv_run(&f->loop, UV_RUN_NOWAIT);
}

void work(unsigned us)
{
    uint64_t until = uv_hrtime() + us * UINT64_C(1000);

    while (uv_hrtime() < until) {
    }
}

void arm(struct fixture *f)
{
    arm_for(f, DEADLINE);
}

void arm_for(struct fixture *f, unsigned ms)
{
    f->late = false;
    uv_timer_start(&f->deadline, deadline_cb, ms, 0);
}

void send_bytes(struct fixture *f, const char *bytes, size_t n)
{
    arm(f);
    while (n > 0 && !f->late) {
        ssize_t sent = send(f->client, bytes, n, MSG_NOSIGNAL);

        if (sent > 0) {
            bytes += sent;
            n -= (size_t)sent;
        } else if (errno != EAGAIN) {
            return; /* the server has closed: the test looks at what it said */
        }
        spin(f);
    }
    assert_false(f->late);
}

/* Reads what is there; false at the end of the stream. */
bool read_answers(struct fixture *f)
{
    ssize_t n =
        recv(f->client, f->answers + f->n_answers, sizeof(f->answers) - f->n_answers - 1, 0);

    if (n > 0)
        f->n_answers += (size_t)n;
    f->answers[f->n_answers] = '\0';
    return n > 0 || (n < 0 && errno == EAGAIN);
}

unsigned count(const char *text, const char *what)
{
    unsigned n = 0;

    while ((text = strstr(text, what)) != NULL) {
        text++;
        n++;
    }
    return n;
}

/* Waits until `what` stands `n` times in the answers. */
void expect(struct fixture *f, const char *what, unsigned n)
{
    arm(f);
    while (count(f->answers, what) < n && !f->late) {
        uv_run(&f->loop, UV_RUN_NOWAIT);
        if (!read_answers(f))
            break;
    }
    if (count(f->answers, what) != n)
        fail_msg("wanted %u times '%s' in: %s", n, what, f->answers);
}

void expect_close(struct fixture *f)
{
    arm(f);
    while (read_answers(f)) {
        uv_run(&f->loop, UV_RUN_NOWAIT);
        assert_false(f->late);
    }
}

void fresh_client(struct fixture *f)
{
    if (f->client >= 0)
        close(f->client);
    spin(f);
    f->client = dial(f);
    f->n_answers = 0;
    f->answers[0] = '\0';
}

void send_text(struct fixture *f, const char *text)
{
    send_bytes(f, text, strlen(text));
}

void send_split_at_every_byte(struct fixture *f, const char *bytes, size_t n,
                              void (*expect_all)(struct fixture *f))
{
    for (size_t split = 0; split <= n; split++) {
        fresh_client(f);
        send_bytes(f, bytes, split);
        spin(f);
        send_bytes(f, bytes + split, n - split);
        expect_all(f);
    }
}

void send_byte_by_byte(struct fixture *f, const char *bytes, size_t n,
                       void (*expect_all)(struct fixture *f))
{
    fresh_client(f);
    for (size_t i = 0; i < n; i++)
        send_bytes(f, bytes + i, 1);
    expect_all(f);
}

void ask(struct fixture *f, const char *text)
{
    fresh_client(f);
    send_text(f, text);
}
