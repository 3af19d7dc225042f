#include "tests/crash/workload.h"

/* Of keys or orphans that no other commit in flight has. False if it has. */
static bool add_change(struct workload *w, struct workload_operation *op, unsigned space,
                       unsigned key)
{
    bool delete = w->range_left > 0 || rng_below(&w->rng, 10) < 3;

    if (w->busy[space][key])
        return false;
    w->busy[space][key] = true;
    op->note.changes[op->note.n++] =
        (struct note_change){.key = key, .space = space, .version = delete ? 0 : w->version++};
    return true;
}

/* Chooses what a commit does. */
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
        add_change(w, op, rng_one_in(&w->rng, 5) ? STORE_ORPHANS : STORE_KEYS, key);
    }
}

/* What is there is what it expects: nothing that is in flight has the key. */
static void expect(struct workload *w, const struct note_change *note, struct universe_value *was,
                   struct store_change *change)
{
    int rc = universe_get(w->box->store, note->space, note->key, was);

    STOREBOX_CHECK(rc == 0 || rc == UV_ENOENT, "%s", uv_strerror(rc));
    change->expect = rc == 0 ? STORE_EXACTLY : STORE_NOTHING;
    change->was = &was->record;
    change->orphan_was = &was->orphan;
}

static void commit_cb(struct store_commit *commit, int rc);
static void announced_cb(struct store_commit *commit, int rc);

static void issue(struct workload *w, struct workload_operation *op)
{
    struct store_change changes[STORE_CHANGES_MAX];
    bool announces;
    int rc = 0;

    op->note.kind = NOTE_ISSUED;
    op->note.n = 0;
    choose_changes(w, op);
    for (unsigned i = 0; i < op->note.n && rc == 0; i++) {
        rc = universe_change(w->box->store, &op->note.changes[i], &op->values[i], &changes[i]);
        if (rng_one_in(&w->rng, 2))
            expect(w, &op->note.changes[i], &op->was[i], &changes[i]);
    }
    STOREBOX_CHECK(rc == 0, "%s", uv_strerror(rc));
    announces = op->note.n == 1 && op->note.changes[0].space == STORE_ORPHANS;
    w->tell(&op->note, w->arg);
    if (announces)
        rc = store_announce(w->box->store, &op->commit, changes, announced_cb);
    else
        rc = store_commit(w->box->store, &op->commit, changes, op->note.n, commit_cb);
    STOREBOX_CHECK(rc == 0, "%s", uv_strerror(rc));
    w->commits--;
    w->in_flight++;
}

/* What comes next ends when the disk has the announcement too. It changes nothing. */
static void announced_cb(struct store_commit *commit, int rc)
{
    static const struct store_change nothing = {
        .space = STORE_KEYS, .key = "no such key", .len = 11};
    struct workload_operation *op = commit->data;
    struct workload *w = op->workload;

    op->note.kind = NOTE_WRITTEN;
    op->note.rc = rc;
    w->tell(&op->note, w->arg);
    rc = store_commit(w->box->store, commit, &nothing, 1, commit_cb);
    STOREBOX_CHECK(rc == 0, "%s", uv_strerror(rc));
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
        w->busy[op->note.changes[i].space][op->note.changes[i].key] = false;
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
