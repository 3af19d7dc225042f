/* Opening, which blocks: connects, makes or checks the schema, takes a lease, reads the volumes'
 * names; then a thread makes the connections, and what is asked meanwhile waits for them. Closing,
 * each step in the callback of the one before: what is on its way ends, the lease is given back,
 * connections and timers are closed, the threads end. */
#include <stdlib.h>
#include <string.h>

#include "index/base/log.h"
#include "index/base/reserve.h"
#include "index/store/postgres/internal.h"
#include "index/store/postgres/uri.h"

#define TICK_MS      250
#define PAUSE_MS     2000 /* between two ticks: this process was suspended */
#define TRY_AGAIN_MS 5
#define FAILED_MS    60000 /* for which a change that was refused is told, if none is made since */
#define DEADLINE_MS  10000 /* of the opening */

#define THREAD_BYTES     (8UL << 20) /* of a stack */
#define CONNECTION_BYTES (2UL << 20) /* that libpq may take for one, with a batch */

/* --- What is sent when ------------------------------------------------------------------------ */

static void prepare_cb(uv_prepare_t *prepare)
{
    struct postgres_engine *e = prepare->data;

    uv_prepare_stop(prepare);
    reads_send(e);
    commits_send(e);
}

void postgres_send_soon(struct postgres_engine *e)
{
    if (e->n_handles > 0 && !uv_is_closing((uv_handle_t *)&e->prepare))
        uv_prepare_start(&e->prepare, prepare_cb);
}

static void tick_cb(uv_timer_t *timer);

void postgres_try_again_soon(struct postgres_engine *e)
{
    postgres_send_soon(e);
    /* What comes more often than that must not keep it from firing. */
    if (!uv_is_closing((uv_handle_t *)&e->tick) && uv_timer_get_due_in(&e->tick) > TRY_AGAIN_MS)
        uv_timer_start(&e->tick, tick_cb, TRY_AGAIN_MS, TICK_MS);
}

static void check_silence(struct postgres_engine *e)
{
    uint64_t now = uv_now(e->loop);

    for (unsigned i = 0; i < CONNECTIONS; i++) {
        struct connection *c = &e->connections[i];

        if (c->state == CONNECTION_BUSY && e->is_aborted)
            connection_lose(c, "this index stops");
        else if (c->state == CONNECTION_BUSY && now > c->sent_at + SILENCE_MS)
            connection_lose(c, c->is_session
                                   ? "it doesn't answer to a change: it waits for a standby, "
                                     "perhaps"
                                   : "it doesn't answer");
    }
}

static bool is_up(const struct connection *c)
{
    return c->state == CONNECTION_IDLE || c->state == CONNECTION_BUSY;
}

static bool has_any(const struct postgres_engine *e, unsigned first, unsigned n)
{
    for (unsigned i = first; i < first + n; i++) {
        if (is_up(&e->connections[i]))
            return true;
    }
    return false;
}

static bool can_read(const struct postgres_engine *e)
{
    return has_any(e, 0, READERS);
}

static bool can_change(const struct postgres_engine *e)
{
    return lease_holds(e) && has_any(e, READERS, ANNOUNCERS) &&
           has_any(e, READERS + ANNOUNCERS, COMMITTERS);
}

/* What can't be changed for long though it can be read has a reason that somebody must mend: the
 * database has no connection left for this index, say, or no standby. */
static void check_changes(struct postgres_engine *e)
{
    uint64_t now = uv_now(e->loop);

    if (e->stats.journal_error != 0 && now > e->failed_at + FAILED_MS)
        e->stats.journal_error = 0;
    if (e->options.only_reads || e->is_closing || e->is_aborted)
        return;
    if (e->is_away || can_change(e) || now > e->checked_at + PAUSE_MS)
        e->changed_at = now;
    e->checked_at = now;
    if (can_change(e)) {
        if (e->stats.refuses_changes)
            log_info("the database %s can be changed again", e->uri);
        e->stats.refuses_changes = false;
        e->trouble[0] = '\0';
    } else if (!e->stats.refuses_changes && now > e->changed_at + PATIENCE_MS) {
        log_error("the database %s can only be read%s%s", e->uri, e->trouble[0] != '\0' ? ": " : "",
                  e->trouble);
        e->stats.refuses_changes = true;
    }
}

static void tick_cb(uv_timer_t *timer)
{
    struct postgres_engine *e = timer->data;
    uint64_t now = uv_now(e->loop);

    check_silence(e);
    check_changes(e);
    reads_give_up(e, e->is_aborted);
    commits_give_up(e, e->is_aborted);
    if (!e->is_closing && now >= e->renew_at) {
        e->renew_at = now + (lease_holds(e) ? RENEW_MS : RENEW_MS / 6);
        lease_renew(e);
    }
    postgres_send_soon(e);
    postgres_close_if_idle(e);
}

/* As long as one reader is connected, it is that connection which was lost; and while none is,
 * nothing can be read, whatever else is connected. What is told first is often that the database
 * was stopped; where it stays away, it may take no password any more. */
void postgres_note_away(struct postgres_engine *e, const char *why)
{
    uint64_t now = uv_now(e->loop);

    snprintf(e->trouble, sizeof(e->trouble), "%s", why);
    if (can_read(e))
        return;
    if (!e->is_away)
        e->away_at = now;
    if ((!e->is_away || now > e->away_at + PATIENCE_MS) && !e->is_closing && !e->is_aborted)
        log_limited(LOG_LEVEL_ERROR, "the database %s can't be reached: %s", e->uri, why);
    e->is_away = true;
}

void postgres_note_here(struct postgres_engine *e)
{
    if (!can_read(e))
        return;
    if (e->is_away && !e->is_closing)
        log_limited(LOG_LEVEL_INFO, "the database %s can be reached again", e->uri);
    e->is_away = false;
}

/* --- Opening ---------------------------------------------------------------------------------- */

static bool verifies(PGconn *pg)
{
    PQconninfoOption *options = PQconninfo(pg);
    bool found = false;

    for (const PQconninfoOption *o = options; o != NULL && o->keyword != NULL; o++) {
        if (strcmp(o->keyword, "sslmode") == 0)
            found = o->val != NULL && strcmp(o->val, "verify-full") == 0;
    }
    PQconninfoFree(options);
    return found;
}

static void warn_of_the_way(PGconn *pg)
{
    const char *host = PQhost(pg);

    if (host == NULL || host[0] == '/' || host[0] == '@' || strcmp(host, "localhost") == 0 ||
        strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0 || verifies(pg))
        return;
    log_warn("the connection to the database at %s isn't verified, so that whoever sits between "
             "could read and change everything: give the URI sslmode=verify-full",
             host);
}

static int cannot_open(const struct postgres_engine *e, int rc, const char *why)
{
    log_error("cannot use the database %s: %s", e->uri, why);
    return rc;
}

static int connect_first(struct postgres_engine *e)
{
    unsigned deadline = e->options.deadline_ms > 0 ? e->options.deadline_ms : DEADLINE_MS;
    uint64_t until = uv_hrtime() / 1000000 + deadline;
    char error[256] = "";

    for (;;) {
        uint64_t began = uv_hrtime() / 1000000;

        e->pg = connection_make(e, false, until, error);
        if (e->pg != NULL)
            return 0;
        if (atomic_load(&e->lacks_password) ||
            !connection_has_time(until, uv_hrtime() / 1000000 - began + 200))
            return cannot_open(e, STORE_AWAY, error);
        uv_sleep(200);
    }
}

static int open_store(struct postgres_engine *e)
{
    char error[256] = "";
    int rc = connect_first(e);

    if (rc < 0)
        return rc;
    warn_of_the_way(e->pg);
    rc = schema_prepare(&e->options, e->pg, error);
    if (rc == 0 && !e->options.only_reads)
        rc = lease_take(e, e->pg, &e->thread_lease, error);
    if (rc == 0)
        rc = volumes_load(e, e->pg, error);
    if (rc == 0)
        rc = notes_read(e->pg, &e->notes, error);
    if (rc < 0)
        return cannot_open(e, rc, error);
    e->lease = e->thread_lease;
    e->others_than = e->lease.instance;
    e->base.number = e->lease.number;
    e->base.instance = e->lease.instance;
    return 0;
}

static void free_engine(struct postgres_engine *e)
{
    for (unsigned i = 0; i < READERS; i++) {
        array_deinit(&e->readers[i].keys);
        array_deinit(&e->readers[i].generations);
    }
    commits_deinit(e);
    names_deinit(&e->volumes);
    uv_mutex_destroy(&e->volumes_mutex);
    notes_deinit(&e->notes);
    PQfinish(e->pg);
    free(e->renewal);
    free(e->upkeep);
    free(e->uri);
    free(e->name);
    free(e);
}

static void init_connections(struct postgres_engine *e)
{
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        struct connection *c = &e->connections[i];

        c->number = i;
        c->is_session = i >= READERS;
        c->is_lazy = i >= READERS && i < READERS + ANNOUNCERS;
        connection_init(c, e);
        if (!c->is_session || !e->options.only_reads)
            connection_start(c);
    }
    for (unsigned i = 0; i < READERS; i++) {
        e->readers[i].connection = &e->connections[i];
        TAILQ_INIT(&e->readers[i].asked);
    }
}

/* Its thread has ended. */
static void unopened_cb(void *arg)
{
    free_engine(arg);
}

static int start(struct postgres_engine *e)
{
    int rc = reserve_check(2 * THREAD_BYTES + CONNECTIONS * CONNECTION_BYTES);

    if (rc == 0)
        rc = upkeep_init(e);
    if (rc == 0)
        rc = control_start(&e->control, e->loop);
    if (rc < 0)
        return cannot_open(e, rc, uv_strerror(rc));
    e->control_runs = true;
    rc = control_start(&e->connector, e->loop);
    if (rc < 0) {
        cannot_open(e, rc, uv_strerror(rc));
        control_stop(&e->control, unopened_cb, e);
        return rc;
    }
    uv_prepare_init(e->loop, &e->prepare);
    uv_timer_init(e->loop, &e->tick);
    e->prepare.data = e->tick.data = e;
    e->n_handles = 2 + CONNECTIONS;
    uv_update_time(e->loop); /* the opening may have taken seconds */
    e->changed_at = e->checked_at = uv_now(e->loop);
    uv_timer_start(&e->tick, tick_cb, TICK_MS, TICK_MS);
    e->renew_at = uv_now(e->loop) + RENEW_MS;
    init_connections(e);
    return lease_start(e);
}

static struct postgres_engine *engine_new(uv_loop_t *loop,
                                          const struct postgres_engine_options *options)
{
    struct postgres_engine *e = calloc(1, sizeof(*e));

    if (e == NULL)
        return NULL;
    e->base =
        (struct store){.engine = &postgres_engine_calls, .numbers = NUMBERS, .settle_ms = LEASE_MS};
    e->loop = loop;
    e->options = *options;
    e->uri = strdup(options->uri);
    e->name = strdup(options->name != NULL ? options->name : "");
    e->indexes = 1;
    uv_mutex_init(&e->volumes_mutex);
    for (unsigned kind = 0; kind < REQUEST_KINDS; kind++)
        TAILQ_INIT(&e->waiting[kind]);
    if (e->uri != NULL && e->name != NULL && commits_init(e) == 0)
        return e;
    free_engine(e);
    return NULL;
}

int postgres_engine_open(uv_loop_t *loop, const struct postgres_engine_options *options,
                         struct store **store)
{
    const char *problem = postgres_uri_problem(options->uri);
    struct postgres_engine *e;
    int rc;

    if (problem != NULL) {
        log_error("the URI of the store %s", problem);
        return UV_EINVAL;
    }
    e = engine_new(loop, options);
    if (e == NULL) {
        log_error("the index cannot be opened: out of memory");
        return UV_ENOMEM;
    }
    rc = open_store(e);
    if (rc == 0)
        rc = start(e);
    if (rc < 0) {
        if (!e->control_runs) /* else a thread still refers to it */
            free_engine(e);
        return rc;
    }
    *store = &e->base;
    return 0;
}

int postgres_engine_table(const char *uri, uint64_t *table)
{
    const struct postgres_engine_options options = {.uri = uri, .only_reads = true};
    struct postgres_engine e = {.options = options, .uri = (char *)uri};
    char error[256] = "";
    PGresult *result = NULL;

    e.pg = connection_make(&e, false, 0, error);
    if (e.pg != NULL)
        result = lease_ask(e.pg, "SELECT 'keys'::regclass::oid", NULL, 0, NULL, SILENCE_MS, error);
    if (result != NULL)
        *table = (uint64_t)lease_number(result, 0);
    else
        log_error("cannot use the database %s: %s", uri, error);
    PQclear(result);
    PQfinish(e.pg);
    return result != NULL ? 0 : STORE_AWAY;
}

/* --- Closing ---------------------------------------------------------------------------------- */

static void thread_ended_cb(void *arg)
{
    struct postgres_engine *e = arg;
    store_close_cb cb = e->close_cb;
    void *cb_arg = e->close_arg;

    free_engine(e);
    cb(cb_arg);
}

static void connector_ended_cb(void *arg)
{
    struct postgres_engine *e = arg;

    control_stop(&e->control, thread_ended_cb, e);
}

static void handle_closed_cb(uv_handle_t *handle)
{
    struct postgres_engine *e = handle->data;

    if (--e->n_handles == 0)
        control_stop(&e->connector, connector_ended_cb, e);
}

static void timer_closed_cb(uv_handle_t *handle)
{
    struct connection *c = handle->data;

    if (--c->engine->n_handles == 0)
        control_stop(&c->engine->connector, connector_ended_cb, c->engine);
}

static bool is_connecting(const struct postgres_engine *e)
{
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        if (e->connections[i].state == CONNECTION_CONNECTING)
            return true;
    }
    return false;
}

static void close_handles(struct postgres_engine *e)
{
    uv_close((uv_handle_t *)&e->prepare, handle_closed_cb);
    uv_close((uv_handle_t *)&e->tick, handle_closed_cb);
    for (unsigned i = 0; i < CONNECTIONS; i++)
        uv_close((uv_handle_t *)&e->connections[i].again, timer_closed_cb);
}

void postgres_close_if_idle(struct postgres_engine *e)
{
    if (!e->is_closing || !reads_are_idle(e) || !commits_are_idle(e) || e->n_errands > 0 ||
        lease_is_running(e) || upkeep_is_running(e))
        return;
    if (!e->is_released) {
        e->is_released = true;
        atomic_store(&e->is_ending, true);
        for (unsigned i = 0; i < CONNECTIONS; i++)
            connection_close(&e->connections[i]);
        lease_release(e);
        if (lease_is_running(e) || upkeep_is_running(e))
            return;
    }
    if (!is_connecting(e) && !uv_is_closing((uv_handle_t *)&e->tick))
        close_handles(e);
}

static void close_store(struct store *store, store_close_cb cb, void *arg)
{
    struct postgres_engine *e = postgres_of(store);

    e->is_closing = true;
    e->close_cb = cb;
    e->close_arg = arg;
    reads_give_up(e, true);
    postgres_try_again_soon(e); /* so that `cb` comes from the loop */
}

static void abort_store(struct store *store)
{
    struct postgres_engine *e = postgres_of(store);

    e->is_aborted = true;
    atomic_store(&e->is_ending, true);
    postgres_try_again_soon(e);
}

/* --- The rest --------------------------------------------------------------------------------- */

static const char *volume_name(const struct store *store, uint32_t id)
{
    return names_text(&postgres_of(store)->volumes, id);
}

static uint64_t last_generation(const struct store *store)
{
    return postgres_of(store)->lease.last_generation;
}

static void add_counts(struct counts *to, const struct counts *counts)
{
    to->keys += counts->keys;
    to->unlinked += counts->unlinked;
    to->orphans += counts->orphans;
}

/* The row that it had before, with what that has counted, is one of the others' from now on. */
void postgres_take_session(struct postgres_engine *e, const struct connection *c)
{
    uint64_t *counted_as = &e->counted_as[c->number];
    struct counts *counts = &e->sessions[c->number];

    if (*counted_as != c->instance && *counted_as == e->others_than)
        add_counts(&e->others, counts);
    *counted_as = c->instance;
    *counts = (struct counts){c->counts[0], c->counts[1], c->counts[2]};
}

static uint64_t sum(int64_t own, int64_t others)
{
    return own + others > 0 ? (uint64_t)(own + others) : 0;
}

static void stats(const struct store *store, struct store_stats *stats)
{
    const struct postgres_engine *e = postgres_of(store);
    struct counts own = {0};

    for (unsigned i = READERS; i < CONNECTIONS; i++) {
        if (e->counted_as[i] == e->others_than) /* else it is among the others already */
            add_counts(&own, &e->sessions[i]);
    }
    *stats = e->stats;
    stats->keys = sum(own.keys, e->others.keys);
    stats->unlinked = sum(own.unlinked, e->others.unlinked);
    stats->orphans = sum(own.orphans, e->others.orphans);
    stats->table_bytes = e->table_bytes;
    stats->sync = e->options.sync;
    stats->is_away = e->is_away;
    stats->indexes = e->indexes;
}

static bool leads(const struct store *store)
{
    return postgres_boot_ms() < postgres_of(store)->lease.leads_until;
}

static bool holds(const struct store *store)
{
    return lease_holds(postgres_of(store));
}

const struct store_engine postgres_engine_calls = {
    .name = "postgres",
    .close = close_store,
    .abort = abort_store,
    .get = reads_get,
    .get_orphan = reads_get_orphan,
    .view = reads_view,
    .list = lists_list,
    .list_orphans = lists_list_orphans,
    .cancel = reads_cancel,
    .commit = commits_commit,
    .announce = commits_announce,
    .volume_id = volumes_id,
    .volume_name = volume_name,
    .last_generation = last_generation,
    .stats = stats,
    .leads = leads,
    .holds = holds,
    .lives = notes_lives,
    .get_note = notes_get,
    .put_note = notes_put,
};
