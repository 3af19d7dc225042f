/* What a volume says of blobs, and what becomes of answers that are wrong, late, cut off, or
 * another disk's: with a volume that is an HTTP server on the same loop. */
#include "tests/unit/test.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "index/base/buf.h"
#include "index/base/log.h"
#include "index/cluster/hash.h"
#include "index/http/http.h"

#define DEADLINE 10000 /* milliseconds that any one wait may take */
#define FILES    2200  /* more than two requests hold */
#define MOST     1024  /* in a request */

/* What the volume does with a request. */
enum fate {
    FATE_DO,
    FATE_REFUSE,  /* with f->status */
    FATE_SAY,     /* f->answer, and nothing else */
    FATE_SHUFFLE, /* the lines the other way round */
    FATE_CUT,     /* half of them */
    FATE_CLOSE,   /* hangs up in the midst of them */
    FATE_HOLD,    /* until release() */
    FATE_MOVE     /* as another disk */
};

struct fixture {
    uv_loop_t loop;
    uv_timer_t deadline;
    struct http_server *server;
    struct transfers *transfers;
    struct volumes *volumes;
    struct volume *volume; /* the one there is */
    char name[32];         /* of it */
    enum fate fate;
    int status;
    const char *answer;
    struct http_request *held[4];
    unsigned n_held;
    struct buf bodies[4]; /* of the requests that came last */
    unsigned n_requests;
    unsigned most_files; /* in one of them */
    bool settled;
    bool late;
    bool stopped;
};

struct asked {
    struct hash hash;
    bool ended;
    int rc;
};

static struct fixture fixture;

/* --- The volume ------------------------------------------------------------------------------ */

static void ignore_cb(struct http_request *request)
{
    (void)request;
}

/* The line about a path: of "/gone" it is missing, of "/bad" it can't be read. Every other blob
 * holds its own path. */
static void say(struct buf *out, const char *path, size_t n)
{
    unsigned char md5[MD5_SIZE];

    if (n > 5 && memcmp(path, "/gone", 5) == 0) {
        buf_append_format(out, "%.*s\tmissing\n", (int)n, path);
        return;
    }
    if (n > 4 && memcmp(path, "/bad", 4) == 0) {
        buf_append_format(out, "%.*s\terror\tInput/output error\n", (int)n, path);
        return;
    }
    md5_of(path, n, md5);
    buf_append_format(out, "\n%.*s\t%zu\t", (int)n, path, n);
    for (unsigned i = 0; i < MD5_SIZE; i++)
        buf_append_format(out, "%02x", md5[i]);
    buf_append(out, "\n", 1);
}

static unsigned say_all(struct buf *out, const struct buf *body, bool backwards, unsigned most)
{
    const char *paths[FILES];
    unsigned n = 0;
    const char *at = buf_bytes(body);
    const char *end = at + buf_size(body);

    for (; at < end; at = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1)
        paths[n++] = at;
    for (unsigned i = 0; i < n && i < most; i++) {
        const char *path = paths[backwards ? n - 1 - i : i];

        say(out, path, (size_t)((const char *)memchr(path, '\n', (size_t)(end - path)) - path));
    }
    return n;
}

static void cut_off(struct http_request *request, const struct buf *half)
{
    static const struct http_writer writer = {.more = ignore_cb, .closed = ignore_cb};

    if (!http_respond_start(request, 200, &writer))
        return;
    http_write(request, buf_bytes(half), buf_size(half));
    http_fail(request);
}

static void finish(struct fixture *f, struct http_request *request, const struct buf *body)
{
    struct buf out = {0};
    unsigned n = say_all(&out, body, f->fate == FATE_SHUFFLE, UINT32_MAX);

    f->most_files = n > f->most_files ? n : f->most_files;
    buf_append_string(&out, "end\n");
    http_add_header(request, "Mkv-Volume-Id", f->fate == FATE_MOVE ? "another" : "the-disk");
    if (f->fate == FATE_CUT || f->fate == FATE_CLOSE) {
        buf_clear(&out);
        say_all(&out, body, false, n / 2);
    }
    if (f->fate == FATE_CLOSE) {
        cut_off(request, &out);
    } else if (f->fate == FATE_REFUSE) {
        http_respond_text(request, f->status, "no\n");
    } else if (f->fate == FATE_SAY) {
        http_respond(request, 200, f->answer, strlen(f->answer));
    } else {
        http_respond(request, 200, buf_bytes(&out), buf_size(&out));
    }
    buf_deinit(&out);
}

static void data_cb(struct http_request *request, const char *bytes, size_t n)
{
    buf_append(http_request_data(request), bytes, n);
}

static void end_cb(struct http_request *request)
{
    struct fixture *f = &fixture;

    if (f->fate == FATE_HOLD)
        f->held[f->n_held++] = request;
    else
        finish(f, request, http_request_data(request));
}

static void closed_cb(struct http_request *request)
{
    for (unsigned i = 0; i < fixture.n_held; i++) {
        if (fixture.held[i] == request)
            fixture.held[i] = NULL;
    }
}

static void release(struct fixture *f)
{
    f->fate = FATE_DO;
    for (unsigned i = 0; i < f->n_held; i++) {
        if (f->held[i] != NULL)
            finish(f, f->held[i], http_request_data(f->held[i]));
    }
    f->n_held = 0;
}

static void volume_cb(struct http_request *request, void *arg)
{
    static const struct http_body_reader reader = {
        .data = data_cb, .end = end_cb, .closed = closed_cb};
    static const char space[] = "{\"total\":100000,\"free\":50000}";
    struct fixture *f = arg;
    struct buf *body;

    if (http_request_method(request) == HTTP_METHOD_GET) {
        http_add_header(request, "Mkv-Volume-Id", "the-disk");
        http_respond(request, 200, space, sizeof(space) - 1);
        return;
    }
    body = &f->bodies[f->n_requests++ % 4];
    buf_clear(body);
    http_request_set_data(request, body);
    http_read_body(request, &reader);
}

/* --- The fixture ----------------------------------------------------------------------------- */

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

#define WAIT_UNTIL(f, condition)                                                                   \
    do {                                                                                           \
        uv_timer_start(&(f)->deadline, deadline_cb, DEADLINE, 0);                                  \
        while (!(condition)) {                                                                     \
            uv_run(&(f)->loop, UV_RUN_ONCE);                                                       \
            assert_false((f)->late);                                                               \
        }                                                                                          \
        uv_timer_stop(&(f)->deadline);                                                             \
    } while (0)

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

static void settled_cb(void *arg)
{
    struct fixture *f = arg;

    f->settled = true;
}

static int setup(void **state)
{
    struct fixture *f = &fixture;
    struct volume_entry entry = {.weight = VOLUME_WEIGHT};
    int fd;

    *f = (struct fixture){.fate = FATE_DO};
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
    WAIT_UNTIL(f, f->settled);
    return 0;
}

static void stopped_cb(void *arg)
{
    struct fixture *f = arg;

    f->stopped = true;
}

static void wait_for_stop(struct fixture *f)
{
    WAIT_UNTIL(f, f->stopped);
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
    for (unsigned i = 0; i < 4; i++)
        buf_deinit(&f->bodies[i]);
    uv_close((uv_handle_t *)&f->deadline, NULL);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    return 0;
}

/* --- Asking ---------------------------------------------------------------------------------- */

static void asked_cb(struct hash *hash, int rc)
{
    struct asked *asked = hash->data;

    assert_false(asked->ended);
    asked->ended = true;
    asked->rc = rc;
}

static void ask(struct fixture *f, struct asked *asked, const char *path)
{
    static const struct place place = {.volume = 7};

    *asked = (struct asked){.hash = {.data = asked, .bytes = 10}};
    assert_int_equal(hash_start(&asked->hash, f->transfers, f->volume, &place, path, asked_cb), 0);
    assert_false(asked->ended);
}

static void assert_read(const struct asked *asked, const char *path)
{
    unsigned char md5[MD5_SIZE];

    assert_true(asked->ended);
    assert_int_equal(asked->rc, 0);
    assert_int_equal(asked->hash.found, HASH_READ);
    assert_int_equal(asked->hash.size, strlen(path));
    md5_of(path, strlen(path), md5);
    assert_memory_equal(asked->hash.md5, md5, MD5_SIZE);
}

static int ask_one(struct fixture *f, struct asked *asked, const char *path)
{
    ask(f, asked, path);
    WAIT_UNTIL(f, asked->ended);
    return asked->rc;
}

/* --- Tests ----------------------------------------------------------------------------------- */

static void test_hash_tells_what_is_there(void **state)
{
    struct fixture *f = *state;
    struct asked asked;

    assert_int_equal(ask_one(f, &asked, "/00/11/key"), 0);
    assert_read(&asked, "/00/11/key");
    assert_int_equal(ask_one(f, &asked, "/gone/0"), 0);
    assert_int_equal(asked.hash.found, HASH_MISSING);
    assert_int_equal(ask_one(f, &asked, "/bad/0"), 0);
    assert_int_equal(asked.hash.found, HASH_UNREADABLE);
}

/* The first two go alone, and the rest share requests. */
static void test_hash_of_many(void **state)
{
    struct fixture *f = *state;
    struct asked *asked = calloc(FILES, sizeof(*asked));
    char path[32];

    assert_non_null(asked);
    for (unsigned i = 0; i < FILES; i++) {
        snprintf(path, sizeof(path), "/00/%u", i);
        ask(f, &asked[i], path);
    }
    for (unsigned i = 0; i < FILES; i++) {
        WAIT_UNTIL(f, asked[i].ended);
        snprintf(path, sizeof(path), "/00/%u", i);
        assert_read(&asked[i], path);
    }
    assert_int_equal(f->n_requests, 2 + (FILES - 2 + MOST - 1) / MOST);
    assert_int_equal(f->most_files, MOST);
    free(asked);
}

static void test_hash_when_the_volume_refuses(void **state)
{
    static const int statuses[][2] = {{503, UV_EBUSY},
                                      {404, UV_ENOTSUP},
                                      {405, UV_ENOTSUP},
                                      {500, UV_EREMOTEIO},
                                      {400, UV_EREMOTEIO}};
    struct fixture *f = *state;
    struct asked asked;

    f->fate = FATE_REFUSE;
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        f->status = statuses[i][0];
        assert_int_equal(ask_one(f, &asked, "/00/11/key"), statuses[i][1]);
    }
    f->fate = FATE_DO;
    assert_int_equal(ask_one(f, &asked, "/00/11/key"), 0);
}

static void test_hash_of_an_answer_that_makes_no_sense(void **state)
{
#define GOOD "d41d8cd98f00b204e9800998ecf8427e"
    static const char *const answers[] = {
        "",
        "end\n",
        "nonsense\n",
        "/00/11/key\n",
        "/00/11/key\t\n",
        "/00/11/key\t5\n",
        "/00/11/key\t5\t" GOOD, /* without the line's end */
        "/00/11/key\t-5\t" GOOD "\n",
        "/00/11/key\t99999999999999999999\t" GOOD "\n",
        "/00/11/key\t5\t" GOOD "0\n",
        "/00/11/key\t5\tD41D8CD98F00B204E9800998ECF8427E\n",
        "/00/11/key\tmissing \n",
        "/00/11/other\t5\t" GOOD "\n",
        "/00/11/keys\t5\t" GOOD "\n",
        "/00/11/ke\t5\t" GOOD "\n",
        "error\tno\n",
    };
    struct fixture *f = *state;
    struct asked asked;
    char *large = calloc(1, 200001);

    f->fate = FATE_SAY;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        f->answer = answers[i];
        assert_in_range(-ask_one(f, &asked, "/00/11/key"), 1, 10000);
    }
    assert_non_null(large);
    memset(large, 'x', 200000);
    f->answer = large;
    assert_int_equal(ask_one(f, &asked, "/00/11/key"), UV_EPROTO);
    free(large);
    /* What comes after what was asked for spoils nothing. */
    f->answer = "\n\n/00/11/key\t0\t" GOOD "\n/00/12/key\t0\t" GOOD "\n";
    assert_int_equal(ask_one(f, &asked, "/00/11/key"), 0);
    assert_int_equal(asked.hash.size, 0);
    f->fate = FATE_DO;
    assert_int_equal(ask_one(f, &asked, "/00/11/key"), 0);
#undef GOOD
}

/* Fills both requests with one file each, which is held, and starts four more, which share one. */
static void ask_six(struct fixture *f, struct asked asked[6])
{
    static const char *const paths[] = {"/00/0", "/00/1", "/00/2", "/00/3", "/00/4", "/00/5"};

    f->fate = FATE_HOLD;
    for (unsigned i = 0; i < 6; i++)
        ask(f, &asked[i], paths[i]);
    WAIT_UNTIL(f, f->n_held == 2);
}

static void wait_for_six(struct fixture *f, const struct asked asked[6])
{
    for (unsigned i = 0; i < 6; i++)
        WAIT_UNTIL(f, asked[i].ended);
}

static void release_as(struct fixture *f, enum fate fate)
{
    release(f);
    f->fate = fate;
}

static void test_hash_in_another_order(void **state)
{
    struct fixture *f = *state;
    struct asked asked[6];

    ask_six(f, asked);
    release_as(f, FATE_SHUFFLE);
    wait_for_six(f, asked);
    assert_read(&asked[0], "/00/0");
    assert_read(&asked[1], "/00/1");
    for (unsigned i = 2; i < 6; i++)
        assert_int_equal(asked[i].rc, UV_EPROTO);
}

/* What has come before the end counts. */
static void test_hash_that_breaks_off(void **state)
{
    struct fixture *f = *state;
    struct asked asked[6];

    ask_six(f, asked);
    release_as(f, FATE_CUT);
    wait_for_six(f, asked);
    assert_read(&asked[2], "/00/2");
    assert_read(&asked[3], "/00/3");
    assert_int_equal(asked[4].rc, UV_EREMOTEIO);
    assert_int_equal(asked[5].rc, UV_EREMOTEIO);
}

static void test_hash_when_the_volume_hangs_up(void **state)
{
    struct fixture *f = *state;
    struct asked asked[6];

    ask_six(f, asked);
    release_as(f, FATE_CLOSE);
    wait_for_six(f, asked);
    assert_true(asked[4].rc < 0);
    assert_true(asked[5].rc < 0);
    f->fate = FATE_DO;
    WAIT_UNTIL(f, volume_is_live(f->volume));
    assert_int_equal(ask_one(f, &asked[0], "/00/11/key"), 0);
}

static void test_hash_by_another_disk(void **state)
{
    struct fixture *f = *state;
    struct asked asked[6];

    ask_six(f, asked);
    release_as(f, FATE_MOVE);
    wait_for_six(f, asked);
    for (unsigned i = 2; i < 6; i++)
        assert_int_equal(asked[i].rc, UV_EPROTO);
}

static void test_hash_cancel(void **state)
{
    struct fixture *f = *state;
    struct asked asked[6];

    ask_six(f, asked);
    hash_cancel(&asked[0].hash); /* the one file of a request, */
    hash_cancel(&asked[0].hash);
    hash_cancel(&asked[3].hash); /* and one that waits */
    assert_false(asked[0].ended);
    WAIT_UNTIL(f, asked[0].ended);
    assert_int_equal(asked[0].rc, UV_ECANCELED);
    WAIT_UNTIL(f, f->n_held == 3); /* the others that waited have gone on */
    assert_true(asked[3].ended);
    assert_int_equal(asked[3].rc, UV_ECANCELED);
    hash_cancel(&asked[4].hash); /* one of three */
    release_as(f, FATE_DO);
    wait_for_six(f, asked);
    assert_read(&asked[1], "/00/1");
    assert_read(&asked[2], "/00/2");
    assert_read(&asked[5], "/00/5");
    assert_true(volume_is_live(f->volume));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_hash_tells_what_is_there, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hash_of_many, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hash_when_the_volume_refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hash_of_an_answer_that_makes_no_sense, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_hash_in_another_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hash_that_breaks_off, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hash_when_the_volume_hangs_up, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hash_by_another_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hash_cancel, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
