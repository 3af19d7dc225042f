/* What the files of the engine share. */
#ifndef MKV_POSTGRES_INTERNAL_H
#define MKV_POSTGRES_INTERNAL_H

#include <assert.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "index/store/names.h"
#include "index/store/postgres/arrays.h"
#include "index/store/postgres/connection.h"
#include "index/store/postgres/postgres_engine.h"

#define READERS      3
#define ANNOUNCERS   1
#define COMMITTERS   3
#define CONNECTIONS  (READERS + ANNOUNCERS + COMMITTERS)
#define NUMBERS      256 /* of indexes on one database */
#define LEASE_MS     10000
#define RENEW_MS     3000
#define LEASE_MARGIN 1500  /* ms that an index stops before others may think it dead */
#define PATIENCE_MS  10000 /* that what can't be sent waits */
#define SILENCE_MS   15000 /* that a statement may take before its connection counts as lost */
#define SHARE_MIN    16
#define WAITING_MAX  65536 /* readings, and changes: more are refused */

/* Of a row of `indexes`: LEASE_MS, by the database's clock. */
#define LIVES "renewed > now() - interval '10 seconds'"

enum statement_number {
    STATEMENT_GET,
    STATEMENT_GET_ORPHAN,
    STATEMENT_VIEW,
    STATEMENT_LIST,
    STATEMENT_LIST_TO,
    STATEMENT_LIST_ORPHANS,
    STATEMENT_LIST_ORPHANS_OF,
    STATEMENT_LIST_MINE,
    STATEMENT_NAMES,
    STATEMENT_ANNOUNCE,
    STATEMENT_CHANGE /* the first of those of commit_sql.c */
};

/* What is read, in queues of one statement each. */
enum request_kind {
    REQUEST_GET,
    REQUEST_GET_ORPHAN,
    REQUEST_VIEW,
    REQUEST_LIST,
    REQUEST_LIST_ORPHANS,
    REQUEST_NAME, /* this and the next are the thread's, and in no queue */
    REQUEST_NOTE,
    REQUEST_KINDS
};

struct store_request {
    enum request_kind kind;
    struct postgres_engine *engine;
    struct store_reading *reading; /* NULL: nobody waits any more */
    const void *key;               /* borrowed, of one key; or the listing's own */
    size_t len;
    uint64_t generation;
    uint64_t until; /* loop time at which it is given up */
    int row;        /* of the result: its own, negative where there is none; the listing's next */
    bool is_named;  /* as struct rows has it */
    union {
        store_got_cb got;
        store_got_orphan_cb got_orphan;
        store_viewed_cb viewed;
        store_listed_cb listed;
        store_identified_cb identified;
        store_put_note_cb noted;
    } done;
    TAILQ_ENTRY(store_request) link;
    struct listing *listing; /* of a listing alone */
};

TAILQ_HEAD(request_queue, store_request);

/* A reader and what it was asked. */
struct reader_state {
    struct connection *connection;
    enum request_kind kind;
    struct request_queue asked; /* in the order of the arrays */
    struct array keys;
    struct array generations;
    struct parameters parameters;
    char numbers[4][8];
    PGresult *result; /* of what was asked; NULL unless that is being given out */
};

struct batch;   /* batch.h */
struct pending; /* pending.h */
STAILQ_HEAD(pending_queue, pending);

/* Commits that wait for a batch. */
struct backlog {
    struct pending_queue queue;
    unsigned n;
};

/* The lease, as the loop knows it. */
struct lease {
    uint64_t instance; /* what orphans are marked with */
    unsigned number;
    uint64_t valid_until; /* CLOCK_BOOTTIME, ms */
    uint64_t leads_until; /* likewise; 0: another index leads */
    uint64_t last_generation;
};

struct counts {
    int64_t keys;
    int64_t unlinked;
    int64_t orphans;
};

/* What a renewal has read; NULL: nothing. */
struct notes {
    PGresult *rows;   /* (name, value) of each note, by name */
    PGresult *living; /* (instance) of each index that lives */
};

struct postgres_engine {
    struct store base;
    uv_loop_t *loop;
    char *uri;
    char *name;
    struct postgres_engine_options options;
    struct control control;     /* leases and names of volumes: jobs that share `pg` */
    struct control connector;   /* connects: each attempt may take seconds, which a lease hasn't */
    atomic_uint host;           /* of the URI's, the one that answered last */
    atomic_bool lacks_password; /* that a server has asked for */
    PGconn *pg;                 /* the thread's own; NULL: it is to connect */
    struct connection connections[CONNECTIONS]; /* readers, announcers, committers */
    struct reader_state readers[READERS];
    struct request_queue waiting[REQUEST_KINDS];
    unsigned n_waiting;
    struct batch *batches[ANNOUNCERS + COMMITTERS]; /* of the connections after the readers */
    struct backlog commits;
    struct backlog announcements;
    unsigned n_pending;
    uv_prepare_t prepare; /* sends what has gathered at the end of a turn */
    uv_timer_t tick;
    struct names volumes;
    uv_mutex_t volumes_mutex; /* of them, between the loop and the threads */
    struct lease lease;
    struct lease thread_lease;           /* the same, as the thread knows it */
    struct counts sessions[CONNECTIONS]; /* ours: what they have added, */
    uint64_t counted_as[CONNECTIONS];    /* each as a session of that instance */
    struct counts others;                /* what all sessions of other instances have than */
    uint64_t others_than;                /* this one, as of the last renewal */
    unsigned indexes;
    uint64_t table_bytes;
    bool is_away;        /* and that was logged */
    uint64_t away_at;    /* loop time since which it is */
    char trouble[256];   /* why a connection was lost, or not made, the last time */
    uint64_t changed_at; /* loop time at which changes could be made, the last time, */
    uint64_t checked_at; /* and at which that was looked at */
    uint64_t failed_at;  /* loop time at which a change was refused, the last time */
    struct store_stats stats;
    struct renewal *renewal; /* lease.c */
    struct upkeep *upkeep;   /* upkeep.c */
    bool is_closing;
    bool is_aborted;       /* nothing waits for the database any more */
    atomic_bool is_ending; /* no connection is wanted any more: for the connector */
    struct notes notes;    /* as of the last renewal, or what was put since */
    unsigned n_errands;    /* of the thread beside renewals: names of volumes, and notes */
    uint64_t renew_at;     /* loop time of the next renewal */
    bool control_runs;
    bool is_released; /* the lease, in closing */
    unsigned n_handles;
    store_close_cb close_cb;
    void *close_arg;
};

static inline struct postgres_engine *postgres_of(const struct store *store)
{
    return (struct postgres_engine *)store;
}

/* engine.c */
extern const struct store_engine postgres_engine_calls;
/* Has what waits sent at the end of the loop's turn. */
void postgres_send_soon(struct postgres_engine *e);
/* The same, and once more a few ms later: something may have to wait for that. */
void postgres_try_again_soon(struct postgres_engine *e);
/* How many of what waits a connection should take, where so many can take some: each as many, so
 * that the database works at all at once, but not less than what pays for a statement. */
static inline unsigned postgres_share(unsigned n_waiting, unsigned n_idle)
{
    unsigned share = n_idle > 1 ? (n_waiting + n_idle - 1) / n_idle : n_waiting;

    return share > SHARE_MIN ? share : SHARE_MIN;
}

/* The database can be reached, or not: logs a change. */
void postgres_note_away(struct postgres_engine *e, const char *why);
void postgres_note_here(struct postgres_engine *e);
void postgres_close_if_idle(struct postgres_engine *e);
/* The connection is a session, perhaps of another instance than before. */
void postgres_take_session(struct postgres_engine *e, const struct connection *c);
/* CLOCK_BOOTTIME in ms: it counts what a machine sleeps. */
uint64_t postgres_boot_ms(void);

/* reads.c */
int reads_get(struct store *store, struct store_reading *reading, const void *key, size_t len,
              struct record *record, store_got_cb done);
int reads_get_orphan(struct store *store, struct store_reading *reading, const void *key,
                     size_t len, uint64_t generation, struct orphan *orphan,
                     store_got_orphan_cb done);
int reads_view(struct store *store, struct store_reading *reading, const void *key, size_t len,
               struct store_view *view, store_viewed_cb done);
void reads_cancel(struct store *store, struct store_reading *reading);
/* Makes a request that waits; NULL when there is no memory, or no room for more. */
struct store_request *reads_add(struct postgres_engine *e, enum request_kind kind,
                                struct store_reading *reading);
void request_free(struct store_request *q);
/* Ends it with an error, unless nobody waits. */
void request_fail(struct store_request *q, int rc);
/* Sends what waits on readers that are idle. */
void reads_send(struct postgres_engine *e);
/* Ends those that have waited for too long; all of them with `all`. */
void reads_give_up(struct postgres_engine *e, bool all);
/* Whether none waits or is in flight. */
bool reads_are_idle(const struct postgres_engine *e);

/* rows.c */
struct rows {
    const struct postgres_engine *engine;
    const PGresult *result;
    bool is_named; /* the volumes' names were read after the result */
};
/* The value of a row's column, in binary; NULL where it is NULL. */
const char *rows_value(const PGresult *result, int row, int column, size_t *n);
/* The same of an int8; 0 where it is NULL. */
uint64_t rows_number(const PGresult *result, int row, int column);
/* Decode a key's columns, of a record with its generation in the next one. 0; UV_ENOENT: it is
 * NULL; UV_EIO, and a line in the log; or STORE_LATER: names of volumes are to be read first. */
int rows_record(const struct rows *rows, int row, int column, const void *key, size_t len,
                struct record *record);
int rows_orphan(const struct rows *rows, int row, int column, const void *key, size_t len,
                struct orphan *orphan);
/* The same of VIEW_COLUMNS. 0 also of a key that has no record. */
int rows_view(const struct rows *rows, int row, int column, const void *key, size_t len,
              struct store_view *view);
/* What a key has, by u.key of u, whose keys are the array KEYS. */
#define VIEW_COLUMNS                                                                               \
    "k.rec, k.gen, o.orphan, (SELECT max(x.time) FROM orphans x WHERE x.key = u.key "              \
    "AND x.gen >= coalesce(k.gen, 0)) AS latest"
#define VIEW_TABLES(KEYS)                                                                          \
    "LEFT JOIN keys k ON k.key = ANY(" KEYS ") AND k.key = u.key "                                 \
    "LEFT JOIN orphans o ON o.key = ANY(" KEYS ") AND o.key = u.key AND o.gen = k.gen"

/* lists.c */
int lists_list(struct store *store, struct store_reading *reading, const struct store_range *range,
               store_list_cb each, void *arg, store_listed_cb done);
int lists_list_orphans(struct store *store, struct store_reading *reading,
                       const struct store_orphan_range *range, store_orphan_cb each, void *arg,
                       store_listed_cb done);
void listing_free(struct listing *listing);
const struct statement *listing_statement(struct store_request *q, struct reader_state *r);
enum listing_state {
    LISTING_IS_OVER,
    LISTING_GOES_ON,   /* with the next page, which it waits for */
    LISTING_IS_UNNAMED /* before q->row, whose names of volumes are to be read */
};
/* Gives out a page, from q->row on. */
enum listing_state listing_take(struct store_request *q, const PGresult *result);

/* commits.c */
int commits_init(struct postgres_engine *e);
void commits_deinit(struct postgres_engine *e);
int commits_commit(struct store *store, struct store_commit *commit,
                   const struct store_change *changes, size_t n, store_commit_cb done);
int commits_announce(struct store *store, struct store_commit *commit,
                     const struct store_change *change, store_commit_cb done);
void commits_send(struct postgres_engine *e);
void commits_give_up(struct postgres_engine *e, bool all);
bool commits_are_idle(const struct postgres_engine *e);
/* The session of a connection was fenced: what was unknown of its batch is known. */
void commits_fenced(struct postgres_engine *e, struct connection *c);

/* lease.c */
/* In the thread, which blocks for up to so many ms: with numbers as parameters, and perhaps a text
 * as the last one. NULL, and a line in `error`. */
PGresult *lease_ask(PGconn *pg, const char *sql, const uint64_t *numbers, int n, const char *text,
                    unsigned ms, char error[256]);
/* Of its result's first row. */
int64_t lease_number(const PGresult *result, int column);
/* Blocks: takes a number and a lease by this connection, and reads what there is. */
int lease_take(struct postgres_engine *e, PGconn *pg, struct lease *lease, char error[256]);
int lease_start(struct postgres_engine *e);
/* Begins a renewal unless one runs. */
void lease_renew(struct postgres_engine *e);
bool lease_is_running(const struct postgres_engine *e);
/* Gives it back, with one more renewal. */
void lease_release(struct postgres_engine *e);
bool lease_holds(const struct postgres_engine *e);
/* In the thread: makes a session's row its connection's own, so that nothing that was sent before
 * can be carried out any more, and finds what became of a batch whose end isn't known. 0 or
 * negative, and c->error. */
int lease_fence(struct connection *c, PGconn *pg);

/* upkeep.c */
int upkeep_init(struct postgres_engine *e);
/* Begins it unless it runs. */
void upkeep_run(struct postgres_engine *e);
bool upkeep_is_running(const struct postgres_engine *e);
/* In the thread: makes those sessions one row; `which` may name this instance as $1. 0 or negative,
 * and a line in `error`. */
int upkeep_fold(const struct postgres_engine *e, PGconn *pg, const char *which, char error[256]);

/* schema.c */
/* Blocks: makes the schema where there is none, else checks it. 0, or negative and a line in
 * `error`. */
int schema_prepare(const struct postgres_engine_options *options, PGconn *pg, char error[256]);
/* The same for who doesn't know how its indexes are to run: the first of them will say so. */
int schema_make(PGconn *pg, char error[256]);

/* volumes.c */
int volumes_id(struct store *store, struct store_reading *reading, const char *name, uint32_t *id,
               store_identified_cb done);
/* Takes up names from a result of (id, name), in order. */
int volumes_take(struct postgres_engine *e, const PGresult *result);
/* Blocks: reads all names. */
int volumes_load(struct postgres_engine *e, PGconn *pg, char error[256]);
extern const struct statement volumes_statement;
/* In the thread: as connection_make(), of a database that has all volumes by the ids that this
 * index knows; else NULL, and after a line in the log where that can't be mended. */
PGconn *volumes_connect(struct postgres_engine *e, bool is_lazy, char error[256]);

/* notes.c */
int notes_get(const struct store *store, const char *name, struct buf *value);
int notes_put(struct store *store, struct store_reading *reading, const struct store_note *note,
              store_put_note_cb done);
bool notes_lives(const struct store *store, uint64_t instance);
/* Blocks: reads all notes, and then who lives. An owner that a note names has lived before. 0, or
 * STORE_AWAY and a line in `error`. */
int notes_read(PGconn *pg, struct notes *notes, char error[256]);
/* Takes what was read, and tells who wants to hear of a change. */
void notes_take(struct postgres_engine *e, struct notes *read);
void notes_deinit(struct notes *notes);

#endif
