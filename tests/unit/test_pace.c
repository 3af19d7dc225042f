/* Copying in the background while clients ask, and while nobody does. */
#include "tests/unit/test.h"

#include <stdlib.h>

#include "index/cluster/pace.h"

#define PIECE (128 * 1024)

struct copier {
    struct paced paced;
    unsigned woken;
};

struct fixture {
    uv_loop_t loop;
    struct pace pace;
    struct copier copiers[2];
    uint64_t ran; /* ms that copy_for() took */
};

static void wake_cb(struct paced *paced)
{
    struct copier *c = paced->data;

    c->woken++;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_int_equal(uv_loop_init(&f->loop), 0);
    pace_init(&f->pace, &f->loop);
    for (unsigned i = 0; i < 2; i++)
        f->copiers[i].paced = (struct paced){.data = &f->copiers[i], .wake = wake_cb};
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    uv_close((uv_handle_t *)&f->pace.timer, NULL);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    free(f);
    return 0;
}

static bool take(struct fixture *f, unsigned i)
{
    return pace_take(&f->pace, &f->copiers[i].paced, PIECE);
}

/* Runs the loop for so long, with clients that ask so often in each millisecond. Returns how many
 * bytes both copiers took, each whenever it was woken. */
static uint64_t copy_for(struct fixture *f, uint64_t ms, unsigned asked)
{
    uint64_t bytes = 0;
    uint64_t last = 0;
    uint64_t begun;

    uv_update_time(&f->loop);
    begun = uv_now(&f->loop);
    while (uv_now(&f->loop) < begun + ms) {
        for (unsigned i = 0; i < asked && last != uv_now(&f->loop); i++)
            pace_client_asks(&f->pace);
        last = uv_now(&f->loop);
        for (unsigned i = 0; i < 2; i++) {
            if (f->copiers[i].paced.waits)
                continue;
            while (take(f, i)) {
                bytes += PIECE;
                if (asked == 0)
                    break;
            }
        }
        uv_run(&f->loop, UV_RUN_NOWAIT);
    }
    f->ran = uv_now(&f->loop) - begun; /* on a busy machine more than was asked for */
    return bytes;
}

static void test_pace_take_without_clients_is_never_refused(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < 10000; i++)
        assert_true(take(f, i % 2));
}

/* The bytes of a tick of 2 ms; of late ones some are lost. */
static void check_pace(struct fixture *f, unsigned asked, uint64_t tick)
{
    uint64_t bytes = copy_for(f, 300, asked);

    assert_in_range(bytes, 150 * tick / 8, f->ran / 2 * tick + 3 * PIECE);
}

static void test_pace_take_with_clients_is_slow_and_fair(void **state)
{
    struct fixture *f = *state;

    check_pace(f, 1, 56 * 1024);
    assert_in_range(f->copiers[0].woken, f->copiers[1].woken / 2, f->copiers[1].woken * 2);
}

static void test_pace_take_with_many_clients_is_slower(void **state)
{
    check_pace(*state, 100, 16 * 1024);
}

static void test_pace_take_after_the_clients_goes_on(void **state)
{
    struct fixture *f = *state;

    copy_for(f, 50, 1);
    while (take(f, 0)) {
    }
    while (f->copiers[0].woken == 0 || f->copiers[0].paced.waits)
        uv_run(&f->loop, UV_RUN_ONCE);
    copy_for(f, 250, 0);
    for (unsigned i = 0; i < 1000; i++)
        assert_true(take(f, 0));
}

static void test_pace_leave_wakes_nobody(void **state)
{
    struct fixture *f = *state;

    uv_update_time(&f->loop);
    pace_client_asks(&f->pace);
    while (take(f, 0)) {
    }
    pace_leave(&f->pace, &f->copiers[0].paced);
    uv_run(&f->loop, UV_RUN_DEFAULT); /* ends, for no timer runs */
    assert_int_equal(f->copiers[0].woken, 0);
    pace_leave(&f->pace, &f->copiers[0].paced);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pace_take_without_clients_is_never_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_pace_take_with_clients_is_slow_and_fair, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_pace_take_with_many_clients_is_slower, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_pace_take_after_the_clients_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pace_leave_wakes_nobody, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
