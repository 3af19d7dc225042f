/* The lease: a row of `indexes` that says who an index is, and that it lives. By the database's
 * clock it is valid for ten seconds after each renewal; the index counts from before it asked for
 * that, by a clock that goes on while the machine sleeps, and stops changing anything sooner. Who
 * has lost it takes a new one, as another instance: what the old one has announced is then somebody
 * else's to remove.
 *
 * Each renewal also reads the notes, and holds or asks for the lead; other work comes after it
 * (upkeep.c). */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "index/base/log.h"
#include "index/store/postgres/internal.h"

#define TRIES    20
#define RETRY_MS 300 /* from a renewal that has failed to the next */

uint64_t postgres_boot_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Never 0, and no sign. */
static uint64_t random_number(void)
{
    uint64_t number = 0;

    while (number == 0) {
        if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
            number = uv_hrtime();
        number >>= 2;
    }
    return number;
}

/* --- Statements that block -------------------------------------------------------------------- */

#define ROOM 24 /* of a number as text */

PGresult *lease_ask(PGconn *pg, const char *sql, const uint64_t *numbers, int n, const char *text,
                    unsigned ms, char error[256])
{
    char texts[6][ROOM];
    const char *values[7];
    PGresult *result = NULL;

    for (int i = 0; i < n; i++) {
        snprintf(texts[i], ROOM, "%llu", (unsigned long long)numbers[i]);
        values[i] = texts[i];
    }
    values[n] = text;
    for (unsigned i = 0; i < TRIES && (i == 0 || connection_failed_with(result, "40")); i++) {
        if (i > 0)
            uv_sleep(1 + (unsigned)(random_number() % 20));
        PQclear(result);
        result = connection_wait_for(
            pg, PQsendQueryParams(pg, sql, n + (text != NULL), NULL, values, NULL, NULL, 0), ms,
            error);
    }
    if (PQresultStatus(result) == PGRES_TUPLES_OK || PQresultStatus(result) == PGRES_COMMAND_OK)
        return result;
    if (connection_failed_with(result, "57014")) /* it took too long: it waits for nothing else */
        snprintf(error, 256,
                 "a table is locked there: by a restore or a rebuild, perhaps, that is "
                 "at work");
    else if (result != NULL)
        connection_note(error, PQerrorMessage(pg));
    PQclear(result);
    return NULL;
}

static PGresult *ask(PGconn *pg, const char *sql, const uint64_t *numbers, int n, const char *text,
                     char error[256])
{
    return lease_ask(pg, sql, numbers, n, text, SILENCE_MS, error);
}

int64_t lease_number(const PGresult *result, int column)
{
    return strtoll(PQgetvalue(result, 0, column), NULL, 10);
}

/* --- Taking one ------------------------------------------------------------------------------- */

/* The row of an index that lives no more, or a new one. */
static PGresult *take_row(PGconn *pg, uint64_t instance, const char *name, char error[256])
{
    static const char *const sql[] = {
        "UPDATE indexes SET instance = $1::int8, name = $2::text, renewed = now() WHERE number = "
        "(SELECT number FROM indexes WHERE NOT (" LIVES ") ORDER BY number LIMIT 1 FOR UPDATE "
        "SKIP LOCKED) AND NOT (" LIVES ") RETURNING number",
        "INSERT INTO indexes (number, instance, name, renewed, last_generation) "
        "SELECT coalesce(max(number) + 1, 0), $1::int8, $2::text, now(), 0 FROM indexes "
        "ON CONFLICT DO NOTHING RETURNING number",
    };

    for (unsigned i = 0; i < TRIES; i++) {
        PGresult *result = ask(pg, sql[i % 2], &instance, 1, name, error);

        if (result == NULL || PQntuples(result) == 1)
            return result;
        PQclear(result);
    }
    snprintf(error, 256, "no number is free for this index");
    return NULL;
}

static int read_last_generation(PGconn *pg, uint64_t *generation, char error[256])
{
    PGresult *result =
        ask(pg,
            "SELECT greatest((SELECT max(last_generation) FROM indexes), (SELECT value::int8 FROM "
            "settings WHERE name = 'generation'), 0)",
            NULL, 0, NULL, error);

    if (result == NULL)
        return STORE_AWAY;
    *generation = (uint64_t)lease_number(result, 0);
    PQclear(result);
    return 0;
}

int lease_take(struct postgres_engine *e, PGconn *pg, struct lease *lease, char error[256])
{
    struct lease taken = {.instance = random_number()};
    uint64_t asked = postgres_boot_ms();
    PGresult *result = take_row(pg, taken.instance, e->name, error);

    if (result == NULL)
        return STORE_AWAY;
    taken.number = (unsigned)lease_number(result, 0);
    PQclear(result);
    if (taken.number >= NUMBERS) {
        snprintf(error, 256, "%d indexes use it already, which is all that can", NUMBERS);
        return UV_ENOTSUP;
    }
    if (read_last_generation(pg, &taken.last_generation, error) < 0)
        return STORE_AWAY;
    taken.valid_until = asked + LEASE_MS - LEASE_MARGIN;
    *lease = taken;
    return 0;
}

/* --- Sessions --------------------------------------------------------------------------------- */

/* Waits for a statement that may still run: it has the row locked, or will find another token. As
 * the answer may be lost, too, this can be asked again and says the same: no statement expects a
 * token below 0. */
static int find_out(struct connection *c, PGconn *pg)
{
    const uint64_t numbers[] = {c->unknown_instance, c->number};
    PGresult *result = ask(pg,
                           "UPDATE sessions SET token = -abs(token) WHERE instance = $1::int8 "
                           "AND idx = $2::int8 RETURNING abs(token)",
                           numbers, 2, NULL, c->error);

    if (result == NULL)
        return STORE_AWAY;
    if (c->is_warned) { /* a standby that takes over may know nothing of it, nor of the batch */
        PQclear(result);
        connection_note(c->error, "no standby confirms changes");
        return STORE_AWAY;
    }
    c->was_done = PQntuples(result) == 1 && (uint64_t)lease_number(result, 0) == c->unknown_token;
    c->is_found_out = true;
    PQclear(result);
    return 0;
}

static int fence(struct connection *c, PGconn *pg)
{
    const uint64_t numbers[] = {c->wanted, c->number, random_number()};
    PGresult *result;

    if (c->is_unknown && !c->is_found_out && find_out(c, pg) < 0)
        return STORE_AWAY;
    result = ask(pg,
                 "INSERT INTO sessions (instance, idx, token, keys, unlinked, orphans, seen) "
                 "VALUES ($1::int8, $2::int8, $3::int8, 0, 0, 0, now()) "
                 "ON CONFLICT (instance, idx) DO UPDATE SET token = $3::int8, seen = now() "
                 "RETURNING keys, unlinked, orphans",
                 numbers, 3, NULL, c->error);
    if (result == NULL)
        return STORE_AWAY;
    for (int i = 0; i < 3; i++)
        c->counts[i] = lease_number(result, i);
    PQclear(result);
    if (c->is_warned) {
        connection_note(c->error, "no standby confirms changes");
        return STORE_AWAY;
    }
    c->instance = numbers[0];
    c->token = numbers[2];
    return 0;
}

/* What still runs may have the session's row locked for long. Other connections wait for their turn
 * meanwhile, so that it is better to ask again. */
int lease_fence(struct connection *c, PGconn *pg)
{
    char ignored[256];
    int rc;

    c->is_warned = false;
    PQsetNoticeReceiver(pg, connection_notice_cb, &c->is_warned);
    connection_run(pg, "SET lock_timeout = 1000", ignored);
    rc = fence(c, pg);
    if (rc == 0)
        connection_run(pg, "RESET lock_timeout", ignored);
    return rc;
}

/* --- Renewals, in the thread ------------------------------------------------------------------ */

struct renewal {
    struct control_job job;
    struct postgres_engine *engine;
    bool is_running;
    uint64_t last_generation; /* of this index, so far */
    bool releases;            /* the last one: the lease is given back */
    /* What it has found. */
    int rc;
    uint64_t leads_until;
    struct notes notes;
    char error[256];
};

static int renew(struct renewal *r, PGconn *pg)
{
    struct postgres_engine *e = r->engine;
    const uint64_t numbers[] = {e->thread_lease.instance, r->last_generation};
    uint64_t asked = postgres_boot_ms();
    PGresult *result =
        ask(pg,
            "UPDATE indexes SET renewed = now(), last_generation = "
            "greatest(last_generation, $2::int8) WHERE instance = $1::int8 AND " LIVES
            " RETURNING number",
            numbers, 2, NULL, r->error);
    bool holds;

    if (result == NULL)
        return STORE_AWAY;
    holds = PQntuples(result) == 1;
    PQclear(result);
    if (holds) {
        e->thread_lease.valid_until = asked + LEASE_MS - LEASE_MARGIN;
        return 0;
    }
    return lease_take(e, pg, &e->thread_lease, r->error);
}

static int lead(struct renewal *r, PGconn *pg)
{
    uint64_t asked = postgres_boot_ms();
    PGresult *result = ask(pg,
                           "INSERT INTO leader VALUES (1, $1::int8, now() + interval '10 seconds') "
                           "ON CONFLICT (one) DO UPDATE SET instance = $1::int8, "
                           "until = now() + interval '10 seconds' "
                           "WHERE leader.instance = $1::int8 OR leader.until < now() RETURNING one",
                           &r->engine->thread_lease.instance, 1, NULL, r->error);

    if (result == NULL)
        return STORE_AWAY;
    r->leads_until = PQntuples(result) == 1 ? asked + LEASE_MS - LEASE_MARGIN : 0;
    PQclear(result);
    return 0;
}

/* Gives back what it holds, so that others needn't wait until it has run out. */
static int release(struct renewal *r, PGconn *pg)
{
    static const char *const sql[] = {
        "UPDATE leader SET until = to_timestamp(0) WHERE instance = $1::int8",
        "UPDATE indexes SET renewed = to_timestamp(0), "
        "last_generation = greatest(last_generation, $2::int8) WHERE instance = $1::int8",
    };
    const uint64_t numbers[] = {r->engine->thread_lease.instance, r->last_generation};

    for (int i = 0; i < 2; i++) {
        PGresult *result = ask(pg, sql[i], numbers, 1 + i, NULL, r->error);

        if (result == NULL)
            return STORE_AWAY;
        PQclear(result);
    }
    return upkeep_fold(r->engine, pg, "instance = $1::int8", r->error);
}

static int run(struct renewal *r, PGconn *pg)
{
    int rc = 0;

    if (r->releases)
        return release(r, pg);
    if (!r->engine->options.only_reads) /* who only reads has no lease */
        rc = renew(r, pg);
    if (rc == 0) /* after it: with this lease, this index knows them (store.h: settle_ms) */
        rc = notes_read(pg, &r->notes, r->error);
    if (rc == 0 && !r->engine->options.only_reads)
        rc = lead(r, pg);
    return rc;
}

static void run_cb(struct control_job *job)
{
    struct renewal *r = job->data;
    struct postgres_engine *e = r->engine;

    if (e->pg == NULL)
        e->pg = volumes_connect(e, false, r->error);
    r->rc = e->pg == NULL ? STORE_AWAY : run(r, e->pg);
    if (r->rc < 0 && e->pg != NULL) {
        PQfinish(e->pg);
        e->pg = NULL;
    }
}

/* --- In the loop ------------------------------------------------------------------------------ */

bool lease_holds(const struct postgres_engine *e)
{
    return postgres_boot_ms() < e->lease.valid_until;
}

/* Nothing of the old instance's can be changed any more; what is on its way is found out. */
static void become_another(struct postgres_engine *e)
{
    log_warn("this index was out of touch with its database for too long, and is another one now: "
             "what it was writing meanwhile has failed");
    for (unsigned i = READERS; i < CONNECTIONS; i++) {
        struct connection *c = &e->connections[i];

        if (c->state == CONNECTION_IDLE || c->state == CONNECTION_BUSY)
            connection_lose(c, "the lease was lost");
    }
}

static void take_found(struct postgres_engine *e, struct renewal *r)
{
    uint64_t last = e->lease.last_generation;
    bool is_new = e->lease.instance != e->thread_lease.instance; /* since a renewal that failed
                                                                    after it, perhaps */

    e->lease = e->thread_lease;
    if (e->lease.last_generation < last)
        e->lease.last_generation = last;
    e->lease.leads_until = r->leads_until;
    e->base.number = e->lease.number;
    e->base.instance = e->lease.instance;
    if (is_new)
        become_another(e);
    notes_take(e, &r->notes);
    postgres_note_here(e);
    postgres_send_soon(e);
}

static void done_cb(struct control_job *job)
{
    struct renewal *r = job->data;
    struct postgres_engine *e = r->engine;

    r->is_running = false;
    if (e->is_closing) {
        notes_deinit(&r->notes);
        postgres_close_if_idle(e);
        return;
    }
    if (r->rc < 0) {
        notes_deinit(&r->notes);
        postgres_note_away(e, r->error);
        e->renew_at = uv_now(e->loop) + RETRY_MS;
    } else {
        take_found(e, r);
        upkeep_run(e);
    }
}

void lease_renew(struct postgres_engine *e)
{
    struct renewal *r = e->renewal;

    if (r->is_running)
        return;
    r->is_running = true;
    r->last_generation = e->lease.last_generation;
    control_add(&e->control, &r->job);
}

int lease_start(struct postgres_engine *e)
{
    struct renewal *r = calloc(1, sizeof(*r));

    if (r == NULL)
        return UV_ENOMEM;
    r->engine = e;
    r->job = (struct control_job){.data = r, .run = run_cb, .done = done_cb};
    e->renewal = r;
    lease_renew(e);
    return 0;
}

bool lease_is_running(const struct postgres_engine *e)
{
    return e->renewal != NULL && e->renewal->is_running;
}

/* Gives it back, so that others needn't wait until it has run out. */
void lease_release(struct postgres_engine *e)
{
    e->renewal->releases = true;
    if (!e->options.only_reads && !e->is_away)
        lease_renew(e);
}
