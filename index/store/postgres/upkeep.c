/* What is done after each renewal of the lease, for as long as it takes: orphans of instances that
 * live no more are taken over, a bite at a time, and what the sessions of others count is summed
 * up. It shares a thread and a connection with the next renewal, so that each statement has its
 * time; where it fails, the next one goes on. */
#include <stdlib.h>

#include "index/base/log.h"
#include "index/store/postgres/internal.h"

#define BITE         500  /* orphans that are taken over at once, */
#define BITES_MS     1500 /* and for so long */
#define OWNERS       8    /* that are looked at */
#define STATEMENT_MS 3000
#define SIZE_EVERY   20   /* turns between looks at the tables' size, */
#define TOUCH_EVERY  1000 /* and between signs of life of the sessions */

struct upkeep {
    struct control_job job;
    struct postgres_engine *engine;
    bool is_running;
    bool leads;
    unsigned turn;
    uint64_t after_owner; /* where the walk through owners goes on */
    int rc;
    /* What it has found. */
    struct counts others;
    uint64_t others_than;
    unsigned indexes;
    uint64_t table_bytes;
    char error[256];
};

/* --- In the thread ---------------------------------------------------------------------------- */

static PGresult *ask(PGconn *pg, const char *sql, const uint64_t *numbers, int n, char error[256])
{
    return lease_ask(pg, sql, numbers, n, NULL, STATEMENT_MS, error);
}

static int count(struct upkeep *u, PGconn *pg)
{
    PGresult *result = ask(pg,
                           "SELECT coalesce(sum(keys), 0)::int8, coalesce(sum(unlinked), 0)::int8, "
                           "coalesce(sum(orphans), 0)::int8, (SELECT count(*) FROM indexes "
                           "WHERE " LIVES ") FROM sessions WHERE instance <> $1::int8 "
                           "OR $1::int8 = 0", /* who only reads has no sessions */
                           &u->engine->thread_lease.instance, 1, u->error);

    if (result == NULL)
        return STORE_AWAY;
    u->others_than = u->engine->thread_lease.instance;
    u->others =
        (struct counts){lease_number(result, 0), lease_number(result, 1), lease_number(result, 2)};
    u->indexes = (unsigned)lease_number(result, 3);
    PQclear(result);
    return 0;
}

/* What an owner that lives no more has left. They are left alone for a while: a request of its may
 * still be on its way to a volume. The number of them, or negative. */
static int take_over(struct upkeep *u, PGconn *pg, uint64_t owner)
{
    const struct postgres_engine *e = u->engine;
    const uint64_t numbers[] = {e->thread_lease.instance, e->options.grace_ms, owner, BITE};
    PGresult *result =
        ask(pg,
            "WITH b AS MATERIALIZED (SELECT key, gen FROM orphans WHERE owner = $3::int8 "
            "AND owner > 0 "
            "AND NOT EXISTS (SELECT 1 FROM indexes WHERE instance = $3::int8 AND " LIVES ") "
            "ORDER BY key, gen LIMIT $4::int8 FOR UPDATE SKIP LOCKED) "
            "UPDATE orphans o SET owner = $1::int8, "
            "held = -(extract(epoch FROM now()) * 1000)::int8 - $2::int8 FROM b "
            "WHERE o.key = b.key AND o.gen = b.gen AND o.owner = $3::int8",
            numbers, 4, u->error);
    int taken;

    if (result == NULL)
        return STORE_AWAY;
    taken = (int)strtol(PQcmdTuples(result), NULL, 10);
    PQclear(result);
    return taken;
}

/* The owner after that one; 0: there is none. */
static int next_owner(struct upkeep *u, PGconn *pg, uint64_t *owner)
{
    PGresult *result =
        ask(pg,
            "SELECT owner FROM orphans WHERE owner > $1::int8 AND owner > 0 ORDER BY owner "
            "LIMIT 1",
            owner, 1, u->error);

    if (result == NULL)
        return STORE_AWAY;
    *owner = PQntuples(result) == 1 ? (uint64_t)lease_number(result, 0) : 0;
    PQclear(result);
    return 0;
}

static int take_over_some(struct upkeep *u, PGconn *pg)
{
    uint64_t until = postgres_boot_ms() + BITES_MS;

    for (unsigned i = 0; i < OWNERS && postgres_boot_ms() < until; i++) {
        uint64_t owner = u->after_owner;
        int rc = next_owner(u, pg, &owner);
        int taken = 0;

        if (rc < 0)
            return rc;
        do {
            if (owner != 0 && owner != u->engine->thread_lease.instance)
                taken = take_over(u, pg, owner);
        } while (taken == BITE && postgres_boot_ms() < until);
        if (taken < 0)
            return taken;
        if (taken < BITE)
            u->after_owner = owner;
        if (owner == 0) /* the walk begins anew the next time */
            break;
    }
    return 0;
}

/* What PostgreSQL alone has is no failure where it isn't there. */
static void measure(struct upkeep *u, PGconn *pg)
{
    char ignored[256];
    PGresult *result;

    if (u->turn++ % SIZE_EVERY != 0)
        return;
    result = ask(pg,
                 "SELECT pg_total_relation_size('keys') + pg_total_relation_size('orphans') + "
                 "pg_total_relation_size('sessions')",
                 NULL, 0, ignored);
    if (result != NULL)
        u->table_bytes = (uint64_t)lease_number(result, 0);
    PQclear(result);
}

/* That this instance's sessions are in use: fold() leaves alone what was seen of late, as their
 * index may still have to find out what became of a batch. */
static int touch_sessions(struct upkeep *u, PGconn *pg)
{
    PGresult *result = ask(pg, "UPDATE sessions SET seen = now() WHERE instance = $1::int8",
                           &u->engine->thread_lease.instance, 1, u->error);

    PQclear(result);
    return result == NULL ? STORE_AWAY : 0;
}

/* Sessions of instances that are long gone become one row, and so do those of one that stops. */
int upkeep_fold(const struct postgres_engine *e, PGconn *pg, const char *which, char error[256])
{
    char sql[700];
    PGresult *result;

    snprintf(
        sql, sizeof(sql),
        "WITH d AS (DELETE FROM sessions WHERE %s RETURNING keys, unlinked, orphans) "
        "INSERT INTO sessions (instance, idx, token, keys, unlinked, orphans, seen) "
        "SELECT 0, 0, 0, sum(keys)::int8, sum(unlinked)::int8, sum(orphans)::int8, now() FROM d "
        "HAVING count(*) > 0 ON CONFLICT (instance, idx) DO UPDATE "
        "SET keys = sessions.keys + excluded.keys, "
        "unlinked = sessions.unlinked + excluded.unlinked, "
        "orphans = sessions.orphans + excluded.orphans",
        which);
    result = ask(pg, sql, &e->thread_lease.instance, 1, error);
    if (result == NULL)
        return STORE_AWAY;
    PQclear(result);
    return 0;
}

static int run(struct upkeep *u, PGconn *pg)
{
    bool writes = !u->engine->options.only_reads;
    int rc = count(u, pg);

    if (rc == 0 && writes)
        rc = take_over_some(u, pg);
    if (rc == 0 && writes && u->turn % TOUCH_EVERY == 0)
        rc = touch_sessions(u, pg);
    if (rc == 0 && u->leads && u->turn % SIZE_EVERY == 1)
        rc = upkeep_fold(u->engine, pg,
                         "instance <> 0 AND instance <> $1::int8 AND seen < now() - interval "
                         "'1 day' AND instance NOT IN (SELECT instance FROM indexes WHERE " LIVES
                         ")",
                         u->error);
    if (rc == 0)
        measure(u, pg);
    return rc;
}

static void run_cb(struct control_job *job)
{
    struct upkeep *u = job->data;
    struct postgres_engine *e = u->engine;

    snprintf(u->error, sizeof(u->error), "it is away");
    u->rc = e->pg != NULL ? run(u, e->pg) : STORE_AWAY;
    if (u->rc < 0 && e->pg != NULL) {
        PQfinish(e->pg);
        e->pg = NULL;
    }
}

/* --- In the loop ------------------------------------------------------------------------------ */

static void done_cb(struct control_job *job)
{
    struct upkeep *u = job->data;
    struct postgres_engine *e = u->engine;

    u->is_running = false;
    if (e->is_closing) {
        postgres_close_if_idle(e);
    } else if (u->rc < 0) {
        log_limited(LOG_LEVEL_WARN, "cannot look after what other indexes have left: %s", u->error);
    } else {
        e->others = u->others;
        e->others_than = u->others_than;
        e->indexes = u->indexes;
        if (u->table_bytes != 0)
            e->table_bytes = u->table_bytes;
    }
}

int upkeep_init(struct postgres_engine *e)
{
    struct upkeep *u = calloc(1, sizeof(*u));

    if (u == NULL)
        return UV_ENOMEM;
    u->engine = e;
    u->job = (struct control_job){.data = u, .run = run_cb, .done = done_cb};
    e->upkeep = u;
    return 0;
}

void upkeep_run(struct postgres_engine *e)
{
    struct upkeep *u = e->upkeep;

    if (u->is_running)
        return;
    u->is_running = true;
    u->leads = e->lease.leads_until != 0;
    control_add(&e->control, &u->job);
}

bool upkeep_is_running(const struct postgres_engine *e)
{
    return e->upkeep != NULL && e->upkeep->is_running;
}
