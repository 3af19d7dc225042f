#include "tests/unit/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher/nginx/check.h"

struct fixture {
    uv_loop_t loop;
    struct children children;
    struct check check;
    int status;
    int calls;
    char message[CHECK_MESSAGE_MAX];
};

static void check_done_cb(struct check *check, int status, const char *message)
{
    struct fixture *f = check->arg;

    f->calls++;
    f->status = status;
    strcpy(f->message, message);
    children_close(&f->children, NULL);
}

/* Runs a check with a shell script in nginx's place. */
static void run_check(struct fixture *f, const char *script, unsigned timeout_ms, bool cancel)
{
    const struct account account = {.privileged = false};
    const struct listeners listeners = {.n = 0};
    char program[] = "/tmp/mkv-test-XXXXXX";
    const struct nginx_process process = {
        .program = program, .account = &account, .listeners = &listeners, .lock = -1};
    int fd = mkostemp(program, O_CLOEXEC);

    memset(f, 0, sizeof(*f));
    assert_true(fd >= 0);
    assert_int_equal(write(fd, script, strlen(script)), (int)strlen(script));
    assert_int_equal(fchmod(fd, 0700), 0);
    close(fd);
    assert_int_equal(uv_loop_init(&f->loop), 0);
    assert_int_equal(children_init(&f->children, &f->loop), 0);
    assert_int_equal(
        check_start(&f->check, &f->children, &process, "/conf", timeout_ms, check_done_cb, f), 0);
    if (cancel)
        check_cancel(&f->check);
    assert_int_equal(f->calls, 0);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    assert_int_equal(f->calls, 1);
    unlink(program);
}

static void test_check_takes_the_reason_nginx_gives(void **state)
{
    struct fixture f;

    (void)state;
    run_check(&f,
              "#!/bin/sh\necho 'nginx: [warn] odd' >&2\n"
              "echo 'nginx: [emerg] no \";\" in /conf:3' >&2\n"
              "echo 'nginx: configuration file /conf test failed' >&2\nexit 1\n",
              10000, false);
    assert_int_equal(f.status, UV_EINVAL);
    assert_string_equal(f.message, "no \";\" at line 3");
}

static void test_check_takes_the_last_line_of_another_program(void **state)
{
    struct fixture f;

    (void)state;
    run_check(&f, "#!/bin/sh\necho first >&2\necho 'unknown option -t' >&2\nexit 1\n", 10000,
              false);
    assert_int_equal(f.status, UV_EINVAL);
    assert_string_equal(f.message, "unknown option -t");
    run_check(&f, "#!/bin/sh\nexit 9\n", 10000, false);
    assert_non_null(strstr(f.message, "/tmp/mkv-test-"));
    assert_non_null(strstr(f.message, " -t exited with code 9 and did not say why"));
}

static void test_check_ends_at_the_deadline(void **state)
{
    struct fixture f;

    (void)state;
    run_check(&f, "#!/bin/sh\nexec sleep 60\n", 1000, false);
    assert_int_equal(f.status, UV_ETIMEDOUT);
    assert_non_null(strstr(f.message, " -t gave no answer in 1 s"));
}

static void test_check_canceled(void **state)
{
    struct fixture f;

    (void)state;
    run_check(&f, "#!/bin/sh\nexec sleep 60\n", 10000, true);
    assert_int_equal(f.status, UV_ECANCELED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check_takes_the_reason_nginx_gives),
        cmocka_unit_test(test_check_takes_the_last_line_of_another_program),
        cmocka_unit_test(test_check_ends_at_the_deadline),
        cmocka_unit_test(test_check_canceled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
