/* The transaction in which a table is made in one go (build.h). Calls block; those that return an
 * int give 0, or a negative UV_E* after a log line. No statement waits for longer than it is given.
 *
 * transaction_make_tables() makes keys_new and orphans_new, which nobody else sees; who reads the
 * old ones isn't held up. transaction_swap() puts them in the old ones' place, for which readers
 * wait a moment.
 *
 * Whatever happens before the COMMIT is sent, kill -9 included, leaves the database alone: the
 * tables go with the transaction. Where the COMMIT has no answer, another connection waits for the
 * transaction's end, and sees by the token that it leaves how it has ended. */
#ifndef MKV_POSTGRES_BUILD_TRANSACTION_H
#define MKV_POSTGRES_BUILD_TRANSACTION_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#define TRANSACTION_WAIT_MS 60000 /* for a statement, or until the database takes more bytes */

struct postgres_engine;

/* Zeroed at first. */
struct build_transaction {
    struct postgres_engine *engine; /* says how to connect */
    PGconn *pg;
    uint64_t token; /* that it is to leave in `sessions`, of instance 0 */
    bool is_warned; /* by the database */
};

/* Connects, makes the schema where there is none, and locks out who would change anything. */
int transaction_begin(struct build_transaction *t, const char *uri);
int transaction_make_tables(struct build_transaction *t);
int transaction_swap(struct build_transaction *t);
int transaction_commit(struct build_transaction *t);

/* Undoes what isn't committed. */
void transaction_deinit(struct build_transaction *t);

/* The result of what was sent by a PQsend...() that returned `sent`; NULL after a log line. */
PGresult *transaction_result(struct build_transaction *t, int sent, ExecStatusType wanted);
int transaction_run(struct build_transaction *t, const char *sql, ExecStatusType wanted);
/* The first column of the first row, or "" where there is none. */
int transaction_ask(struct build_transaction *t, const char *sql, char *value, size_t size);

/* Logs why: what libpq says, or this. STORE_AWAY. */
int transaction_failed(const struct build_transaction *t);
int build_failed(const char *error);

#endif
