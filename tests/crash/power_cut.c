/* Cuts the power of a store's disk: what the store does to its directory is recorded, and then
 * looked at as a disk could have it after a power cut at any instant (disk_image.h). On each such
 * disk the store must open by itself, with all that was acknowledged before the cut and nothing
 * that wasn't issued, and go on.
 *
 *     power_cut [--seconds N] [--seed N]
 *
 * A round: the store works on a directory once or more; in between it is closed, or killed, which
 * keeps what wasn't synced but doesn't bring it to disk. Then the power is cut, many times. The
 * next round begins with nothing, or with one of these disks, so that recovery is cut short too.
 *
 * A failure leaves the disk as it was before the store saw it, names it and the seed, and exits 1.
 * The seed repeats what is tried, though threads may take their turns otherwise. */
#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <unistd.h>

#include "index/base/log.h"
#include "index/store/gdbm/segment.h"
#include "tests/crash/history.h"
#include "tests/crash/sequel.h"
#include "tests/crash/workload.h"
#include "tests/support/disk_image.h"
#include "tests/support/disk_log.h"
#include "tests/support/storebox.h"

#define RUNS_MAX    5
#define COMMITS_MAX 300 /* a run */
#define IMAGES      60  /* a round */
#define OPENING_OPS 20  /* what happens when a store is opened, about */
#define SYNC_US_MAX 400

static struct {
    struct rng rng;
    uint64_t seed;
    char top[100];
    char dir[110];   /* of the store */
    char image[110]; /* the disk after a cut */
    char copy[110];
    struct history history; /* since the log began */
    struct ledger now;
    size_t starts[RUNS_MAX]; /* how long the log was when each run began */
    unsigned n_starts;
    struct disk_cut cut; /* that is looked at */
    bool cutting;
    unsigned rounds;
    unsigned images;
    unsigned kills;
} power;

static void remove_directory(const char *dir)
{
    if (access(dir, F_OK) == 0)
        storebox_remove_directory(dir);
}

/* --- What happened --------------------------------------------------------------------------- */

static void event_cb(const struct note *note, void *arg)
{
    (void)arg;
    history_add(&power.history, note);
    ledger_note(&power.now, note);
}

/* How the commits that a crash cut short have ended, once the store that found out was opened.
 * `settled` is the ledger that says so. */
static void add_endings(const struct ledger *settled)
{
    for (unsigned i = 0; i < UNIVERSE_IN_FLIGHT; i++) {
        struct note note = power.now.pending[i];

        if (note.kind == 0)
            continue;
        note.kind = ledger_has(settled, &note) ? NOTE_ACKED : NOTE_GONE;
        note.rc = 0;
        event_cb(&note, NULL);
    }
}

/* --- Work ------------------------------------------------------------------------------------ */

static void work(struct storebox *box)
{
    static struct workload w;

    memset(&w, 0, sizeof(w));
    w.box = box;
    w.rng.state = rng_next(&power.rng);
    w.version = power.now.next_version;
    w.width = 1 + rng_below(&power.rng, rng_one_in(&power.rng, 2) ? 4 : UNIVERSE_IN_FLIGHT);
    w.commits = rng_below(&power.rng, COMMITS_MAX);
    w.tell = event_cb;
    workload_run(&w);
}

static void run_store(void)
{
    static struct ledger settled;
    struct gdbm_engine_options options = {
        .sync = true, .checkpoint_bytes = 1UL << (9 + rng_below(&power.rng, 7))};
    struct storebox box;

    settled = power.now;
    if (access(power.dir, F_OK) == 0)
        storebox_copy_directory(power.dir, power.copy);
    ledger_check(&settled, &power.rng, power.copy);
    remove_directory(power.copy);
    storebox_init(&box, power.dir, &options);
    STOREBOX_CHECK(storebox_open(&box) == 0, "can't open %s", power.dir);
    add_endings(&settled);
    work(&box);
    storebox_deinit(&box);
}

/* Takes back what happened after a moment of the last run. */
static void kill_store(void)
{
    size_t at = disk_cut_choose(&power.rng, power.starts[power.n_starts - 1]);

    disk_log_cut(at);
    history_cut(&power.history, at);
    history_find(&power.history, at, &power.now);
    power.kills++;
}

/* --- Power cuts ------------------------------------------------------------------------------ */

/* One of two falls into the opening of a store. */
static void choose_cut(void)
{
    size_t start = power.starts[rng_below(&power.rng, power.n_starts)];
    size_t length = disk_log_length();

    power.cut = disk_cut_random(&power.rng);
    if (rng_one_in(&power.rng, 2))
        return;
    power.cut.at = start + rng_below(&power.rng, OPENING_OPS);
    if (power.cut.at > length)
        power.cut.at = length;
}

/* Has the store write one more block, and stop. */
static void put_and_stop(const char *dir)
{
    const struct gdbm_engine_options options = {.sync = rng_one_in(&power.rng, 2)};
    struct record record = {.size = 1, .n_places = 1};
    struct storebox box;
    int rc;

    storebox_init(&box, dir, &options);
    STOREBOX_CHECK(storebox_open(&box) == 0, "can't open %s", dir);
    rc = storebox_put(&box, "/one more", 9, &record);
    STOREBOX_CHECK(rc == 0, "put: %s", uv_strerror(rc));
    storebox_deinit(&box);
}

/* After a clean stop, a journal that lacks a byte is refused: no power cut takes that. */
static void check_seal(const char *dir)
{
    struct segment_list list = {0};
    struct store *reader;
    char path[150];
    int rc;

    put_and_stop(dir);
    rc = segment_list_read(dir, &list);
    STOREBOX_CHECK(rc == 0 && list.count > 0, "%s has no journal", dir);
    snprintf(path, sizeof(path), "%s/" SEGMENT_NAME, dir, list.segments[list.count - 1].first);
    segment_list_deinit(&list);
    storebox_truncate(path, storebox_file_size(path) - 1);
    log_open("/dev/null");
    rc = gdbm_engine_open_reader(dir, &reader);
    log_open(NULL);
    STOREBOX_CHECK(rc == UV_EILSEQ, "%s lacks a byte, and opening it says %d", path, rc);
}

static void check_image(void)
{
    static struct ledger ledger;

    choose_cut();
    history_find(&power.history, power.cut.at, &ledger);
    power.cutting = true;
    disk_image_write(&power.cut, power.image);
    ledger_check(&ledger, &power.rng, power.image);
    if (rng_one_in(&power.rng, 2))
        sequel_run(&ledger, &power.rng, power.image);
    if (rng_one_in(&power.rng, 4))
        check_seal(power.image);
    power.cutting = false;
    remove_directory(power.image);
    power.images++;
}

/* Leaves the directory as one more power cut, or nothing, and the ledger as of then. */
static void begin_anew(void)
{
    static const struct ledger nothing = {.next_version = 1};
    static struct ledger ledger;
    bool empty = rng_one_in(&power.rng, 3);

    choose_cut();
    history_find(&power.history, power.cut.at, &ledger);
    remove_directory(power.dir);
    if (!empty)
        disk_image_write(&power.cut, power.dir);
    history_begin(&power.history, empty ? &nothing : &ledger);
    disk_log_stop();
}

static void run_round(void)
{
    unsigned runs = 1 + rng_below(&power.rng, RUNS_MAX);

    power.now = power.history.base;
    power.n_starts = 0;
    disk_log_start(power.dir, SYNC_US_MAX, rng_next(&power.rng));
    for (unsigned i = 0; i < runs; i++) {
        power.starts[power.n_starts++] = disk_log_length();
        run_store();
        disk_log_verify();
        if (!rng_one_in(&power.rng, 3))
            kill_store();
    }
    for (unsigned i = 0; i < IMAGES; i++)
        check_image();
    begin_anew();
    power.rounds++;
}

/* --- Start ----------------------------------------------------------------------------------- */

static void say_where(void)
{
    char text[200];

    if (access(power.top, F_OK) != 0)
        return;
    fprintf(stderr, "seed %llu, round %u, left behind: %s\n", (unsigned long long)power.seed,
            power.rounds + 1, power.top);
    if (!power.cutting)
        return;
    remove_directory(power.image);
    disk_image_write(&power.cut, power.image);
    disk_cut_describe(&power.cut, text, sizeof(text));
    fprintf(stderr, "%s: %s\n", power.image, text);
}

static void make_directory(void)
{
    storebox_make_scratch(power.top, sizeof(power.top), "power");
    snprintf(power.dir, sizeof(power.dir), "%s/store", power.top);
    snprintf(power.image, sizeof(power.image), "%s/image", power.top);
    snprintf(power.copy, sizeof(power.copy), "%s/copy", power.top);
    atexit(say_where);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"seconds", required_argument, NULL, 's'},
                                            {"seed", required_argument, NULL, 'r'},
                                            {NULL, 0, NULL, 0}};
    uint64_t end = uv_hrtime();
    unsigned seconds = 40;
    int option;

    power.seed = rng_seed("MKV_POWER_SEED");
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 's')
            seconds = (unsigned)strtoul(optarg, NULL, 10);
        else if (option == 'r')
            power.seed = strtoull(optarg, NULL, 0);
        else
            return 2;
    }
    printf("seed %llu\n", (unsigned long long)power.seed);
    fflush(stdout);
    log_set_level(LOG_LEVEL_ERROR);
    universe_init(power.seed);
    power.rng.state = power.seed ^ 1;
    power.now.next_version = 1;
    history_begin(&power.history, &power.now);
    make_directory();
    end += (uint64_t)seconds * 1000000000;
    do
        run_round();
    while (uv_hrtime() < end);
    printf("%u rounds, %u kills, %u power cuts\n", power.rounds, power.kills, power.images);
    history_deinit(&power.history);
    remove_directory(power.dir);
    rmdir(power.top);
    return 0;
}
