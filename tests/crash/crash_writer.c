/* Commits at random, as many at once as it may, and writes a note to stdout before each start and
 * in each callback; the harness reads them and kills this process.
 *
 *     crash_writer DIR UNIVERSE SEED VERSION CHECKPOINT_BYTES SYNC CHECKPOINTS STEP
 *
 * UNIVERSE and SEED are those of the keys and of what it does; VERSION the first that no record has
 * had; CHECKPOINTS after so many it closes the store and ends, 0: never; STEP the call of
 * store_step() at which it ends itself, 0: none (only where the store was built with steps). */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "index/base/log.h"
#include "tests/crash/universe.h"
#include "tests/support/rng.h"
#include "tests/support/storebox.h"

struct operation {
    struct store_commit commit;
    struct writer *writer;
    struct note note;
    struct record records[STORE_CHANGES_MAX]; /* of its changes */
};

struct writer {
    struct storebox box;
    struct rng rng;
    uint64_t version;
    uint64_t checkpoints; /* to make; 0: no end */
    unsigned in_flight;
    unsigned range_left; /* keys that are to be deleted one after the other, */
    unsigned range_at;   /* from this on */
    bool busy[UNIVERSE_KEYS];
    struct operation operations[UNIVERSE_IN_FLIGHT];
};

static void tell(const struct note *note)
{
    if (write(STDOUT_FILENO, note, sizeof(*note)) != sizeof(*note))
        _exit(3); /* the harness is gone */
}

#ifdef MKV_STORE_STEPS
#include "index/store/step.h"

static atomic_ullong step_calls;
static unsigned long long step_last;

/* From any thread. */
void store_step(const char *name)
{
    struct note note = {.kind = NOTE_STEP};

    if (atomic_fetch_add(&step_calls, 1) + 1 != step_last)
        return;
    snprintf(note.step, sizeof(note.step), "%s", name);
    tell(&note);
    _exit(0);
}
#endif

static void add_change(struct writer *w, struct operation *op, unsigned key)
{
    bool delete = w->range_left > 0 || rng_below(&w->rng, 10) < 3;
    struct note_change *change = &op->note.changes[op->note.n++];

    w->busy[key] = true;
    *change = (struct note_change){.key = key,
                                   .space = rng_one_in(&w->rng, 5) ? STORE_ORPHANS : STORE_KEYS,
                                   .version = delete ? 0 : w->version++};
}

/* Chooses what a commit does, of keys that no other one in flight has. */
static void choose_changes(struct writer *w, struct operation *op)
{
    unsigned wanted = rng_one_in(&w->rng, 4) ? 1 + rng_below(&w->rng, STORE_CHANGES_MAX) : 1;

    if (w->range_left == 0 && rng_one_in(&w->rng, 3000)) {
        w->range_at = rng_below(&w->rng, UNIVERSE_KEYS);
        w->range_left = rng_below(&w->rng, UNIVERSE_KEYS);
    }
    while (op->note.n < wanted) {
        unsigned key = rng_below(&w->rng, UNIVERSE_KEYS);

        if (w->range_left > 0) {
            key = w->range_at++ % UNIVERSE_KEYS;
            w->range_left--;
        }
        if (!w->busy[key])
            add_change(w, op, key);
    }
}

static void commit_cb(struct store_commit *commit, int rc);

static void issue(struct writer *w, struct operation *op)
{
    struct store_change changes[STORE_CHANGES_MAX];
    int rc = 0;

    op->note.kind = NOTE_ISSUED;
    op->note.n = 0;
    choose_changes(w, op);
    for (unsigned i = 0; i < op->note.n; i++) {
        const struct note_change *change = &op->note.changes[i];
        const struct universe_key *key = universe_key(change->key);

        if (change->version != 0)
            rc = universe_record(w->box.store, change->version, &op->records[i]);
        STOREBOX_CHECK(rc == 0, "%s", uv_strerror(rc));
        changes[i] = (struct store_change){.space = change->space,
                                           .key = key->bytes,
                                           .len = key->len,
                                           .record = change->version != 0 ? &op->records[i] : NULL};
    }
    tell(&op->note);
    rc = store_commit(w->box.store, &op->commit, changes, op->note.n, commit_cb);
    STOREBOX_CHECK(rc == 0, "%s", uv_strerror(rc));
    w->in_flight++;
}

static bool is_finished(const struct writer *w)
{
    struct store_stats stats;

    store_stats(w->box.store, &stats);
    return w->checkpoints != 0 && stats.checkpoints >= w->checkpoints;
}

static void commit_cb(struct store_commit *commit, int rc)
{
    struct operation *op = commit->data;
    struct writer *w = op->writer;

    op->note.kind = NOTE_ACKED;
    op->note.rc = rc;
    tell(&op->note);
    w->in_flight--;
    for (unsigned i = 0; i < op->note.n; i++)
        w->busy[op->note.changes[i].key] = false;
    if (!is_finished(w))
        issue(w, op);
}

int main(int argc, char **argv)
{
    static struct writer w;
    static const struct note end = {.kind = NOTE_END};
    struct store_options options = {.sync = false};

    if (argc != 9) {
        fprintf(stderr, "usage: crash_writer DIR UNIVERSE SEED VERSION CHECKPOINT_BYTES SYNC "
                        "CHECKPOINTS STEP\n");
        return 2;
    }
    log_set_level(LOG_LEVEL_ERROR);
    universe_init(strtoull(argv[2], NULL, 0));
    w.rng.state = strtoull(argv[3], NULL, 0);
    w.version = strtoull(argv[4], NULL, 0);
    options.checkpoint_bytes = strtoull(argv[5], NULL, 0);
    options.sync = strcmp(argv[6], "1") == 0;
    w.checkpoints = strtoull(argv[7], NULL, 0);
#ifdef MKV_STORE_STEPS
    step_last = strtoull(argv[8], NULL, 0);
#endif
    storebox_init(&w.box, argv[1], &options);
    STOREBOX_CHECK(storebox_open(&w.box) == 0, "can't open %s", argv[1]);
    for (unsigned i = 0; i < UNIVERSE_IN_FLIGHT; i++) {
        struct operation *op = &w.operations[i];

        op->note.slot = i;
        op->commit.data = op;
        op->writer = &w;
        issue(&w, op);
    }
    while (w.in_flight > 0)
        storebox_turn(&w.box);
    storebox_deinit(&w.box);
    tell(&end);
    return 0;
}
