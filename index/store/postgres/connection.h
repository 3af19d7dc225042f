/* One connection to the database, with one statement in flight. It connects in a thread,
 * and again, with backoff, when it is lost.
 *
 *     DOWN ──▶ CONNECTING (the thread) ──▶ IDLE ◀──▶ BUSY (the database)
 *      ▲            │                       │          │
 *      └────────────┴───────────────────────┴──────────┘  lost
 */
#ifndef MKV_POSTGRES_CONNECTION_H
#define MKV_POSTGRES_CONNECTION_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "index/store/postgres/control.h"

#define PARAMETERS_MAX 64
#define STATEMENTS_MAX 16416 /* that a connection can have prepared */

struct postgres_engine;
struct connection;

enum connection_state { CONNECTION_DOWN, CONNECTION_CONNECTING, CONNECTION_IDLE, CONNECTION_BUSY };

/* A statement that is prepared when a connection first sends it. */
struct statement {
    unsigned number; /* below STATEMENTS_MAX: no two have the same */
    const char *sql; /* parameters are cast, so that their types are known */
};

/* Parameters in binary form, borrowed until the result is there. */
struct parameters {
    int n;
    const char *values[PARAMETERS_MAX];
    int lengths[PARAMETERS_MAX];
};

/* How a statement has ended, once, from the loop. NULL: the connection was lost, and nobody knows.
 * The result is the callee's to clear. The connection is IDLE or DOWN already. */
typedef void (*connection_result_cb)(struct connection *c, PGresult *result);

struct connection {
    struct postgres_engine *engine;
    unsigned number; /* among the engine's */
    bool is_session; /* it changes something (README.md) */
    bool is_lazy;    /* its statements needn't be on disk when they end */
    enum connection_state state;
    PGconn *pg;
    uv_poll_t *poll; /* NULL unless IDLE or BUSY */
    int events;
    connection_result_cb done;
    PGresult *result;
    const struct statement *statement; /* that is being sent */
    const struct parameters *parameters;
    bool is_preparing;
    bool is_warned;   /* the statement has come with a warning */
    uint64_t sent_at; /* loop time */
    unsigned backoff; /* ms */
    uv_timer_t again;
    unsigned char prepared[STATEMENTS_MAX / 8];
    struct control_job job;
    PGconn *made; /* by the thread */
    /* Of a session: what the thread writes while it connects, and the loop else. */
    uint64_t instance; /* whose it is, */
    uint64_t wanted;   /* and whose it is to be, as of the attempt's beginning */
    uint64_t token;    /* of the last statement that is known to have been carried out */
    bool is_unknown;   /* nobody knows yet whether the statement of this token was: */
    uint64_t unknown_token;
    uint64_t unknown_instance; /* as whose it was sent */
    bool is_found_out;         /* the thread knows, and isn't to ask again: its token is gone */
    bool was_done;             /* it was; once it is known */
    int64_t counts[3];         /* what the session has added: keys, unlinked keys, orphans */
    char error[256];           /* of the thread's attempt */
    bool is_closing;
};

void connection_init(struct connection *c, struct postgres_engine *engine);

/* Connects, now. */
void connection_start(struct connection *c);

/* Sends a statement on an IDLE connection. 0, and `done` will fire; or negative, and the connection
 * is lost (of which nothing else is told). */
int connection_send(struct connection *c, const struct statement *statement,
                    const struct parameters *parameters, connection_result_cb done);

/* Gives up what a BUSY one does. */
void connection_lose(struct connection *c, const char *why);

/* Ends it; its timer is closed by the engine. A connecting one ends in the thread. */
void connection_close(struct connection *c);

/* Connects (connect.c), for the thread and the opening: it blocks. NULL and a text in `error`, or a
 * connection with the session's settings. `until`: the time, as uv_hrtime() has it but in ms, by
 * which it is to have ended; 0: as soon as each host had its time. A name that stands for several
 * addresses may take longer, and so may its lookup. */
PGconn *connection_make(struct postgres_engine *engine, bool is_lazy, uint64_t until,
                        char error[256]);

/* Whether another attempt may end by then, where the last one took so many ms. */
bool connection_has_time(uint64_t until, uint64_t took);

/* Waits for what was sent by a PQsend...() that returned `sent`. The last result, to be cleared; or
 * NULL, and a text in `error`, when the database is silent for as long as a statement may take: the
 * connection is good for nothing then but PQfinish(). */
PGresult *connection_wait(PGconn *pg, int sent, char error[256]);
/* The same of a statement that may take so many ms. */
PGresult *connection_wait_for(PGconn *pg, int sent, unsigned ms, char error[256]);

/* Runs statements without parameters. False, and a text in `error`, when one fails. */
bool connection_run(PGconn *pg, const char *sql, char error[256]);

/* A notice receiver: sets the bool that `arg` points to when there is a warning; NULL: none is. */
void connection_notice_cb(void *arg, const PGresult *result);

/* Whether a result is an error of this SQLSTATE, or of the class that its first letters are. */
bool connection_failed_with(const PGresult *result, const char *state);

/* What an error says. */
const char *connection_text_of(const PGresult *result);

/* Whether an error is the last that its connection says, or says nothing of what became of the
 * statement. */
bool connection_is_last_word(const PGresult *result);

/* Copies a message without its line's end. */
void connection_note(char error[256], const char *message);

#endif
