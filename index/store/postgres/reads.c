/* What is read of one key: gets, orphans, views. Each kind gathers in a queue, and an idle reader
 * takes all that waits of one kind as arrays of one statement, whose rows come back with their
 * number in the arrays; a number without a row is a key that there is nothing of.
 *
 * A place names its volume by an id. Where another index has given one out since, the reader asks
 * for the names first, and holds the rows until it has them.
 *
 * Failures: the connection is lost, and what was in flight joins the queue again, until its
 * patience ends: then it is STORE_AWAY. */
#include <stdlib.h>
#include <string.h>

#include "index/base/log.h"
#include "index/store/postgres/internal.h"

#define BATCH_MAX 512 /* keys of one statement */

/* "= ANY" is what keeps each table's part small: connection.c, set_planner(). */
static const struct statement statements[] = {
    [REQUEST_GET] = {STATEMENT_GET,
                     "SELECT u.i, k.rec, k.gen FROM unnest($1::bytea[]) WITH ORDINALITY u(key, i) "
                     "JOIN keys k ON k.key = ANY($1::bytea[]) AND k.key = u.key"},
    [REQUEST_GET_ORPHAN] = {STATEMENT_GET_ORPHAN,
                            "SELECT u.i, o.orphan FROM unnest($1::bytea[], $2::int8[]) "
                            "WITH ORDINALITY u(key, gen, i) JOIN orphans o "
                            "ON o.key = ANY($1::bytea[]) AND o.key = u.key AND o.gen = u.gen"},
    [REQUEST_VIEW] = {STATEMENT_VIEW,
                      "SELECT u.i, " VIEW_COLUMNS
                      " FROM unnest($1::bytea[]) WITH ORDINALITY u(key, i) " VIEW_TABLES(
                          "$1::bytea[]")},
};

/* --- Requests --------------------------------------------------------------------------------- */

void request_free(struct store_request *q)
{
    if (q->reading != NULL)
        q->reading->request = NULL;
    if (q->listing != NULL)
        listing_free(q->listing);
    free(q);
}

/* Nobody waits any more, as far as the caller can see: its callback may begin another reading. */
static void detach(struct store_request *q)
{
    q->reading->request = NULL;
    q->reading = NULL;
}

void request_fail(struct store_request *q, int rc)
{
    struct store_reading *reading = q->reading;

    if (reading == NULL)
        return;
    detach(q);
    switch (q->kind) {
    case REQUEST_GET:
        q->done.got(reading, rc, NULL);
        break;
    case REQUEST_GET_ORPHAN:
        q->done.got_orphan(reading, rc, NULL);
        break;
    case REQUEST_VIEW:
        q->done.viewed(reading, rc, NULL);
        break;
    case REQUEST_LIST:
    case REQUEST_LIST_ORPHANS:
        q->done.listed(reading, rc);
        break;
    case REQUEST_NAME:
        q->done.identified(reading, rc, 0);
        break;
    case REQUEST_NOTE:
        q->done.noted(reading, rc);
        break;
    case REQUEST_KINDS:
        break;
    }
}

struct store_request *reads_add(struct postgres_engine *e, enum request_kind kind,
                                struct store_reading *reading)
{
    struct store_request *q;

    assert(reading->request == NULL && !e->is_closing);
    if (e->n_waiting == WAITING_MAX || e->is_aborted)
        return NULL;
    q = calloc(1, sizeof(*q));
    if (q == NULL)
        return NULL;
    q->kind = kind;
    q->engine = e;
    q->reading = reading;
    q->until = uv_now(e->loop) + PATIENCE_MS;
    reading->request = q;
    TAILQ_INSERT_TAIL(&e->waiting[kind], q, link);
    e->n_waiting++;
    postgres_send_soon(e);
    return q;
}

void reads_cancel(struct store *store, struct store_reading *reading)
{
    (void)store;
    detach(reading->request);
}

static struct store_request *add_key(struct store *store, enum request_kind kind,
                                     struct store_reading *reading, const void *key, size_t len)
{
    struct store_request *q = reads_add(postgres_of(store), kind, reading);

    if (q != NULL) {
        q->key = key;
        q->len = len;
    }
    return q;
}

int reads_get(struct store *store, struct store_reading *reading, const void *key, size_t len,
              struct record *record, store_got_cb done)
{
    struct store_request *q = add_key(store, REQUEST_GET, reading, key, len);

    (void)record;
    if (q == NULL)
        return STORE_AWAY;
    q->done.got = done;
    return STORE_LATER;
}

int reads_get_orphan(struct store *store, struct store_reading *reading, const void *key,
                     size_t len, uint64_t generation, struct orphan *orphan,
                     store_got_orphan_cb done)
{
    struct store_request *q = add_key(store, REQUEST_GET_ORPHAN, reading, key, len);

    (void)orphan;
    if (q == NULL)
        return STORE_AWAY;
    q->generation = generation;
    q->done.got_orphan = done;
    return STORE_LATER;
}

int reads_view(struct store *store, struct store_reading *reading, const void *key, size_t len,
               struct store_view *view, store_viewed_cb done)
{
    struct store_request *q = add_key(store, REQUEST_VIEW, reading, key, len);

    (void)view;
    if (q == NULL)
        return STORE_AWAY;
    q->done.viewed = done;
    return STORE_LATER;
}

/* --- Answers ---------------------------------------------------------------------------------- */

/* Each of these: false, and nothing has happened, where a name is to be read first. */

static bool answer_get(struct store_request *q, const struct rows *rows)
{
    struct store_reading *reading = q->reading;
    struct record record;
    int rc = q->row < 0 ? UV_ENOENT : rows_record(rows, q->row, 1, q->key, q->len, &record);

    if (rc == STORE_LATER)
        return false;
    detach(q);
    q->done.got(reading, rc, rc == 0 ? &record : NULL);
    return true;
}

static bool answer_orphan(struct store_request *q, const struct rows *rows)
{
    struct store_reading *reading = q->reading;
    struct orphan orphan;
    int rc = q->row < 0 ? UV_ENOENT : rows_orphan(rows, q->row, 1, q->key, q->len, &orphan);

    if (rc == STORE_LATER)
        return false;
    detach(q);
    q->done.got_orphan(reading, rc, rc == 0 ? &orphan : NULL);
    return true;
}

static bool answer_view(struct store_request *q, const struct rows *rows)
{
    struct store_reading *reading = q->reading;
    struct store_view view;
    int rc = q->row < 0 ? UV_EIO : rows_view(rows, q->row, 1, q->key, q->len, &view);

    if (rc == STORE_LATER)
        return false;
    detach(q);
    q->done.viewed(reading, rc, rc == 0 ? &view : NULL);
    return true;
}

static bool answer_one(struct store_request *q, const PGresult *result)
{
    const struct rows rows = {q->engine, result, q->is_named};

    if (q->reading == NULL)
        return true;
    if (q->kind == REQUEST_GET)
        return answer_get(q, &rows);
    return q->kind == REQUEST_GET_ORPHAN ? answer_orphan(q, &rows) : answer_view(q, &rows);
}

/* Rows come in any order, with their number in the arrays, from 1 on; of what there is nothing
 * there is no row. */
static int find_rows(struct reader_state *r, const PGresult *result)
{
    size_t n = r->keys.count;
    int *rows = calloc(n + 1, sizeof(*rows));
    uint64_t at = 1;
    struct store_request *q;

    if (rows == NULL)
        return UV_ENOMEM;
    for (int i = 0; i < PQntuples(result); i++) {
        uint64_t number = rows_number(result, i, 0);

        if (number <= n)
            rows[number] = i + 1;
    }
    TAILQ_FOREACH(q, &r->asked, link)
    {
        q->row = rows[at++] - 1;
    }
    free(rows);
    return 0;
}

static void answer_all(struct reader_state *r, const PGresult *result)
{
    struct request_queue asked = TAILQ_HEAD_INITIALIZER(asked);
    struct store_request *q;

    TAILQ_CONCAT(&asked, &r->asked, link);
    while ((q = TAILQ_FIRST(&asked)) != NULL) {
        TAILQ_REMOVE(&asked, q, link);
        if (answer_one(q, result))
            request_free(q);
        else
            TAILQ_INSERT_TAIL(&r->asked, q, link);
    }
}

static bool is_listing(enum request_kind kind)
{
    return kind == REQUEST_LIST || kind == REQUEST_LIST_ORPHANS;
}

static struct reader_state *state_of(struct connection *c)
{
    return &c->engine->readers[c - c->engine->connections];
}

/* What was in flight waits again, before the others; or has waited for long enough. */
static void put_back(struct reader_state *r)
{
    struct postgres_engine *e = r->connection->engine;
    uint64_t now = uv_now(e->loop);
    struct store_request *q;

    while ((q = TAILQ_LAST(&r->asked, request_queue)) != NULL) {
        TAILQ_REMOVE(&r->asked, q, link);
        if (q->reading == NULL || q->until <= now) {
            request_fail(q, STORE_AWAY);
            request_free(q);
            continue;
        }
        TAILQ_INSERT_HEAD(&e->waiting[r->kind], q, link);
        e->n_waiting++;
    }
    postgres_try_again_soon(e);
}

static void fail_all(struct reader_state *r, int rc)
{
    struct store_request *q;

    while ((q = TAILQ_FIRST(&r->asked)) != NULL) {
        TAILQ_REMOVE(&r->asked, q, link);
        request_fail(q, rc);
        request_free(q);
    }
}

/* What another try may do without: a replica that had to choose between a query and what its
 * primary has removed, or a statement that took too long. */
static bool may_try_again(const PGresult *result)
{
    return connection_failed_with(result, "40") || connection_failed_with(result, "57014");
}

static void refused(struct reader_state *r, const PGresult *result)
{
    if (connection_is_last_word(result)) {
        connection_lose(r->connection, connection_text_of(result));
        put_back(r);
    } else if (may_try_again(result)) {
        put_back(r);
    } else {
        log_limited(LOG_LEVEL_ERROR, "the database can't be read: %s", connection_text_of(result));
        fail_all(r, UV_EIO);
    }
}

static void give_out_page(struct reader_state *r, const PGresult *result)
{
    struct postgres_engine *e = r->connection->engine;
    struct store_request *q = TAILQ_FIRST(&r->asked);

    TAILQ_REMOVE(&r->asked, q, link);
    switch (listing_take(q, result)) {
    case LISTING_IS_OVER:
        request_free(q);
        break;
    case LISTING_GOES_ON:
        TAILQ_INSERT_TAIL(&e->waiting[q->kind], q, link);
        e->n_waiting++;
        break;
    case LISTING_IS_UNNAMED:
        TAILQ_INSERT_TAIL(&r->asked, q, link);
        break;
    }
}

static void ask_for_names(struct reader_state *r);

/* Answers what was asked. What has a place without a name waits until the names have been read. */
static void give_out(struct reader_state *r)
{
    if (is_listing(r->kind))
        give_out_page(r, r->result);
    else
        answer_all(r, r->result);
    if (!TAILQ_EMPTY(&r->asked)) {
        ask_for_names(r);
        return;
    }
    PQclear(r->result);
    r->result = NULL;
}

static void give_up_result(struct reader_state *r)
{
    PQclear(r->result);
    r->result = NULL;
    put_back(r);
}

/* Names that are read after the rows are all that these need; what has none by now won't get it. */
static void named_cb(struct connection *c, PGresult *result)
{
    struct reader_state *r = state_of(c);
    struct store_request *q;

    if (result == NULL || PQresultStatus(result) != PGRES_TUPLES_OK ||
        volumes_take(c->engine, result) < 0) {
        give_up_result(r);
    } else {
        TAILQ_FOREACH(q, &r->asked, link)
        {
            q->is_named = true;
        }
        give_out(r);
    }
    PQclear(result);
}

static void ask_for_names(struct reader_state *r)
{
    struct connection *c = r->connection;

    store_be64(r->numbers[3], c->engine->volumes.count);
    r->parameters.n = 1;
    r->parameters.values[0] = r->numbers[3];
    r->parameters.lengths[0] = 8;
    if (connection_send(c, &volumes_statement, &r->parameters, named_cb) < 0)
        give_up_result(r);
}

/* --- Sending ---------------------------------------------------------------------------------- */

static void read_cb(struct connection *c, PGresult *result)
{
    struct reader_state *r = state_of(c);

    if (result == NULL) {
        put_back(r);
    } else if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        refused(r, result);
        PQclear(result);
    } else if (!is_listing(r->kind) && find_rows(r, result) < 0) {
        fail_all(r, UV_ENOMEM);
        PQclear(result);
    } else {
        r->result = result;
        give_out(r);
    }
}

static void take_waiting(struct postgres_engine *e, struct reader_state *r, enum request_kind kind,
                         size_t max)
{
    struct store_request *q;

    r->kind = kind;
    while (max > 0 && (q = TAILQ_FIRST(&e->waiting[kind])) != NULL) {
        TAILQ_REMOVE(&e->waiting[kind], q, link);
        e->n_waiting--;
        if (q->reading == NULL) {
            request_free(q);
            continue;
        }
        q->row = 0;
        q->is_named = false;
        TAILQ_INSERT_TAIL(&r->asked, q, link);
        max--;
    }
}

static const struct statement *make_arrays(struct reader_state *r)
{
    struct parameters *p = &r->parameters;
    struct store_request *q;

    array_begin(&r->keys, ARRAY_BYTES);
    array_begin(&r->generations, ARRAY_I64);
    TAILQ_FOREACH(q, &r->asked, link)
    {
        array_add(&r->keys, q->key, q->len);
        if (r->kind == REQUEST_GET_ORPHAN)
            array_add_i64(&r->generations, q->generation);
    }
    if (array_end(&r->keys) < 0 || array_end(&r->generations) < 0)
        return NULL;
    p->n = r->kind == REQUEST_GET_ORPHAN ? 2 : 1;
    p->values[0] = buf_bytes(&r->keys.bytes);
    p->lengths[0] = (int)buf_size(&r->keys.bytes);
    p->values[1] = buf_bytes(&r->generations.bytes);
    p->lengths[1] = (int)buf_size(&r->generations.bytes);
    return &statements[r->kind];
}

static void send_kind(struct postgres_engine *e, struct reader_state *r, enum request_kind kind,
                      size_t share)
{
    bool lists = is_listing(kind);
    const struct statement *statement;

    take_waiting(e, r, kind, lists ? 1 : share < BATCH_MAX ? share : BATCH_MAX);
    if (TAILQ_EMPTY(&r->asked))
        return;
    statement = lists ? listing_statement(TAILQ_FIRST(&r->asked), r) : make_arrays(r);
    if (statement == NULL || connection_send(r->connection, statement, &r->parameters, read_cb) < 0)
        put_back(r);
}

/* The kind whose first one waits for the longest. A page takes as long as many keys do, and one
 * reader is to have time for these. */
static int next_kind(const struct postgres_engine *e, bool lists)
{
    int found = -1;

    for (int kind = 0; kind < REQUEST_NAME; kind++) {
        const struct store_request *q = TAILQ_FIRST(&e->waiting[kind]);

        if (q != NULL && (lists || !is_listing(kind)) &&
            (found < 0 || q->until < TAILQ_FIRST(&e->waiting[found])->until))
            found = kind;
    }
    return found;
}

static bool is_idle(const struct reader_state *r)
{
    return r->connection->state == CONNECTION_IDLE && TAILQ_EMPTY(&r->asked);
}

void reads_send(struct postgres_engine *e)
{
    unsigned n_idle = 0;

    for (unsigned i = 0; i < READERS; i++)
        n_idle += is_idle(&e->readers[i]);
    for (unsigned i = 0; i < READERS; i++) {
        struct reader_state *r = &e->readers[i];
        int kind = is_idle(r) ? next_kind(e, i > 0) : -1;

        if (kind >= 0)
            send_kind(e, r, (enum request_kind)kind, postgres_share(e->n_waiting, n_idle--));
    }
}

void reads_give_up(struct postgres_engine *e, bool all)
{
    uint64_t now = uv_now(e->loop);

    for (int kind = 0; kind < REQUEST_KINDS; kind++) {
        struct store_request *q = TAILQ_FIRST(&e->waiting[kind]);

        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed isn't in the queue */
        while (q != NULL && (all || q->until <= now || q->reading == NULL)) {
            TAILQ_REMOVE(&e->waiting[kind], q, link);
            e->n_waiting--;
            request_fail(q, STORE_AWAY);
            request_free(q);
            q = TAILQ_FIRST(&e->waiting[kind]);
        }
    }
}

bool reads_are_idle(const struct postgres_engine *e)
{
    for (unsigned i = 0; i < READERS; i++) {
        if (!TAILQ_EMPTY(&e->readers[i].asked))
            return false;
    }
    return e->n_waiting == 0;
}
