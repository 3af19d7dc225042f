/* Requests of S3 as clients send them, by HTTP: on a store that reads at once, on one that answers
 * later, on one that can't be reached, and by clients that leave while they wait for it. */
#include "tests/unit/objects_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "index/http/http.h"
#include "index/s3/s3.h"
#include "tests/support/access_request.h"
#include "tests/support/late_engine.h"

#define ANSWER_MAX (64 * 1024)
#define STEPS_MAX  12 /* readings that any call waits for, one after the other */
#define NONE       "00000000000000000000000000000000"
#define LIST_ONE                                                                                   \
    "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>%s</ETag></Part>"              \
    "</CompleteMultipartUpload>"

static struct s3 s3;
static struct http_server *server;
static struct sockaddr_in address;
static char answer[ANSWER_MAX]; /* the last one, terminated */
static size_t n_answer;
static bool is_server_stopped;

/* --- The fixture ------------------------------------------------------------------------------ */

static void handle(struct http_request *request, void *arg)
{
    s3_handle(arg, request);
}

static void start_server(struct fixture *f)
{
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(
        http_server_start(&f->box.loop, &fd, 1, &http_default_limits, "GET", handle, &s3, &server),
        0);
}

static int setup(void **state)
{
    int rc = fixture_setup(state);
    struct fixture *f = *state;

    signal(SIGPIPE, SIG_IGN);
    s3 = (struct s3){.objects = &f->objects};
    start_server(f);
    return rc;
}

/* The objects alone read later; the box is the store within, until it closes both. */
static int setup_late(void **state)
{
    int rc = setup(state);
    struct fixture *f = *state;

    f->objects.store = late_engine_new(&f->box.loop, f->box.store);
    return rc;
}

static void server_stopped_cb(void *arg)
{
    *(bool *)arg = true;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    is_server_stopped = false;
    http_server_stop(server, server_stopped_cb, &is_server_stopped);
    http_server_abort(server);
    WAIT_UNTIL(f, is_server_stopped);
    keys_release(s3.keys);
    WAIT_UNTIL(f, f->objects.n_running == 0);
    assert_true(LIST_EMPTY(&s3.completions));
    f->box.store = f->objects.store;
    return fixture_teardown(state);
}

static struct store *late(struct fixture *f)
{
    return f->objects.store;
}

/* --- A client --------------------------------------------------------------------------------- */

static int begin_call(const char *line, const char *headers, const char *body)
{
    char request[8192];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int n =
        snprintf(request, sizeof(request),
                 "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%sContent-Length: %zu\r\n\r\n%s",
                 line, headers, strlen(body), body);

    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(write(fd, request, (size_t)n), n);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    n_answer = 0;
    return fd;
}

/* Reads what is there. False at the end. */
static bool read_some(int fd)
{
    ssize_t n = read(fd, answer + n_answer, ANSWER_MAX - 1 - n_answer);

    if (n > 0)
        n_answer += (size_t)n;
    answer[n_answer] = '\0';
    return n > 0 || (n < 0 && errno == EAGAIN);
}

static int status(void)
{
    return n_answer > 12 ? atoi(answer + 9) : 0;
}

static int call_with(struct fixture *f, const char *line, const char *headers, const char *body)
{
    int fd = begin_call(line, headers, body);

    WAIT_UNTIL(f, !read_some(fd));
    close(fd);
    return status();
}

static int call(struct fixture *f, const char *line)
{
    return call_with(f, line, "", "");
}

static void expect_in_answer(const char *text)
{
    if (strstr(answer, text) == NULL)
        fail_msg("\"%s\" isn't in: %s", text, answer);
}

static void expect_error(struct fixture *f, const char *line, int wanted, const char *code)
{
    assert_int_equal(call(f, line), wanted);
    expect_in_answer(code);
}

/* What an element of the answer has. */
static void copy_element(const char *element, char *value, size_t size)
{
    char tag[64];
    const char *at;

    snprintf(tag, sizeof(tag), "<%s>", element);
    at = strstr(answer, tag);
    assert_non_null(at);
    at += strlen(tag);
    snprintf(value, size, "%.*s", (int)strcspn(at, "<"), at);
}

/* --- Buckets and objects ---------------------------------------------------------------------- */

static void test_s3_calls_on_buckets(void **state)
{
    struct fixture *f = *state;

    expect_error(f, "GET /bucket", 404, "NoSuchBucket");
    assert_int_equal(call(f, "HEAD /bucket"), 404);
    expect_error(f, "DELETE /bucket", 404, "NoSuchBucket");
    assert_int_equal(
        call_with(f, "PUT /bucket", "",
                  "<CreateBucketConfiguration><LocationConstraint>here-1</LocationConstraint>"
                  "</CreateBucketConfiguration>"),
        200);
    assert_int_equal(call(f, "PUT /bucket"), 200);
    assert_int_equal(call(f, "HEAD /bucket"), 200);
    assert_int_equal(call(f, "GET /bucket?location"), 200);
    expect_in_answer(">here-1<");
    assert_int_equal(call(f, "GET /bucket?acl"), 200);
    assert_int_equal(call(f, "GET /bucket?versioning"), 200);
    expect_error(f, "GET /bucket?policy", 404, "NoSuchBucketPolicy");
    assert_int_equal(call(f, "GET /"), 200);
    expect_in_answer("<Name>bucket</Name>");
    assert_int_equal(call(f, "GET /bucket?list-type=2"), 200);
    expect_in_answer("<KeyCount>0</KeyCount>");
    assert_int_equal(call(f, "DELETE /bucket"), 204);
    assert_int_equal(call(f, "HEAD /bucket"), 404);
    assert_clean(f);
}

static void test_s3_calls_on_objects(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(call_with(f, "PUT /box/key", "", "value"), 200);
    assert_value(f, "/box/key", "value");
    assert_int_equal(call_with(f, "PUT /box/key", "If-None-Match: *\r\n", "other"), 412);
    assert_int_equal(call_with(f, "PUT /box/none", "If-Match: \"x\"\r\n", "other"), 404);
    assert_int_equal(call_with(f, "PUT /box/key", "", "later"), 200);
    assert_value(f, "/box/key", "later");
    assert_int_equal(call(f, "HEAD /box/key"), 200);
    expect_in_answer("Content-Length: 5\r\n");
    assert_int_equal(call(f, "GET /box/key"), 307);
    assert_int_equal(call(f, "GET /box/key?acl"), 200);
    assert_int_equal(call(f, "GET /box/key?tagging"), 200);
    expect_error(f, "GET /box/none", 404, "NoSuchKey");
    expect_error(f, "GET /c/none", 404, "NoSuchBucket");
    expect_error(f, "GET /c/none?acl", 404, "NoSuchBucket");
    assert_int_equal(call(f, "GET /box?list-type=2"), 200);
    expect_in_answer("<Key>key</Key>");
    expect_error(f, "DELETE /box", 409, "BucketNotEmpty");
    assert_int_equal(call_with(f, "DELETE /box/key", "If-Match: \"x\"\r\n", ""), 412);
    assert_int_equal(call(f, "DELETE /box/key"), 204);
    assert_int_equal(call(f, "DELETE /box/key"), 204);
    assert_int_equal(call(f, "GET /box/key"), 404);
    assert_clean(f);
}

static void test_s3_calls_that_copy(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(call_with(f, "PUT /box/key", "", "value"), 200);
    assert_int_equal(call_with(f, "PUT /box/copy", "x-amz-copy-source: /box/key\r\n", ""), 200);
    expect_in_answer("<CopyObjectResult");
    assert_value(f, "/box/copy", "value");
    assert_int_equal(call_with(f, "PUT /box/copy", "x-amz-copy-source: /box/none\r\n", ""), 404);
    expect_in_answer("NoSuchKey");
    assert_int_equal(call_with(f, "PUT /box/copy", "x-amz-copy-source: /c/none\r\n", ""), 404);
    expect_in_answer("NoSuchBucket");
    assert_int_equal(call_with(f, "PUT /box/copy",
                               "x-amz-copy-source: /box/key\r\n"
                               "x-amz-copy-source-if-match: \"x\"\r\n",
                               ""),
                     412);
    assert_int_equal(call_with(f, "PUT /box/copy", "x-amz-copy-source: /box/copy\r\n", ""), 400);
    assert_clean(f);
}

static void test_s3_calls_that_delete_many(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(call_with(f, "PUT /box/1", "", "x"), 200);
    assert_int_equal(call_with(f, "PUT /box/2", "", "x"), 200);
    assert_int_equal(call_with(f, "PUT /box/3", "", "x"), 200);
    assert_int_equal(
        call_with(f, "POST /box?delete", "",
                  "<Delete><Object><Key>1</Key></Object><Object><Key>2</Key><ETag>x</ETag></Object>"
                  "<Object><Key>3</Key></Object><Object><Key>4</Key></Object></Delete>"),
        200);
    expect_in_answer("<Deleted><Key>1</Key></Deleted>");
    expect_in_answer("<Error><Key>2</Key><Code>PreconditionFailed</Code>");
    expect_in_answer("<Deleted><Key>4</Key></Deleted>");
    assert_value(f, "/box/1", NULL);
    assert_value(f, "/box/2", "x");
    assert_value(f, "/box/3", NULL);
    assert_clean(f);
}

/* Where there is a keys file, a bucket has to be there before anything is put into it. */
static void test_s3_calls_with_keys(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(call(f, "PUT /bucket"), 200);
    s3.keys = access_keys("AKone secret-one-1 rwc:*\n- - rw:*\n");
    assert_int_equal(call_with(f, "PUT /bucket/key", "", "value"), 200);
    assert_int_equal(call_with(f, "PUT /none/key", "", "value"), 404);
    expect_in_answer("NoSuchBucket");
    assert_int_equal(call(f, "DELETE /bucket/none"), 204);
    expect_error(f, "DELETE /none/key", 404, "NoSuchBucket");
    expect_error(f, "POST /none/key?uploads", 404, "NoSuchBucket");
    expect_error(f, "GET /none?uploads", 404, "NoSuchBucket");
    assert_int_equal(call_with(f, "PUT /bucket/copy", "x-amz-copy-source: /bucket/key\r\n", ""),
                     200);
    assert_value(f, "/bucket/copy", "value");
}

/* --- Uploads ---------------------------------------------------------------------------------- */

static void create_upload(struct fixture *f, char id[33])
{
    assert_int_equal(call(f, "POST /box/big?uploads"), 200);
    copy_element("UploadId", id, 33);
}

/* Puts a part, and makes the list that completes it. */
static void put_part(struct fixture *f, const char *id, char list[256])
{
    char line[128];
    char etag[64];

    snprintf(line, sizeof(line), "PUT /box/big?partNumber=1&uploadId=%s", id);
    assert_int_equal(call_with(f, line, "", "a part"), 200);
    snprintf(etag, sizeof(etag), "%.34s", strstr(answer, "ETag: ") + 6);
    snprintf(list, 256, LIST_ONE, etag);
}

static void test_s3_calls_on_uploads(void **state)
{
    struct fixture *f = *state;
    char id[33];
    char line[128];
    char list[256];

    create_upload(f, id);
    put_part(f, id, list);
    assert_int_equal(call(f, "GET /box?uploads"), 200);
    expect_in_answer(id);
    snprintf(line, sizeof(line), "GET /box/big?uploadId=%s", id);
    assert_int_equal(call(f, line), 200);
    expect_in_answer("<PartNumber>1</PartNumber>");
    snprintf(line, sizeof(line), "POST /box/big?uploadId=%s", id);
    for (unsigned i = 0; i < 2; i++) { /* who asks again gets the same answer */
        assert_int_equal(call_with(f, line, "", list), 200);
        expect_in_answer("<CompleteMultipartUploadResult");
    }
    assert_value(f, "/box/big", "a part");
    snprintf(line, sizeof(line), "PUT /box/big?partNumber=1&uploadId=%s", id);
    assert_int_equal(call_with(f, line, "", "a part"), 404);
    expect_in_answer("NoSuchUpload");
    expect_error(f, "GET /box/big?uploadId=" NONE, 404, "NoSuchUpload");
    expect_error(f, "DELETE /box/big?uploadId=" NONE, 404, "NoSuchUpload");
    expect_error(f, "DELETE /box/big?uploadId=x", 404, "NoSuchUpload");
    assert_int_equal(call_with(f, "POST /box/big?uploadId=" NONE, "", list), 404);
    assert_clean(f);
}

static void test_s3_calls_that_abort_an_upload(void **state)
{
    struct fixture *f = *state;
    char id[33];
    char line[128];
    char list[256];

    create_upload(f, id);
    put_part(f, id, list);
    assert_int_equal(call_with(f, "PUT /box/key", "", "value"), 200);
    snprintf(line, sizeof(line), "PUT /box/big?partNumber=2&uploadId=%s", id);
    assert_int_equal(call_with(f, line, "x-amz-copy-source: /box/key\r\n", ""), 200);
    expect_in_answer("<CopyPartResult");
    snprintf(line, sizeof(line), "POST /box/big?uploadId=%s", id);
    assert_int_equal(call_with(f, line, "",
                               "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber>"
                               "<ETag>\"00112233445566778899aabbccddeeff\"</ETag></Part>"
                               "</CompleteMultipartUpload>"),
                     400);
    expect_in_answer("InvalidPart");
    snprintf(line, sizeof(line), "DELETE /box/big?uploadId=%s", id);
    assert_int_equal(call(f, line), 204);
    expect_error(f, line, 404, "NoSuchUpload");
    WAIT_UNTIL(f, f->objects.n_running == 0);
    assert_clean(f);
}

/* The upload is aborted while a part of it is on its way. */
static void test_s3_calls_whose_upload_goes(void **state)
{
    struct fixture *f = *state;
    char id[33];
    char line[128];
    int fd;

    create_upload(f, id);
    fixture_set_fates(f, VOLUME_PUT, FATE_HOLD);
    snprintf(line, sizeof(line), "PUT /box/big?partNumber=1&uploadId=%s", id);
    fd = begin_call(line, "", "a part");
    WAIT_UNTIL(f, fixture_count(f, VOLUME_PUT) >= COPIES);
    snprintf(line, sizeof(line), "DELETE /box/big?uploadId=%s", id);
    assert_int_equal(call(f, line), 204);
    for (unsigned i = 0; i < VOLUMES; i++)
        volume_server_release(&f->servers[i], VOLUME_PUT);
    n_answer = 0;
    WAIT_UNTIL(f, !read_some(fd));
    close(fd);
    assert_int_equal(status(), 404);
    expect_in_answer("NoSuchUpload");
    assert_clean(f);
}

/* --- A store that is away, and clients that leave --------------------------------------------- */

/* A request of each operation; '@' stands for the upload. */
static const struct sample {
    const char *line;
    const char *headers;
    const char *body;
} samples[] = {
    {"GET /box/key", "", ""},
    {"GET /c/none", "", ""},
    {"HEAD /box/key", "", ""},
    {"GET /box/key?acl", "", ""},
    {"PUT /box/key?acl", "", ""},
    {"PUT /box/new", "", "value"},
    {"PUT /box/key", "If-Match: *\r\n", "value"},
    {"PUT /box/copy", "x-amz-copy-source: /box/key\r\n", ""},
    {"PUT /box/copy", "x-amz-copy-source: /c/none\r\n", ""},
    {"DELETE /box/key", "", ""},
    {"DELETE /box/none", "", ""},
    {"POST /box?delete", "",
     "<Delete><Object><Key>key</Key></Object><Object><Key>x</Key></Object></Delete>"},
    {"PUT /new", "", ""},
    {"HEAD /box", "", ""},
    {"GET /box?location", "", ""},
    {"DELETE /box", "", ""},
    {"GET /box?list-type=2", "", ""},
    {"POST /box/more?uploads", "", ""},
    {"PUT /box/big?partNumber=1&uploadId=@", "", "a part"},
    {"PUT /box/big?partNumber=2&uploadId=@", "x-amz-copy-source: /box/key\r\n", ""},
    {"GET /box/big?uploadId=@", "", ""},
    {"POST /box/big?uploadId=@", "", NULL}, /* with the list */
    {"POST /box/big?uploadId=" NONE, "", NULL},
    {"DELETE /box/big?uploadId=@", "", ""},
};

static int begin_sample(const struct sample *sample, const char *id, const char *list)
{
    size_t n = strcspn(sample->line, "@");
    bool has_upload = sample->line[n] != '\0';
    char line[256];

    snprintf(line, sizeof(line), "%.*s%s", (int)n, sample->line, has_upload ? id : "");
    return begin_call(line, sample->headers, sample->body != NULL ? sample->body : list);
}

/* Nothing is found, and nothing is missing. */
static void test_s3_calls_of_a_store_that_is_away(void **state)
{
    struct fixture *f = *state;
    char id[33];
    char list[256];

    assert_int_equal(call_with(f, "PUT /box/key", "", "value"), 200);
    create_upload(f, id);
    put_part(f, id, list);
    late_engine_set_away(late(f), true);
    for (size_t i = 0; i < COUNT_OF(samples); i++) {
        int fd = begin_sample(&samples[i], id, list);

        WAIT_UNTIL(f, !read_some(fd));
        close(fd);
        if (strncmp(samples[i].line, "POST /box?delete", 16) == 0)
            expect_in_answer("<Code>ServiceUnavailable</Code>");
        else if (status() != 503)
            fail_msg("%s: %s", samples[i].line, answer);
    }
    assert_int_equal(call(f, "GET /"), 503);
    assert_int_equal(call(f, "GET /box?uploads"), 503);
    late_engine_set_away(late(f), false);
    WAIT_UNTIL(f, f->objects.n_running == 0);
    assert_value(f, "/box/key", "value");
    assert_clean(f);
}

/* Lets the readings that wait be answered. False: the call has ended before any does. */
static bool step(struct fixture *f, int fd)
{
    bool goes_on = true;

    WAIT_UNTIL(f, late_engine_waiting(late(f)) > 0 || !(goes_on = read_some(fd)));
    if (!goes_on)
        return false;
    late_engine_hold(late(f), false);
    uv_run(&f->box.loop, UV_RUN_NOWAIT);
    late_engine_hold(late(f), true);
    return true;
}

/* By a reset: who only sends nothing any more still has an answer to come. */
static void leave(int fd)
{
    const struct linger none = {.l_onoff = 1};

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none)), 0);
    close(fd);
}

/* The client goes after so many steps. False: it had its answer by then. */
static bool leave_after(struct fixture *f, const struct sample *sample, const char *id,
                        const char *list, unsigned steps)
{
    int fd = begin_sample(sample, id, list);
    bool goes_on = true;

    late_engine_hold(late(f), true);
    for (unsigned i = 0; goes_on && i < steps; i++)
        goes_on = step(f, fd);
    if (goes_on)
        WAIT_UNTIL(f, late_engine_waiting(late(f)) > 0 || !(goes_on = read_some(fd)));
    leave(fd);
    for (unsigned i = 0; i < 20; i++) /* the server sees it, unless it reads nothing */
        uv_run(&f->box.loop, UV_RUN_NOWAIT);
    late_engine_hold(late(f), false);
    WAIT_UNTIL(f, late_engine_waiting(late(f)) == 0 && f->objects.n_running == 0);
    return goes_on;
}

/* What waits goes with its client, or to its end, wherever it is; and with it what is held of the
 * keys. */
static void test_s3_calls_whose_clients_leave(void **state)
{
    struct fixture *f = *state;
    char list[256];
    char id[33];

    assert_int_equal(call(f, "PUT /box"), 200);
    s3.keys = access_keys("- - rwc:*\n");
    for (size_t i = 0; i < COUNT_OF(samples); i++) {
        unsigned steps = 0;
        bool waited;

        do {
            assert_int_equal(call_with(f, "PUT /box/key", "", "value"), 200);
            create_upload(f, id);
            put_part(f, id, list);
            waited = leave_after(f, &samples[i], id, list, steps++);
        } while (waited && steps < STEPS_MAX);
        if (waited || steps < 2)
            fail_msg("%s waits %u times", samples[i].line, steps - 1);
    }
    assert_clean(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_s3_calls_##name, setup, teardown)
#define LATE(name) cmocka_unit_test_setup_teardown(test_s3_calls_##name, setup_late, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(on_buckets),           TEST(on_objects),        TEST(that_copy),
        TEST(that_delete_many),     TEST(with_keys),         TEST(on_uploads),
        TEST(that_abort_an_upload), TEST(whose_upload_goes),
    };
    const struct CMUnitTest late_tests[] = {
        LATE(on_buckets),           LATE(on_objects),        LATE(that_copy),
        LATE(that_delete_many),     LATE(with_keys),         LATE(on_uploads),
        LATE(that_abort_an_upload), LATE(whose_upload_goes), LATE(of_a_store_that_is_away),
        LATE(whose_clients_leave),
    };
    int failed = cmocka_run_group_tests_name("at once", tests, NULL, NULL);

    return failed + cmocka_run_group_tests_name("later", late_tests, NULL, NULL);
}
