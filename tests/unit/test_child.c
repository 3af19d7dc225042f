#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launcher/nginx/child.h"

struct fixture {
    uv_loop_t loop;
    struct children children;
    struct child child;
    char lines[8192]; /* what the child said, each line behind a '|' */
    size_t n_lines;
    int status;
    int exits;
    int gones;
};

static void line_cb(struct child *child, const char *text, size_t len)
{
    struct fixture *f = child->arg;
    size_t used = strlen(f->lines);

    assert_int_equal(f->gones, 0);
    snprintf(f->lines + used, sizeof(f->lines) - used, "|%.*s", (int)len, text);
    f->n_lines++;
}

static void exit_cb(struct child *child, int status)
{
    struct fixture *f = child->arg;

    f->status = status;
    f->exits++;
}

static void gone_cb(struct child *child)
{
    struct fixture *f = child->arg;

    assert_int_equal(f->exits, 1);
    assert_int_equal(kill(-child->pid, 0), -1);
    f->gones++;
    children_close(&f->children, NULL);
}

static void setup(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    assert_int_equal(uv_loop_init(&f->loop), 0);
    assert_int_equal(children_init(&f->children, &f->loop), 0);
}

static void teardown(struct fixture *f)
{
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
}

static int start_shell(struct fixture *f, const char *script, const char *environment)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    const struct child_options options = {
        .argv = argv,
        .environment = environment,
        .line_cb = line_cb,
        .exit_cb = exit_cb,
        .gone_cb = gone_cb,
        .arg = f,
    };

    return child_start(&f->child, &f->children, &options);
}

static void run_shell(struct fixture *f, const char *script, const char *environment)
{
    setup(f);
    assert_int_equal(start_shell(f, script, environment), 0);
    assert_int_equal(f->exits, 0);
    teardown(f);
    assert_int_equal(f->exits, 1);
    assert_int_equal(f->gones, 1);
}

static void test_child_delivers_lines_and_status(void **state)
{
    struct fixture f;

    (void)state;
    run_shell(&f, "printf 'one\\n\\ntwo\\nno end' >&2; exit 7", NULL);
    assert_string_equal(f.lines, "|one|two|no end");
    assert_true(WIFEXITED(f.status));
    assert_int_equal(WEXITSTATUS(f.status), 7);
}

static void test_child_delivers_long_lines_in_pieces(void **state)
{
    struct fixture f;

    (void)state;
    run_shell(&f, "printf '%05000d\\nend\\n' 0 >&2", NULL);
    assert_true(f.n_lines >= 4);
    assert_int_equal(strlen(f.lines), 5000 + 3 + f.n_lines);
    assert_string_equal(f.lines + strlen(f.lines) - 4, "|end");
}

static void test_child_ends_its_whole_group(void **state)
{
    struct fixture f;

    (void)state;
    /* The grandchildren ignore all but SIGKILL and hold the pipe open. */
    run_shell(&f, "(trap '' TERM; exec sleep 600) & (exec sleep 600) & echo started >&2", NULL);
    assert_string_equal(f.lines, "|started");
}

static void test_child_has_default_signals_and_its_own_variable(void **state)
{
    struct fixture f;

    (void)state;
    signal(SIGPIPE, SIG_IGN);
    setenv("NGINX", "from outside", 1);
    run_shell(&f, "echo \"$NGINX\" >&2; kill -PIPE $$", "NGINX=3;4;");
    assert_string_equal(f.lines, "|3;4;");
    assert_true(WIFSIGNALED(f.status));
    assert_int_equal(WTERMSIG(f.status), SIGPIPE);
    run_shell(&f, "echo \"${NGINX-unset}\" >&2", NULL);
    assert_string_equal(f.lines, "|unset");
    unsetenv("NGINX");
    signal(SIGPIPE, SIG_DFL);
}

static void test_child_inherits_what_it_was_given_only(void **state)
{
    struct fixture f;
    int given[2];
    int kept[2];
    char script[128];
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    const struct child_options options = {
        .argv = argv,
        .inherit = &given[1],
        .n_inherit = 1,
        .line_cb = line_cb,
        .exit_cb = exit_cb,
        .gone_cb = gone_cb,
        .arg = &f,
    };

    (void)state;
    setup(&f);
    assert_int_equal(pipe2(given, O_CLOEXEC), 0);
    assert_int_equal(pipe(kept), 0); /* as a library might that knows nothing of O_CLOEXEC */
    snprintf(script, sizeof(script), "(exec ls -v /proc/$$/fd >&2); :");
    assert_int_equal(child_start(&f.child, &f.children, &options), 0);
    teardown(&f);
    snprintf(script, sizeof(script), "|0|1|2|%d", given[1]);
    assert_string_equal(f.lines, script);
    for (int i = 0; i < 2; i++) {
        close(given[i]);
        close(kept[i]);
    }
}

static void test_child_start_without_the_program(void **state)
{
    const char *const argv[] = {"/nonexistent", NULL};
    const struct child_options options = {.argv = argv};
    struct fixture f;

    (void)state;
    setup(&f);
    assert_int_equal(child_start(&f.child, &f.children, &options), -ENOENT);
    children_close(&f.children, NULL);
    teardown(&f);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static void timer_cb(uv_timer_t *timer)
{
    struct fixture *f = timer->data;

    child_signal(&f->child, SIGKILL);
    uv_close((uv_handle_t *)timer, NULL);
}

static void test_child_signal_reaches_the_leader(void **state)
{
    struct fixture f;
    uv_timer_t timer;

    (void)state;
    setup(&f);
    assert_int_equal(start_shell(&f, "exec sleep 600", NULL), 0);
    uv_timer_init(&f.loop, &timer);
    timer.data = &f;
    uv_timer_start(&timer, timer_cb, 1, 0);
    teardown(&f);
    assert_true(WIFSIGNALED(f.status));
    assert_int_equal(WTERMSIG(f.status), SIGKILL);
}

static void abandoned_cb(struct child *child)
{
    struct fixture *f = child->arg;

    assert_int_equal(f->exits, 0);
    f->gones++;
    children_close(&f->children, NULL);
}

static void test_child_abandon_waits_for_nobody(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f);
    assert_int_equal(start_shell(&f, "exec sleep 600", NULL), 0);
    f.child.gone_cb = abandoned_cb;
    child_abandon(&f.child);
    child_abandon(&f.child);
    assert_int_equal(f.gones, 0);
    teardown(&f);
    assert_int_equal(f.gones, 1);
    assert_int_equal(kill(f.child.pid, SIGKILL), 0);
    assert_int_equal(waitpid(f.child.pid, NULL, 0), f.child.pid);
}

static void test_child_program_is_executed_by_another_name(void **state)
{
    const char *const argv[] = {"a name", "-c", "echo $0 >&2", NULL};
    struct fixture f;
    const struct child_options options = {.argv = argv,
                                          .program = "/bin/sh",
                                          .line_cb = line_cb,
                                          .exit_cb = exit_cb,
                                          .gone_cb = gone_cb,
                                          .arg = &f};

    (void)state;
    setup(&f);
    assert_int_equal(child_start(&f.child, &f.children, &options), 0);
    teardown(&f);
    assert_string_equal(f.lines, "|a name");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_child_delivers_lines_and_status),
        cmocka_unit_test(test_child_delivers_long_lines_in_pieces),
        cmocka_unit_test(test_child_ends_its_whole_group),
        cmocka_unit_test(test_child_has_default_signals_and_its_own_variable),
        cmocka_unit_test(test_child_inherits_what_it_was_given_only),
        cmocka_unit_test(test_child_start_without_the_program),
        cmocka_unit_test(test_child_signal_reaches_the_leader),
        cmocka_unit_test(test_child_abandon_waits_for_nobody),
        cmocka_unit_test(test_child_program_is_executed_by_another_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
