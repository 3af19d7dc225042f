/* Values that are made of others: by the volumes that have all of it, else by what is read from
 * wherever it is. Whatever happens, the key has the one value or the other, and each blob that lies
 * anywhere is named. */
#include "tests/unit/objects_fixture.h"

#include <stdio.h>
#include <string.h>

#include "index/cluster/assemble.h"
#include "index/objects/compose.h"

#define KEY    "/key"
#define PARTS  KEY_PARTS "0123456789abcdef0123456789abcdef/"
#define ONE    PARTS "00001" KEY
#define TWO    PARTS "00002" KEY
#define RESULT "nefirst" /* bytes 1 and 2 of what ONE has, and all of TWO */

static struct key key_of(const char *text)
{
    struct key key = {.len = strlen(text)};

    memcpy(key.bytes, text, key.len);
    return key;
}

struct composing {
    struct fixture *f;
    const char *key;  /* NULL: KEY */
    const char *gone; /* this source isn't there; NULL: all are */
    bool is_whole;    /* of ONE alone, and all of it */
    unsigned more;    /* times that TWO comes again */
    size_t size;      /* of the value; 0: that of RESULT */
    unsigned asked;   /* for sources */
    int refusal;      /* of the condition */
    bool ended;
    int rc;
    struct record record;
};

static int next_cb(void *arg, size_t i, struct compose_source *source, struct compose_asked *asked)
{
    struct composing *c = arg;
    const char *key = i == 0 ? ONE : TWO;
    int rc = fixture_look_up(c->f, key, &source->record);

    (void)asked;
    c->asked++;
    if (c->gone != NULL && strcmp(key, c->gone) == 0)
        rc = UV_ENOENT;
    source->key = key_of(key);
    source->offset = i == 0 && !c->is_whole;
    source->length = i == 0 && !c->is_whole ? 2 : source->record.size;
    return rc;
}

static int condition_cb(void *arg, const struct record *record)
{
    const struct composing *c = arg;

    (void)record;
    return c->refusal;
}

static void done_cb(void *arg, int rc, const char *text, const struct record *record)
{
    struct composing *c = arg;

    assert_false(c->ended);
    assert_true(rc == 0 || text[0] != '\0');
    c->ended = true;
    c->rc = rc;
    if (rc == 0)
        c->record = *record;
}

/* Begins to make the key of ONE and TWO. */
static void begin_as(struct fixture *f, struct composing *c, const struct compose_options *options)
{
    const struct key key = key_of(c->key != NULL ? c->key : KEY);
    struct compose_options all = *options;
    char text[UPLOAD_TEXT_MAX];

    c->f = f;
    all.n_sources = c->is_whole ? 1 : 2 + c->more;
    all.size = c->is_whole ? strlen("one") : c->size > 0 ? c->size : strlen(RESULT);
    all.size += c->more * strlen("first");
    all.next = next_cb;
    all.done = done_cb;
    all.arg = c;
    assert_int_equal(compose_start(&f->objects, &key, &all, text), 0);
}

static int wait_for(struct composing *c)
{
    WAIT_UNTIL(c->f, c->ended);
    return c->rc;
}

static int compose_as(struct fixture *f, struct composing *c, const struct compose_options *options)
{
    begin_as(f, c, options);
    return wait_for(c);
}

static const struct compose_options plain = {.size = 0};

static void put_sources(struct fixture *f)
{
    assert_int_equal(fixture_put(f, ONE, "one"), 0);
    assert_int_equal(fixture_put(f, TWO, "first"), 0);
}

/* What volumes were asked for since. */
struct counts {
    unsigned n[VOLUME_REQUESTS];
};

static struct counts count_all(const struct fixture *f)
{
    struct counts counts;

    for (enum volume_request kind = 0; kind < VOLUME_REQUESTS; kind++)
        counts.n[kind] = fixture_count(f, kind);
    return counts;
}

#define ANY UINT_MAX /* libcurl asks again on another connection */

static void assert_asked(const struct fixture *f, const struct counts *before, unsigned assembled,
                         unsigned read, unsigned put)
{
    const struct counts now = count_all(f);

    if (assembled != ANY)
        assert_int_equal(now.n[VOLUME_ASSEMBLE] - before->n[VOLUME_ASSEMBLE], assembled);
    assert_int_equal(now.n[VOLUME_READ] - before->n[VOLUME_READ], read);
    assert_int_equal(now.n[VOLUME_PUT] - before->n[VOLUME_PUT], put);
}

/* --- At the volumes -------------------------------------------------------------------------- */

static void test_compose_at_the_volumes(void **state)
{
    static const char meta[] = "type=text/plain\n";
    struct fixture *f = *state;
    struct composing c = {.ended = false};
    struct counts before;

    put_sources(f);
    before = count_all(f);
    assert_int_equal(
        compose_as(f, &c, &(struct compose_options){.meta = meta, .meta_len = strlen(meta)}), 0);
    assert_value(f, KEY, RESULT);
    assert_asked(f, &before, COPIES, 0, 0);
    assert_int_equal(c.record.size, strlen(RESULT));
    assert_int_equal(c.record.meta_len, strlen(meta));
    assert_memory_equal(c.record.meta, meta, strlen(meta));
    assert_int_equal(c.record.flags & RECORD_MD5, 0);
    assert_true(c.record.placed_by & 1);
    assert_clean(f);
    assert_value(f, KEY, RESULT);
}

static void test_compose_with_an_md5(void **state)
{
    struct fixture *f = *state;
    struct composing c = {.ended = false};
    unsigned char md5[MD5_SIZE];
    struct counts before;

    put_sources(f);
    before = count_all(f);
    assert_int_equal(compose_as(f, &c, &(struct compose_options){.wants_md5 = true}), 0);
    md5_of(RESULT, strlen(RESULT), md5);
    assert_true(c.record.flags & RECORD_MD5);
    assert_memory_equal(c.record.md5, md5, MD5_SIZE);
    assert_asked(f, &before, COPIES, 0, 0);
    assert_clean(f);
}

/* The volumes aren't asked for what is known of the only source. */
static void test_compose_of_a_whole_value(void **state)
{
    struct fixture *f = *state;
    struct composing c = {.is_whole = true};
    unsigned char md5[MD5_SIZE];
    struct record record;

    put_sources(f);
    md5_of("one", 3, md5);
    fixture_set_fates(f, VOLUME_ASSEMBLE, FATE_HOLD);
    begin_as(f, &c, &(struct compose_options){.wants_md5 = true, .md5 = md5});
    WAIT_UNTIL(f, fixture_count(f, VOLUME_ASSEMBLE) == COPIES);
    for (unsigned i = 0; i < VOLUMES; i++)
        volume_server_release(&f->servers[i], VOLUME_ASSEMBLE);
    assert_int_equal(wait_for(&c), 0);
    assert_value(f, KEY, "one");
    assert_int_equal(fixture_look_up(f, KEY, &record), 0);
    assert_true(record.flags & RECORD_MD5);
    assert_memory_equal(record.md5, md5, MD5_SIZE);
    assert_clean(f);
}

static void test_compose_of_another_md5_than_was_announced(void **state)
{
    static const unsigned char md5[MD5_SIZE] = {1};
    struct fixture *f = *state;

    put_sources(f);
    for (unsigned i = 0; i < 2; i++) {
        struct composing c = {.is_whole = i == 1};

        assert_int_equal(compose_as(f, &c, &(struct compose_options){.md5 = md5}), UV_EILSEQ);
        assert_value(f, KEY, NULL);
        assert_named(f);
    }
    assert_clean(f);
}

/* --- Where the sources aren't ---------------------------------------------------------------- */

/* The volume that has them makes the value, and the other one gets a copy of that. */
static void test_compose_where_one_volume_has_no_source(void **state)
{
    struct fixture *f = *state;

    for (unsigned rank = 0; rank < COPIES; rank++) {
        struct composing c = {.ended = false};
        struct counts before;

        fixture_list_without(f, KEY, rank);
        put_sources(f);
        fixture_list_all(f);
        before = count_all(f);
        assert_int_equal(compose_as(f, &c, &(struct compose_options){.replaces = true}), 0);
        assert_value(f, KEY, RESULT);
        assert_asked(f, &before, 1, 1, 1);
        assert_true(c.record.placed_by & 1);
        assert_int_equal(fixture_remove(f, ONE), 0);
        assert_int_equal(fixture_remove(f, TWO), 0);
    }
    assert_clean(f);
}

static void test_compose_where_no_volume_has_all(void **state)
{
    struct fixture *f = *state;
    struct composing c = {.ended = false};
    struct counts before;

    fixture_list_without(f, KEY, 0);
    assert_int_equal(fixture_put(f, ONE, "one"), 0);
    fixture_list_all(f);
    fixture_list_without(f, KEY, 1);
    assert_int_equal(fixture_put(f, TWO, "first"), 0);
    fixture_list_all(f);
    before = count_all(f);
    assert_int_equal(compose_as(f, &c, &plain), 0);
    assert_value(f, KEY, RESULT);
    assert_asked(f, &before, 0, 2, COPIES);
    assert_clean(f);
}

static void test_compose_of_a_source_that_is_gone(void **state)
{
    static const char *const gone[] = {ONE, TWO};
    struct fixture *f = *state;

    put_sources(f);
    for (unsigned i = 0; i < 2; i++) {
        struct composing c = {.gone = gone[i]};

        assert_int_equal(compose_as(f, &c, &plain), UV_ENOENT);
        assert_value(f, KEY, NULL);
        assert_named(f);
        assert_int_equal(fixture_count(f, VOLUME_ASSEMBLE), 0);
    }
    assert_clean(f);
}

/* --- Volumes that don't do it ---------------------------------------------------------------- */

static void set_refusal(struct fixture *f, int status)
{
    for (unsigned i = 0; i < VOLUMES; i++)
        f->servers[i].refusal = status;
}

/* All of them: the bytes go through mkv. */
static void test_compose_where_volumes_refuse(void **state)
{
    static const int statuses[] = {404, 405, 501, 500, 502};
    struct fixture *f = *state;

    put_sources(f);
    fixture_set_fates(f, VOLUME_ASSEMBLE, FATE_REFUSE);
    for (unsigned i = 0; i < COUNT_OF(statuses); i++) {
        struct composing c = {.ended = false};
        struct counts before = count_all(f);

        set_refusal(f, statuses[i]);
        assert_int_equal(compose_as(f, &c, &(struct compose_options){.replaces = true}), 0);
        assert_value(f, KEY, RESULT);
        assert_asked(f, &before, COPIES, 2, COPIES);
        assert_named(f);
    }
    assert_clean(f);
}

/* What one of them says; and whether it may have the blob all the same. */
static const struct {
    enum volume_fate fate;
    const char *says;
    int status;
    bool may_hold;
} failures[] = {
    {FATE_REFUSE, NULL, 404, false},
    {FATE_REFUSE, NULL, 500, true},
    {FATE_CLOSE, NULL, 0, true},
    {FATE_DO_AND_CLOSE, NULL, 0, true},
    {FATE_LIE, "/aa/bb/c\tmissing\nnone\n", 0, false},
    {FATE_LIE, "/aa/bb/c\tdiffers\nnone\n", 0, false},
    {FATE_LIE, "full\tthe disk is full\n", 0, false},
    {FATE_LIE, "error\tInput/output error\n", 0, true},
    {FATE_LIE, "\n\n", 0, true},
    {FATE_LIE, "done", 0, true},
    {FATE_LIE, "done\ndone\n", 0, true},
    {FATE_LIE, "nonsense\n", 0, true},
};

/* One of them: another one, or itself, gets a copy of what the other has made. */
static void test_compose_where_a_volume_fails(void **state)
{
    struct fixture *f = *state;

    put_sources(f);
    for (unsigned i = 0; i < 2 * COUNT_OF(failures); i++) {
        struct volume_server *server = fixture_server(f, KEY, i % 2);
        struct composing c = {.ended = false};
        struct counts before = count_all(f);

        server->fates[VOLUME_ASSEMBLE] = failures[i / 2].fate;
        server->assembled = failures[i / 2].says;
        server->refusal = failures[i / 2].status;
        assert_int_equal(compose_as(f, &c, &(struct compose_options){.replaces = true}), 0);
        assert_value(f, KEY, RESULT);
        assert_asked(f, &before, failures[i / 2].fate == FATE_REFUSE ? COPIES : ANY, 1, 1);
        assert_named(f);
        server->fates[VOLUME_ASSEMBLE] = FATE_DO;
        fixture_wait_until_up(f);
    }
    assert_clean(f);
}

/* The same of a value that an upload would not keep in memory. */
static void test_compose_of_much_where_a_volume_fails(void **state)
{
    static char value[512 * 1024];
    struct fixture *f = *state;
    struct composing c = {.size = sizeof(value) - 1};

    memset(value, 'x', sizeof(value) - 1);
    memcpy(value, "ne", 2);
    assert_int_equal(fixture_put(f, ONE, "one"), 0);
    assert_int_equal(fixture_put(f, TWO, value + 2), 0);
    fixture_server(f, KEY, 0)->fates[VOLUME_ASSEMBLE] = FATE_CLOSE;
    assert_int_equal(compose_as(f, &c, &plain), 0);
    assert_value(f, KEY, value);
    assert_clean(f);
}

/* A volume that may make the blob later has it as an orphan until then, and the others none. */
static void test_compose_leaves_an_orphan_where_a_blob_may_be(void **state)
{
    struct fixture *f = *state;

    put_sources(f);
    for (unsigned i = 0; i < COUNT_OF(failures); i++) {
        struct volume_server *server = fixture_server(f, KEY, 0);
        struct composing c = {.ended = false};

        server->fates[VOLUME_ASSEMBLE] = failures[i].fate;
        server->assembled = failures[i].says;
        server->refusal = failures[i].status;
        assert_int_equal(compose_as(f, &c, &plain), 0);
        WAIT_UNTIL(f, f->objects.n_running == 0);
        assert_int_equal(fixture_count_orphans(f), failures[i].may_hold);
        server->fates[VOLUME_ASSEMBLE] = FATE_DO;
        assert_int_equal(fixture_remove(f, KEY), 0);
        assert_clean(f);
        fixture_wait_until_up(f);
    }
}

/* Which of them is right can't be known: the bytes are read instead. */
static void test_compose_where_volumes_make_different_values(void **state)
{
    struct fixture *f = *state;
    struct composing c = {.ended = false};
    struct volume_server *server = fixture_server(f, KEY, 1);

    put_sources(f);
    server->fates[VOLUME_ASSEMBLE] = FATE_LIE;
    server->assembled = "done\t00112233445566778899aabbccddeeff\n";
    assert_int_equal(compose_as(f, &c, &(struct compose_options){.wants_md5 = true}), 0);
    assert_value(f, KEY, RESULT);
    assert_int_equal(fixture_count(f, VOLUME_READ), 2);
    assert_clean(f);
}

/* --- Volumes that have much to do --------------------------------------------------------------
 */

static void let_go(struct fixture *f)
{
    for (unsigned i = 0; i < VOLUMES; i++)
        volume_server_release(&f->servers[i], VOLUME_ASSEMBLE);
}

/* A volume is asked for some of them at a time, and all are made where the sources are. */
static void test_compose_of_many_at_once(void **state)
{
    static struct composing all[3 * ASSEMBLE_REQUESTS];
    static char keys[COUNT_OF(all)][16];
    struct fixture *f = *state;
    struct counts before;

    fixture_list_without(f, KEY, VOLUMES - 1);
    put_sources(f);
    before = count_all(f);
    fixture_set_fates(f, VOLUME_ASSEMBLE, FATE_HOLD);
    for (unsigned i = 0; i < COUNT_OF(all); i++) {
        snprintf(keys[i], sizeof(keys[i]), "/many/%u", i);
        all[i] = (struct composing){.key = keys[i]};
        begin_as(f, &all[i], &plain);
    }
    WAIT_UNTIL(f, fixture_count(f, VOLUME_ASSEMBLE) == COPIES * ASSEMBLE_REQUESTS);
    fixture_pass_time(f, 1000);
    assert_asked(f, &before, COPIES * ASSEMBLE_REQUESTS, 0, 0);
    let_go(f);
    for (unsigned i = 0; i < COUNT_OF(all); i++) {
        assert_int_equal(wait_for(&all[i]), 0);
        assert_value(f, keys[i], RESULT);
    }
    assert_asked(f, &before, COPIES * COUNT_OF(all), 0, 0);
    assert_clean(f);
}

/* Begins to make KEY, with those volumes busy that refuse it. */
static struct counts begin_busy(struct fixture *f, struct composing *c)
{
    struct counts before;

    put_sources(f);
    before = count_all(f);
    set_refusal(f, 503);
    begin_as(f, c, &plain);
    WAIT_UNTIL(f, fixture_count(f, VOLUME_ASSEMBLE) == COPIES);
    return before;
}

/* Others ask it, too: it is asked again, until it has a place. */
/* What volumes are told of many parts takes memory, until the value is made. */
static void test_compose_of_too_many_parts_at_once(void **state)
{
    static const struct {
        unsigned more;
        size_t others;
        int rc;
    } cases[] = {
        {1000, 0, 0},
        {1000, 24UL << 20, UV_EBUSY},
        {0, 24UL << 20, 0}, /* of few parts there is always room for one more */
        {1000, 23UL << 20, 0},
    };
    struct fixture *f = *state;

    put_sources(f);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct composing c = {.more = cases[i].more};

        f->objects.recipe_bytes = cases[i].others;
        assert_int_equal(compose_as(f, &c, &(const struct compose_options){.replaces = true}),
                         cases[i].rc);
        assert_int_equal(f->objects.recipe_bytes, cases[i].others);
    }
    f->objects.recipe_bytes = 0;
}

static void test_compose_where_volumes_are_busy(void **state)
{
    struct fixture *f = *state;
    struct composing c = {.ended = false};
    struct counts before;

    fixture_set_fates(f, VOLUME_ASSEMBLE, FATE_REFUSE);
    before = begin_busy(f, &c);
    fixture_pass_time(f, 2000);
    assert_in_range(fixture_count(f, VOLUME_ASSEMBLE), COPIES + 1, 6 * COPIES);
    assert_false(c.ended);
    fixture_set_fates(f, VOLUME_ASSEMBLE, FATE_DO);
    fixture_pass_time(f, 1000);
    assert_int_equal(wait_for(&c), 0);
    assert_value(f, KEY, RESULT);
    assert_asked(f, &before, ANY, 0, 0);
    assert_clean(f);
}

/* Nothing is read for that, nor relayed, where one of them is. */
static void test_compose_where_a_volume_stays_busy(void **state)
{
    struct fixture *f = *state;
    struct composing c = {.ended = false};
    struct counts before;

    fixture_server(f, KEY, 0)->fates[VOLUME_ASSEMBLE] = FATE_REFUSE;
    before = begin_busy(f, &c);
    for (unsigned passed = 0; !c.ended && passed < 60000; passed += 500)
        fixture_pass_time(f, 500);
    assert_true(c.ended);
    assert_int_equal(c.rc, UV_EBUSY);
    assert_value(f, KEY, NULL);
    assert_asked(f, &before, ANY, 0, 0);
    assert_clean(f);
}

static void test_compose_aborted_while_volumes_are_busy(void **state)
{
    struct fixture *f = *state;
    struct composing c = {.ended = false};

    fixture_set_fates(f, VOLUME_ASSEMBLE, FATE_REFUSE);
    begin_busy(f, &c);
    transfers_abort(f->objects.transfers);
    assert_true(wait_for(&c) < 0);
}

/* --- Copies that have rotted ----------------------------------------------------------------- */

/* Gives the blob of the key's value other bytes at its volume of this rank. */
static void spoil(struct fixture *f, const char *key, unsigned rank, const char *bytes)
{
    char path[PLACEMENT_PATH_MAX];
    struct record record;

    assert_int_equal(fixture_look_up(f, key, &record), 0);
    placement_path(key, strlen(key), record.generation, path);
    volume_server_store(fixture_server(f, key, rank), path, bytes, strlen(bytes));
}

/* Reads of ONE, with the MD5 that it has, to make KEY. */
static int read_one(struct fixture *f, unsigned *reads)
{
    struct composing c = {.is_whole = true};
    unsigned before = fixture_count(f, VOLUME_READ);
    unsigned char md5[MD5_SIZE];
    int rc;

    md5_of("one", 3, md5);
    rc = compose_as(f, &c,
                    &(struct compose_options){.wants_md5 = true, .replaces = true, .md5 = md5});
    *reads = fixture_count(f, VOLUME_READ) - before;
    return rc;
}

static void test_compose_of_copies_that_have_rotted(void **state)
{
    static const char *const rotted[] = {"eno", "oneone", "o"};
    struct fixture *f = *state;
    unsigned reads;

    fixture_set_fates(f, VOLUME_ASSEMBLE, FATE_REFUSE);
    set_refusal(f, 404);
    for (unsigned i = 0; i < COUNT_OF(rotted); i++) {
        for (unsigned rank = 0; rank < COPIES; rank++) {
            put_sources(f);
            spoil(f, ONE, rank, rotted[i]);
            assert_int_equal(read_one(f, &reads), 0);
            assert_value(f, KEY, "one");
            assert_int_equal(reads, rank == 0 ? 2 : 1);
            spoil(f, ONE, 0, "one");
            spoil(f, ONE, 1, "one");
            assert_named(f);
            assert_int_equal(fixture_remove(f, ONE), 0);
            assert_int_equal(fixture_remove(f, TWO), 0);
        }
    }
    assert_clean(f);
}

static void test_compose_where_all_copies_have_rotted(void **state)
{
    struct fixture *f = *state;
    unsigned reads;

    put_sources(f);
    for (unsigned rank = 0; rank < COPIES; rank++)
        spoil(f, ONE, rank, "eno");
    fixture_set_fates(f, VOLUME_ASSEMBLE, FATE_REFUSE);
    set_refusal(f, 404);
    assert_int_equal(read_one(f, &reads), UV_EILSEQ);
    assert_int_equal(reads, COPIES);
    assert_value(f, KEY, NULL);
    assert_named(f);
    assert_clean(f);
}

/* --- Others, meanwhile ----------------------------------------------------------------------- */

static void begin_held(struct fixture *f, struct composing *c,
                       const struct compose_options *options)
{
    unsigned n = fixture_count(f, VOLUME_ASSEMBLE);

    fixture_set_fates(f, VOLUME_ASSEMBLE, FATE_HOLD);
    begin_as(f, c, options);
    WAIT_UNTIL(f, fixture_count(f, VOLUME_ASSEMBLE) == n + COPIES);
}

static void test_compose_meets_others(void **state)
{
    struct fixture *f = *state;
    struct composing c = {.ended = false};

    put_sources(f);
    begin_held(f, &c, &plain);
    assert_int_equal(fixture_put(f, KEY, "other"), 0);
    let_go(f);
    assert_int_equal(wait_for(&c), UV_EEXIST);
    assert_value(f, KEY, "other");
    assert_named(f);
    c = (struct composing){.ended = false};
    begin_held(f, &c, &(struct compose_options){.replaces = true, .condition = condition_cb});
    c.refusal = UV_EPERM;
    assert_int_equal(fixture_remove(f, KEY), 0);
    let_go(f);
    assert_int_equal(wait_for(&c), UV_EPERM);
    assert_value(f, KEY, NULL);
    assert_clean(f);
}

/* The volume has its blob still: nothing is read anew. */
static void test_compose_of_a_source_that_is_removed_meanwhile(void **state)
{
    struct fixture *f = *state;
    struct composing c = {.ended = false};

    put_sources(f);
    begin_held(f, &c, &plain);
    assert_int_equal(fixture_remove(f, ONE), 0);
    let_go(f);
    assert_int_equal(wait_for(&c), 0);
    assert_value(f, KEY, RESULT);
    assert_int_equal(c.asked, 2);
    assert_clean(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_compose_at_the_volumes, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_compose_with_an_md5, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_compose_of_a_whole_value, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_compose_of_another_md5_than_was_announced,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_compose_where_one_volume_has_no_source, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_compose_where_no_volume_has_all, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_compose_of_a_source_that_is_gone, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_compose_where_volumes_refuse, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_compose_where_a_volume_fails, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_compose_of_much_where_a_volume_fails, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_compose_leaves_an_orphan_where_a_blob_may_be,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_compose_where_volumes_make_different_values,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_compose_of_many_at_once, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_compose_of_too_many_parts_at_once, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_compose_where_volumes_are_busy, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_compose_where_a_volume_stays_busy, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_compose_aborted_while_volumes_are_busy, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_compose_of_copies_that_have_rotted, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_compose_where_all_copies_have_rotted, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_compose_meets_others, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_compose_of_a_source_that_is_removed_meanwhile,
                                        fixture_setup, fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
