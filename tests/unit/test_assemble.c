/* What a volume is asked to make waits for its place, and large values leave some to small ones. */
#include "tests/unit/objects_fixture.h"

#include "index/cluster/assemble.h"

#define SMALL (ASSEMBLE_REQUESTS - ASSEMBLE_LARGE)

static const struct place place;

/* A blob that is to be made of one that is nowhere. */
struct asked {
    struct assemble assemble;
    struct recipe recipe;
    bool ended;
    enum assemble_outcome outcome;
};

static void done_cb(struct assemble *assemble, enum assemble_outcome outcome)
{
    struct asked *m = assemble->data;

    assert_false(m->ended);
    m->ended = true;
    m->outcome = outcome;
    recipe_deinit(&m->recipe);
}

static struct volume *first_volume(struct fixture *f)
{
    return volumes_find(places_volumes(f->objects.places), f->servers[0].name,
                        strlen(f->servers[0].name));
}

static void begin(struct fixture *f, struct asked *m, uint64_t size)
{
    struct recipe_source source = {.path = "/aa/bb/source", .size = size, .length = size};

    *m = (struct asked){.assemble = {.data = m}};
    source.copies[source.n_copies++] = (struct recipe_copy){.volume = first_volume(f)};
    recipe_add(&m->recipe, &source);
    assemble_start(&m->assemble, f->objects.transfers, first_volume(f), &m->recipe,
                   &(struct recipe_target){.place = &place, .path = "/aa/bb/target"}, done_cb);
}

static void wait_for(struct fixture *f, struct asked *m)
{
    WAIT_UNTIL(f, m->ended);
}

static void test_assemble_keeps_places_for_small_values(void **state)
{
    static struct asked large[ASSEMBLE_LARGE + 2];
    static struct asked small[SMALL + 2];
    struct fixture *f = *state;
    struct volume_server *server = &f->servers[0];

    server->fates[VOLUME_ASSEMBLE] = FATE_HOLD;
    for (unsigned i = 0; i < COUNT_OF(large); i++)
        begin(f, &large[i], ASSEMBLE_LARGE_BYTES);
    WAIT_UNTIL(f, server->whole[VOLUME_ASSEMBLE] == ASSEMBLE_LARGE);
    for (unsigned i = 0; i < COUNT_OF(small); i++)
        begin(f, &small[i], ASSEMBLE_LARGE_BYTES - 1);
    WAIT_UNTIL(f, server->whole[VOLUME_ASSEMBLE] == ASSEMBLE_REQUESTS);
    fixture_pass_time(f, 1000);
    assert_int_equal(server->begun[VOLUME_ASSEMBLE], ASSEMBLE_REQUESTS);
    volume_server_release(server, VOLUME_ASSEMBLE);
    for (unsigned i = 0; i < COUNT_OF(large); i++) {
        wait_for(f, &large[i]);
        assert_int_equal(large[i].outcome, ASSEMBLE_UNABLE);
    }
    for (unsigned i = 0; i < COUNT_OF(small); i++)
        wait_for(f, &small[i]);
}

static void test_assemble_cancel_of_one_that_waits(void **state)
{
    static struct asked all[ASSEMBLE_REQUESTS + 2];
    struct asked *last = &all[COUNT_OF(all) - 1];
    struct asked *last_but_one = last - 1;
    struct fixture *f = *state;
    struct volume_server *server = &f->servers[0];

    server->fates[VOLUME_ASSEMBLE] = FATE_HOLD;
    for (unsigned i = 0; i < COUNT_OF(all); i++)
        begin(f, &all[i], 1);
    WAIT_UNTIL(f, server->whole[VOLUME_ASSEMBLE] == ASSEMBLE_REQUESTS);
    assemble_cancel(&last_but_one->assemble);
    assert_false(last_but_one->ended);
    wait_for(f, last_but_one);
    assert_int_equal(last_but_one->outcome, ASSEMBLE_FAILED);
    assert_int_equal(last_but_one->assemble.rc, UV_ECANCELED);
    assert_false(last_but_one->assemble.may_hold);
    assert_false(last->ended || all[0].ended);
    assemble_cancel(&all[0].assemble); /* its place is the last one's */
    wait_for(f, &all[0]);
    assert_true(all[0].assemble.may_hold);
    WAIT_UNTIL(f, server->whole[VOLUME_ASSEMBLE] == ASSEMBLE_REQUESTS + 1);
    volume_server_release(server, VOLUME_ASSEMBLE);
    wait_for(f, last);
    for (unsigned i = 1; i < ASSEMBLE_REQUESTS; i++)
        wait_for(f, &all[i]);
}

static void stopped_cb(void *arg)
{
    *(bool *)arg = true;
}

/* libcurl sends a request again where the connection that was kept has broken without an answer;
 * that nobody listens any more then says nothing of the first try. */
static void test_assemble_of_a_volume_that_dies_over_it(void **state)
{
    struct fixture *f = *state;
    struct volume_server *server = &f->servers[0];
    struct asked m;
    bool stopped = false;

    begin(f, &m, 1);
    wait_for(f, &m);
    assert_int_equal(m.outcome, ASSEMBLE_UNABLE);
    server->fates[VOLUME_ASSEMBLE] = FATE_HOLD;
    begin(f, &m, 1);
    WAIT_UNTIL(f, server->whole[VOLUME_ASSEMBLE] == 2);
    volume_server_stop(server, stopped_cb, &stopped);
    wait_for(f, &m);
    assert_int_equal(m.outcome, ASSEMBLE_FAILED);
    assert_int_equal(m.assemble.rc, UV_ECONNREFUSED);
    assert_true(m.assemble.may_hold && m.assemble.is_late);
    begin(f, &m, 1);
    wait_for(f, &m);
    assert_int_equal(m.assemble.rc, UV_ECONNREFUSED);
    assert_false(m.assemble.may_hold);
    WAIT_UNTIL(f, stopped);
    volume_server_start(server, f->objects.loop, "1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_assemble_keeps_places_for_small_values, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_assemble_cancel_of_one_that_waits, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_assemble_of_a_volume_that_dies_over_it, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
