/* Any bytes from a client, through the real server on a socket: the first byte of the input says
 * how the rest is split into two writes. Every request that the handler sees is answered: at once,
 * in mid-body, at the end of the body, or later ("/l..."); some pause their body ("/p..."). Some
 * answers are streamed ("/s..."), with a plan made of the path's bytes: what to write, when to
 * wait, and how it ends. The connection always ends, and nothing leaks. */
#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "index/base/key.h"
#include "index/base/log.h"
#include "index/http/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
    uv_loop_t loop;
    struct sockaddr_in address;
    unsigned skipped;            /* connections in a row that could not be made */
    unsigned in_exchange;        /* requests whose end is to come */
    struct http_request *late;   /* one that is read and waits for its answer, or NULL */
    struct http_request *paused; /* one whose body is paused, or NULL */
    struct http_request *stream; /* one whose answer is streamed, or NULL */
    size_t step;                 /* in its path */
    bool in_handler;             /* where `more` and `closed` must not fire */
} fuzz;

static bool path_begins(struct http_request *request, char c)
{
    size_t len;
    const char *path = http_request_path(request, &len);

    return len > 1 && path[1] == c;
}

static void forget(struct http_request *request)
{
    if (fuzz.late == request)
        fuzz.late = NULL;
    if (fuzz.paused == request)
        fuzz.paused = NULL;
    if (fuzz.stream == request)
        fuzz.stream = NULL;
    fuzz.in_exchange--;
}

/* Takes the next step of the plan; false when it waits for catch_up(), or has ended. */
static bool stream_step(struct http_request *request)
{
    static const char bytes[HTTP_STREAM_BOUND + 1];
    size_t len;
    const char *path = http_request_path(request, &len);
    char step = fuzz.step < len ? path[fuzz.step++] : '\0';

    switch (step) {
    case '\0':
        forget(request);
        http_finish(request);
        return false;
    case '!':
        forget(request);
        http_fail(request);
        return false;
    case '.': /* nothing now */
        return false;
    case '*':
        http_write(request, bytes, sizeof(bytes));
        return true;
    default:
        http_write(request, bytes, (size_t)(step & 15));
        return true;
    }
}

static void more_cb(struct http_request *request)
{
    if (fuzz.in_handler || fuzz.stream != request)
        abort();
    while (stream_step(request)) {
    }
}

static void stream_closed_cb(struct http_request *request)
{
    if (fuzz.in_handler)
        abort();
    forget(request);
}

static const struct http_writer writer = {.more = more_cb, .closed = stream_closed_cb};

/* The plan begins with the byte after "/s"; '^' there means that the first step is taken at once.
 */
static void start_stream(struct http_request *request)
{
    size_t len;
    const char *path = http_request_path(request, &len);

    if (!http_respond_start(request, 200, &writer)) {
        forget(request);
        return;
    }
    fuzz.stream = request;
    fuzz.step = 2;
    if (len > 2 && path[2] == '^')
        stream_step(request);
}

static void data_cb(struct http_request *request, const char *bytes, size_t len)
{
    if (len == 0 || bytes == NULL)
        abort();
    if (bytes[0] == '~') { /* the start of one in mid-body */
        start_stream(request);
    } else if (bytes[0] == '!') { /* an answer in mid-body */
        forget(request);
        http_respond(request, 409, "stop", 4);
    } else if (path_begins(request, 'p')) {
        fuzz.paused = request;
        http_pause_body(request);
    }
}

static void end_cb(struct http_request *request)
{
    if (path_begins(request, 'l')) {
        fuzz.late = request;
        return;
    }
    if (path_begins(request, 's')) {
        start_stream(request);
        return;
    }
    forget(request);
    http_respond(request, 201, NULL, 0);
}

static void closed_cb(struct http_request *request)
{
    forget(request);
}

static const struct http_body_reader reader = {.data = data_cb, .end = end_cb, .closed = closed_cb};

static void handler_cb(struct http_request *request, void *arg)
{
    struct key key;
    size_t len;
    const char *path = http_request_path(request, &len);
    const char *note = http_request_header(request, "Content-MD5");

    (void)arg;
    if (key_decode(path, len, &key) != NULL) {
        http_respond(request, 400, NULL, 0);
        return;
    }
    if (note != NULL)
        http_add_header(request, "X-Note", note);
    fuzz.in_exchange++;
    fuzz.in_handler = true;
    if (note == NULL && path_begins(request, 's'))
        start_stream(request);
    else
        http_read_body(request, &reader);
    fuzz.in_handler = false;
}

static void start(void)
{
    struct http_server *server;
    socklen_t size = sizeof(fuzz.address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    log_open("/dev/null");
    uv_loop_init(&fuzz.loop);
    fuzz.address.sin_family = AF_INET;
    fuzz.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr *)&fuzz.address, size) < 0 ||
        getsockname(fd, (struct sockaddr *)&fuzz.address, &size) < 0 ||
        http_server_start(&fuzz.loop, &fd, 1, &http_default_limits, "GET", handler_cb, NULL,
                          &server) < 0)
        abort();
}

/* Until nothing waits for the loop's next turn any more. */
static void spin(void)
{
    for (int i = 0; i < 3 || uv_backend_timeout(&fuzz.loop) == 0; i++)
        uv_run(&fuzz.loop, UV_RUN_NOWAIT);
}

/* What was put off is done now, and may let requests behind it run. */
static void catch_up(void)
{
    struct http_request *late = fuzz.late;

    if (fuzz.stream != NULL)
        stream_step(fuzz.stream);
    if (fuzz.paused != NULL)
        http_resume_body(fuzz.paused);
    fuzz.paused = NULL;
    if (late != NULL) {
        forget(late);
        http_respond(late, 200, "late", 4);
    }
    spin();
}

/* At 20,000 connections a second the kernel is at times short of ports; a server that is gone shows
 * by never accepting again. */
static int skip(int fd)
{
    close(fd);
    spin();
    if (++fuzz.skipped > 1000)
        abort();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct linger reset = {.l_onoff = 1}; /* no TIME_WAIT: ports would run out */
    size_t split;
    int fd;

    if (size < 2 || size > 32 * 1024)
        return 0;
    if (fuzz.address.sin_port == 0)
        start();
    split = 1 + data[0] % (size - 1);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    if (connect(fd, (struct sockaddr *)&fuzz.address, sizeof(fuzz.address)) < 0)
        return skip(fd);
    fuzz.skipped = 0;
    send(fd, data + 1, split - 1, MSG_NOSIGNAL);
    spin();
    send(fd, data + split, size - split, MSG_NOSIGNAL);
    spin();
    catch_up();
    close(fd);
    spin();
    /* A client that is gone is noticed by reading or writing, so not while its request waits. */
    while (fuzz.late != NULL || fuzz.paused != NULL || fuzz.stream != NULL)
        catch_up();
    if (fuzz.in_exchange > 0)
        abort();
    return 0;
}
