#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/log.h"
#include "index/store/postgres/internal.h"

#define BACKOFF_MIN 100 /* ms */
#define BACKOFF_MAX 2000

void connection_note(char error[256], const char *message)
{
    size_t n = strcspn(message, "\n");

    snprintf(error, 256, "%.*s", (int)(n < 250 ? n : 250), message);
}

const char *connection_text_of(const PGresult *result)
{
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

    return text != NULL ? text : "nobody knows why";
}

bool connection_failed_with(const PGresult *result, const char *state)
{
    const char *found = PQresultErrorField(result, PG_DIAG_SQLSTATE);

    return found != NULL && strncmp(found, state, strlen(state)) == 0;
}

bool connection_is_last_word(const PGresult *result)
{
    static const char *const states[] = {"08", "57P", "25006", "40003"};
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);

    if (severity == NULL || strcmp(severity, "ERROR") != 0 ||
        PQresultErrorField(result, PG_DIAG_SQLSTATE) == NULL)
        return true;
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        if (connection_failed_with(result, states[i]))
            return true;
    }
    return false;
}

/* --- In the thread ---------------------------------------------------------------------------- */

/* A warning may say that a commit waits for no standby any more. Those of transaction ids that run
 * short (GetNewTransactionId() and the like of PostgreSQL's sources) come with every change, for
 * weeks before anything stops. */
void connection_notice_cb(void *arg, const PGresult *result)
{
    bool *is_warned = arg;
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *function = PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION);

    if (is_warned != NULL && severity != NULL && strcmp(severity, "WARNING") == 0 &&
        (function == NULL || strncmp(function, "GetNew", strlen("GetNew")) != 0))
        *is_warned = true;
}

/* False: nothing came in time. An error is what the next call of libpq says. */
static bool wait_for_input(PGconn *pg, uint64_t until)
{
    struct pollfd fd = {.fd = PQsocket(pg), .events = POLLIN};
    uint64_t now;
    int rc;

    while (PQisBusy(pg)) {
        now = uv_hrtime() / 1000000;
        rc = now < until ? poll(&fd, 1, (int)(until - now)) : 0;
        if (rc == 0)
            return false;
        if (rc < 0 && errno == EINTR)
            continue;
        if (rc < 0 || PQconsumeInput(pg) == 0)
            return true;
    }
    return true;
}

/* A server that hangs, with its kernel still there, is known by this alone. */
PGresult *connection_wait_for(PGconn *pg, int sent, unsigned ms, char error[256])
{
    uint64_t until = uv_hrtime() / 1000000 + ms;
    PGresult *last = NULL;
    PGresult *result;

    while (sent == 1 && wait_for_input(pg, until)) {
        result = PQgetResult(pg);
        if (result == NULL)
            return last;
        PQclear(last);
        last = result;
        if (PQresultStatus(result) == PGRES_COPY_IN) /* there is nothing to come */
            return last;
    }
    connection_note(error, sent == 1 ? "it doesn't answer" : PQerrorMessage(pg));
    PQclear(last);
    return NULL;
}

PGresult *connection_wait(PGconn *pg, int sent, char error[256])
{
    return connection_wait_for(pg, sent, SILENCE_MS, error);
}

bool connection_run(PGconn *pg, const char *sql, char error[256])
{
    PGresult *result = connection_wait(pg, PQsendQuery(pg, sql), error);
    bool done =
        PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK;

    if (!done && result != NULL)
        connection_note(error, PQerrorMessage(pg));
    PQclear(result);
    return done;
}

/* Each statement of the loop names the keys it is about (key = ANY), and there is one index that
 * has them. So the plan is the same one whatever the table's size was when it was made: the rows of
 * these keys by the index, hashed with what is to be done to them. A nested loop may read all of a
 * table that was thought to be empty, again and again. What a database that isn't PostgreSQL lacks
 * of this, it does without. */
static void set_planner(PGconn *pg)
{
    static const char *const settings[] = {"SET enable_nestloop = off",
                                           "SET enable_mergejoin = off",
                                           "SET enable_seqscan = off",
                                           "SET enable_bitmapscan = off",
                                           "SET plan_cache_mode = force_generic_plan",
                                           "SET jit = off"};
    char ignored[256];

    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        connection_run(pg, settings[i], ignored);
}

static void connect_cb(struct control_job *job)
{
    struct connection *c = job->data;

    c->made = NULL;
    if (atomic_load(&c->engine->is_ending)) /* each attempt may take seconds */
        return;
    c->made = volumes_connect(c->engine, c->is_lazy, c->error);
    if (c->made != NULL)
        set_planner(c->made);
    if (c->made != NULL && c->is_session && lease_fence(c, c->made) < 0) {
        PQfinish(c->made);
        c->made = NULL;
    }
}

/* --- In the loop ------------------------------------------------------------------------------ */

static void poll_closed_cb(uv_handle_t *handle)
{
    free(handle);
}

static void drop(struct connection *c)
{
    if (c->poll != NULL)
        uv_close((uv_handle_t *)c->poll, poll_closed_cb);
    c->poll = NULL;
    PQclear(c->result);
    c->result = NULL;
    PQfinish(c->pg);
    c->pg = NULL;
    c->state = CONNECTION_DOWN;
}

static void again_cb(uv_timer_t *timer)
{
    connection_start(timer->data);
}

static void retry(struct connection *c)
{
    if (c->is_closing || c->engine->is_aborted)
        return;
    c->backoff = c->backoff == 0 ? BACKOFF_MIN : c->backoff * 2;
    if (c->backoff > BACKOFF_MAX)
        c->backoff = BACKOFF_MAX;
    uv_timer_start(&c->again, again_cb, c->backoff, 0);
}

void connection_lose(struct connection *c, const char *why)
{
    connection_result_cb done = c->done;
    bool was_busy = c->state == CONNECTION_BUSY;

    drop(c);
    postgres_note_away(c->engine, why);
    retry(c);
    if (was_busy)
        done(c, NULL);
}

static void lost(struct connection *c)
{
    char why[256];

    connection_note(why, PQerrorMessage(c->pg)); /* nothing, where libpq wasn't asked */
    connection_lose(c, why[0] != '\0' ? why : "the connection broke");
}

static void poll_cb(uv_poll_t *poll, int status, int events);

static void want(struct connection *c, int events)
{
    if (events == c->events)
        return;
    c->events = events;
    uv_poll_start(c->poll, events, poll_cb);
}

static int flush(struct connection *c)
{
    int rc = PQflush(c->pg);

    if (rc >= 0)
        want(c, rc > 0 ? UV_READABLE | UV_WRITABLE : UV_READABLE);
    return rc < 0 ? UV_EPIPE : 0;
}

static void set_prepared(struct connection *c, unsigned number)
{
    c->prepared[number / 8] |= (unsigned char)(1U << number % 8);
}

static bool is_prepared(const struct connection *c, unsigned number)
{
    return c->prepared[number / 8] >> number % 8 & 1;
}

/* Sends the statement, or, the first time, what prepares it. */
static int put(struct connection *c)
{
    static const int binary[PARAMETERS_MAX] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                               1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                               1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                               1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    const struct parameters *p = c->parameters;
    char name[16];
    int sent;

    snprintf(name, sizeof(name), "mkv%u", c->statement->number);
    c->is_preparing = !is_prepared(c, c->statement->number);
    if (c->is_preparing)
        sent = PQsendPrepare(c->pg, name, c->statement->sql, 0, NULL);
    else
        sent = PQsendQueryPrepared(c->pg, name, p->n, p->values, p->lengths, binary, 1);
    return sent == 1 ? flush(c) : UV_EPIPE;
}

static void ended(struct connection *c)
{
    PGresult *result = c->result;
    connection_result_cb done = c->done;

    c->result = NULL;
    if (c->is_preparing && PQresultStatus(result) == PGRES_COMMAND_OK) {
        PQclear(result);
        set_prepared(c, c->statement->number);
        if (put(c) < 0)
            lost(c);
        return;
    }
    c->state = CONNECTION_IDLE;
    c->backoff = 0;
    done(c, result);
    postgres_send_soon(c->engine);
}

static void read_results(struct connection *c)
{
    while (c->state == CONNECTION_BUSY && !PQisBusy(c->pg)) {
        PGresult *result = PQgetResult(c->pg);

        if (result == NULL) {
            ended(c);
        } else {
            PQclear(c->result);
            c->result = result;
        }
    }
}

static void poll_cb(uv_poll_t *poll, int status, int events)
{
    struct connection *c = poll->data;

    if (status < 0 || ((events & UV_WRITABLE) && flush(c) < 0)) {
        lost(c);
        return;
    }
    if (!(events & UV_READABLE))
        return;
    if (PQconsumeInput(c->pg) == 0) {
        lost(c);
        return;
    }
    read_results(c);
}

static int watch(struct connection *c)
{
    int rc;

    c->poll = calloc(1, sizeof(*c->poll));
    if (c->poll == NULL)
        return UV_ENOMEM;
    rc = uv_poll_init(c->engine->loop, c->poll, PQsocket(c->pg));
    if (rc < 0) {
        free(c->poll);
        c->poll = NULL;
        return rc;
    }
    c->poll->data = c;
    c->events = 0;
    want(c, UV_READABLE);
    return 0;
}

static void connected_cb(struct control_job *job)
{
    struct connection *c = job->data;
    struct postgres_engine *e = c->engine;

    c->pg = c->made;
    c->made = NULL;
    c->state = CONNECTION_DOWN;
    if (c->is_closing) {
        drop(c);
        postgres_close_if_idle(e);
        return;
    }
    if (c->pg == NULL) {
        postgres_note_away(e, c->error);
        retry(c);
        return;
    }
    PQsetnonblocking(c->pg, 1);
    PQsetNoticeReceiver(c->pg, connection_notice_cb, &c->is_warned);
    memset(c->prepared, 0, sizeof(c->prepared));
    if (watch(c) < 0) {
        drop(c);
        retry(c);
        return;
    }
    c->state = CONNECTION_IDLE;
    postgres_note_here(e);
    if (c->is_session) {
        postgres_take_session(e, c);
        commits_fenced(e, c);
        if (c->instance != e->lease.instance) {
            drop(c); /* another lease was taken meanwhile */
            retry(c);
            return;
        }
    }
    postgres_send_soon(e);
}

void connection_init(struct connection *c, struct postgres_engine *e)
{
    c->engine = e;
    c->state = CONNECTION_DOWN;
    c->job = (struct control_job){.data = c, .run = connect_cb, .done = connected_cb};
    uv_timer_init(e->loop, &c->again);
    c->again.data = c;
}

void connection_start(struct connection *c)
{
    assert(c->state == CONNECTION_DOWN);
    c->state = CONNECTION_CONNECTING;
    c->wanted = c->engine->lease.instance;
    if (c->is_session) /* its fence may have to wait */
        control_add(&c->engine->connector, &c->job);
    else
        control_add_first(&c->engine->connector, &c->job);
}

int connection_send(struct connection *c, const struct statement *statement,
                    const struct parameters *parameters, connection_result_cb done)
{
    int rc;

    assert(c->state == CONNECTION_IDLE);
    c->statement = statement;
    c->parameters = parameters;
    c->done = done;
    c->is_warned = false;
    c->sent_at = uv_now(c->engine->loop);
    rc = put(c);
    if (rc == 0)
        c->state = CONNECTION_BUSY;
    else
        lost(c); /* IDLE still: `done` doesn't fire */
    return rc;
}

void connection_close(struct connection *c)
{
    c->is_closing = true;
    uv_timer_stop(&c->again);
    if (c->state != CONNECTION_CONNECTING)
        drop(c);
}
