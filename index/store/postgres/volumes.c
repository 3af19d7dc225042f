/* Names of volumes: all of them are in memory, and those that other indexes add are read when a
 * record first names one (reads.c), or when one is given out here. Each new connection compares
 * them with what the database has, before it is used for anything: it may be another server's.
 *
 * The loop alone adds names, with the mutex; the threads read them with it. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/log.h"
#include "index/store/postgres/internal.h"

#define TRIES 20 /* others give ids out at the same time */

const struct statement volumes_statement = {
    STATEMENT_NAMES, "SELECT id, name FROM volumes WHERE id >= $1::int8 ORDER BY id"};

static int add_known(struct postgres_engine *e, const char *name, size_t len)
{
    int rc;

    uv_mutex_lock(&e->volumes_mutex);
    rc = names_add(&e->volumes, name, len);
    uv_mutex_unlock(&e->volumes_mutex);
    return rc;
}

int volumes_take(struct postgres_engine *e, const PGresult *result)
{
    int rc = 0;

    for (int i = 0; i < PQntuples(result) && rc == 0; i++) {
        size_t n = 0;
        size_t len = 0;
        const char *id = rows_value(result, i, 0, &n);
        const char *name = rows_value(result, i, 1, &len);

        if (id == NULL || n != 8 || name == NULL || len > NAMES_TEXT_MAX)
            return UV_EIO;
        if (load_be64(id) < e->volumes.count)
            continue;
        rc = load_be64(id) == e->volumes.count ? add_known(e, name, len) : UV_EIO;
    }
    return rc;
}

/* Those from `first` on. */
static PGresult *read_from(PGconn *pg, uint64_t first, char error[256])
{
    char number[8];
    const char *values[] = {number};
    const int lengths[] = {8};
    const int formats[] = {1};

    store_be64(number, first);
    return connection_wait(
        pg, PQsendQueryParams(pg, volumes_statement.sql, 1, NULL, values, lengths, formats, 1),
        error);
}

int volumes_load(struct postgres_engine *e, PGconn *pg, char error[256])
{
    PGresult *result = read_from(pg, e->volumes.count, error);
    int rc = PQresultStatus(result) == PGRES_TUPLES_OK ? volumes_take(e, result) : STORE_AWAY;

    if (rc < 0 && result != NULL)
        connection_note(error,
                        rc == STORE_AWAY ? PQerrorMessage(pg) : "its volumes' ids have gaps");
    PQclear(result);
    return rc;
}

/* --- Of another server, in the threads -------------------------------------------------------- */

/* NULL: there is none. It stays where it is until the engine goes. */
static const char *known_name(struct postgres_engine *e, uint64_t id)
{
    const char *name;

    uv_mutex_lock(&e->volumes_mutex);
    name = id < e->volumes.count ? names_text(&e->volumes, (uint32_t)id) : NULL;
    uv_mutex_unlock(&e->volumes_mutex);
    return name;
}

static bool knows_name(struct postgres_engine *e, const char *name)
{
    uint32_t ignored;
    bool found;

    uv_mutex_lock(&e->volumes_mutex);
    found = names_find(&e->volumes, name, &ignored);
    uv_mutex_unlock(&e->volumes_mutex);
    return found;
}

/* 0; UV_ENOENT: names that this index knows are missing; or STORE_CONFLICT, and a line in `error`:
 * an id stands for another name there, or a name has another id. */
static int compare(struct postgres_engine *e, const PGresult *result, char error[256])
{
    uint64_t n_common = 0;

    for (int i = 0; i < PQntuples(result); i++) {
        uint64_t id = load_be64(PQgetvalue(result, i, 0));
        const char *name = PQgetvalue(result, i, 1);
        const char *known = known_name(e, id);

        if (known != NULL ? strcmp(known, name) == 0 : !knows_name(e, name)) {
            n_common += known != NULL;
            continue;
        }
        snprintf(error, 256,
                 "it lost what this index knows of volumes (%" PRIu64 " is %.60s there, and %.60s "
                 "here): restart this index",
                 id, name, known != NULL ? known : "another one");
        return STORE_CONFLICT;
    }
    return known_name(e, n_common) == NULL ? 0 : UV_ENOENT;
}

/* All at once: what others give out meanwhile comes after them. */
static bool tell_known(struct postgres_engine *e, PGconn *pg, char error[256])
{
    const char *name;
    bool is_told = connection_run(pg, "BEGIN", error);

    for (uint64_t id = 0; is_told && (name = known_name(e, id)) != NULL; id++) {
        char number[24];
        const char *const values[] = {number, name};
        PGresult *result;

        snprintf(number, sizeof(number), "%" PRIu64, id);
        result = connection_wait(
            pg,
            PQsendQueryParams(
                pg, "INSERT INTO volumes VALUES ($1::int8, $2::text) ON CONFLICT DO NOTHING", 2,
                NULL, values, NULL, NULL, 0),
            error);
        is_told = PQresultStatus(result) == PGRES_COMMAND_OK;
        if (!is_told && result != NULL)
            connection_note(error, PQerrorMessage(pg));
        PQclear(result);
    }
    return is_told && connection_run(pg, "COMMIT", error);
}

/* A database that lost its last changes, as a standby that takes over may, is told again which
 * volumes there are. 0; STORE_AWAY; or STORE_CONFLICT: it has given their ids to others since, so
 * that its records mean other volumes than this index would think, and the other way round. */
static int agree(struct postgres_engine *e, PGconn *pg, char error[256])
{
    for (unsigned i = 0; i < TRIES; i++) {
        PGresult *result = read_from(pg, 0, error);
        int rc = STORE_AWAY;

        if (PQresultStatus(result) == PGRES_TUPLES_OK)
            rc = compare(e, result, error);
        else if (result != NULL)
            connection_note(error, PQerrorMessage(pg));
        PQclear(result);
        if (rc == UV_ENOENT && e->options.only_reads) /* a standby may be late */
            return 0;
        if (rc != UV_ENOENT)
            return rc;
        if (!tell_known(e, pg, error))
            return STORE_AWAY;
    }
    snprintf(error, 256, "it doesn't take the names of volumes");
    return STORE_AWAY;
}

PGconn *volumes_connect(struct postgres_engine *e, bool is_lazy, char error[256])
{
    PGconn *pg = connection_make(e, is_lazy, 0, error);
    int rc = pg != NULL ? agree(e, pg, error) : 0;

    if (rc == STORE_CONFLICT)
        log_limited(LOG_LEVEL_ERROR, "the database %s isn't used any more: %s", e->uri, error);
    if (rc == 0)
        return pg;
    PQfinish(pg);
    return NULL;
}

/* --- Giving out an id, in the thread ---------------------------------------------------------- */

struct naming {
    struct control_job job;
    struct postgres_engine *engine;
    struct store_request *request;
    uint64_t first; /* names that are known */
    char name[NAMES_TEXT_MAX + 1];
    PGresult *result; /* those that aren't */
};

static bool has_name(const PGresult *result, const char *name)
{
    for (int i = 0; i < PQntuples(result); i++) {
        if ((size_t)PQgetlength(result, i, 1) == strlen(name) &&
            memcmp(PQgetvalue(result, i, 1), name, strlen(name)) == 0)
            return true;
    }
    return false;
}

static void add_name(PGconn *pg, const char *name)
{
    const char *values[] = {name};
    char ignored[256];
    int sent = PQsendQueryParams(
        pg,
        "INSERT INTO volumes (id, name) SELECT coalesce(max(id) + 1, 0), $1::text "
        "FROM volumes ON CONFLICT DO NOTHING",
        1, NULL, values, NULL, NULL, 0);

    PQclear(connection_wait(pg, sent, ignored));
}

static void run_cb(struct control_job *job)
{
    struct naming *n = job->data;
    struct postgres_engine *e = n->engine;
    char error[256];

    if (e->pg == NULL)
        e->pg = volumes_connect(e, false, error);
    for (unsigned i = 0; e->pg != NULL && i < TRIES; i++) {
        PQclear(n->result);
        n->result = read_from(e->pg, n->first, error);
        if (PQresultStatus(n->result) != PGRES_TUPLES_OK) {
            PQfinish(e->pg);
            e->pg = NULL;
        } else if (has_name(n->result, n->name)) {
            return;
        } else {
            add_name(e->pg, n->name);
        }
    }
    PQclear(n->result);
    n->result = NULL;
}

static void done_cb(struct control_job *job)
{
    struct naming *n = job->data;
    struct postgres_engine *e = n->engine;
    struct store_request *q = n->request;
    struct store_reading *reading = q->reading;
    uint32_t id = 0;
    int rc = n->result != NULL ? volumes_take(e, n->result) : STORE_AWAY;

    if (rc == 0 && !names_find(&e->volumes, n->name, &id))
        rc = UV_EIO;
    PQclear(n->result);
    free(n);
    e->n_errands--;
    if (rc == 0 && reading != NULL) {
        reading->request = NULL;
        q->reading = NULL;
        q->done.identified(reading, 0, id);
    } else {
        request_fail(q, rc);
    }
    request_free(q);
    postgres_close_if_idle(e);
}

int volumes_id(struct store *store, struct store_reading *reading, const char *name, uint32_t *id,
               store_identified_cb done)
{
    struct postgres_engine *e = postgres_of(store);
    struct store_request *q;
    struct naming *n;

    if (name[0] == '\0' || strlen(name) > NAMES_TEXT_MAX)
        return UV_ENAMETOOLONG;
    if (names_find(&e->volumes, name, id))
        return 0;
    if (e->options.only_reads)
        return UV_EROFS;
    n = calloc(1, sizeof(*n));
    q = calloc(1, sizeof(*q));
    if (n == NULL || q == NULL) {
        free(n);
        free(q);
        return UV_ENOMEM;
    }
    *q = (struct store_request){
        .kind = REQUEST_NAME, .engine = e, .reading = reading, .done.identified = done};
    reading->request = q;
    n->job = (struct control_job){.data = n, .run = run_cb, .done = done_cb};
    n->engine = e;
    n->request = q;
    n->first = e->volumes.count;
    snprintf(n->name, sizeof(n->name), "%s", name);
    e->n_errands++;
    control_add(&e->control, &n->job);
    return STORE_LATER;
}
