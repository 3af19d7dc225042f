/* Reads of a mapped file that was cut short, each in a process of its own. */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "index/base/log.h"
#include "launcher/bus_error.h"

#define SIZE 65536

struct fixture {
    char path[40];
    char log[48];
    int fd;
    volatile const char *bytes; /* of the file, mapped: it is cut */
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    if (f == NULL)
        return -1;
    strcpy(f->path, "/tmp/mkv-test-bus XXXXXX");
    f->fd = mkstemp(f->path);
    snprintf(f->log, sizeof(f->log), "%s.log", f->path);
    assert_true(f->fd >= 0 && ftruncate(f->fd, SIZE) == 0);
    f->bytes = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, f->fd, 0);
    assert_true(f->bytes != MAP_FAILED);
    assert_int_equal(ftruncate(f->fd, 1), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    munmap((void *)f->bytes, SIZE);
    close(f->fd);
    unlink(f->path);
    unlink(f->log);
    free(f);
    return 0;
}

static void *read_it(void *arg)
{
    struct fixture *f = arg;

    (void)f->bytes[SIZE - 1];
    return NULL;
}

static void read_by_threads(struct fixture *f)
{
    pthread_t threads[4];

    for (unsigned i = 0; i < COUNT_OF(threads); i++)
        pthread_create(&threads[i], NULL, read_it, f);
    for (unsigned i = 0; i < COUNT_OF(threads); i++)
        pthread_join(threads[i], NULL);
}

static void send_another(struct fixture *f)
{
    struct rlimit none = {0, 0};

    (void)f;
    setrlimit(RLIMIT_CORE, &none);
    raise(SIGBUS);
}

static void read_here(struct fixture *f)
{
    read_it(f);
}

/* How a process ends that does it, as wait(2) says; what it logs is in f->log. */
static int status_of(struct fixture *f, void (*act)(struct fixture *))
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        log_open(f->log);
        bus_error_init();
        act(f);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void assert_file_is_named(struct fixture *f)
{
    char wanted[200];
    char text[400] = "";
    int fd = open(f->log, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0 && read(fd, text, sizeof(text) - 1) >= 0);
    close(fd);
    snprintf(wanted, sizeof(wanted),
             "error mkv: cannot read %s: it was cut short, or its disk has a bad block\n", f->path);
    assert_string_equal(text, wanted);
}

static void test_bus_error_names_the_file(void **state)
{
    struct fixture *f = *state;
    int status = status_of(f, read_here);

    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    assert_file_is_named(f);
}

static void test_bus_error_of_many_threads_is_told_once(void **state)
{
    struct fixture *f = *state;
    int status = status_of(f, read_by_threads);

    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    assert_file_is_named(f);
}

static void test_bus_error_that_is_sent_ends_the_process_as_ever(void **state)
{
    struct fixture *f = *state;
    int status = status_of(f, send_another);

    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bus_error_names_the_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bus_error_of_many_threads_is_told_once, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_bus_error_that_is_sent_ends_the_process_as_ever, setup,
                                        teardown),
    };

    return cmocka_run_group_tests_name("bus_error", tests, NULL, NULL);
}
