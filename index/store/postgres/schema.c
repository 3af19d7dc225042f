/* The tables, and what a database must be to be fit for them. */
#include <stdlib.h>
#include <string.h>

#include "index/base/log.h"
#include "index/store/postgres/internal.h"

#define VERSION "1"
#define TRIES   10 /* two indexes that make the schema at once may trip over each other */

/* Numbers come first, so that no row has bytes between that only align them. keys.gen is the
 * record's generation, so that its orphan is found in one look. orphans.time is the
 * blob's, 0 where it doesn't count (blob_time_counts()). orphans.held: ms since 1970, by the
 * database's clock, before which its owner leaves it alone; negative where that has taken it over,
 * and announced nothing of it since.
 *
 * Each owner is greater than 0, so that orphans_owner has all orphans. PostgreSQL uses it only for
 * a statement that repeats its condition. One that looks for keys doesn't: if it was planned while
 * the table was small, it might else use this index, and read all of it. */
static const char tables[] =
    "CREATE SCHEMA IF NOT EXISTS mkv;"
    "CREATE TABLE IF NOT EXISTS mkv.settings (name text PRIMARY KEY, value text NOT NULL);"
    "CREATE TABLE IF NOT EXISTS mkv.keys ("
    "  gen int8 NOT NULL, key bytea PRIMARY KEY, rec bytea NOT NULL);"
    "CREATE TABLE IF NOT EXISTS mkv.orphans ("
    "  gen int8 NOT NULL, owner int8 NOT NULL, time int8 NOT NULL, held int8 NOT NULL DEFAULT 0,"
    "  key bytea NOT NULL, orphan bytea NOT NULL, PRIMARY KEY (key, gen));"
    "CREATE INDEX IF NOT EXISTS orphans_owner ON mkv.orphans (owner, key, gen) WHERE owner > 0;"
    "CREATE TABLE IF NOT EXISTS mkv.volumes (id int8 PRIMARY KEY, name text NOT NULL UNIQUE);"
    "CREATE TABLE IF NOT EXISTS mkv.indexes ("
    "  number int8 PRIMARY KEY, instance int8 NOT NULL UNIQUE, name text NOT NULL,"
    "  renewed timestamptz NOT NULL, last_generation int8 NOT NULL);"
    "CREATE TABLE IF NOT EXISTS mkv.leader ("
    "  one int8 PRIMARY KEY, instance int8 NOT NULL, until timestamptz NOT NULL);"
    "CREATE TABLE IF NOT EXISTS mkv.sessions ("
    "  instance int8 NOT NULL, idx int8 NOT NULL, token int8 NOT NULL, keys int8 NOT NULL,"
    "  unlinked int8 NOT NULL, orphans int8 NOT NULL, seen timestamptz NOT NULL,"
    "  PRIMARY KEY (instance, idx));"
    "CREATE TABLE IF NOT EXISTS mkv.notes (name text PRIMARY KEY, value bytea NOT NULL);";

/* Where the database knows of it. Orphans come and go with each PUT, and sessions change with each
 * batch: what is dead of them is to go soon. */
static const char *const storage[] = {
    "ALTER TABLE mkv.keys SET (autovacuum_vacuum_scale_factor = 0.02, "
    "autovacuum_vacuum_cost_delay = 0)",
    "ALTER TABLE mkv.orphans SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, "
    "autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0)",
    "ALTER TABLE mkv.sessions SET (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, "
    "autovacuum_vacuum_threshold = 5000)",
};

/* The first column of the only row; false where there is none. */
static bool ask(PGconn *pg, const char *sql, char *value, size_t size)
{
    char ignored[256];
    PGresult *result = connection_wait(pg, PQsendQuery(pg, sql), ignored);
    bool found = PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1;

    if (found)
        snprintf(value, size, "%s", PQgetvalue(result, 0, 0));
    PQclear(result);
    return found;
}

static int check_durable(PGconn *pg, char error[256])
{
    static const char *const wanted[] = {"fsync", "full_page_writes"};

    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        char sql[64];
        char value[32];

        snprintf(sql, sizeof(sql), "SHOW %s", wanted[i]);
        if (!ask(pg, sql, value, sizeof(value)) || strcmp(value, "off") != 0)
            continue;
        snprintf(error, 256, "it has %s = off, and would lose what is acknowledged: turn it on",
                 wanted[i]);
        return UV_ENOTSUP;
    }
    return 0;
}

static int has_no_settings(PGconn *pg, char error[256])
{
    char found[8];

    if (ask(pg, "SELECT 1 FROM pg_namespace WHERE nspname = 'mkv'", found, sizeof(found)))
        snprintf(error, 256, "it has no mkv.settings: another program made its schema mkv");
    else
        snprintf(error, 256, "it has no tables of mkv yet: an index makes them, or a restore");
    return UV_ENOTSUP;
}

static int check_setting(PGconn *pg, const char *name, const char *wanted, char error[256])
{
    char sql[128];
    char value[64];

    snprintf(sql, sizeof(sql), "SELECT value FROM mkv.settings WHERE name = '%s'", name);
    if (!ask(pg, sql, value, sizeof(value)))
        return has_no_settings(pg, error);
    if (strcmp(value, wanted) == 0)
        return 0;
    if (strcmp(name, "version") == 0)
        snprintf(error, 256, "its schema mkv is of version %s, and this mkv knows %s", value,
                 wanted);
    else
        snprintf(error, 256,
                 "its indexes run with %s = %s, and this one is to run with %s: all must be alike",
                 name, value, wanted);
    return UV_ENOTSUP;
}

struct setting {
    const char *name;
    char value[24];
};

static size_t list_settings(const struct postgres_shared *shared, struct setting list[5])
{
    const struct {
        const char *name;
        unsigned value;
    } all[] = {{"replicas", shared->copies},
               {"subvolumes", shared->subvolumes},
               {"protect", shared->protect},
               {"md5", shared->md5}};

    list[0] = (struct setting){"version", VERSION};
    for (size_t i = 0; i < 4; i++) {
        list[i + 1].name = all[i].name;
        snprintf(list[i + 1].value, sizeof(list[i + 1].value), "%u", all[i].value);
    }
    return 5;
}

static bool make_settings(PGconn *pg, const struct setting *list, size_t n, char error[256])
{
    for (size_t i = 0; i < n; i++) {
        char sql[160];

        snprintf(sql, sizeof(sql),
                 "INSERT INTO mkv.settings VALUES ('%s', '%s') ON CONFLICT DO NOTHING",
                 list[i].name, list[i].value);
        if (!connection_run(pg, sql, error))
            return false;
    }
    return true;
}

/* Without a right to create anything, what somebody else has made will do. The last table is there
 * when all are. */
static bool exists(PGconn *pg)
{
    char value[24];

    return ask(pg, "SELECT count(*) FROM mkv.notes WHERE name = ''", value, sizeof(value)) &&
           ask(pg, "SELECT value FROM mkv.settings WHERE name = 'md5'", value, sizeof(value));
}

static int make(PGconn *pg, const struct setting *list, size_t n, char error[256])
{
    if (exists(pg))
        return 0;
    for (unsigned i = 0; i < TRIES; i++) {
        if (connection_run(pg, tables, error) && make_settings(pg, list, n, error)) {
            for (size_t k = 0; k < sizeof(storage) / sizeof(storage[0]); k++) {
                char ignored[256];

                connection_run(pg, storage[k], ignored);
            }
            return 0;
        }
        if (PQstatus(pg) != CONNECTION_OK)
            break;
        uv_sleep(50);
    }
    return STORE_AWAY;
}

int schema_make(PGconn *pg, char error[256])
{
    const struct setting version = {"version", VERSION};
    int rc = check_durable(pg, error);

    if (rc == 0)
        rc = make(pg, &version, 1, error);
    return rc < 0 ? rc : check_setting(pg, "version", VERSION, error);
}

int schema_prepare(const struct postgres_engine_options *options, PGconn *pg, char error[256])
{
    struct setting list[5];
    size_t n = list_settings(&options->shared, list);
    int rc = check_durable(pg, error);

    if (rc == 0 && !options->only_reads)
        rc = make(pg, list, n, error);
    if (rc == 0)
        rc = check_setting(pg, "version", VERSION, error);
    for (size_t i = 1; i < n && rc == 0 && !options->only_reads; i++)
        rc = check_setting(pg, list[i].name, list[i].value, error);
    return rc;
}
