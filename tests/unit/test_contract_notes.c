/* The contract of an engine (index/store/store.h): notes. */
#include <stdlib.h>
#include <string.h>

#include "tests/support/contract.h"

static void assert_note(struct contract *c, const char *name, const char *value)
{
    struct buf found = {0};

    assert_int_equal(store_get_note(c->box.store, name, &found), 0);
    assert_int_equal(buf_size(&found), strlen(value));
    assert_memory_equal(buf_bytes(&found) != NULL ? buf_bytes(&found) : "", value, strlen(value));
    buf_deinit(&found);
}

static void test_put_note(void **state)
{
    struct contract *c = *state;

    assert_note(c, "one", "");
    assert_int_equal(engine_box_put_note(&c->box, "one", "", "first"), 0);
    assert_int_equal(engine_box_put_note(&c->box, "two", "", "\x01 '\\\n\xff"), 0);
    assert_note(c, "one", "first");
    assert_note(c, "two", "\x01 '\\\n\xff");
    assert_int_equal(engine_box_put_note(&c->box, "one", "first", "second"), 0);
    assert_int_equal(engine_box_put_note(&c->box, "two", "\x01 '\\\n\xff", ""), 0);
    assert_note(c, "one", "second");
    assert_note(c, "two", "");
    engine_box_reopen(&c->box);
    assert_note(c, "one", "second");
    assert_note(c, "two", "");
    assert_int_equal(engine_box_put_note(&c->box, "two", "", "again"), 0);
    assert_note(c, "two", "again");
}

static void test_put_note_that_has_something_else(void **state)
{
    struct contract *c = *state;

    assert_int_equal(engine_box_put_note(&c->box, "one", "was", "is"), STORE_CONFLICT);
    assert_int_equal(engine_box_put_note(&c->box, "one", "was", ""), STORE_CONFLICT);
    assert_note(c, "one", "");
    assert_int_equal(engine_box_put_note(&c->box, "one", "", "is"), 0);
    assert_int_equal(engine_box_put_note(&c->box, "one", "", "other"), STORE_CONFLICT);
    assert_int_equal(engine_box_put_note(&c->box, "one", "i", "other"), STORE_CONFLICT);
    assert_int_equal(engine_box_put_note(&c->box, "one", "Is", "other"), STORE_CONFLICT);
    assert_int_equal(engine_box_put_note(&c->box, "one", "is ", ""), STORE_CONFLICT);
    assert_note(c, "one", "is");
    assert_int_equal(engine_box_put_note(&c->box, "one", "is", "is"), 0);
    assert_note(c, "one", "is");
}

static void test_put_note_of_many_bytes(void **state)
{
    struct contract *c = *state;
    char *large = malloc(STORE_NOTE_MAX + 1);

    assert_non_null(large);
    memset(large, 'x', STORE_NOTE_MAX);
    large[STORE_NOTE_MAX] = '\0';
    assert_int_equal(engine_box_put_note(&c->box, "one", "", large), 0);
    assert_note(c, "one", large);
    assert_int_equal(engine_box_put_note(&c->box, "one", large, "small"), 0);
    assert_note(c, "one", "small");
    free(large);
}

static void fail_cb(struct store_reading *reading, int rc)
{
    (void)reading;
    fail_msg("the callback fired: %d", rc);
}

/* It is put all the same. */
static void test_put_note_that_is_cancelled(void **state)
{
    struct contract *c = *state;
    const struct store_note note = {.name = "one", .value = "value", .len = 5};
    struct store_reading reading = {.data = NULL};
    int rc = store_put_note(c->box.store, &reading, &note, fail_cb);

    assert_true(rc == 0 || rc == STORE_LATER);
    store_cancel(c->box.store, &reading);
    assert_null(reading.request);
    assert_int_equal(engine_box_put_note(&c->box, "two", "", "x"), 0); /* comes after it */
    assert_note(c, "one", "value");
}

static void test_this_index_lives(void **state)
{
    struct contract *c = *state;

    assert_true(store_lives(c->box.store, c->box.store->instance));
    assert_true((c->box.store->instance != 0) == c->box.kind->is_shared);
    assert_true((c->box.store->settle_ms != 0) == c->box.kind->is_shared);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        CONTRACT_TEST(test_put_note),
        CONTRACT_TEST(test_put_note_that_has_something_else),
        CONTRACT_TEST(test_put_note_of_many_bytes),
        CONTRACT_TEST(test_put_note_that_is_cancelled),
        CONTRACT_TEST(test_this_index_lives),
    };

    return contract_main(argc, argv, "contract_notes", tests, sizeof(tests) / sizeof(tests[0]));
}
