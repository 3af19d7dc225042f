#include "index/store/postgres/build_transaction.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "index/base/log.h"
#include "index/store/postgres/internal.h"

#define COMMIT_MS  600000 /* for the COMMIT, which may write all of it to a disk, */
#define READ_MS    120000 /* and to find out how it has ended */
#define LOCK_TRIES 60     /* of a second each: readers wait meanwhile */

int build_failed(const char *error)
{
    log_error("cannot make a new index in the database: %s", error);
    return STORE_AWAY;
}

int transaction_failed(const struct build_transaction *t)
{
    char error[256];

    connection_note(error, PQerrorMessage(t->pg));
    return build_failed(error);
}

/* --- Statements ------------------------------------------------------------------------------- */

PGresult *transaction_result(struct build_transaction *t, int sent, ExecStatusType wanted)
{
    char error[256] = "";
    PGresult *result = connection_wait_for(t->pg, sent, TRANSACTION_WAIT_MS, error);

    if (PQresultStatus(result) == wanted)
        return result;
    if (result != NULL)
        connection_note(error, PQerrorMessage(t->pg));
    build_failed(error);
    PQclear(result);
    return NULL;
}

int transaction_run(struct build_transaction *t, const char *sql, ExecStatusType wanted)
{
    PGresult *result = transaction_result(t, PQsendQuery(t->pg, sql), wanted);

    PQclear(result);
    return result != NULL ? 0 : STORE_AWAY;
}

int transaction_ask(struct build_transaction *t, const char *sql, char *value, size_t size)
{
    PGresult *result = transaction_result(t, PQsendQuery(t->pg, sql), PGRES_TUPLES_OK);

    if (result == NULL)
        return STORE_AWAY;
    snprintf(value, size, "%s", PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    return 0;
}

/* --- The start -------------------------------------------------------------------------------- */

/* The new tables, which are to be as the old ones: also whose they are, and who may read them. */
int transaction_make_tables(struct build_transaction *t)
{
    static const char make[] =
        "CREATE TABLE keys_new (LIKE keys INCLUDING ALL);"
        "CREATE TABLE orphans_new (LIKE orphans INCLUDING ALL EXCLUDING INDEXES);"
        "ALTER TABLE orphans_new ADD CONSTRAINT orphans_new_pkey PRIMARY KEY (key, gen);"
        "CREATE INDEX orphans_new_owner ON orphans_new (owner, key, gen) WHERE owner > 0";
    static const char make_alike[] =
        "DO $$ DECLARE change text; BEGIN FOR change IN "
        "WITH t AS (SELECT c.*, relname || '_new' AS made FROM pg_class c "
        "  WHERE oid IN ('keys'::regclass, 'orphans'::regclass)) "
        "SELECT format('ALTER TABLE %I SET (%s)', made, array_to_string(reloptions, ', ')) "
        "  FROM t WHERE reloptions IS NOT NULL "
        "UNION ALL SELECT format('GRANT %s ON %I TO %s', g.privilege_type, made, "
        "  CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END) "
        "  FROM t, aclexplode(relacl) g "
        "UNION ALL SELECT format('ALTER TABLE %I OWNER TO %I', made, pg_get_userbyid(relowner)) "
        "  FROM t "
        "LOOP EXECUTE change; END LOOP; END $$";
    int rc = transaction_run(t, make, PGRES_COMMAND_OK);

    return rc < 0 ? rc : transaction_run(t, make_alike, PGRES_COMMAND_OK);
}

/* A server that doesn't hear of a client's end keeps its locks: it is to ask for it. */
static void set_keepalives(struct build_transaction *t)
{
    static const char *const settings[] = {
        "SET tcp_keepalives_idle = 10", "SET tcp_keepalives_interval = 5",
        "SET tcp_keepalives_count = 3", "SET tcp_user_timeout = 30000"};
    char ignored[256];

    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        connection_run(t->pg, settings[i], ignored);
}

static int connect_to(struct build_transaction *t, const char *uri)
{
    char error[256] = "out of memory";
    int rc = UV_ENOMEM;

    t->engine = calloc(1, sizeof(*t->engine));
    if (t->engine != NULL) {
        t->engine->options.sync = true;
        t->engine->uri = strdup(uri);
    }
    if (t->engine != NULL && t->engine->uri != NULL) {
        t->pg = connection_make(t->engine, false, 0, error);
        rc = t->pg == NULL ? STORE_AWAY : schema_make(t->pg, error);
    }
    if (rc < 0)
        log_error("cannot use the database %s: %s", uri, error);
    return rc;
}

/* A lock wasn't there in time, or only by a deadlock. */
static bool is_passing(const PGresult *result)
{
    return connection_failed_with(result, "55P03") || connection_failed_with(result, "40P01");
}

static int lock_indexes(struct build_transaction *t)
{
    /* A lease is a row of `indexes` that changes: none is taken, or renewed, until the end. */
    static const char lock[] = "SET statement_timeout = 0; BEGIN; SET LOCAL lock_timeout = 10000; "
                               "LOCK TABLE indexes IN SHARE ROW EXCLUSIVE MODE";
    char error[256] = "";
    PGresult *result =
        connection_wait_for(t->pg, PQsendQuery(t->pg, lock), TRANSACTION_WAIT_MS, error);
    bool is_locked = PQresultStatus(result) == PGRES_COMMAND_OK;

    if (result != NULL && is_passing(result))
        snprintf(error, sizeof(error), "another restore or rebuild is at work there");
    else if (result != NULL)
        connection_note(error, PQerrorMessage(t->pg));
    PQclear(result);
    return is_locked ? 0 : build_failed(error);
}

int transaction_begin(struct build_transaction *t, const char *uri)
{
    int rc;

    if (getrandom(&t->token, sizeof(t->token), 0) != (ssize_t)sizeof(t->token))
        t->token = uv_hrtime();
    t->token = (t->token >> 2) + 1; /* never 0, and no sign */
    rc = connect_to(t, uri);
    if (rc < 0)
        return rc;
    set_keepalives(t);
    return lock_indexes(t);
}

void transaction_deinit(struct build_transaction *t)
{
    PQfinish(t->pg);
    if (t->engine != NULL)
        free(t->engine->uri);
    free(t->engine);
}

/* --- The end ---------------------------------------------------------------------------------- */

/* Who reads the old tables is waited for, a second at a time: while a lock is waited for, others
 * wait behind it. */
static int lock_old(struct build_transaction *t)
{
    PGresult *result = NULL;
    char error[256] = "";

    if (transaction_run(t, "SET LOCAL lock_timeout = 1000; SAVEPOINT locking", PGRES_COMMAND_OK) <
        0)
        return STORE_AWAY;
    for (unsigned i = 0; i < LOCK_TRIES; i++) {
        if (i > 0 && transaction_run(t, "ROLLBACK TO locking", PGRES_COMMAND_OK) < 0)
            return STORE_AWAY;
        uv_sleep(i > 0 ? 200 : 0);
        PQclear(result);
        result = connection_wait_for(
            t->pg, PQsendQuery(t->pg, "LOCK TABLE keys, orphans IN ACCESS EXCLUSIVE MODE"),
            TRANSACTION_WAIT_MS, error);
        if (!is_passing(result))
            break;
    }
    if (PQresultStatus(result) != PGRES_COMMAND_OK && result != NULL)
        connection_note(error, PQerrorMessage(t->pg));
    PQclear(result);
    return error[0] == '\0' ? 0 : build_failed(error);
}

int transaction_swap(struct build_transaction *t)
{
    int rc = lock_old(t);

    return rc < 0 ? rc
                  : transaction_run(t,
                                    "DROP TABLE keys, orphans;"
                                    "ALTER TABLE keys_new RENAME TO keys;"
                                    "ALTER INDEX keys_new_pkey RENAME TO keys_pkey;"
                                    "ALTER TABLE orphans_new RENAME TO orphans;"
                                    "ALTER INDEX orphans_new_pkey RENAME TO orphans_pkey;"
                                    "ALTER INDEX orphans_new_owner RENAME TO orphans_owner",
                                    PGRES_COMMAND_OK);
}

/* Looks, by another connection, how the transaction has ended: whoever has the table of indexes
 * locked has ended then. What it finds is confirmed by the standbys that there are to be. False:
 * that can't be found out now. */
static bool read_back(struct build_transaction *t, PGconn *pg, bool *done, char error[256])
{
    char sql[160];
    PGresult *result;
    bool found;

    PQsetNoticeReceiver(pg, connection_notice_cb, &t->is_warned);
    t->is_warned = false;
    if (!connection_run(pg,
                        "BEGIN; SET LOCAL lock_timeout = 10000; "
                        "LOCK TABLE indexes IN SHARE ROW EXCLUSIVE MODE",
                        error))
        return false;
    snprintf(sql, sizeof(sql),
             "UPDATE sessions SET seen = now() WHERE instance = 0 AND token = %" PRIu64, t->token);
    result = connection_wait(pg, PQsendQuery(pg, sql), error);
    found = PQresultStatus(result) == PGRES_COMMAND_OK;
    if (found)
        *done = strcmp(PQcmdTuples(result), "1") == 0;
    else if (result != NULL)
        connection_note(error, PQerrorMessage(pg));
    PQclear(result);
    if (!found || !connection_run(pg, "COMMIT", error))
        return false;
    if (t->is_warned)
        connection_note(error, "no standby confirms changes");
    return !t->is_warned;
}

static int find_out(struct build_transaction *t, char error[256])
{
    uint64_t until = uv_hrtime() / 1000000 + READ_MS;
    bool is_known = false;
    bool done = false;

    log_warn(
        "the last answer of the database hasn't come (%s): looking whether it has the new keys",
        error);
    PQfinish(t->pg);
    t->pg = NULL;
    for (;;) {
        PGconn *pg = connection_make(t->engine, false, 0, error);

        is_known = pg != NULL && read_back(t, pg, &done, error);
        PQfinish(pg);
        if (is_known || uv_hrtime() / 1000000 > until)
            break;
        uv_sleep(500);
    }
    if (is_known)
        return done ? 0 : build_failed("it has undone all of it");
    log_error("the database holds either the new keys, all of them, or what it held before, and it "
              "isn't known which (%s): look with mkv dump",
              error);
    return STORE_AWAY;
}

int transaction_commit(struct build_transaction *t)
{
    char error[256] = "no standby confirms changes";
    PGresult *result;
    bool done;
    bool is_known;

    t->is_warned = false;
    PQsetNoticeReceiver(t->pg, connection_notice_cb, &t->is_warned);
    result = connection_wait_for(t->pg, PQsendQuery(t->pg, "COMMIT"), COMMIT_MS, error);
    done = PQresultStatus(result) == PGRES_COMMAND_OK && strcmp(PQcmdStatus(result), "COMMIT") == 0;
    is_known = result != NULL && !t->is_warned && (done || !connection_is_last_word(result));
    if (!done && result != NULL)
        connection_note(error, PQerrorMessage(t->pg));
    PQclear(result);
    if (!is_known)
        return find_out(t, error);
    return done ? 0 : build_failed(error);
}
