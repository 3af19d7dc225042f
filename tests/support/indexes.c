#include "tests/support/indexes.h"

#include <string.h>

#include "index/store/postgres/postgres_engine.h"
#include "tests/support/storebox.h"

#define AGAIN_MS 20

/* --- Opening and closing --------------------------------------------------------------------- */

void indexes_init(struct indexes *x, struct postgres_server *server)
{
    *x = (struct indexes){.generation = 1795000000000ULL << 16};
    STOREBOX_CHECK(uv_loop_init(&x->loop) == 0, "no loop");
    postgres_server_new_database(server, x->uri);
}

static void identified_cb(struct store_reading *reading, int rc, uint32_t id)
{
    STOREBOX_CHECK(rc == 0, "%s", uv_strerror(rc));
    *(int64_t *)reading->data = id;
}

// NOLINTNEXTLINE(readability-function-size): the macro counts
static void name_volume(struct indexes *x, struct store *store)
{
    int64_t id = -1;
    struct store_reading reading = {.data = &id};
    int rc = store_volume_id(store, &reading, "localhost:3001", &x->volume, identified_cb);

    STOREBOX_CHECK(rc == 0 || rc == STORE_LATER, "%s", uv_strerror(rc));
    if (rc == STORE_LATER) {
        INDEXES_WAIT(x, id >= 0);
        x->volume = (uint32_t)id;
    }
}

void indexes_open(struct indexes *x, unsigned number)
{
    const struct postgres_engine_options options = {.uri = x->via != NULL ? x->via : x->uri,
                                                    .name = "test",
                                                    .sync = true,
                                                    .grace_ms = x->grace_ms,
                                                    .shared = {.copies = 1, .subvolumes = 1}};
    int rc = postgres_engine_open(&x->loop, &options, &x->stores[number]);

    STOREBOX_CHECK(rc == 0, "%s", uv_strerror(rc));
    name_volume(x, x->stores[number]);
}

static void closed_cb(void *arg)
{
    *(bool *)arg = true;
}

void indexes_close(struct indexes *x, unsigned number)
{
    bool closed = false;

    if (x->stores[number] == NULL)
        return;
    store_close(x->stores[number], closed_cb, &closed);
    x->stores[number] = NULL;
    INDEXES_WAIT(x, closed);
}

void indexes_deinit(struct indexes *x)
{
    int rc;

    for (unsigned i = 0; i < INDEXES_MAX; i++)
        indexes_close(x, i);
    uv_run(&x->loop, UV_RUN_DEFAULT);
    rc = uv_loop_close(&x->loop);
    STOREBOX_CHECK(rc == 0, "%s", uv_strerror(rc));
}

struct indexes *indexes_open_two(struct postgres_server *server)
{
    static struct indexes x;

    indexes_init(&x, server);
    indexes_open(&x, 0);
    indexes_open(&x, 1);
    return &x;
}

void indexes_turn(struct indexes *x)
{
    STOREBOX_CHECK(uv_loop_alive(&x->loop), "waits for something that nobody does");
    uv_run(&x->loop, UV_RUN_ONCE);
}

/* --- At the database ------------------------------------------------------------------------- */

long indexes_ask(struct indexes *x, const char *sql)
{
    char *text = postgres_sql(x->uri, sql);
    long value = strtol(text, NULL, 10);

    free(text);
    return value;
}

void indexes_kill_sessions(struct indexes *x)
{
    indexes_ask(x, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                   "WHERE application_name = 'mkv' AND datname = current_database()");
}

/* --- Values ---------------------------------------------------------------------------------- */

uint64_t indexes_generation(struct indexes *x)
{
    return ++x->generation;
}

struct record indexes_record(const struct indexes *x, uint64_t generation)
{
    return (struct record){.size = 1,
                           .time = generation_time(generation),
                           .generation = generation,
                           .n_places = 1,
                           .places = {{.volume = x->volume}}};
}

struct orphan indexes_orphan(const struct indexes *x, uint64_t generation)
{
    return (struct orphan){.until = generation_time(generation),
                           .time = generation_time(generation),
                           .n_places = 1,
                           .places = {{.volume = x->volume}}};
}

/* --- Commits --------------------------------------------------------------------------------- */

static void ended_cb(struct store_commit *commit, int rc)
{
    struct attempt *attempt = commit->data;

    STOREBOX_CHECK(!attempt->ended, "a commit ended twice");
    attempt->ended = true;
    attempt->rc = rc;
}

static void begun(struct attempt *attempt, int rc)
{
    if (rc < 0) {
        attempt->ended = true;
        attempt->rc = rc;
    }
}

void indexes_begin(struct indexes *x, unsigned number, struct attempt *attempt,
                   const struct store_change *changes, size_t n)
{
    *attempt = (struct attempt){.commit.data = attempt};
    begun(attempt, store_commit(x->stores[number], &attempt->commit, changes, n, ended_cb));
}

int indexes_end(struct indexes *x, struct attempt *attempt)
{
    INDEXES_WAIT(x, attempt->ended);
    return attempt->rc;
}

int indexes_commit(struct indexes *x, unsigned number, const struct store_change *changes, size_t n)
{
    struct attempt attempt;

    indexes_begin(x, number, &attempt, changes, n);
    return indexes_end(x, &attempt);
}

int indexes_announce(struct indexes *x, unsigned number, const struct store_change *change)
{
    struct attempt attempt = {.commit.data = &attempt};

    begun(&attempt, store_announce(x->stores[number], &attempt.commit, change, ended_cb));
    return indexes_end(x, &attempt);
}

/* --- Readings -------------------------------------------------------------------------------- */

struct got {
    bool ended;
    int64_t value;
};

static void got_cb(struct store_reading *reading, int rc, const struct record *record)
{
    struct got *got = reading->data;

    got->ended = true;
    got->value = rc == 0 ? (int64_t)record->generation : rc == UV_ENOENT ? 0 : rc;
}

int64_t indexes_get(struct indexes *x, unsigned number, const char *key)
{
    struct got got = {.ended = false};
    struct store_reading reading = {.data = &got};
    struct record record;
    int rc = store_get(x->stores[number], &reading, key, strlen(key), &record, got_cb);

    if (rc != STORE_LATER)
        return rc;
    INDEXES_WAIT(x, got.ended);
    return got.value;
}

/* --- PUTs ------------------------------------------------------------------------------------ */

struct store_change indexes_announcement(struct put_values *v, const struct indexes *x,
                                         const char *key, uint64_t generation)
{
    v->orphan = indexes_orphan(x, generation);
    return (struct store_change){.space = STORE_ORPHANS,
                                 .key = key,
                                 .len = strlen(key),
                                 .expect = STORE_NOTHING,
                                 .generation = generation,
                                 .orphan = &v->orphan};
}

size_t indexes_put(struct put_values *v, const struct indexes *x, const char *key, uint64_t was,
                   uint64_t generation, struct store_change changes[3])
{
    size_t len = strlen(key);

    v->is = indexes_record(x, generation);
    v->was = indexes_record(x, was);
    v->orphan = indexes_orphan(x, was);
    changes[0] = (struct store_change){.space = STORE_KEYS,
                                       .key = key,
                                       .len = len,
                                       .record = &v->is,
                                       .expect = was != 0 ? STORE_EXACTLY : STORE_NOTHING,
                                       .was = &v->was};
    changes[1] = (struct store_change){.space = STORE_ORPHANS,
                                       .key = key,
                                       .len = len,
                                       .generation = generation,
                                       .expect = STORE_OWN};
    changes[2] = (struct store_change){.space = STORE_ORPHANS,
                                       .key = key,
                                       .len = len,
                                       .generation = was,
                                       .orphan = &v->orphan,
                                       .expect = STORE_NOTHING};
    return was != 0 ? 3 : 2;
}

/* --- The load -------------------------------------------------------------------------------- */

struct fate {
    unsigned key;
    bool announced;
    int rc;
    uint64_t was;
    uint64_t is;
};

struct put {
    struct store_commit commit;
    struct load *load;
    unsigned index;
    struct fate fate;
    char key[24];
};

static void name_key(char name[24], unsigned key)
{
    snprintf(name, 24, "/key/%u", key);
}

static void start_put(struct load *l);

static void add_fate(struct put *put, int rc)
{
    struct load *l = put->load;

    put->fate.rc = rc;
    if (l->n_fates == l->room) {
        l->room = l->room == 0 ? 1024 : l->room * 2;
        l->fates = realloc(l->fates, l->room * sizeof(*l->fates));
        STOREBOX_CHECK(l->fates != NULL, "out of memory");
    }
    l->fates[l->n_fates++] = put->fate;
    l->in_flight--;
    if (rc == 0) {
        l->done++;
        l->latest[put->fate.key] = put->fate.is;
    } else if (rc == STORE_CONFLICT) {
        l->conflicts++;
    } else {
        l->away++;
    }
    free(put);
    if (!l->ends)
        start_put(l);
}

static void put_cb(struct store_commit *commit, int rc)
{
    add_fate(commit->data, rc);
}

static void announced_cb(struct store_commit *commit, int rc)
{
    struct put *put = commit->data;
    struct indexes *x = put->load->x;
    struct store_change changes[3];
    struct put_values values;
    size_t n;

    if (rc < 0) {
        add_fate(put, rc);
        return;
    }
    put->fate.announced = true;
    n = indexes_put(&values, x, put->key, put->fate.was, put->fate.is, changes);
    rc = store_commit(x->stores[put->index], &put->commit, changes, n, put_cb);
    if (rc < 0)
        add_fate(put, rc);
}

static void start_put(struct load *l)
{
    struct put *put = calloc(1, sizeof(*put));
    struct store_change change;
    struct put_values values;
    int rc;

    STOREBOX_CHECK(put != NULL, "out of memory");
    put->load = l;
    put->commit.data = put;
    put->index = rng_below(&l->rng, l->n_indexes);
    put->fate.key = rng_below(&l->rng, l->n_keys);
    put->fate.was = l->latest[put->fate.key];
    put->fate.is = indexes_generation(l->x);
    name_key(put->key, put->fate.key);
    change = indexes_announcement(&values, l->x, put->key, put->fate.is);
    rc = store_announce(l->x->stores[put->index], &put->commit, &change, announced_cb);
    if (rc == 0) {
        l->in_flight++;
    } else { /* the index has no lease now */
        STOREBOX_CHECK(rc == STORE_AWAY, "%s", uv_strerror(rc));
        l->idle++;
        free(put);
    }
}

static void again_cb(uv_timer_t *timer)
{
    struct load *l = timer->data;

    for (unsigned n = l->idle; n > 0; n--) {
        l->idle--;
        start_put(l);
    }
}

void load_start(struct load *l, struct indexes *x, unsigned n_indexes, unsigned n_keys,
                unsigned in_flight)
{
    *l = (struct load){.x = x, .n_indexes = n_indexes, .n_keys = n_keys};
    l->rng.state = rng_seed("MKV_LOAD_SEED");
    printf("MKV_LOAD_SEED=%llu\n", (unsigned long long)l->rng.state);
    l->latest = calloc(n_keys, sizeof(*l->latest));
    STOREBOX_CHECK(l->latest != NULL, "out of memory");
    uv_timer_init(&x->loop, &l->again);
    l->again.data = l;
    uv_timer_start(&l->again, again_cb, AGAIN_MS, AGAIN_MS);
    for (unsigned i = 0; i < in_flight; i++)
        start_put(l);
}

void load_end(struct load *l)
{
    l->ends = true;
    uv_close((uv_handle_t *)&l->again, NULL);
    INDEXES_WAIT(l->x, l->in_flight == 0);
}

void load_deinit(struct load *l)
{
    free(l->latest);
    free(l->fates);
}

/* --- What the tables say --------------------------------------------------------------------- */

/* The one change of the key that found this, or NULL. */
static const struct fate *find_fate(const struct load *l, unsigned key, uint64_t was)
{
    const struct fate *found = NULL;

    for (size_t i = 0; i < l->n_fates; i++) {
        const struct fate *f = &l->fates[i];

        if (f->key != key || f->rc != 0 || f->was != was)
            continue;
        STOREBOX_CHECK(found == NULL, "two PUTs of key %u have both replaced the same", key);
        found = f;
    }
    return found;
}

static unsigned check_chain(struct load *l, unsigned key)
{
    const struct fate *f;
    uint64_t at = 0;
    unsigned n = 0;
    char name[24];
    int64_t has;

    while ((f = find_fate(l, key, at)) != NULL) {
        at = f->is;
        n++;
    }
    name_key(name, key);
    has = indexes_get(l->x, 0, name);
    STOREBOX_CHECK(has == (int64_t)at, "key %u has %lld, and its PUTs lead to %llu", key,
                   (long long)has, (unsigned long long)at);
    return n;
}

struct expected {
    unsigned key;
    uint64_t generation;
    bool must; /* be an orphan */
    bool may;
    bool is;
};

static int compare(const void *a, const void *b)
{
    const struct expected *x = a;
    const struct expected *y = b;

    if (x->generation != y->generation)
        return x->generation < y->generation ? -1 : 1;
    return 0;
}

struct orphans {
    struct expected *list; /* by generation, which no two have */
    size_t n;
    bool ended;
};

static int orphan_cb(const void *key, size_t len, uint64_t generation, const struct orphan *orphan,
                     void *arg)
{
    struct orphans *o = arg;
    struct expected wanted = {.generation = generation};
    struct expected *found = bsearch(&wanted, o->list, o->n, sizeof(wanted), compare);
    char name[24];

    (void)orphan;
    STOREBOX_CHECK(found != NULL && found->may, "generation %llu is an orphan",
                   (unsigned long long)generation);
    name_key(name, found->key);
    STOREBOX_CHECK(len == strlen(name) && memcmp(name, key, len) == 0, "an orphan of another key");
    found->is = true;
    return 0;
}

static void listed_cb(struct store_reading *reading, int rc)
{
    struct orphans *o = reading->data;

    STOREBOX_CHECK(rc == 0, "%s", uv_strerror(rc));
    o->ended = true;
}

/* Each PUT's own generation is listed once. */
static void expect_orphans(const struct load *l, struct orphans *o)
{
    o->n = l->n_fates;
    o->list = calloc(o->n + 1, sizeof(*o->list));
    STOREBOX_CHECK(o->list != NULL, "out of memory");
    for (size_t i = 0; i < o->n; i++) {
        const struct fate *f = &l->fates[i];

        o->list[i] = (struct expected){.key = f->key, .generation = f->is};
        if (f->rc != 0) {
            o->list[i].may = f->announced;
            o->list[i].must = f->announced && !l->may_forget;
        }
    }
    qsort(o->list, o->n, sizeof(*o->list), compare);
    for (size_t i = 0; i < l->n_fates; i++) { /* what a PUT replaced is one for certain */
        struct expected wanted = {.generation = l->fates[i].was};
        struct expected *found = bsearch(&wanted, o->list, o->n, sizeof(wanted), compare);

        if (l->fates[i].rc != 0 || l->fates[i].was == 0)
            continue;
        STOREBOX_CHECK(found != NULL, "nobody made generation %llu",
                       (unsigned long long)wanted.generation);
        found->must = found->may = true;
    }
}

static void check_orphans(struct load *l)
{
    const struct store_orphan_range range = {.key = NULL};
    struct orphans o = {.ended = false};
    struct store_reading reading = {.data = &o};
    int rc;

    expect_orphans(l, &o);
    rc = store_list_orphans(l->x->stores[0], &reading, &range, orphan_cb, &o, listed_cb);
    STOREBOX_CHECK(rc == STORE_LATER, "%s", uv_strerror(rc));
    INDEXES_WAIT(l->x, o.ended);
    for (size_t i = 0; i < o.n; i++)
        STOREBOX_CHECK(!o.list[i].must || o.list[i].is, "generation %llu of key %u is no orphan",
                       (unsigned long long)o.list[i].generation, o.list[i].key);
    free(o.list);
}

static void check_counts(struct load *l)
{
    STOREBOX_CHECK(indexes_ask(l->x, "SELECT (SELECT count(*) FROM mkv.keys) - sum(keys) "
                                     "FROM mkv.sessions") == 0,
                   "keys are counted wrong");
    STOREBOX_CHECK(indexes_ask(l->x, "SELECT (SELECT count(*) FROM mkv.orphans) - sum(orphans) "
                                     "FROM mkv.sessions") == 0,
                   "orphans are counted wrong");
}

void load_check(struct load *l)
{
    unsigned n = 0;

    for (unsigned key = 0; key < l->n_keys; key++)
        n += check_chain(l, key);
    STOREBOX_CHECK(n == l->done, "%u PUTs of %u make a chain", n, l->done);
    check_orphans(l);
    check_counts(l);
}
