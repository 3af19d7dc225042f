#include "tests/crash/life.h"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define RETRY_SECONDS 2 /* after which a store tries a failed checkpoint again */
#define BURST         4 /* commits at once */

/* --- Time ------------------------------------------------------------------------------------ */

static time_t skew;

/* The store waits before it tries a checkpoint again; the test doesn't. */
// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name)
int clock_gettime(clockid_t clock, struct timespec *now)
{
    long rc = syscall(SYS_clock_gettime, clock, now);

    if (clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_COARSE)
        now->tv_sec += skew;
    return (int)rc;
}

static void let_time_pass(struct life *l)
{
    skew += RETRY_SECONDS;
    uv_update_time(&l->box.loop);
}

/* --- Failures -------------------------------------------------------------------------------- */

static void begin_step(struct life *l)
{
    l->hits = fault_hits();
}

/* A step failed: it may have, all the rest of the store is as it was, and the fault is over unless
 * it is of a kind that strikes once, and has yet to. */
static void check_failure(struct life *l, const char *step, int rc)
{
    STOREBOX_CHECK(rc < 0 && fault_hits() > l->hits, "%s: %s, and nothing had failed", step,
                   uv_strerror(rc));
    fault_pause();
    if (l->box.store != NULL)
        ledger_check_store(&l->ledger, &l->rng, l->box.store);
    if (l->kind->stays)
        fault_end();
    else
        fault_resume();
    begin_step(l);
}

static void open_step(struct life *l)
{
    int rc;

    begin_step(l);
    rc = storebox_open(&l->box);
    if (rc < 0) {
        check_failure(l, "open", rc);
        rc = storebox_open(&l->box);
    }
    STOREBOX_CHECK(rc == 0, "open: %s", uv_strerror(rc));
}

/* --- Commits --------------------------------------------------------------------------------- */

/* One that is begun, and that the store may keep until it is done. */
struct
try {
    struct store_commit commit;
    struct note note;
    struct universe_value values[STORE_CHANGES_MAX];
    struct universe_value was[STORE_CHANGES_MAX];
    bool done;
    int rc;
};

static void try_cb(struct store_commit *commit, int rc)
{
    struct try *try = commit->data;

    try->done = true;
    try->rc = rc;
}

/* Of `n` keys that no other commit changes; the second is deleted, the third an orphan. */
static struct note choose_note(struct life *l, unsigned n, unsigned slot)
{
    struct note note = {.kind = NOTE_ISSUED, .slot = slot, .n = n};

    for (unsigned i = 0; i < n; i++) {
        l->key = (l->key + 37) % UNIVERSE_KEYS;
        note.changes[i] = (struct note_change){.key = l->key,
                                               .space = i == 2 ? STORE_ORPHANS : STORE_KEYS,
                                               .version = i != 1 ? l->ledger.next_version + i : 0};
    }
    return note;
}

/* The change expects what the ledger knows to be there. */
static void expect(struct life *l, const struct note_change *note, struct universe_value *was,
                   struct store_change *change)
{
    uint64_t version = l->ledger.versions[note->space][note->key];

    change->expect = version != 0 ? STORE_EXACTLY : STORE_NOTHING;
    if (version != 0)
        universe_value(l->box.store, note->space, version, was); /* its volumes have ids */
    change->was = &was->record;
    change->orphan_was = &was->orphan;
}

static void begin_commit(struct life *l, struct try *try, struct note note)
{
    struct store_change changes[STORE_CHANGES_MAX];
    int rc = 0;

    note.kind = NOTE_ISSUED;
    *try = (struct try){.commit.data = try, .note = note};
    l->tell(&note);
    ledger_note(&l->ledger, &note);
    for (unsigned i = 0; i < note.n && rc == 0; i++) {
        rc = universe_change(l->box.store, &note.changes[i], &try->values[i], &changes[i]);
        expect(l, &note.changes[i], &try->was[i], &changes[i]);
    }
    if (rc == 0)
        rc = store_commit(l->box.store, &try->commit, changes, note.n, try_cb);
    STOREBOX_CHECK(!try->done, "the callback fired inside store_commit()");
    if (rc < 0)
        try_cb(&try->commit, rc);
}

static void tell(struct life *l, struct note *note, enum note_kind kind)
{
    note->kind = kind;
    l->tell(note);
}

/* The last commits that failed may be in the store after all, when it is opened again: nothing was
 * written behind them. */
static void keep_failed(struct life *l, const struct note *note)
{
    struct note *failed = &l->failed[l->n_failed];

    STOREBOX_CHECK(l->n_failed < LIFE_FAILED_SLOTS, "too many failures");
    *failed = *note;
    failed->slot = LIFE_FAILED_SLOT + l->n_failed++;
    tell(l, failed, NOTE_ISSUED);
}

static void forget_failed(struct life *l)
{
    while (l->n_failed > 0)
        tell(l, &l->failed[--l->n_failed], NOTE_GONE);
}

static int end_commit(struct life *l, struct try *try)
{
    while (!try->done)
        storebox_turn(&l->box);
    tell(l, &try->note, try->rc == 0 ? NOTE_ACKED : NOTE_GONE);
    ledger_note(&l->ledger, &try->note);
    if (try->rc == 0)
        forget_failed(l);
    else
        keep_failed(l, &try->note);
    return try->rc;
}

static int commit_note(struct life *l, struct note note)
{
    struct try try;

    begin_commit(l, &try, note);
    return end_commit(l, &try);
}

static void commit_again(struct life *l, struct note note, int rc)
{
    check_failure(l, "commit", rc);
    rc = commit_note(l, l->smaller ? choose_note(l, 1, 0) : note);
    STOREBOX_CHECK(rc == 0, "commit: %s", uv_strerror(rc));
}

static void commit_step(struct life *l, unsigned n)
{
    struct note note = choose_note(l, n, 0);
    int rc;

    begin_step(l);
    rc = commit_note(l, note);
    if (rc < 0)
        commit_again(l, note, rc);
}

/* Several that become one block, or two. */
static void burst_step(struct life *l)
{
    struct try tries[BURST];
    unsigned failed = BURST;

    begin_step(l);
    for (unsigned i = 0; i < BURST; i++)
        begin_commit(l, &tries[i], choose_note(l, 1 + i % 3, i));
    for (unsigned i = 0; i < BURST; i++)
        if (end_commit(l, &tries[i]) < 0)
            failed = i;
    if (failed < BURST)
        commit_again(l, tries[failed].note, tries[failed].rc);
}

/* --- Checkpoints ----------------------------------------------------------------------------- */

static uint64_t count_checkpoints(struct life *l)
{
    struct store_stats stats;

    store_stats(l->box.store, &stats);
    return stats.checkpoints;
}

/* How it ended: when memory is too short to begin one, the next commit will. */
static int try_checkpoint(struct life *l, bool commits)
{
    uint64_t before = count_checkpoints(l);
    int rc;

    storebox_checkpoint_wait(&l->box);
    gdbm_engine_checkpoint(l->box.store);
    if (commits)
        commit_step(l, 1);
    rc = storebox_checkpoint_wait(&l->box);
    return rc == 0 && count_checkpoints(l) == before ? UV_ENOMEM : rc;
}

static void checkpoint_step(struct life *l, bool commits)
{
    unsigned hits = fault_hits();
    int rc = try_checkpoint(l, commits);

    if (rc < 0) {
        l->hits = hits; /* the commit's step is behind us */
        check_failure(l, "checkpoint", rc);
        let_time_pass(l);
        rc = try_checkpoint(l, false);
    }
    STOREBOX_CHECK(rc == 0, "checkpoint: %s", uv_strerror(rc));
}

/* --- Reads ----------------------------------------------------------------------------------- */

static int count_cb(const void *key, size_t len, const struct record *record, void *arg)
{
    (void)key;
    (void)len;
    (void)record;
    ++*(unsigned *)arg;
    return 0;
}

static int count_orphan_cb(const void *key, size_t len, uint64_t generation,
                           const struct orphan *orphan, void *arg)
{
    (void)generation;
    (void)orphan;
    return count_cb(key, len, NULL, arg);
}

static int list(struct life *l, unsigned *n)
{
    int rc;

    *n = 0;
    rc = gdbm_engine_list(l->box.store, "", 0, "", 0, count_cb, n);
    return rc == 0 ? gdbm_engine_list_orphans(l->box.store, "", 0, 0, false, count_orphan_cb, n)
                   : rc;
}

static void list_step(struct life *l)
{
    unsigned n;
    int rc;

    begin_step(l);
    rc = list(l, &n);
    if (rc < 0) {
        check_failure(l, "list", rc);
        rc = list(l, &n);
    }
    STOREBOX_CHECK(rc == 0 && n > 0, "list: %s", uv_strerror(rc));
}

static int get(struct life *l)
{
    struct universe_value value;
    int rc = universe_get(l->box.store, STORE_KEYS, l->key, &value);

    if (rc == 0 || rc == UV_ENOENT)
        rc = universe_get(l->box.store, STORE_ORPHANS, l->key, &value);
    return rc == UV_ENOENT ? 0 : rc;
}

static void get_step(struct life *l)
{
    int rc;

    begin_step(l);
    rc = get(l);
    if (rc < 0) {
        check_failure(l, "get", rc);
        rc = get(l);
    }
    STOREBOX_CHECK(rc == 0, "get: %s", uv_strerror(rc));
}

/* --- All ------------------------------------------------------------------------------------- */

static void commit_one(struct life *l)
{
    commit_step(l, 1);
}

static void commit_three(struct life *l)
{
    commit_step(l, 3);
}

static void checkpoint_alone(struct life *l)
{
    checkpoint_step(l, false);
}

static void checkpoint_and_commit(struct life *l)
{
    checkpoint_step(l, true);
}

static void (*const steps[])(struct life *) = {
    open_step,
    commit_one,
    get_step,
    commit_three,
    checkpoint_and_commit,
    burst_step,
    checkpoint_and_commit,
    list_step,
    get_step,
    commit_three,
    checkpoint_alone,
    commit_one,
    burst_step,
    checkpoint_and_commit,
    commit_three,
};

void life_run(struct life *l, const char *dir)
{
    static const struct gdbm_engine_options options = {.sync = true};

    l->n_failed = 0;
    l->key = 0;
    storebox_init(&l->box, dir, &options);
    fault_begin(l->kind, l->n, dir);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        l->before_step(l);
        steps[i](l);
        l->after_step(l);
    }
    storebox_close(&l->box);
    fault_end();
    storebox_deinit(&l->box);
}
