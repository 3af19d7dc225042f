#include "tests/unit/objects_fixture.h"

#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "index/base/clock.h"
#include "index/base/log.h"
#include "index/objects/spread.h"
#include "index/store/gdbm/internal.h"

#define DEADLINE 60      /* seconds that any one wait may take */
#define STEP     200     /* ms that pass at once: less than any volume is granted */
#define STRIDE   10000   /* the same of hours, in which no volume is asked but by probes */
#define LONG     1800000 /* ms */

/* --- Time ------------------------------------------------------------------------------------ */

static uint64_t skew; /* ms */

// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name)
int clock_gettime(clockid_t clock, struct timespec *now)
{
    long rc = syscall(SYS_clock_gettime, clock, now);
    uint64_t ns = (uint64_t)now->tv_nsec + skew % 1000 * 1000000;

    now->tv_sec += (time_t)(skew / 1000 + ns / 1000000000);
    now->tv_nsec = (long)(ns % 1000000000);
    return (int)rc;
}

static uint64_t real_seconds(void)
{
    struct timespec now;

    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec;
}

uint64_t fixture_deadline(void)
{
    return real_seconds() + DEADLINE;
}

void fixture_turn(struct fixture *f, uint64_t until, const char *condition)
{
    if (uv_run(&f->box.loop, UV_RUN_NOWAIT) != 0)
        sched_yield();
    if (real_seconds() > until)
        fail_msg("waited in vain for: %s", condition);
}

static bool is_probed(struct fixture *f)
{
    struct volumes *volumes = places_volumes(f->objects.places);

    for (size_t i = 0; i < volumes_count(volumes); i++) {
        if (volumes_at(volumes, i)->probing)
            return true;
    }
    return false;
}

/* A probe that is on its way is waited for: else it would be late. */
void fixture_pass_time(struct fixture *f, unsigned ms)
{
    unsigned step = ms < LONG ? STEP : STRIDE;

    for (unsigned passed = 0; passed < ms; passed += step) {
        skew += step;
        uv_update_time(&f->box.loop);
        for (unsigned i = 0; i < 10; i++)
            uv_run(&f->box.loop, UV_RUN_NOWAIT);
        WAIT_UNTIL(f, !is_probed(f));
    }
}

static bool all_up(const struct fixture *f)
{
    struct volumes *volumes = places_volumes(f->objects.places);

    for (size_t i = 0; i < volumes_count(volumes); i++) {
        const struct volume *volume = volumes_at(volumes, i);

        if (volume->state != VOLUME_UP || volume_is_paused(volume) || volume->probing)
            return false; /* time that is passed would be the probe's, too */
    }
    return true;
}

void fixture_wait_until_up(struct fixture *f)
{
    uint64_t until = fixture_deadline();

    do {
        fixture_pass_time(f, 2000);
        fixture_turn(f, until, "all volumes are up");
    } while (!all_up(f));
}

void fixture_set_fates(struct fixture *f, enum volume_request kind, enum volume_fate fate)
{
    for (unsigned i = 0; i < VOLUMES; i++)
        f->servers[i].fates[kind] = fate;
}

unsigned fixture_count(const struct fixture *f, enum volume_request kind)
{
    unsigned n = 0;

    for (unsigned i = 0; i < VOLUMES; i++)
        n += f->servers[i].whole[kind];
    return n;
}

uint64_t fixture_count_orphans(struct fixture *f)
{
    struct store_stats stats;

    store_stats(f->box.store, &stats);
    return stats.orphans;
}

/* --- The fixture ----------------------------------------------------------------------------- */

static void settled_cb(void *arg)
{
    struct fixture *f = arg;

    f->settled = true;
}

static void stopped_cb(void *arg)
{
    struct fixture *f = arg;

    f->stopped++;
}

static struct volume_entry entry_of(const struct volume_server *server, const char *zone)
{
    struct volume_entry entry = {.weight = VOLUME_WEIGHT};

    strcpy(entry.name, server->name);
    strcpy(entry.zone, zone);
    return entry;
}

void fixture_list_as(struct fixture *f, const char *const *zones, unsigned first_weight)
{
    struct volume_entry entries[VOLUMES];

    for (unsigned i = 0; i < VOLUMES; i++)
        entries[i] = entry_of(&f->servers[i], zones[i]);
    entries[0].weight = first_weight;
    assert_int_equal(places_list(f->objects.places, entries, VOLUMES), 0);
}

void fixture_list_all(struct fixture *f)
{
    static const char *const hosts[VOLUMES] = {"", "", ""};

    fixture_list_as(f, hosts, VOLUME_WEIGHT);
}

void fixture_list_without(struct fixture *f, const char *key, unsigned rank)
{
    const struct volume_server *left_out = fixture_server(f, key, rank);
    struct volume_entry entries[VOLUMES];
    size_t n = 0;

    for (unsigned i = 0; i < VOLUMES; i++) {
        if (&f->servers[i] != left_out)
            entries[n++] = entry_of(&f->servers[i], "");
    }
    assert_int_equal(places_list(f->objects.places, entries, n), 0);
}

int fixture_setup(void **state)
{
    static struct fixture fixture;
    /* Its clock jumps: no disk hangs for that. */
    static const struct gdbm_engine_options options = {.sync = true, .patience_ms = 1000000000};
    const struct transfer_limits limits = {
        .connect_timeout = 3000,
        .stall_timeout = FIXTURE_STALL,
        .down_timeout = 1000,
        .post_timeout = 5000,
        .durable_timeout = 45000,
        .kept_connections = 10,
    };
    struct fixture *f = &fixture;
    struct objects *o = &f->objects;
    char identity[16];

    *f = (struct fixture){.settled = false};
    *state = f;
    log_set_level(LOG_LEVEL_ERROR);
    storebox_init(&f->box, NULL, &options);
    assert_int_equal(storebox_open(&f->box), 0);
    o->loop = &f->box.loop;
    o->store = f->box.store;
    o->copies = COPIES;
    o->sync = o->md5 = true;
    o->grace = GRACE;
    generations_init(&o->generations, store_last_generation(o->store), 0, 1);
    assert_int_equal(transfers_new(o->loop, &limits, &o->transfers), 0);
    assert_int_equal(places_new(o->loop, o->store, o->transfers, 1, COPIES, &o->places), 0);
    for (unsigned i = 0; i < VOLUMES; i++) {
        snprintf(identity, sizeof(identity), "disk-%u", i);
        volume_server_start(&f->servers[i], o->loop, identity);
    }
    fixture_list_all(f);
    places_start(o->places, settled_cb, f);
    WAIT_UNTIL(f, f->settled);
    return 0;
}

void fixture_start_reclaimer(struct fixture *f)
{
    if (f->objects.reclaimer == NULL)
        assert_int_equal(reclaimer_start(&f->box.loop, &f->objects, &f->objects.reclaimer), 0);
}

static void wait_for_stops(struct fixture *f, unsigned n)
{
    WAIT_UNTIL(f, f->stopped == n);
    f->stopped = 0;
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;

    slow_disk_set(false, false);
    slow_disk_refuse_writes(false);
    if (f->objects.reclaimer != NULL) {
        reclaimer_stop(f->objects.reclaimer, stopped_cb, f);
        transfers_abort(f->objects.transfers);
        wait_for_stops(f, 1);
    }
    if (f->objects.spread != NULL) {
        spread_stop(f->objects.spread, stopped_cb, f);
        wait_for_stops(f, 1);
    }
    transfers_abort(f->objects.transfers);
    WAIT_UNTIL(f, f->objects.n_running == 0);
    assert_int_equal(f->objects.budget.used, 0);
    assert_int_equal(f->objects.budget.connections, 0);
    assert_null(f->objects.held);
    places_stop(f->objects.places, stopped_cb, f);
    wait_for_stops(f, 1);
    transfers_free(f->objects.transfers, stopped_cb, f);
    wait_for_stops(f, 1);
    for (unsigned i = 0; i < VOLUMES; i++)
        volume_server_stop(&f->servers[i], stopped_cb, f);
    wait_for_stops(f, VOLUMES);
    storebox_deinit(&f->box);
    return 0;
}

bool fixture_commit_waits(const struct fixture *f)
{
    return !engine_is_quiet(engine_of(f->box.store));
}

static struct key key_of(const char *text)
{
    struct key key = {.len = strlen(text)};

    memcpy(key.bytes, text, key.len);
    return key;
}

static struct volume_server *server_of(struct fixture *f, const struct volume *volume)
{
    for (unsigned i = 0; volume != NULL && i < VOLUMES; i++) {
        if (strcmp(volume->name, f->servers[i].name) == 0)
            return &f->servers[i];
    }
    return NULL;
}

struct volume_server *fixture_server(struct fixture *f, const char *key, unsigned rank)
{
    const struct key k = key_of(key);
    struct upload_target targets[VOLUMES];

    assert_int_equal(places_choose(f->objects.places, &k, targets, VOLUMES), VOLUMES);
    return server_of(f, targets[rank].volume);
}

/* --- Operations ------------------------------------------------------------------------------ */

static void ended(struct task *task, int rc)
{
    assert_false(task->ended);
    task->ended = true;
    task->rc = rc;
    task->write = NULL;
}

static void written_cb(void *arg, int rc, const char *text, const struct record *record)
{
    struct task *task = arg;

    ended(task, rc);
    snprintf(task->text, sizeof(task->text), "%s", text);
    if (rc == 0)
        task->record = *record;
}

static void moved_cb(void *arg, int rc, const char *text)
{
    struct task *task = arg;

    ended(task, rc);
    snprintf(task->text, sizeof(task->text), "%s", text);
}

static void changed_cb(void *arg, int rc)
{
    ended(arg, rc);
}

static void drained_cb(void *arg)
{
    (void)arg;
}

static void check_start(struct task *task, int rc)
{
    if (rc < 0)
        ended(task, rc);
}

static void started_cb(void *arg)
{
    struct task *task = arg;

    task->started = true;
    if (task->value[0] != '\0')
        task_add(task, task->value);
    if (task->is_whole)
        task_end(task);
}

void task_begin_write_without_waiting(struct fixture *f, struct task *task, const char *key,
                                      const struct write_options *options)
{
    const struct key k = key_of(key);
    struct write_options all = *options;

    *task = (struct task){.f = f};
    all.started = started_cb;
    all.drained = drained_cb;
    all.done = written_cb;
    all.arg = task;
    check_start(task, write_start(&f->objects, &k, &all, &task->write, task->text));
}

void task_begin_write_as(struct fixture *f, struct task *task, const char *key,
                         const struct write_options *options)
{
    task_begin_write_without_waiting(f, task, key, options);
    WAIT_UNTIL(f, task->started || task->ended || slow_disk_waits());
}

void task_begin_write(struct fixture *f, struct task *task, const char *key, int64_t size)
{
    task_begin_write_as(f, task, key, &(struct write_options){.size = size});
}

void task_add(struct task *task, const char *bytes)
{
    int rc;

    if (task->ended)
        return;
    if (!task->started) {
        assert_true(strlen(task->value) + strlen(bytes) < sizeof(task->value));
        strcat(task->value, bytes);
        return;
    }
    rc = write_data(task->write, bytes, strlen(bytes), task->text);
    check_start(task, rc < 0 ? rc : 0);
}

void task_end(struct task *task)
{
    task->is_whole = true;
    if (task->started && !task->ended)
        check_start(task, write_end(task->write, task->text));
}

void task_write(struct fixture *f, struct task *task, const char *key, const char *value)
{
    task_begin_write(f, task, key, (int64_t)strlen(value));
    task_add(task, value);
    task_end(task);
}

/* A view of the key, as if it had this record. */
static void make_view(struct fixture *f, const struct key *key, const struct record *record,
                      struct store_view *view)
{
    view->exists = true;
    record_copy(&view->record, record);
    if (gdbm_engine_get_orphan(f->box.store, key->bytes, key->len, record->generation,
                               &view->orphan) < 0)
        view->orphan.n_places = 0;
}

void task_remove_record(struct fixture *f, struct task *task, const char *key,
                        const struct record *record)
{
    const struct key k = key_of(key);

    struct store_view view;

    make_view(f, &k, record, &view);
    *task = (struct task){.f = f};
    check_start(task, change_remove(&f->objects, &k, &view, changed_cb, task));
}

void task_move_record(struct fixture *f, struct task *task, const char *key,
                      const struct record *record)
{
    const struct key k = key_of(key);

    *task = (struct task){.f = f};
    check_start(task,
                move_start(&f->objects, &k, record, &move_to_best, moved_cb, task, task->text));
}

void task_remove(struct fixture *f, struct task *task, const char *key)
{
    struct record record;

    assert_int_equal(fixture_look_up(f, key, &record), 0);
    task_remove_record(f, task, key, &record);
}

void task_move(struct fixture *f, struct task *task, const char *key)
{
    struct record record;

    assert_int_equal(fixture_look_up(f, key, &record), 0);
    task_move_record(f, task, key, &record);
}

void task_move_as(struct fixture *f, struct task *task, const char *key,
                  const struct move_options *options)
{
    const struct key k = key_of(key);
    struct record record;

    assert_int_equal(fixture_look_up(f, key, &record), 0);
    *task = (struct task){.f = f};
    check_start(task, move_start(&f->objects, &k, &record, options, moved_cb, task, task->text));
}

void task_unlink(struct fixture *f, struct task *task, const char *key)
{
    const struct key k = key_of(key);
    struct record record;
    struct store_view view;

    assert_int_equal(fixture_look_up(f, key, &record), 0);
    make_view(f, &k, &record, &view);
    *task = (struct task){.f = f};
    check_start(task, change_unlink(&f->objects, &k, &view, changed_cb, task));
}

_Static_assert(UPLOAD_TEXT_MAX >= MOVE_TEXT_MAX, "a task's text is either's");

int task_wait(struct task *task)
{
    WAIT_UNTIL(task->f, task->ended);
    return task->rc;
}

static bool is_held(const struct fixture *f)
{
    for (unsigned i = 0; i < VOLUMES; i++) {
        if (volume_server_holds(&f->servers[i]))
            return true;
    }
    return false;
}

int task_wait_long(struct task *task)
{
    uint64_t until = fixture_deadline();

    while (!task->ended) {
        if (is_held(task->f))
            fixture_pass_time(task->f, STEP);
        fixture_turn(task->f, until, "the end of a task");
    }
    return task->rc;
}

int fixture_put(struct fixture *f, const char *key, const char *value)
{
    struct task task;

    task_write(f, &task, key, value);
    return task_wait(&task);
}

int fixture_remove(struct fixture *f, const char *key)
{
    struct task task;

    task_remove(f, &task, key);
    return task_wait(&task);
}

int fixture_unlink(struct fixture *f, const char *key)
{
    struct task task;

    task_unlink(f, &task, key);
    return task_wait(&task);
}

int fixture_move(struct fixture *f, const char *key)
{
    struct task task;

    task_move(f, &task, key);
    return task_wait(&task);
}

int fixture_look_up(struct fixture *f, const char *key, struct record *record)
{
    const struct key k = key_of(key);

    return gdbm_engine_get(f->box.store, k.bytes, k.len, record);
}

/* --- What must hold -------------------------------------------------------------------------- */

static struct volume_blob *blob_at(struct fixture *f, const void *key, size_t len,
                                   uint64_t generation, const struct place *place)
{
    struct volume_server *server = server_of(f, place_volume(f->objects.places, place));
    char path[PLACEMENT_PATH_MAX];

    placement_path(key, len, generation, path);
    return server != NULL ? volume_server_find(server, path) : NULL;
}

void assert_value(struct fixture *f, const char *key, const char *value)
{
    struct record record;
    int rc = fixture_look_up(f, key, &record);

    if (rc == 0 && (record.flags & RECORD_UNLINKED))
        rc = UV_ENOENT;
    assert_int_equal(rc, value != NULL ? 0 : UV_ENOENT);
    if (value == NULL)
        return;
    assert_int_equal(record.n_places, COPIES);
    assert_int_equal(record.size, strlen(value));
    for (unsigned i = 0; i < record.n_places; i++) {
        const struct volume_blob *blob =
            blob_at(f, key, strlen(key), record.generation, &record.places[i]);

        assert_non_null(blob);
        assert_int_equal(buf_size(&blob->bytes), strlen(value));
        assert_memory_equal(buf_bytes(&blob->bytes), value, strlen(value));
        assert_true(blob->synced);
    }
}

/* Blobs that were found named. */
struct named {
    struct fixture *f;
    const struct volume_blob *blobs[2048];
    size_t n;
};

static void add_named(struct named *named, const struct volume_blob *blob)
{
    for (size_t i = 0; i < named->n; i++) {
        if (named->blobs[i] == blob)
            return;
    }
    assert_true(named->n < COUNT_OF(named->blobs));
    named->blobs[named->n++] = blob;
}

static int record_cb(const void *key, size_t len, const struct record *record, void *arg)
{
    struct named *named = arg;

    for (unsigned i = 0; i < record->n_places; i++) {
        const struct volume_blob *blob =
            blob_at(named->f, key, len, record->generation, &record->places[i]);

        assert_non_null(blob);
        add_named(named, blob);
    }
    return 0;
}

static int orphan_cb(const void *key, size_t len, uint64_t generation, const struct orphan *orphan,
                     void *arg)
{
    struct named *named = arg;

    for (unsigned i = 0; i < orphan->n_places; i++) {
        const struct volume_blob *blob =
            blob_at(named->f, key, len, generation, &orphan->places[i]);

        if (blob != NULL)
            add_named(named, blob);
    }
    return 0;
}

static size_t count_blobs(struct fixture *f)
{
    const struct volume_blob *blob;
    size_t n = 0;

    for (unsigned i = 0; i < VOLUMES; i++) {
        LIST_FOREACH(blob, &f->servers[i].blobs, link)
        n++;
    }
    return n;
}

/* All blobs are named by records; or, with `orphans`, by those too. */
static void check_blobs(struct fixture *f, bool orphans)
{
    struct named named = {.f = f};

    assert_int_equal(gdbm_engine_list(f->box.store, "", 0, "", 0, record_cb, &named), 0);
    if (orphans)
        assert_int_equal(gdbm_engine_list_orphans(f->box.store, "", 0, 0, false, orphan_cb, &named),
                         0);
    assert_int_equal(count_blobs(f), named.n);
}

void assert_named(struct fixture *f)
{
    if (f->objects.reclaimer == NULL)
        WAIT_UNTIL(f, f->objects.n_running == 0);
    check_blobs(f, true);
}

static bool is_reclaimed(struct fixture *f)
{
    struct store_stats stats;

    store_stats(f->box.store, &stats);
    return stats.orphans == 0 && f->objects.n_running == 0;
}

void fixture_reclaim(struct fixture *f)
{
    uint64_t until = fixture_deadline();

    fixture_start_reclaimer(f);
    while (!is_reclaimed(f)) {
        fixture_pass_time(f, STEP);
        fixture_turn(f, until, "no orphan is left");
    }
}

void assert_clean(struct fixture *f)
{
    assert_named(f);
    fixture_reclaim(f);
    fixture_pass_time(f, 6000); /* nothing that is named goes in a round after that */
    check_blobs(f, false);
}
