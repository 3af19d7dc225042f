/* Changes on their way. A commit waits (pending.h); each idle session takes its share of what
 * waits, as one batch (batch.h), one statement, one transaction. Commits that change the same row
 * go in different batches.
 *
 * Happy path: all of the batch's changes find what they expect, and all of its commits have ended.
 *
 * Failures: one of them doesn't, and the database undoes the whole batch; then its commits are
 * tried in batches of half its size, and the one that fails alone has met something else. Deadlocks
 * and the like are tried again, after a while that differs. Where the end of a statement isn't
 * known (its connection was lost, or a standby hasn't confirmed it), the session is fenced by a new
 * connection, which also tells whether the statement was carried out (lease_fence()); until then
 * the commits haven't ended, but announcements end after a while. */
#include <stdlib.h>

#include "index/base/log.h"
#include "index/store/postgres/batch.h"

#define BATCH_WORTH 4  /* commits */
#define BATCH_MS    20 /* that others are to gather */
#define TRIES_MAX   30

/* --- How a batch ends ------------------------------------------------------------------------- */

static void note_generations(struct postgres_engine *e, const struct pending *p)
{
    for (size_t i = 0; i < p->n; i++) {
        if (p->changes[i].generation > e->lease.last_generation)
            e->lease.last_generation = p->changes[i].generation;
    }
}

/* False when that doesn't say what the key had: then it is looked at by itself. */
static bool read_view(const struct postgres_engine *e, const struct pending *p,
                      const PGresult *result, struct store_view *view)
{
    const struct rows rows = {.engine = e, .result = result};
    struct span key = p->changes[0].columns[COLUMN_KEY];

    store_view_begin(view, false);
    return p->row < 0 ||
           rows_view(&rows, p->row, COMMIT_RESULT + 1, pending_bytes(p, key), key.len, view) == 0;
}

/* `looked`: the result of an announcement that has looked at its keys; NULL: it hasn't. */
static void end(struct postgres_engine *e, struct pending *p, int rc, const PGresult *looked)
{
    struct store_commit *commit = p->commit;
    struct store_view view;

    if (looked != NULL && read_view(e, p, looked, &view))
        commit->view = &view;
    if (rc == 0)
        note_generations(e, p);
    if (rc == 0)
        e->stats.commits++;
    else if (rc == STORE_CONFLICT)
        e->stats.conflicts++;
    else
        e->stats.failures++;
    e->n_pending--;
    pending_free(p);
    commit->done(commit, rc);
}

static void end_all_as(struct postgres_engine *e, struct batch *b, int rc, const PGresult *looked)
{
    struct pending_queue ended = STAILQ_HEAD_INITIALIZER(ended);
    struct pending *p;

    STAILQ_CONCAT(&ended, &b->commits);
    batch_clear(b);
    while ((p = STAILQ_FIRST(&ended)) != NULL) {
        STAILQ_REMOVE_HEAD(&ended, link);
        end(e, p, rc, looked);
    }
}

static void end_all(struct postgres_engine *e, struct batch *b, int rc)
{
    end_all_as(e, b, rc, NULL);
}

static struct backlog *backlog_of(struct postgres_engine *e, const struct pending *p)
{
    return p->is_announcement ? &e->announcements : &e->commits;
}

/* Less than that; indexes that meet differ in it, though nobody has seeded random(). */
static uint64_t jitter(const struct postgres_engine *e, unsigned most)
{
    return ((uint64_t)random() ^ e->lease.instance) % most;
}

/* None of it was done: each waits again, before the others, in half a batch or as before. */
static void put_back(struct postgres_engine *e, struct batch *b, bool halve, bool tried)
{
    struct pending *first = STAILQ_FIRST(&b->commits);
    unsigned half = b->n > 1 ? b->n / 2 : 1;
    struct backlog *waiting;
    struct pending *p;

    if (first == NULL)
        return;
    waiting = backlog_of(e, first);
    STAILQ_FOREACH(p, &b->commits, link)
    {
        if (halve)
            p->most = half;
        if (tried)
            p->not_before = uv_now(e->loop) + 1 + jitter(e, 8U << (++p->tries / 8));
    }
    waiting->n += b->n;
    STAILQ_CONCAT(&b->commits, &waiting->queue);
    STAILQ_CONCAT(&waiting->queue, &b->commits);
    batch_clear(b);
    postgres_try_again_soon(e);
}

static struct batch *batch_of(const struct connection *c)
{
    return c->engine->batches[c->number - READERS];
}

static void conflict(struct connection *c)
{
    struct batch *b = batch_of(c);

    if (b->n == 1)
        end_all(c->engine, b, STORE_CONFLICT);
    else
        put_back(c->engine, b, true, false);
}

static void try_again(struct connection *c)
{
    struct batch *b = batch_of(c);
    const struct pending *p = STAILQ_FIRST(&b->commits);

    if (b->n == 1 && p->tries >= TRIES_MAX)
        end_all(c->engine, b, STORE_AWAY);
    else
        put_back(c->engine, b, b->n > 1, true);
}

static void fail(struct connection *c, const PGresult *result)
{
    log_limited(LOG_LEVEL_ERROR, "the database refuses a change: %s (%s)",
                connection_text_of(result), PQresultErrorField(result, PG_DIAG_SQLSTATE));
    c->engine->stats.journal_error = connection_failed_with(result, "53100") ? UV_ENOSPC : UV_EIO;
    c->engine->failed_at = uv_now(c->engine->loop);
    end_all(c->engine, batch_of(c), c->engine->stats.journal_error);
}

/* The lease has run out by the database's clock, or the session's row isn't what this index thinks:
 * then nothing would be taken by this connection any more. A new one makes the row its own. */
static void lapsed(struct connection *c)
{
    end_all(c->engine, batch_of(c), STORE_AWAY);
    connection_lose(c, "the database doesn't know its session, or its lease");
}

/* The session has changed nothing: an error undoes the whole statement. */
static void refused(struct connection *c, const PGresult *result)
{
    if (connection_failed_with(result, COMMIT_CONFLICT) ||
        connection_failed_with(result, COMMIT_TAKEN))
        conflict(c);
    else if (connection_failed_with(result, COMMIT_LAPSED))
        lapsed(c);
    else if (connection_failed_with(result, COMMIT_RACE) || connection_failed_with(result, "40") ||
             connection_failed_with(result, "55P03") || connection_failed_with(result, "57014"))
        try_again(c);
    else
        fail(c, result);
}

/* Nobody knows whether it was done, until the session is fenced. */
static void lose(struct connection *c)
{
    c->is_unknown = true;
    c->is_found_out = false;
    c->unknown_token = batch_of(c)->token;
    c->unknown_instance = c->instance;
}

static void take_counts(struct connection *c, const PGresult *result)
{
    struct counts *counts = &c->engine->sessions[c->number];
    int64_t *const to[] = {&counts->keys, &counts->unlinked, &counts->orphans};

    for (int i = 0; i < 3; i++) {
        size_t n = 0;
        const char *value = rows_value(result, 0, i, &n);

        if (value != NULL && n == 8)
            *to[i] = (int64_t)load_be64(value);
    }
}

static void carried_out(struct connection *c, const PGresult *result)
{
    struct postgres_engine *e = c->engine;
    struct batch *b = batch_of(c);
    bool looks = batch_looks(b);

    c->token = b->token;
    take_counts(c, result);
    e->stats.journal_error = 0;
    e->stats.flushes += !c->is_lazy;
    if (looks)
        batch_find_rows(b, result);
    end_all_as(e, b, 0, looks ? result : NULL);
}

static void done_cb(struct connection *c, PGresult *result)
{
    struct postgres_engine *e = c->engine;

    if (result == NULL) {
        lose(c);
    } else if (PQresultStatus(result) == PGRES_TUPLES_OK && !c->is_warned) {
        carried_out(c, result);
    } else if (PQresultStatus(result) == PGRES_TUPLES_OK || connection_is_last_word(result)) {
        lose(c);
        connection_lose(c, PQresultStatus(result) == PGRES_TUPLES_OK
                               ? "a change was not confirmed by a standby"
                               : connection_text_of(result));
    } else {
        refused(c, result);
    }
    PQclear(result);
    postgres_close_if_idle(e);
}

void commits_fenced(struct postgres_engine *e, struct connection *c)
{
    if (!c->is_unknown)
        return;
    c->is_unknown = false;
    if (c->was_done)
        end_all(e, batch_of(c), 0);
    else
        put_back(e, batch_of(c), false, true);
}

/* --- Sending ---------------------------------------------------------------------------------- */

static bool is_idle(const struct connection *c)
{
    return c->state == CONNECTION_IDLE && !c->is_unknown && batch_of(c)->n == 0;
}

static void send_batch(struct postgres_engine *e, struct connection *c, struct backlog *waiting,
                       unsigned n_idle)
{
    struct batch *b = batch_of(c);
    const struct statement *statement;

    batch_fill(e, b, waiting, postgres_share(waiting->n, n_idle));
    if (b->n == 0)
        return;
    statement = batch_statement(b);
    if (statement == NULL || batch_encode(b, c) < 0) {
        end_all(e, b, UV_ENOMEM);
        return;
    }
    if (connection_send(c, statement, &b->parameters, done_cb) < 0)
        lose(c);
}

/* Those of `n` connections from the first one on that are idle take of what waits. The more
 * batches are on their way, the more is to wait for the next one: what comes meanwhile goes
 * together, and a batch costs the database more than some of its commits. One that takes long
 * waits for a lock perhaps, which is nothing to others. */
static void send_all(struct postgres_engine *e, struct connection *first, unsigned n,
                     struct backlog *waiting)
{
    unsigned n_idle = 0;
    unsigned n_busy = 0;
    uint64_t now = uv_now(e->loop);

    for (unsigned i = 0; i < n; i++) {
        n_idle += is_idle(&first[i]);
        n_busy += first[i].state == CONNECTION_BUSY && now < first[i].sent_at + BATCH_MS;
    }
    for (unsigned i = 0; i < n && waiting->n > n_busy * BATCH_WORTH; i++) {
        if (is_idle(&first[i])) {
            send_batch(e, &first[i], waiting, n_idle--);
            n_busy++;
        }
    }
}

void commits_send(struct postgres_engine *e)
{
    struct connection *announcers = &e->connections[READERS];

    if (!lease_holds(e))
        return;
    send_all(e, announcers, ANNOUNCERS, &e->announcements);
    send_all(e, announcers + ANNOUNCERS, COMMITTERS, &e->commits);
}

static void give_up(struct postgres_engine *e, struct backlog *waiting, bool all)
{
    struct pending_queue left = STAILQ_HEAD_INITIALIZER(left);
    struct pending_queue looked_at = STAILQ_HEAD_INITIALIZER(looked_at);
    uint64_t now = uv_now(e->loop);
    struct pending *p;

    STAILQ_CONCAT(&looked_at, &waiting->queue);
    while ((p = STAILQ_FIRST(&looked_at)) != NULL) {
        STAILQ_REMOVE_HEAD(&looked_at, link);
        if (all || p->until <= now) {
            waiting->n--;
            end(e, p, STORE_AWAY, NULL);
        } else {
            STAILQ_INSERT_TAIL(&left, p, link);
        }
    }
    STAILQ_CONCAT(&left, &waiting->queue); /* what callbacks have begun meanwhile comes after */
    STAILQ_CONCAT(&waiting->queue, &left);
}

/* An announcement needn't be known to have failed: nobody has acted on it, and where it was made
 * the reclaimer finds it. So a PUT doesn't wait for a database that is away. */
static void give_up_announced(struct postgres_engine *e)
{
    uint64_t now = uv_now(e->loop);

    for (unsigned i = READERS; i < READERS + ANNOUNCERS; i++) {
        struct connection *c = &e->connections[i];

        if (batch_of(c)->n > 0 && now >= c->sent_at + PATIENCE_MS)
            end_all(e, batch_of(c), STORE_AWAY);
    }
}

void commits_give_up(struct postgres_engine *e, bool all)
{
    give_up(e, &e->announcements, all);
    give_up(e, &e->commits, all);
    give_up_announced(e);
    for (unsigned i = READERS; all && i < CONNECTIONS; i++) {
        struct connection *c = &e->connections[i];

        if (c->is_unknown && c->state != CONNECTION_CONNECTING) {
            c->is_unknown = false;
            end_all(e, batch_of(c), STORE_AWAY);
        }
    }
}

bool commits_are_idle(const struct postgres_engine *e)
{
    return e->n_pending == 0;
}

/* --- The calls -------------------------------------------------------------------------------- */

static int add(struct store *store, struct store_commit *commit, const struct store_change *changes,
               size_t n, bool is_announcement, store_commit_cb done)
{
    struct postgres_engine *e = postgres_of(store);
    struct backlog *waiting;
    struct pending *p;

    assert(n > 0 && n <= STORE_CHANGES_MAX && !e->is_closing);
    if (e->options.only_reads)
        return UV_EROFS;
    if (e->n_pending == WAITING_MAX || e->is_aborted)
        return STORE_AWAY;
    p = pending_new(e, commit, changes, n);
    if (p == NULL)
        return UV_ENOMEM;
    p->is_announcement = is_announcement;
    commit->done = done;
    e->n_pending++;
    waiting = backlog_of(e, p);
    STAILQ_INSERT_TAIL(&waiting->queue, p, link);
    waiting->n++;
    postgres_send_soon(e);
    return 0;
}

int commits_commit(struct store *store, struct store_commit *commit,
                   const struct store_change *changes, size_t n, store_commit_cb done)
{
    return add(store, commit, changes, n, false, done);
}

int commits_announce(struct store *store, struct store_commit *commit,
                     const struct store_change *change, store_commit_cb done)
{
    return add(store, commit, change, 1, true, done);
}

int commits_init(struct postgres_engine *e)
{
    STAILQ_INIT(&e->commits.queue);
    STAILQ_INIT(&e->announcements.queue);
    for (unsigned i = 0; i < ANNOUNCERS + COMMITTERS; i++) {
        e->batches[i] = calloc(1, sizeof(struct batch));
        if (e->batches[i] == NULL)
            return UV_ENOMEM;
        batch_clear(e->batches[i]);
    }
    return 0;
}

void commits_deinit(struct postgres_engine *e)
{
    for (unsigned i = 0; i < ANNOUNCERS + COMMITTERS; i++) {
        struct batch *b = e->batches[i];

        if (b == NULL)
            continue;
        batch_deinit(b);
        free(b);
    }
}
