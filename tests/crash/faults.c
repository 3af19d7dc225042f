/* Lets every call of a store fail that can, one after the other: each allocation, and each call
 * that opens, writes, cuts, syncs, links, renames or reads one of its files. A run is one such
 * failure and a short life of a store: recovery, commits, a checkpoint while commits go on, a
 * listing, another checkpoint, closing.
 *
 * An operation may fail only if a call failed in it, and must succeed when it is tried again and
 * all is well. What is acknowledged is there throughout, and after the next opening; what failed
 * isn't. And all that is acknowledged was synced, by calls that did not fail: the disk is also
 * looked at as after a power cut. One store begins with nothing, one with what a kill left.
 *
 *     faults [--kind NAME] [--first N] [--verbose]
 *
 * A failure names the kind and the number of the call, leaves the directory, and exits 1. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "index/base/log.h"
#include "tests/crash/fault.h"
#include "tests/crash/ledger.h"
#include "tests/crash/workload.h"
#include "tests/support/disk_image.h"
#include "tests/support/disk_log.h"

#define TEMPLATE_COMMITS 150
#define RETRY_SECONDS    2 /* after which a store tries a failed checkpoint again */
#define CALLS_MAX        100000
#define FDS_MAX          64

static const struct fault_kind kinds[] = {
    {"memory", INTERPOSE_MEMORY, ENOMEM, false}, {"memory-stays", INTERPOSE_MEMORY, ENOMEM, true},
    {"open", INTERPOSE_OPEN, EMFILE, false},     {"open-stays", INTERPOSE_OPEN, EMFILE, true},
    {"write", INTERPOSE_WRITE, ENOSPC, false},   {"write-stays", INTERPOSE_WRITE, ENOSPC, true},
    {"write-eio", INTERPOSE_WRITE, EIO, false},  {"write-eintr", INTERPOSE_WRITE, EINTR, false},
    {"write-short", INTERPOSE_WRITE, 0, false},  {"resize", INTERPOSE_RESIZE, EIO, false},
    {"sync", INTERPOSE_SYNC, EIO, false},        {"sync-stays", INTERPOSE_SYNC, ENOSPC, true},
    {"link", INTERPOSE_LINK, ENOSPC, false},     {"rename", INTERPOSE_RENAME, ENOSPC, false},
    {"unlink", INTERPOSE_UNLINK, EIO, false},    {"mkdir", INTERPOSE_MKDIR, EACCES, false},
    {"map", INTERPOSE_MAP, ENOMEM, false},       {"read", INTERPOSE_READ, EIO, false},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static struct {
    char top[100];
    char template[110]; /* a store that was killed */
    char dir[110];      /* a copy of it, on which a run goes */
    char image[110];
    struct ledger killed; /* what the template holds */
    struct ledger ledger; /* what the run's store holds */
    struct storebox box;
    struct rng rng;
    const struct fault_kind *kind;
    unsigned n;
    unsigned hits;                          /* before the step at hand */
    unsigned key;                           /* the next that a commit takes */
    struct note failed[UNIVERSE_IN_FLIGHT]; /* since the last one that did not */
    unsigned n_failed;
} run;

/* GDBM 1.23 loses a block when memory is short while it opens a file. A file of ours that we forget
 * to close would hide behind that, but for the descriptors, which are counted. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:gdbm_fd_open";
}

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

static void let_time_pass(void)
{
    skew += RETRY_SECONDS;
    uv_update_time(&run.box.loop);
}

/* --- Steps ----------------------------------------------------------------------------------- */

static bool was_hit(void)
{
    return fault_hits() > run.hits;
}

/* A step failed: it may have, all the rest of the store is as it was, and the fault is over unless
 * it may come again. Then the step is tried once more, and must succeed. */
static void check_failure(const char *step, int rc)
{
    STOREBOX_CHECK(rc < 0 && was_hit(), "%s: %s, and nothing had failed", step, uv_strerror(rc));
    fault_pause();
    if (run.box.store != NULL)
        ledger_check_store(&run.ledger, &run.rng, run.box.store);
    if (run.kind->stays)
        fault_end();
    else
        fault_resume();
    run.hits = fault_hits();
}

static void begin_step(void)
{
    run.hits = fault_hits();
}

static void open_store(void)
{
    int rc;

    begin_step();
    rc = storebox_open(&run.box);
    if (rc < 0) {
        check_failure("open", rc);
        rc = storebox_open(&run.box);
    }
    STOREBOX_CHECK(rc == 0, "open: %s", uv_strerror(rc));
}

/* Makes the changes of a note; of some one is a deletion. */
static int commit(const struct note *note)
{
    struct store_change changes[STORE_CHANGES_MAX];
    struct record records[STORE_CHANGES_MAX];
    int rc = 0;

    for (unsigned i = 0; i < note->n && rc == 0; i++) {
        const struct note_change *change = &note->changes[i];
        const struct universe_key *key = universe_key(change->key);

        if (change->version != 0)
            rc = universe_record(run.box.store, change->version, &records[i]);
        changes[i] = (struct store_change){.space = change->space,
                                           .key = key->bytes,
                                           .len = key->len,
                                           .record = change->version != 0 ? &records[i] : NULL};
    }
    return rc < 0 ? rc : storebox_commit(&run.box, changes, note->n);
}

static void end_commit(struct note note, int rc)
{
    note.kind = rc == 0 ? NOTE_ACKED : NOTE_GONE;
    note.rc = 0;
    ledger_note(&run.ledger, &note);
    if (rc == 0) {
        run.n_failed = 0;
        return;
    }
    note.kind = NOTE_ISSUED;
    note.slot = run.n_failed;
    run.failed[run.n_failed++] = note;
}

static int try_commit(struct note *note)
{
    int rc;

    note->kind = NOTE_ISSUED;
    for (unsigned i = 0; i < note->n; i++)
        if (note->changes[i].version != 0)
            note->changes[i].version = run.ledger.next_version + i;
    ledger_note(&run.ledger, note);
    rc = commit(note);
    end_commit(*note, rc);
    return rc;
}

static void commit_step(unsigned n)
{
    struct note note = {.n = n};
    int rc;

    begin_step();
    for (unsigned i = 0; i < n; i++) {
        run.key = (run.key + 37) % UNIVERSE_KEYS;
        note.changes[i] = (struct note_change){
            .key = run.key, .space = i == 2 ? STORE_ORPHANS : STORE_KEYS, .version = i != 1};
    }
    rc = try_commit(&note);
    if (rc < 0) {
        check_failure("commit", rc);
        rc = try_commit(&note);
    }
    STOREBOX_CHECK(rc == 0, "commit: %s", uv_strerror(rc));
}

static uint64_t count_checkpoints(void)
{
    struct store_stats stats;

    store_stats(run.box.store, &stats);
    return stats.checkpoints;
}

/* A checkpoint that begins while all is well enough for that, and one more commit meanwhile. */
static int try_checkpoint(bool commits)
{
    int rc;

    storebox_checkpoint_wait(&run.box);
    rc = store_checkpoint(run.box.store);
    if (commits)
        commit_step(1);
    return rc < 0 ? rc : storebox_checkpoint_wait(&run.box);
}

static void checkpoint_step(bool commits)
{
    uint64_t before = count_checkpoints();
    unsigned hits;
    int rc;

    begin_step();
    hits = run.hits;
    rc = try_checkpoint(commits);
    if (rc < 0) {
        run.hits = hits; /* the commit's step is behind us */
        check_failure("checkpoint", rc);
        let_time_pass();
        rc = try_checkpoint(false);
    }
    STOREBOX_CHECK(rc == 0, "checkpoint: %s", uv_strerror(rc));
    STOREBOX_CHECK(count_checkpoints() > before, "there was no checkpoint");
}

static int count_cb(const void *key, size_t len, const struct record *record, void *arg)
{
    (void)key;
    (void)len;
    (void)record;
    ++*(unsigned *)arg;
    return 0;
}

static void list_step(void)
{
    unsigned n = 0;
    int rc;

    begin_step();
    rc = store_list(run.box.store, STORE_KEYS, "", 0, "", 0, count_cb, &n);
    if (rc < 0) {
        check_failure("list", rc);
        rc = store_list(run.box.store, STORE_KEYS, "", 0, "", 0, count_cb, &n);
    }
    STOREBOX_CHECK(rc == 0 && n > 0, "list: %s", uv_strerror(rc));
}

static void get_step(void)
{
    const struct universe_key *key = universe_key(run.key);
    struct record record;
    int rc;

    begin_step();
    rc = store_get(run.box.store, STORE_KEYS, key->bytes, key->len, &record);
    if (rc < 0 && rc != UV_ENOENT) {
        check_failure("get", rc);
        rc = store_get(run.box.store, STORE_KEYS, key->bytes, key->len, &record);
    }
    STOREBOX_CHECK(rc == 0 || rc == UV_ENOENT, "get: %s", uv_strerror(rc));
}

/* --- A run ----------------------------------------------------------------------------------- */

static void live(void)
{
    open_store();
    commit_step(1);
    get_step();
    commit_step(3);
    checkpoint_step(true);
    commit_step(1);
    list_step();
    get_step();
    checkpoint_step(true);
    commit_step(2);
    checkpoint_step(false);
    commit_step(1);
    begin_step();
    storebox_close(&run.box);
}

/* The last commits that failed may be there after all: nothing was written behind them. */
static void add_failed(struct ledger *ledger)
{
    for (unsigned i = 0; i < run.n_failed; i++)
        ledger_note(ledger, &run.failed[i]);
}

static void check_power_cut(void)
{
    static struct ledger ledger;
    struct disk_cut cut = {.at = disk_log_length(), .any_names = true, .seed = run.n};

    ledger = run.ledger;
    add_failed(&ledger);
    disk_image_write(&cut, run.image);
    ledger_check(&ledger, &run.rng, run.image);
    storebox_remove_directory(run.image);
}

static unsigned count_fds(void)
{
    unsigned n = 0;

    for (int fd = 0; fd < FDS_MAX; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* Whether the fault was hit. */
static bool try_fault(const struct fault_kind *kind, unsigned n, bool young)
{
    static const struct store_options options = {.sync = true};
    static const struct ledger nothing = {.next_version = 1};
    unsigned fds = count_fds();
    unsigned hits;

    run.kind = kind;
    run.n = n;
    run.ledger = young ? nothing : run.killed;
    run.n_failed = 0;
    run.key = 0;
    if (!young)
        storebox_copy_directory(run.template, run.dir);
    disk_log_start(run.dir, 0, n);
    storebox_init(&run.box, run.dir, &options);
    fault_begin(kind, n, run.dir);
    live();
    hits = fault_hits();
    fault_end();
    storebox_deinit(&run.box);
    STOREBOX_CHECK(count_fds() == fds, "%u files are left open", count_fds() - fds);
    disk_log_verify();
    check_power_cut();
    disk_log_stop();
    add_failed(&run.ledger);
    ledger_check(&run.ledger, &run.rng, run.dir);
    storebox_remove_directory(run.dir);
    return hits > 0;
}

static unsigned try_all(const struct fault_kind *kind, unsigned first, bool young)
{
    unsigned n = first;

    while (n < CALLS_MAX && try_fault(kind, n, young))
        n++;
    return n - first;
}

static void try_kind(const struct fault_kind *kind, unsigned first)
{
    unsigned young = try_all(kind, first, true);
    unsigned old = try_all(kind, first, false);

    printf("%5u + %5u calls failed: %s\n", young, old, kind->name);
    fflush(stdout);
    STOREBOX_CHECK(young + old > 0, "%s: no such call was made", kind->name);
}

/* --- Start ----------------------------------------------------------------------------------- */

static void note_cb(const struct note *note, void *arg)
{
    ledger_note(arg, note);
}

/* What a kill may leave: half of a next table, and of a block. */
static void make_remains(const char *dir)
{
    static const unsigned char torn[] = {9, 0, 0, 0};
    char path[130];
    off_t last = 0;
    FILE *next;

    snprintf(path, sizeof(path), "%s/next.gdbm", dir);
    next = fopen(path, "w");
    STOREBOX_CHECK(next != NULL && fputs("GDBM?", next) >= 0 && fclose(next) == 0, "%s", path);
    for (unsigned block = 10000; last == 0 && block > 0; block--) {
        snprintf(path, sizeof(path), "%s/journal.%u", dir, block);
        if (access(path, F_OK) == 0)
            last = storebox_file_size(path);
    }
    STOREBOX_CHECK(last > 0, "there is no journal");
    storebox_overwrite(path, last, torn, sizeof(torn));
}

/* A store with both tables, a journal, and such remains. */
static void make_template(void)
{
    static const struct store_options options = {.sync = true};
    static struct workload w = {
        .rng = {.state = 7}, .version = 1, .width = 8, .tell = note_cb, .arg = &run.killed};
    struct storebox box;

    storebox_init(&box, run.dir, &options);
    STOREBOX_CHECK(storebox_open(&box) == 0, "can't open %s", run.dir);
    w.box = &box;
    for (int i = 0; i < 3; i++) {
        w.commits = TEMPLATE_COMMITS;
        workload_run(&w);
        if (i < 2)
            STOREBOX_CHECK(storebox_checkpoint(&box) == 0, "no checkpoint");
    }
    storebox_copy_directory(run.dir, run.template);
    storebox_deinit(&box);
    storebox_remove_directory(run.dir);
    make_remains(run.template);
}

static void say_where(void)
{
    fault_end();
    if (run.kind != NULL && access(run.top, F_OK) == 0)
        fprintf(stderr, "fault %s, call %u, left behind: %s\n", run.kind->name, run.n, run.top);
}

static void make_directory(void)
{
    storebox_make_scratch(run.top, sizeof(run.top), "faults");
    snprintf(run.dir, sizeof(run.dir), "%s/store", run.top);
    snprintf(run.template, sizeof(run.template), "%s/template", run.top);
    snprintf(run.image, sizeof(run.image), "%s/image", run.top);
    atexit(say_where);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"kind", required_argument, NULL, 'k'},
                                            {"first", required_argument, NULL, 'f'},
                                            {"verbose", no_argument, NULL, 'v'},
                                            {NULL, 0, NULL, 0}};
    const char *only = NULL;
    unsigned first = 1;
    int option;

    log_open("/dev/null");
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'k')
            only = optarg;
        else if (option == 'f')
            first = (unsigned)strtoul(optarg, NULL, 10);
        else if (option == 'v')
            log_open(NULL);
        else
            return 2;
    }
    universe_init(1);
    run.killed.next_version = 1;
    make_directory();
    make_template();
    for (size_t i = 0; i < KINDS; i++)
        if (only == NULL || strcmp(only, kinds[i].name) == 0)
            try_kind(&kinds[i], first);
    storebox_remove_directory(run.template);
    rmdir(run.top);
    return 0;
}
