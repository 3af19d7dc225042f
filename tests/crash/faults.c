/* Lets every call of a store fail that can, one after the other: each allocation, and each call
 * that opens, writes, cuts, syncs, links, renames or reads one of its files. A run is one such
 * failure in a short life of a store (life.h), of one that begins with nothing or with what a kill
 * left.
 *
 * What is acknowledged is there throughout, and after the next opening; what failed isn't. And all
 * that is acknowledged was synced, by calls that did not fail: the disk is also looked at as after
 * a power cut. Nothing is left open.
 *
 *     faults [--kind NAME] [--first N] [--seed N] [--verbose]
 *
 * The seed is of the power cuts. A failure names the kind and the number of the call, leaves the
 * directory, and exits 1. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <string.h>
#include <unistd.h>

#include "index/base/log.h"
#include "tests/crash/history.h"
#include "tests/crash/life.h"
#include "tests/crash/sequel.h"
#include "tests/crash/workload.h"
#include "tests/support/disk_image.h"
#include "tests/support/disk_log.h"

#define TEMPLATE_COMMITS 150
#define CALLS_MAX        100000
#define FDS_MAX          64
#define HIT_IMAGES       2
#define SYNC_US_MAX      100 /* lets commits get ahead of a checkpoint */

static const struct fault_kind kinds[] = {
    {.name = "memory", .call = INTERPOSE_MEMORY, .error = ENOMEM},
    {.name = "memory-stays", .call = INTERPOSE_MEMORY, .error = ENOMEM, .stays = true},
    {.name = "open", .call = INTERPOSE_OPEN, .error = EMFILE},
    {.name = "open-stays", .call = INTERPOSE_OPEN, .error = EMFILE, .stays = true},
    {.name = "write", .call = INTERPOSE_WRITE, .error = EIO},
    {.name = "write-stays", .call = INTERPOSE_WRITE, .error = ENOSPC, .stays = true},
    {.name = "write-torn", .call = INTERPOSE_WRITE, .error = ENOSPC, .stays = true, .torn = true},
    {.name = "write-short", .call = INTERPOSE_WRITE},
    {.name = "resize", .call = INTERPOSE_RESIZE, .error = EIO},
    {.name = "sync", .call = INTERPOSE_SYNC, .error = EIO},
    {.name = "sync-stays", .call = INTERPOSE_SYNC, .error = ENOSPC, .stays = true},
    {.name = "link", .call = INTERPOSE_LINK, .error = ENOSPC},
    {.name = "rename", .call = INTERPOSE_RENAME, .error = ENOSPC},
    {.name = "unlink", .call = INTERPOSE_UNLINK, .error = EIO},
    {.name = "mkdir", .call = INTERPOSE_MKDIR, .error = EACCES},
    {.name = "map", .call = INTERPOSE_MAP, .error = ENOMEM},
    {.name = "read", .call = INTERPOSE_READ, .error = EIO},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static struct {
    char top[100];
    char template[110]; /* a store that was killed */
    char dir[110];      /* a copy of it, on which a run goes */
    char image[110];
    struct ledger killed; /* what the template holds */
    struct rng rng;
    struct life life;    /* that is run */
    size_t began;        /* length of the log before the step at hand, */
    struct disk_cut cut; /* that is looked at */
    bool cutting;
    unsigned hits; /* and calls that had failed */
    struct history history;
    bool was_hit; /* the step before */
} run;

/* GDBM 1.23 loses a block of memory when opening a file fails half-way. A file that we forget
 * to close would hide behind that, but for the descriptors, which are counted. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:gdbm_fd_open";
}

/* --- A run ----------------------------------------------------------------------------------- */

static void remove_directory(const char *dir)
{
    if (access(dir, F_OK) == 0)
        storebox_remove_directory(dir);
}

static void check_disk(const struct disk_cut *cut, bool go_on)
{
    static struct ledger ledger;

    run.cut = *cut;
    run.cutting = true;
    history_find(&run.history, cut->at, &ledger);
    disk_image_write(cut, run.image);
    ledger_check(&ledger, &run.rng, run.image);
    if (go_on)
        sequel_run(&ledger, &run.rng, run.image);
    remove_directory(run.image);
    run.cutting = false;
}

/* The disk as it must at least be now, and as it may be at any moment since the step began. */
static void check_power_cuts(unsigned n)
{
    struct disk_cut bare = {.at = disk_log_length(), .any_names = true};

    check_disk(&bare, false);
    for (unsigned i = 0; i < n; i++) {
        struct disk_cut cut = disk_cut_random(&run.rng);

        cut.at = disk_cut_choose(&run.rng, run.began);
        check_disk(&cut, rng_one_in(&run.rng, 4));
    }
}

static void before_step(struct life *life)
{
    (void)life;
    run.began = disk_log_length();
    run.hits = fault_hits();
}

/* Cuts the power in the step in which a call failed, and in the next one. */
static void after_step(struct life *life)
{
    bool is_hit = fault_hits() > run.hits;

    fault_pause();
    if (is_hit || run.was_hit)
        check_power_cuts(life->kind->call == INTERPOSE_MEMORY ? 0 : HIT_IMAGES);
    run.was_hit = is_hit;
    fault_resume();
}

static void tell(const struct note *note)
{
    history_add(&run.history, note);
}

static unsigned count_fds(void)
{
    unsigned n = 0;

    for (int fd = 0; fd < FDS_MAX; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* Whether the fault was hit. The life is set up but for its ledger. */
static bool try_fault(const struct fault_kind *kind, unsigned n, bool young)
{
    static const struct ledger nothing = {.next_version = 1};
    static struct ledger ledger;
    unsigned fds = count_fds();

    run.life.kind = kind;
    run.life.n = n;
    run.life.ledger = young ? nothing : run.killed;
    if (!young)
        storebox_copy_directory(run.template, run.dir);
    run.was_hit = false;
    history_begin(&run.history, &run.life.ledger);
    disk_log_start(run.dir, SYNC_US_MAX, n);
    life_run(&run.life, run.dir);
    STOREBOX_CHECK(count_fds() == fds, "%u files are left open", count_fds() - fds);
    disk_log_verify();
    check_power_cuts(0);
    history_find(&run.history, disk_log_length(), &ledger);
    disk_log_stop();
    ledger_check(&ledger, &run.rng, run.dir);
    storebox_remove_directory(run.dir);
    return fault_hits() > 0;
}

static unsigned try_all(const struct fault_kind *kind, unsigned first, bool young)
{
    unsigned n = first;

    for (; n < CALLS_MAX; n++) {
        run.life.smaller = false;
        if (!try_fault(kind, n, young))
            break;
        run.life.smaller = true;
        if (kind->call == INTERPOSE_SYNC || kind->torn) /* others leave nothing in the journal */
            try_fault(kind, n, young);
    }
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
    static const struct gdbm_engine_options options = {.sync = true};
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
    char text[200];

    fault_end();
    if (run.life.kind == NULL || access(run.top, F_OK) != 0)
        return;
    fprintf(stderr, "fault %s, call %u, left behind: %s\n", run.life.kind->name, run.life.n,
            run.top);
    if (!run.cutting)
        return;
    remove_directory(run.image);
    disk_image_write(&run.cut, run.image);
    disk_cut_describe(&run.cut, text, sizeof(text));
    fprintf(stderr, "%s: %s\n", run.image, text);
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
                                            {"seed", required_argument, NULL, 's'},
                                            {"verbose", no_argument, NULL, 'v'},
                                            {NULL, 0, NULL, 0}};
    const char *only = NULL;
    unsigned first = 1;
    int option;

    run.rng.state = rng_seed("MKV_FAULTS_SEED");
    log_open("/dev/null");
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'k')
            only = optarg;
        else if (option == 'f')
            first = (unsigned)strtoul(optarg, NULL, 10);
        else if (option == 's')
            run.rng.state = strtoull(optarg, NULL, 0);
        else if (option == 'v')
            log_open(NULL);
        else
            return 2;
    }
    printf("seed %llu\n", (unsigned long long)run.rng.state);
    universe_init(1);
    run.killed.next_version = 1;
    make_directory();
    make_template();
    run.life.before_step = before_step;
    run.life.after_step = after_step;
    run.life.tell = tell;
    for (size_t i = 0; i < KINDS; i++)
        if (only == NULL || strcmp(only, kinds[i].name) == 0)
            try_kind(&kinds[i], first);
    history_deinit(&run.history);
    storebox_remove_directory(run.template);
    rmdir(run.top);
    return 0;
}
