#include "tests/crash/workload.h"

static void add_change(struct workload *w, struct workload_operation *op, unsigned key)
{
    bool delete = w->range_left > 0 || rng_below(&w->rng, 10) < 3;
    struct note_change *change = &op->note.changes[op->note.n++];

    w->busy[key] = true;
    *change = (struct note_change){.key = key,
                                   .space = rng_one_in(&w->rng, 5) ? STORE_ORPHANS : STORE_KEYS,
                                   .version = delete ? 0 : w->version++};
}

/* Chooses what a commit does, of keys that no other one in flight has. */
static void choose_changes(struct workload *w, struct workload_operation *op)
{
    unsigned wanted = rng_one_in(&w->rng, 4) ? 1 + rng_below(&w->rng, STORE_CHANGES_MAX) : 1;

    if (w->range_left == 0 && rng_one_in(&w->rng, UNIVERSE_KEYS)) {
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

static void issue(struct workload *w, struct workload_operation *op)
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
            rc = universe_record(w->box->store, change->version, &op->records[i]);
        STOREBOX_CHECK(rc == 0, "%s", uv_strerror(rc));
        changes[i] = (struct store_change){.space = change->space,
                                           .key = key->bytes,
                                           .len = key->len,
                                           .record = change->version != 0 ? &op->records[i] : NULL};
    }
    w->tell(&op->note, w->arg);
    rc = store_commit(w->box->store, &op->commit, changes, op->note.n, commit_cb);
    STOREBOX_CHECK(rc == 0, "%s", uv_strerror(rc));
    w->commits--;
    w->in_flight++;
}

static bool is_finished(const struct workload *w)
{
    struct store_stats stats;

    if (w->commits == 0)
        return true;
    store_stats(w->box->store, &stats);
    return w->checkpoints != 0 && stats.checkpoints >= w->checkpoints;
}

static void commit_cb(struct store_commit *commit, int rc)
{
    struct workload_operation *op = commit->data;
    struct workload *w = op->workload;

    op->note.kind = NOTE_ACKED;
    op->note.rc = rc;
    w->tell(&op->note, w->arg);
    w->in_flight--;
    for (unsigned i = 0; i < op->note.n; i++)
        w->busy[op->note.changes[i].key] = false;
    if (!is_finished(w))
        issue(w, op);
}

void workload_run(struct workload *w)
{
    for (unsigned i = 0; i < w->width && w->commits > 0; i++) {
        struct workload_operation *op = &w->operations[i];

        op->note.slot = i;
        op->commit.data = op;
        op->workload = w;
        issue(w, op);
    }
    while (w->in_flight > 0)
        storebox_turn(w->box);
}
