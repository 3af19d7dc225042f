/* Happy path: the transaction (build_transaction.h) takes the table of indexes, so that none can
 * begin or go on, and sees that none lives; keys and orphans are copied (COPY, in binary form) into
 * two new tables, which take the old ones' place; names of volumes, counts and the last generation
 * follow; it commits. */
#include "index/store/postgres/build.h"

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/generation.h"
#include "index/base/log.h"
#include "index/store/key_order.h"
#include "index/store/names.h"
#include "index/store/postgres/build_transaction.h"
#include "index/store/postgres/internal.h"

#define PIECE 65536 /* bytes that are given to libpq at once */
#define OWNER 1     /* of the orphans: no index, so that one that lives takes them over */

/* Where the COPY is. */
enum build_stage { BUILD_BEGUN, BUILD_KEYS, BUILD_ORPHANS, BUILD_COPIED };

struct postgres_build {
    struct build base;
    struct build_transaction transaction;
    enum build_stage stage;
    struct buf rows; /* that libpq hasn't got yet */
    struct names volumes;
    uint32_t n_named; /* of them, those that the database has */
    uint64_t n_keys;  /* without the unlinked ones */
    uint64_t n_unlinked;
    uint64_t n_orphans;
    uint64_t last_generation;
    struct key last; /* the last entry's, and its generation */
    uint64_t last_orphan;
};

static const struct build_engine postgres_build_calls;

static struct postgres_build *of(struct build *build)
{
    return (struct postgres_build *)build;
}

static int out_of_memory(void)
{
    log_error("cannot make a new index: out of memory");
    return UV_ENOMEM;
}

static void build_free(struct postgres_build *b)
{
    transaction_deinit(&b->transaction);
    buf_deinit(&b->rows);
    names_deinit(&b->volumes);
    free(b);
}

/* --- The start -------------------------------------------------------------------------------- */

static int check_alone(struct postgres_build *b)
{
    char name[256];
    int rc = transaction_ask(
        &b->transaction,
        "SELECT name FROM indexes WHERE renewed > now() - interval '10 seconds' LIMIT 1", name,
        sizeof(name));

    if (rc < 0 || name[0] == '\0')
        return rc;
    log_error("the index %s uses the database: stop it first; one that was killed counts for 10 "
              "seconds",
              name);
    return UV_EBUSY;
}

static int check_empty(struct postgres_build *b)
{
    char found[8];
    int rc = transaction_ask(
        &b->transaction,
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM keys) OR EXISTS (SELECT 1 FROM orphans)", found,
        sizeof(found));

    if (rc < 0 || found[0] == '\0')
        return rc;
    log_error("the database isn't empty: give another --store, or --replace to give up what it "
              "holds");
    return UV_EEXIST;
}

static int name_known(struct postgres_build *b)
{
    PGresult *result = transaction_result(
        &b->transaction, PQsendQuery(b->transaction.pg, "SELECT id, name FROM volumes ORDER BY id"),
        PGRES_TUPLES_OK);
    int rc = result != NULL ? 0 : STORE_AWAY;

    for (int i = 0; rc == 0 && i < PQntuples(result); i++) {
        if (strtoull(PQgetvalue(result, i, 0), NULL, 10) != b->volumes.count) {
            log_error("cannot make a new index in the database: its volumes' ids have gaps");
            rc = UV_EIO;
        } else if (names_add(&b->volumes, PQgetvalue(result, i, 1),
                             (size_t)PQgetlength(result, i, 1)) < 0) {
            rc = out_of_memory();
        }
    }
    b->n_named = b->volumes.count;
    PQclear(result);
    return rc;
}

static int begin(struct postgres_build *b, const char *uri, bool give_up)
{
    int rc = transaction_begin(&b->transaction, uri);

    if (rc == 0)
        rc = check_alone(b);
    if (rc == 0 && !give_up)
        rc = check_empty(b);
    if (rc == 0)
        rc = name_known(b);
    return rc < 0 ? rc : transaction_make_tables(&b->transaction);
}

int postgres_build_start(const char *uri, bool give_up, struct build **build)
{
    struct postgres_build *b = calloc(1, sizeof(*b));
    int rc;

    if (b == NULL)
        return out_of_memory();
    b->base.engine = &postgres_build_calls;
    rc = begin(b, uri, give_up);
    if (rc < 0) {
        build_free(b);
        return rc;
    }
    *build = &b->base;
    return 0;
}

/* --- Rows: https://www.postgresql.org/docs/15/sql-copy.html, "Binary Format" -------------------
 */

/* Until the kernel has all that was given to libpq. */
static int flush(struct postgres_build *b)
{
    uint64_t until = uv_hrtime() / 1000000 + TRANSACTION_WAIT_MS;
    int left;

    while ((left = PQflush(b->transaction.pg)) == 1) {
        struct pollfd fd = {.fd = PQsocket(b->transaction.pg), .events = POLLIN | POLLOUT};
        uint64_t now = uv_hrtime() / 1000000;

        if (now >= until)
            return build_failed("it doesn't answer");
        poll(&fd, 1, (int)(until - now));
        if ((fd.revents & POLLIN) && PQconsumeInput(b->transaction.pg) == 0)
            return transaction_failed(&b->transaction);
    }
    return left == 0 ? 0 : transaction_failed(&b->transaction);
}

static int send_rows(struct postgres_build *b)
{
    int rc = PQputCopyData(b->transaction.pg, buf_bytes(&b->rows), (int)buf_size(&b->rows));

    buf_clear(&b->rows);
    return rc == 1 ? flush(b) : transaction_failed(&b->transaction);
}

static int copy_begin(struct postgres_build *b, const char *sql)
{
    static const char header[19] = "PGCOPY\n\377\r\n"; /* its NUL, flags, no extension */
    int rc = transaction_run(&b->transaction, sql, PGRES_COPY_IN);

    PQsetnonblocking(b->transaction.pg, 1);
    if (rc == 0 && buf_append(&b->rows, header, sizeof(header)) < 0)
        return out_of_memory();
    return rc;
}

static int copy_end(struct postgres_build *b)
{
    PGresult *result;
    int rc = buf_append(&b->rows, "\377\377", 2) < 0 ? out_of_memory() : send_rows(b);

    if (rc == 0)
        rc = PQputCopyEnd(b->transaction.pg, NULL) == 1 ? flush(b)
                                                        : transaction_failed(&b->transaction);
    if (rc < 0)
        return rc;
    PQsetnonblocking(b->transaction.pg, 0);
    result = transaction_result(&b->transaction, 1, PGRES_COMMAND_OK);
    PQclear(result);
    return result != NULL ? 0 : STORE_AWAY;
}

/* Ends one COPY and begins the next, as far as `stage` is not there yet. */
static int advance(struct postgres_build *b, enum build_stage stage)
{
    static const char *const copies[] = {
        [BUILD_KEYS] = "COPY keys_new (key, gen, rec) FROM STDIN (FORMAT binary)",
        [BUILD_ORPHANS] =
            "COPY orphans_new (key, gen, owner, time, orphan) FROM STDIN (FORMAT binary)",
    };
    int rc = 0;

    while (b->stage != stage && rc == 0) {
        if (b->stage != BUILD_BEGUN)
            rc = copy_end(b);
        b->stage++;
        if (rc == 0 && b->stage != BUILD_COPIED)
            rc = copy_begin(b, copies[b->stage]);
    }
    return rc;
}

static int add_field(struct postgres_build *b, const void *bytes, size_t n)
{
    char size[4];
    int rc;

    store_be32(size, (uint32_t)n);
    rc = buf_append(&b->rows, size, sizeof(size));
    return rc < 0 ? rc : buf_append(&b->rows, bytes, n);
}

static int add_number(struct postgres_build *b, uint64_t number)
{
    char bytes[8];

    store_be64(bytes, number);
    return add_field(b, bytes, sizeof(bytes));
}

static int row_begin(struct postgres_build *b, char columns, const void *key, size_t len,
                     uint64_t generation)
{
    const char count[] = {0, columns};
    int rc = buf_append(&b->rows, count, sizeof(count));

    if (rc == 0)
        rc = add_field(b, key, len);
    return rc < 0 ? rc : add_number(b, generation);
}

static int row_end(struct postgres_build *b, int rc, uint64_t generation)
{
    if (rc < 0)
        return out_of_memory();
    if (generation > b->last_generation)
        b->last_generation = generation;
    return buf_size(&b->rows) < PIECE ? 0 : send_rows(b);
}

/* --- Entries ---------------------------------------------------------------------------------- */

/* Takes it for the last entry, if it follows, and brings the COPY there. */
static int follow(struct postgres_build *b, enum build_stage stage, const void *key, size_t len,
                  uint64_t generation)
{
    int order = b->stage < stage ? -1 : key_compare(b->last.bytes, b->last.len, key, len);

    if (order == 0 && stage == BUILD_ORPHANS)
        order = b->last_orphan < generation ? -1 : b->last_orphan > generation;
    if (b->stage > stage || order > 0)
        return UV_EINVAL;
    if (order == 0)
        return UV_EEXIST;
    if (generation > INT64_MAX) {
        log_error("cannot make a new index in the database: it takes no generation %" PRIx64,
                  generation);
        return UV_ERANGE;
    }
    memcpy(b->last.bytes, key, len);
    b->last.len = len;
    b->last_orphan = generation;
    return advance(b, stage);
}

static int add_key(struct build *build, const void *key, size_t len, const struct record *record)
{
    struct postgres_build *b = of(build);
    unsigned char value[RECORD_MAX];
    int rc = follow(b, BUILD_KEYS, key, len, record->generation);

    if (rc < 0)
        return rc;
    rc = row_begin(b, 3, key, len, record->generation);
    if (rc == 0)
        rc = add_field(b, value, record_encode_beside(record, value));
    if (record->flags & RECORD_UNLINKED)
        b->n_unlinked++;
    else
        b->n_keys++;
    return row_end(b, rc, record->generation);
}

static int add_orphan(struct build *build, const void *key, size_t len, uint64_t generation,
                      const struct orphan *orphan)
{
    struct postgres_build *b = of(build);
    unsigned char value[ORPHAN_MAX];
    uint64_t time = orphan_time(orphan, generation);
    int rc = follow(b, BUILD_ORPHANS, key, len, generation);

    if (rc < 0)
        return rc;
    rc = row_begin(b, 5, key, len, generation);
    if (rc == 0)
        rc = add_number(b, OWNER);
    if (rc == 0)
        rc = add_number(b, blob_time_counts(time) ? time : 0);
    if (rc == 0)
        rc = add_field(b, value, orphan_encode(orphan, value));
    b->n_orphans++;
    return row_end(b, rc, generation);
}

static int skip_orphan(struct build *build, const void *key, size_t len, uint64_t generation)
{
    return follow(of(build), BUILD_ORPHANS, key, len, generation);
}

static int volume_id(struct build *build, const char *name, uint32_t *id)
{
    int rc = names_id(&of(build)->volumes, name, id);

    return rc == UV_ENOMEM ? out_of_memory() : rc;
}

/* --- The end ---------------------------------------------------------------------------------- */

static int add_volume(struct postgres_build *b, uint32_t id)
{
    char number[16];
    const char *const values[] = {number, names_text(&b->volumes, id)};
    PGresult *result;

    snprintf(number, sizeof(number), "%" PRIu32, id);
    result = transaction_result(
        &b->transaction,
        PQsendQueryParams(b->transaction.pg,
                          "INSERT INTO volumes (id, name) VALUES ($1::int8, $2::text)", 2, NULL,
                          values, NULL, NULL, 0),
        PGRES_COMMAND_OK);
    PQclear(result);
    return result != NULL ? 0 : STORE_AWAY;
}

/* The last generation never becomes less, or a blob's name might be used twice. */
static int add_numbers(struct postgres_build *b)
{
    char sql[640];

    snprintf(sql, sizeof(sql),
             "DELETE FROM sessions; "
             "INSERT INTO sessions (instance, idx, token, keys, unlinked, orphans, seen) "
             "VALUES (0, 0, %" PRIu64 ", %" PRIu64 ", %" PRIu64 ", %" PRIu64 ", now()); "
             "INSERT INTO settings (name, value) VALUES ('generation', '%" PRIu64 "') "
             "ON CONFLICT (name) DO UPDATE SET "
             "value = greatest(settings.value::int8, excluded.value::int8)::text",
             b->transaction.token, b->n_keys, b->n_unlinked, b->n_orphans, b->last_generation);
    return transaction_run(&b->transaction, sql, PGRES_COMMAND_OK);
}

static int finish(struct build *build)
{
    struct postgres_build *b = of(build);
    int rc = advance(b, BUILD_COPIED);

    for (uint32_t id = b->n_named; id < b->volumes.count && rc == 0; id++)
        rc = add_volume(b, id);
    if (rc == 0)
        rc = transaction_swap(&b->transaction);
    if (rc == 0)
        rc = add_numbers(b);
    if (rc == 0)
        rc = transaction_commit(&b->transaction);
    build_free(b);
    return rc;
}

static void cancel(struct build *build)
{
    build_free(of(build));
}

static const struct build_engine postgres_build_calls = {.volume_id = volume_id,
                                                         .add_key = add_key,
                                                         .add_orphan = add_orphan,
                                                         .skip_orphan = skip_orphan,
                                                         .finish = finish,
                                                         .cancel = cancel};
