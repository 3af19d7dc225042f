#include "tests/support/engine_box.h"

#include <string.h>

#include "tests/support/late_engine.h"
#include "tests/support/storebox.h"
#ifdef MKV_POSTGRES
#include "index/store/postgres/postgres_engine.h"
#include "tests/support/postgres.h"
#endif

/* --- Kinds ----------------------------------------------------------------------------------- */

static int open_gdbm(struct engine_box *box, struct store **store)
{
    /* The disk isn't what is tested, and yet a commit has to end in a later turn. */
    static const struct gdbm_engine_options options = {.sync = false};

    return gdbm_engine_open(&box->loop, box->dir, &options, store);
}

static int open_late(struct engine_box *box, struct store **store)
{
    struct store *inner;
    int rc = open_gdbm(box, &inner);

    if (rc == 0)
        *store = late_engine_new(&box->loop, inner);
    return rc;
}

#ifdef MKV_POSTGRES
static struct postgres_server *server; /* of all boxes; it ends with the program */

static void stop_server(void)
{
    postgres_server_stop(server);
}

static void *new_database(void)
{
    char *uri = malloc(POSTGRES_URI_MAX);

    STOREBOX_CHECK(uri != NULL, "out of memory");
    if (server == NULL) {
        server = postgres_server_start(NULL);
        atexit(stop_server);
    }
    postgres_server_new_database(server, uri);
    return uri;
}

static int open_postgres(struct engine_box *box, struct store **store)
{
    const struct postgres_engine_options options = {
        .uri = box->place, .name = "test", .sync = true, .shared = {.copies = 1, .subvolumes = 1}};

    return postgres_engine_open(&box->loop, &options, store);
}
#endif

static const struct engine_kind kinds[] = {
#ifdef MKV_POSTGRES
    {.name = "postgres",
     .is_shared = true,
     .place_new = new_database,
     .place_free = free,
     .open = open_postgres},
#endif
    {.name = "gdbm", .orders = true, .open = open_gdbm},
    {.name = "late", .orders = true, .open = open_late},
};

const struct engine_kind *engine_kind_named(const char *name)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    return NULL;
}

/* --- Opening and closing --------------------------------------------------------------------- */

static void open_store(struct engine_box *box)
{
    int rc = box->kind->open(box, &box->store);

    STOREBOX_CHECK(rc == 0, "%s: %s", box->kind->name, uv_strerror(rc));
}

void engine_box_init(struct engine_box *box, const struct engine_kind *kind)
{
    *box = (struct engine_box){.kind = kind};
    STOREBOX_CHECK(uv_loop_init(&box->loop) == 0, "no loop");
    storebox_make_scratch(box->dir, sizeof(box->dir), "engine");
    if (kind->place_new != NULL)
        box->place = kind->place_new();
    open_store(box);
}

static void closed_cb(void *arg)
{
    *(bool *)arg = true;
}

void engine_box_close(struct engine_box *box)
{
    bool closed = false;

    if (box->store == NULL)
        return;
    store_close(box->store, closed_cb, &closed);
    box->store = NULL;
    while (!closed)
        engine_box_turn(box);
}

void engine_box_reopen(struct engine_box *box)
{
    engine_box_close(box);
    open_store(box);
}

void engine_box_deinit(struct engine_box *box)
{
    int rc;

    engine_box_close(box);
    uv_run(&box->loop, UV_RUN_DEFAULT);
    rc = uv_loop_close(&box->loop);
    STOREBOX_CHECK(rc == 0, "%s", uv_strerror(rc));
    if (box->place != NULL)
        box->kind->place_free(box->place);
    storebox_remove_directory(box->dir);
}

void engine_box_turn(struct engine_box *box)
{
    STOREBOX_CHECK(uv_loop_alive(&box->loop), "waits for something that nobody does");
    uv_run(&box->loop, UV_RUN_ONCE);
}

/* --- Readings -------------------------------------------------------------------------------- */

struct waited {
    struct store_reading reading;
    bool done;
    int rc;
    void *out;
};

static struct waited waits_for(void *out)
{
    return (struct waited){.out = out};
}

static struct waited *answered(struct store_reading *reading, int rc)
{
    struct waited *waited = reading->data;

    STOREBOX_CHECK(!waited->done, "a reading was answered twice");
    waited->done = true;
    waited->rc = rc;
    return waited;
}

static void got_cb(struct store_reading *reading, int rc, const struct record *record)
{
    struct waited *waited = answered(reading, rc);

    STOREBOX_CHECK((rc == 0) == (record != NULL), "%d, and a record or none", rc);
    if (rc == 0)
        record_copy(waited->out, record);
}

static void got_orphan_cb(struct store_reading *reading, int rc, const struct orphan *orphan)
{
    struct waited *waited = answered(reading, rc);

    STOREBOX_CHECK((rc == 0) == (orphan != NULL), "%d, and an orphan or none", rc);
    if (rc == 0)
        *(struct orphan *)waited->out = *orphan;
}

static void viewed_cb(struct store_reading *reading, int rc, const struct store_view *view)
{
    struct waited *waited = answered(reading, rc);

    STOREBOX_CHECK((rc == 0) == (view != NULL), "%d, and a view or none", rc);
    if (rc == 0)
        store_view_copy(waited->out, view);
}

static void identified_cb(struct store_reading *reading, int rc, uint32_t id)
{
    struct waited *waited = answered(reading, rc);

    if (rc == 0)
        *(uint32_t *)waited->out = id;
}

static void listed_cb(struct store_reading *reading, int rc)
{
    answered(reading, rc);
}

static int result(struct engine_box *box, struct waited *waited, int rc)
{
    if (rc != STORE_LATER) {
        STOREBOX_CHECK(!waited->done, "the callback fired, too");
        return rc;
    }
    STOREBOX_CHECK(!waited->done, "the callback fired inside the call");
    while (!waited->done)
        engine_box_turn(box);
    STOREBOX_CHECK(waited->rc != STORE_LATER, "later, and later");
    return waited->rc;
}

int engine_box_get(struct engine_box *box, const void *key, size_t len, struct record *record)
{
    struct waited waited = waits_for(record);

    waited.reading.data = &waited;
    return result(box, &waited, store_get(box->store, &waited.reading, key, len, record, got_cb));
}

int engine_box_get_orphan(struct engine_box *box, const void *key, size_t len, uint64_t generation,
                          struct orphan *orphan)
{
    struct waited waited = waits_for(orphan);

    waited.reading.data = &waited;
    return result(
        box, &waited,
        store_get_orphan(box->store, &waited.reading, key, len, generation, orphan, got_orphan_cb));
}

int engine_box_view(struct engine_box *box, const void *key, size_t len, struct store_view *view)
{
    struct waited waited = waits_for(view);

    waited.reading.data = &waited;
    return result(box, &waited, store_view(box->store, &waited.reading, key, len, view, viewed_cb));
}

int engine_box_list(struct engine_box *box, const struct store_range *range, store_list_cb each,
                    void *arg)
{
    struct waited waited = waits_for(NULL);

    waited.reading.data = &waited;
    return result(box, &waited,
                  store_list(box->store, &waited.reading, range, each, arg, listed_cb));
}

int engine_box_list_orphans(struct engine_box *box, const struct store_orphan_range *range,
                            store_orphan_cb each, void *arg)
{
    struct waited waited = waits_for(NULL);

    waited.reading.data = &waited;
    return result(box, &waited,
                  store_list_orphans(box->store, &waited.reading, range, each, arg, listed_cb));
}

int engine_box_volume_id(struct engine_box *box, const char *name, uint32_t *id)
{
    struct waited waited = waits_for(id);

    waited.reading.data = &waited;
    return result(box, &waited,
                  store_volume_id(box->store, &waited.reading, name, id, identified_cb));
}

static void noted_cb(struct store_reading *reading, int rc)
{
    answered(reading, rc);
}

int engine_box_put_note(struct engine_box *box, const char *name, const char *was,
                        const char *value)
{
    const struct store_note note = {
        .name = name, .was = was, .was_len = strlen(was), .value = value, .len = strlen(value)};
    struct waited waited = waits_for(NULL);

    waited.reading.data = &waited;
    return result(box, &waited, store_put_note(box->store, &waited.reading, &note, noted_cb));
}

/* --- Commits --------------------------------------------------------------------------------- */

struct ended {
    struct store_commit commit;
    bool done;
    int rc;
};

static void ended_cb(struct store_commit *commit, int rc)
{
    struct ended *ended = commit->data;

    STOREBOX_CHECK(!ended->done, "a commit ended twice");
    ended->done = true;
    ended->rc = rc;
}

static int end(struct engine_box *box, struct ended *ended, int rc)
{
    STOREBOX_CHECK(!ended->done, "the callback fired inside the call");
    while (rc == 0 && !ended->done)
        engine_box_turn(box);
    return rc < 0 ? rc : ended->rc;
}

int engine_box_commit(struct engine_box *box, const struct store_change *changes, size_t n)
{
    struct ended ended = {.done = false};

    ended.commit.data = &ended;
    return end(box, &ended, store_commit(box->store, &ended.commit, changes, n, ended_cb));
}

int engine_box_announce(struct engine_box *box, const struct store_change *change)
{
    struct ended ended = {.done = false};

    ended.commit.data = &ended;
    return end(box, &ended, store_announce(box->store, &ended.commit, change, ended_cb));
}
