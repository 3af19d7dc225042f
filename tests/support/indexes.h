/* Several stores on one PostgreSQL database, as several indexes would have them, on one loop; and a
 * load of PUTs whose fates are compared with what the tables say in the end. What can't fail in a
 * sane test ends the program with a line on stderr. */
#ifndef MKV_TESTS_SUPPORT_INDEXES_H
#define MKV_TESTS_SUPPORT_INDEXES_H

#include <stdbool.h>
#include <stdint.h>

#include "index/store/store.h"
#include "tests/support/postgres.h"
#include "tests/support/rng.h"

#define INDEXES_MAX      3
#define INDEXES_PATIENCE 100 /* seconds that anything may take */

struct indexes {
    uv_loop_t loop;
    char uri[POSTGRES_URI_MAX]; /* of the database itself */
    const char *via;            /* NULL, or the URI that the stores take in its place */
    uint64_t grace_ms;          /* of the stores that are opened from now on */
    struct store *stores[INDEXES_MAX];
    uint32_t volume;
    uint64_t generation; /* the last one that was made */
};

/* An empty database of that server, and no store yet. */
void indexes_init(struct indexes *x, struct postgres_server *server);
/* Closes what is open. */
void indexes_deinit(struct indexes *x);

void indexes_open(struct indexes *x, unsigned number);
void indexes_close(struct indexes *x, unsigned number);
/* Two stores on an empty database, good until the next call; closed by indexes_deinit(). */
struct indexes *indexes_open_two(struct postgres_server *server);

/* Runs the loop until the condition holds, or ends the program after INDEXES_PATIENCE. */
#define INDEXES_WAIT(x, condition)                                                                 \
    do {                                                                                           \
        uint64_t until_ = uv_hrtime() + INDEXES_PATIENCE * 1000000000ULL;                          \
        while (!(condition)) {                                                                     \
            STOREBOX_CHECK(uv_hrtime() < until_, "it takes too long");                             \
            indexes_turn(x);                                                                       \
        }                                                                                          \
    } while (0)
void indexes_turn(struct indexes *x);

/* The first column of the first row, as a number. */
long indexes_ask(struct indexes *x, const char *sql);

/* Ends all sessions of stores at the database, at once. */
void indexes_kill_sessions(struct indexes *x);

/* A generation that no other is equal to; and what has it. */
uint64_t indexes_generation(struct indexes *x);
struct record indexes_record(const struct indexes *x, uint64_t generation);
struct orphan indexes_orphan(const struct indexes *x, uint64_t generation);

/* A commit on its way. */
struct attempt {
    struct store_commit commit;
    bool ended;
    int rc;
};

void indexes_begin(struct indexes *x, unsigned number, struct attempt *attempt,
                   const struct store_change *changes, size_t n);
int indexes_end(struct indexes *x, struct attempt *attempt);
int indexes_commit(struct indexes *x, unsigned number, const struct store_change *changes,
                   size_t n);
int indexes_announce(struct indexes *x, unsigned number, const struct store_change *change);

/* The generation of a key's record, 0 without one; waits. Negative: the reading failed. */
int64_t indexes_get(struct indexes *x, unsigned number, const char *key);

/* A PUT: announces an orphan of `generation`; what its commit changes (three at most, and how many
 * is returned): the key's record of generation `was` (0: there is none) becomes that of
 * `generation`, whose orphan goes, and the blob of `was` becomes an orphan. The changes point into
 * `values`. */
struct put_values {
    struct record is;
    struct record was;
    struct orphan orphan;
};
struct store_change indexes_announcement(struct put_values *values, const struct indexes *x,
                                         const char *key, uint64_t generation);
size_t indexes_put(struct put_values *values, const struct indexes *x, const char *key,
                   uint64_t was, uint64_t generation, struct store_change changes[3]);

/* --- The load -------------------------------------------------------------------------------- */

struct fate; /* of a PUT */

struct load {
    struct indexes *x;
    struct rng rng;
    unsigned n_indexes;
    unsigned n_keys;
    unsigned in_flight;
    unsigned idle; /* PUTs that no index took, which begin a little later */
    uv_timer_t again;
    bool ends;          /* no new PUT is to begin */
    bool may_forget;    /* the server crashed: announcements may be lost before their commits */
    unsigned done;      /* PUTs that made their change, */
    unsigned conflicts; /* that met something else, */
    unsigned away;      /* and that failed otherwise */
    uint64_t *latest;   /* of each key: the generation that it is thought to have */
    struct fate *fates;
    size_t n_fates;
    size_t room;
};

/* Begins PUTs, `in_flight` at a time, by so many indexes on so many keys. */
void load_start(struct load *load, struct indexes *x, unsigned n_indexes, unsigned n_keys,
                unsigned in_flight);
/* Waits for the ends of all of them. */
void load_end(struct load *load);
/* Each PUT has made its change if it said so, and else none: the changes of a key are a chain from
 * nothing to what it has now, the orphans are those that they leave, and the counts are right.
 * Asks index 0. */
void load_check(struct load *load);
void load_deinit(struct load *load);

#endif
