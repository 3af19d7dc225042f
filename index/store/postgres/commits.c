/* Changes on their way. A commit is kept as what its changes do (commit_sql.h), and waits; each
 * idle session takes what waits, as one batch, one statement, one transaction. Commits that change
 * the same row go in different batches.
 *
 * Happy path: all of the batch's changes find what they expect, and all of its commits have ended.
 *
 * Failures: one of them doesn't, and the database undoes the whole batch; then its commits are
 * tried in batches of half its size, and the one that fails alone has met something else. Deadlocks
 * and the like are tried again, after a while that differs. Where the end of a statement isn't
 * known (its connection was lost, or a standby hasn't confirmed it), the session is fenced by a new
 * connection, which also tells whether the statement was carried out (lease_fence()); until then
 * the commits haven't ended. */
#include <stdlib.h>
#include <string.h>

#include "index/base/log.h"
#include "index/store/key_order.h"
#include "index/store/postgres/commit_sql.h"
#include "index/store/postgres/internal.h"

#define BATCH_COMMITS 256
#define BATCH_BYTES   (1UL << 20)
#define BATCH_WORTH   4 /* commits */
#define TRIES_MAX     30
#define SQL_MAX       (1U << CHANGE_KINDS)

static_assert(STATEMENT_CHANGE + SQL_MAX <= STATEMENTS_MAX, "each has a number");

/* A piece of a pending's bytes. */
struct span {
    uint32_t at;
    uint32_t len;
};

struct pending_change {
    enum change_kind kind;
    struct span columns[CHANGE_COLUMNS]; /* of key, was and is */
    uint64_t generation;
    uint64_t was_generation;
    uint64_t time;
    struct counts delta;
};

struct pending {
    STAILQ_ENTRY(pending) link;
    struct store_commit *commit;
    bool is_announcement;
    unsigned most; /* commits that its batch may have; 0: it doesn't matter */
    unsigned tries;
    uint64_t not_before; /* loop time */
    uint64_t until;      /* loop time at which it is given up, unless it is on its way */
    struct buf bytes;
    size_t n;
    struct pending_change changes[STORE_CHANGES_MAX];
};

struct row {
    const struct pending *pending;
    const struct pending_change *change;
};

struct batch {
    struct pending_queue commits;
    unsigned n;
    unsigned most; /* commits */
    size_t bytes;
    unsigned kinds;
    struct counts delta;
    struct array arrays[CHANGE_KINDS][CHANGE_COLUMNS];
    struct slots rows; /* that it changes, each a struct pending_change */
    struct row sorted[BATCH_COMMITS * STORE_CHANGES_MAX];
    char head[COMMIT_HEAD][8];
    struct parameters parameters;
    uint64_t token; /* that it leaves */
};

static struct statement *sqls[SQL_MAX]; /* made when first needed, kept for good */

/* --- What a change does ----------------------------------------------------------------------- */

static enum change_kind kind_of_key(const struct store_change *c)
{
    switch (c->expect) {
    case STORE_NOTHING:
        return c->record != NULL ? KEY_INSERT : KEY_ABSENT;
    case STORE_EXACTLY:
        return c->record != NULL ? KEY_UPDATE : KEY_DELETE;
    case STORE_ANYTHING:
    case STORE_OWN:
        break;
    }
    return c->record != NULL ? KEY_SET : KEY_UNSET;
}

static enum change_kind kind_of_orphan(const struct store_change *c)
{
    switch (c->expect) {
    case STORE_NOTHING:
        return c->orphan != NULL ? ORPHAN_INSERT : ORPHAN_ABSENT;
    case STORE_EXACTLY:
        return c->orphan != NULL ? ORPHAN_UPDATE : ORPHAN_DELETE;
    case STORE_OWN:
        return c->orphan != NULL ? OWN_UPDATE : OWN_DELETE;
    case STORE_ANYTHING:
        break;
    }
    return c->orphan != NULL ? ORPHAN_SET : ORPHAN_UNSET;
}

static int add_span(struct pending *p, struct span *span, const void *bytes, size_t n)
{
    *span = (struct span){(uint32_t)buf_size(&p->bytes), (uint32_t)n};
    return buf_append(&p->bytes, bytes, n) < 0 ? UV_ENOMEM : 0;
}

static int add_record(struct pending *p, struct span *span, const struct record *record)
{
    unsigned char bytes[RECORD_MAX];

    return record == NULL ? 0 : add_span(p, span, bytes, record_encode_beside(record, bytes));
}

static int add_orphan(struct pending *p, struct span *span, const struct orphan *orphan)
{
    unsigned char bytes[ORPHAN_MAX];

    return orphan == NULL ? 0 : add_span(p, span, bytes, orphan_encode(orphan, bytes));
}

static void count_record(struct counts *delta, const struct record *record, int64_t by)
{
    if (record == NULL)
        return;
    if (record->flags & RECORD_UNLINKED)
        delta->unlinked += by;
    else
        delta->keys += by;
}

static int prepare_key(struct pending *p, struct pending_change *to, const struct store_change *c)
{
    const struct record *was = c->expect == STORE_EXACTLY ? c->was : NULL;
    int rc;

    to->kind = kind_of_key(c);
    to->generation = c->record != NULL ? c->record->generation : 0;
    to->was_generation = was != NULL ? was->generation : 0;
    if (to->kind != KEY_UNSET)
        count_record(&to->delta, c->record, 1);
    count_record(&to->delta, was, -1);
    rc = add_record(p, &to->columns[COLUMN_WAS], was);
    return rc < 0 ? rc : add_record(p, &to->columns[COLUMN_IS], c->record);
}

static int prepare_orphan(struct pending *p, struct pending_change *to,
                          const struct store_change *c)
{
    const struct orphan *was = c->expect == STORE_EXACTLY ? c->orphan_was : NULL;
    int rc;

    to->kind = kind_of_orphan(c);
    to->generation = c->generation;
    to->time = c->orphan != NULL ? orphan_time(c->orphan, c->generation) : 0;
    if (!blob_time_counts(to->time))
        to->time = 0; /* the column is what store_view() goes by */
    to->delta.orphans = to->kind == ORPHAN_INSERT;
    if (to->kind == ORPHAN_DELETE || to->kind == OWN_DELETE)
        to->delta.orphans = -1;
    rc = add_orphan(p, &to->columns[COLUMN_WAS], was);
    return rc < 0 ? rc : add_orphan(p, &to->columns[COLUMN_IS], c->orphan);
}

static int prepare(struct pending *p, const struct store_change *c)
{
    struct pending_change *to = &p->changes[p->n++];
    int rc;

    assert(memchr(c->key, '\0', c->len) == NULL && c->len >= 1 && c->len <= STORE_KEY_MAX);
    *to = (struct pending_change){.time = 0};
    rc = add_span(p, &to->columns[COLUMN_KEY], c->key, c->len);
    if (rc < 0)
        return rc;
    return c->space == STORE_KEYS ? prepare_key(p, to, c) : prepare_orphan(p, to, c);
}

static void pending_free(struct pending *p)
{
    buf_deinit(&p->bytes);
    free(p);
}

static struct pending *pending_new(struct postgres_engine *e, struct store_commit *commit,
                                   const struct store_change *changes, size_t n)
{
    struct pending *p = calloc(1, sizeof(*p));
    int rc = 0;

    if (p == NULL)
        return NULL;
    p->commit = commit;
    p->until = uv_now(e->loop) + PATIENCE_MS;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = prepare(p, &changes[i]);
    if (rc == 0)
        return p;
    pending_free(p);
    return NULL;
}

/* --- Batches ---------------------------------------------------------------------------------- */

static bool is_of_key(enum change_kind kind)
{
    return kind <= KEY_ABSENT;
}

static const char *bytes_of(const struct pending *p, struct span span)
{
    return buf_bytes(&p->bytes) + span.at;
}

static uint32_t hash_of(const struct pending *p, const struct pending_change *c)
{
    struct span key = c->columns[COLUMN_KEY];
    uint64_t seed = is_of_key(c->kind) ? 0 : c->generation | 1;

    return slots_hash(seed, bytes_of(p, key), key.len);
}

/* Whether a batch that is on its way, or is being filled, changes one of its rows: then it waits
 * for that. So the commits of one row go one after the other, and no batch waits for another one's
 * locks. The hash alone decides: that two rows have the same one only puts a commit off. */
static bool meets(const struct postgres_engine *e, const struct pending *p)
{
    size_t at;

    for (size_t i = 0; i < p->n; i++) {
        uint32_t hash = hash_of(p, &p->changes[i]);

        for (unsigned k = 0; k < ANNOUNCERS + COMMITTERS; k++) {
            if (slots_find(&e->batches[k]->rows, hash, &at) != NULL)
                return true;
        }
    }
    return false;
}

static void clear(struct batch *b)
{
    STAILQ_INIT(&b->commits);
    b->n = 0;
    b->most = BATCH_COMMITS;
    b->bytes = 0;
    b->kinds = 0;
    b->delta = (struct counts){0};
    slots_clear(&b->rows);
}

static int add_to(struct batch *b, struct pending *p)
{
    if (slots_reserve(&b->rows, p->n) < 0)
        return UV_ENOMEM;
    for (size_t i = 0; i < p->n; i++) {
        const struct pending_change *c = &p->changes[i];

        slots_add(&b->rows, (void *)c, hash_of(p, c));
        b->kinds |= 1U << c->kind;
        b->delta.keys += c->delta.keys;
        b->delta.unlinked += c->delta.unlinked;
        b->delta.orphans += c->delta.orphans;
    }
    STAILQ_INSERT_TAIL(&b->commits, p, link);
    b->n++;
    if (p->most != 0 && p->most < b->most)
        b->most = p->most;
    b->bytes += buf_size(&p->bytes);
    return 0;
}

static bool is_full(const struct batch *b)
{
    return b->n >= b->most || b->bytes >= BATCH_BYTES;
}

/* Takes of what waits, in its order, what can go together. */
static void fill(struct postgres_engine *e, struct batch *b, struct backlog *waiting,
                 unsigned share)
{
    struct pending_queue left = STAILQ_HEAD_INITIALIZER(left);
    uint64_t now = uv_now(e->loop);
    struct pending *p;

    while (!is_full(b) && b->n < share && (p = STAILQ_FIRST(&waiting->queue)) != NULL) {
        STAILQ_REMOVE_HEAD(&waiting->queue, link);
        if (p->not_before > now || (p->most != 0 && b->n >= p->most) || meets(e, p) ||
            add_to(b, p) < 0)
            STAILQ_INSERT_TAIL(&left, p, link);
    }
    waiting->n -= b->n;
    STAILQ_CONCAT(&left, &waiting->queue);
    STAILQ_CONCAT(&waiting->queue, &left);
}

/* --- The statement ---------------------------------------------------------------------------- */

static const struct statement *statement_of(unsigned kinds)
{
    struct statement *s = sqls[kinds];

    if (s != NULL)
        return s;
    s = calloc(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    s->number = STATEMENT_CHANGE + kinds;
    s->sql = commit_sql_make(kinds);
    if (s->sql == NULL) {
        free(s);
        return NULL;
    }
    sqls[kinds] = s;
    return s;
}

static void set_head(struct batch *b, unsigned i, uint64_t value)
{
    store_be64(b->head[i], value);
    b->parameters.values[i] = b->head[i];
    b->parameters.lengths[i] = 8;
}

static void begin_arrays(struct batch *b)
{
    for (unsigned kind = 0; kind < CHANGE_KINDS; kind++) {
        for (unsigned column = 0; column < CHANGE_COLUMNS; column++) {
            if ((b->kinds >> kind & 1) && (change_columns(kind) >> column & 1))
                array_begin(&b->arrays[kind][column],
                            change_column_is_number(column) ? ARRAY_I64 : ARRAY_BYTES);
        }
    }
}

static void add_change(struct batch *b, const struct pending *p, const struct pending_change *c)
{
    struct array *arrays = b->arrays[c->kind];

    for (unsigned column = 0; column < CHANGE_COLUMNS; column++) {
        if (!(change_columns(c->kind) >> column & 1))
            continue;
        if (column == COLUMN_GEN)
            array_add_i64(&arrays[column], c->generation);
        else if (column == COLUMN_TIME)
            array_add_i64(&arrays[column], c->time);
        else if (column == COLUMN_WAS_GEN)
            array_add_i64(&arrays[column], c->was_generation);
        else
            array_add(&arrays[column], bytes_of(p, c->columns[column]), c->columns[column].len);
    }
}

static int end_arrays(struct batch *b)
{
    struct parameters *params = &b->parameters;
    int n = COMMIT_HEAD;

    for (unsigned kind = 0; kind < CHANGE_KINDS; kind++) {
        for (unsigned column = 0; column < CHANGE_COLUMNS; column++) {
            struct array *a = &b->arrays[kind][column];

            if (!(b->kinds >> kind & 1) || !(change_columns(kind) >> column & 1))
                continue;
            if (array_end(a) < 0 || n == PARAMETERS_MAX)
                return UV_ENOMEM;
            params->values[n] = buf_bytes(&a->bytes);
            params->lengths[n++] = (int)buf_size(&a->bytes);
        }
    }
    params->n = n;
    return 0;
}

static int compare_rows(const void *a, const void *b)
{
    const struct row *x = a;
    const struct row *y = b;
    struct span x_key = x->change->columns[COLUMN_KEY];
    struct span y_key = y->change->columns[COLUMN_KEY];
    int order =
        key_compare(bytes_of(x->pending, x_key), x_key.len, bytes_of(y->pending, y_key), y_key.len);

    if (order != 0)
        return order;
    return (x->change->generation > y->change->generation) -
           (x->change->generation < y->change->generation);
}

/* In the order of the keys: batches that lock the same rows in the same order wait for each other,
 * and don't end in a deadlock, which the database takes a second to see. */
static void add_changes(struct batch *b)
{
    const struct pending *p;
    size_t n = 0;

    STAILQ_FOREACH(p, &b->commits, link)
    {
        for (size_t i = 0; i < p->n; i++)
            b->sorted[n++] = (struct row){p, &p->changes[i]};
    }
    qsort(b->sorted, n, sizeof(b->sorted[0]), compare_rows);
    for (size_t i = 0; i < n; i++)
        add_change(b, b->sorted[i].pending, b->sorted[i].change);
}

static int encode(struct batch *b, const struct connection *c)
{
    b->token = c->token + 1;
    set_head(b, 0, c->number);
    set_head(b, 1, c->token);
    set_head(b, 2, b->token);
    set_head(b, 3, c->instance);
    set_head(b, 4, (uint64_t)b->delta.keys);
    set_head(b, 5, (uint64_t)b->delta.unlinked);
    set_head(b, 6, (uint64_t)b->delta.orphans);
    begin_arrays(b);
    add_changes(b);
    return end_arrays(b);
}

/* --- How a batch ends ------------------------------------------------------------------------- */

static void note_generations(struct postgres_engine *e, const struct pending *p)
{
    for (size_t i = 0; i < p->n; i++) {
        if (p->changes[i].generation > e->lease.last_generation)
            e->lease.last_generation = p->changes[i].generation;
    }
}

static void end(struct postgres_engine *e, struct pending *p, int rc)
{
    struct store_commit *commit = p->commit;

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

static void end_all(struct postgres_engine *e, struct batch *b, int rc)
{
    struct pending_queue ended = STAILQ_HEAD_INITIALIZER(ended);
    struct pending *p;

    STAILQ_CONCAT(&ended, &b->commits);
    clear(b);
    while ((p = STAILQ_FIRST(&ended)) != NULL) {
        STAILQ_REMOVE_HEAD(&ended, link);
        end(e, p, rc);
    }
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
    clear(b);
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

static void fail(struct connection *c, const PGresult *result, const char *state)
{
    log_limited(LOG_LEVEL_ERROR, "the database refuses a change: %s (%s)",
                connection_text_of(result), state);
    c->engine->stats.journal_error = connection_is_state(state, "53100") ? UV_ENOSPC : UV_EIO;
    end_all(c->engine, batch_of(c), c->engine->stats.journal_error);
}

/* The session has changed nothing: an error undoes the whole statement. */
static void refused(struct connection *c, const PGresult *result)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

    if (state == NULL)
        state = "";
    if (connection_is_state(state, COMMIT_CONFLICT) || connection_is_state(state, COMMIT_TAKEN))
        conflict(c);
    else if (connection_is_state(state, COMMIT_LAPSED))
        end_all(c->engine, batch_of(c), STORE_AWAY);
    else if (connection_is_state(state, COMMIT_RACE) || connection_is_state(state, "40") ||
             connection_is_state(state, "55P03") || connection_is_state(state, "57014"))
        try_again(c);
    else
        fail(c, result, state);
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
        const char *value = reads_value(result, 0, i, &n);

        if (value != NULL && n == 8)
            *to[i] = (int64_t)load_be64(value);
    }
}

static void done_cb(struct connection *c, PGresult *result)
{
    struct postgres_engine *e = c->engine;

    if (result == NULL) {
        lose(c);
    } else if (PQresultStatus(result) == PGRES_TUPLES_OK && !c->is_warned) {
        c->token = batch_of(c)->token;
        take_counts(c, result);
        e->stats.journal_error = 0;
        e->stats.flushes += !c->is_lazy;
        end_all(e, batch_of(c), 0);
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

    fill(e, b, waiting, postgres_share(waiting->n, n_idle));
    if (b->n == 0)
        return;
    statement = statement_of(b->kinds);
    if (statement == NULL || encode(b, c) < 0) {
        end_all(e, b, UV_ENOMEM);
        return;
    }
    if (connection_send(c, statement, &b->parameters, done_cb) < 0)
        lose(c);
}

/* Those of `n` connections from the first one on that are idle take of what waits. The more
 * batches are on their way, the more is to wait for the next one: what comes meanwhile goes
 * together, and a batch costs the database more than some of its commits. */
static void send_all(struct postgres_engine *e, struct connection *first, unsigned n,
                     struct backlog *waiting)
{
    unsigned n_idle = 0;
    unsigned n_busy = 0;

    for (unsigned i = 0; i < n; i++) {
        n_idle += is_idle(&first[i]);
        n_busy += first[i].state == CONNECTION_BUSY;
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
            end(e, p, STORE_AWAY);
        } else {
            STAILQ_INSERT_TAIL(&left, p, link);
        }
    }
    STAILQ_CONCAT(&left, &waiting->queue); /* what callbacks have begun meanwhile comes after */
    STAILQ_CONCAT(&waiting->queue, &left);
}

void commits_give_up(struct postgres_engine *e, bool all)
{
    give_up(e, &e->announcements, all);
    give_up(e, &e->commits, all);
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
        clear(e->batches[i]);
    }
    return 0;
}

void commits_deinit(struct postgres_engine *e)
{
    for (unsigned i = 0; i < ANNOUNCERS + COMMITTERS; i++) {
        struct batch *b = e->batches[i];

        if (b == NULL)
            continue;
        for (unsigned kind = 0; kind < CHANGE_KINDS; kind++) {
            for (unsigned column = 0; column < CHANGE_COLUMNS; column++)
                array_deinit(&b->arrays[kind][column]);
        }
        slots_deinit(&b->rows);
        free(b);
    }
}
