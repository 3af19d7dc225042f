/* Measures the store in process, on a directory that it fills, and says what it was asked to reach.
 *
 *     store_bench [--keys N] [--dir DIR] [--no-sync] [--strict]
 *
 * The targets are those at 10 million keys on 2 cores. --dir: which must not exist, and is removed;
 * without it one in TMPDIR. --strict: a target that is missed makes it exit 1. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "index/base/log.h"
#include "tests/support/rng.h"
#include "tests/support/storebox.h"

#define IN_FLIGHT    64
#define GETS         1000000
#define GETS_AT_ONCE 100
#define PAGES        100
#define PAGE_KEYS    1000
#define KILLED_PUTS  300000 /* in the journal's last segments when the writer is killed, at most */
#define KEY_ROOM     64
#define SAMPLE_EVERY 4096
#define MB           (1024.0 * 1024)

struct bench {
    struct storebox box;
    uint64_t keys;
    bool strict;
    bool failed;
};

static double now(void)
{
    return (double)uv_hrtime() / 1e9;
}

static void report(struct bench *b, const char *what, double value, const char *unit, bool at_least,
                   double target)
{
    bool pass = at_least ? value >= target : value <= target;

    printf("%-4s  %-36s %12.2f %-6s  target %s %.1f\n", pass ? "PASS" : "FAIL", what, value, unit,
           at_least ? ">=" : "<=", target);
    fflush(stdout);
    b->failed = b->failed || !pass;
}

static double anonymous_mb(void)
{
    FILE *status = fopen("/proc/self/status", "re");
    unsigned long long kb = 0;
    char line[256];

    STOREBOX_CHECK(status != NULL, "%s", strerror(errno));
    while (fgets(line, sizeof(line), status) != NULL)
        if (strncmp(line, "RssAnon:", 8) == 0)
            kb = strtoull(line + 8, NULL, 10);
    fclose(status);
    return (double)kb / 1024;
}

/* Names in no order: each number has one, and none of another. */
static size_t make_key(uint64_t number, char key[KEY_ROOM])
{
    struct rng rng = {.state = number};
    uint64_t hash = rng_next(&rng);

    return (size_t)snprintf(key, KEY_ROOM, "/bench/%02x/%016llx-%012llu", (unsigned)(hash & 0xff),
                            (unsigned long long)hash, (unsigned long long)number);
}

static struct record make_record(struct store *store, uint64_t number)
{
    struct record record = {.flags = RECORD_MD5,
                            .size = number % 1000000,
                            .time = 1795000000000U + number,
                            .generation = (1795000000000U + number) << 16,
                            .placed_by = 0x80000001,
                            .n_places = 3};
    struct rng rng = {.state = ~number};
    char name[32];

    for (unsigned i = 0; i < RECORD_MD5_SIZE; i++)
        record.md5[i] = (unsigned char)rng_below(&rng, 256);
    for (unsigned i = 0; i < record.n_places; i++) {
        snprintf(name, sizeof(name), "localhost:%u", 3001 + i);
        STOREBOX_CHECK(gdbm_engine_volume_id(store, name, &record.places[i].volume) == 0, "volume");
    }
    return record;
}

/* --- Putting --------------------------------------------------------------------------------- */

struct load {
    struct storebox *box;
    uint64_t next;
    uint64_t end;
    uint64_t bytes; /* of keys and records */
    uint64_t done;
    unsigned in_flight;
    int notes;       /* file that gets a byte for every SAMPLE_EVERY puts that are done, or -1 */
    double worst_ms; /* latency of a commit */
    double worst_checkpoint_ms; /* that began or ended while a checkpoint ran */
    double anonymous_mb;        /* the most */
};

struct put {
    struct store_commit commit;
    struct load *load;
    double started;
    bool checkpoint;
};

static bool checkpoint_runs(const struct load *load)
{
    struct store_stats stats;

    store_stats(load->box->store, &stats);
    return stats.checkpoint_running;
}

static void put_cb(struct store_commit *commit, int rc);

static void start_put(struct put *put)
{
    struct load *load = put->load;
    struct record record = make_record(load->box->store, load->next);
    unsigned char encoded[RECORD_MAX];
    char key[KEY_ROOM];
    struct store_change change = {.space = STORE_KEYS, .key = key, .record = &record};
    int rc;

    change.len = make_key(load->next++, key);
    load->bytes += change.len + record_encode(&record, encoded);
    put->started = now();
    put->checkpoint = checkpoint_runs(load);
    put->commit.data = put;
    rc = store_commit(load->box->store, &put->commit, &change, 1, put_cb);
    STOREBOX_CHECK(rc == 0, "%s", uv_strerror(rc));
    load->in_flight++;
}

static void put_cb(struct store_commit *commit, int rc)
{
    struct put *put = commit->data;
    struct load *load = put->load;
    double ms = (now() - put->started) * 1000;

    STOREBOX_CHECK(rc == 0, "%s", uv_strerror(rc));
    load->in_flight--;
    load->worst_ms = ms > load->worst_ms ? ms : load->worst_ms;
    if (ms > load->worst_checkpoint_ms && (put->checkpoint || checkpoint_runs(load)))
        load->worst_checkpoint_ms = ms;
    if (++load->done % SAMPLE_EVERY == 0) {
        double mb = anonymous_mb();

        load->anonymous_mb = mb > load->anonymous_mb ? mb : load->anonymous_mb;
        if (load->notes >= 0 && write(load->notes, "", 1) != 1)
            exit(1);
    }
    if (load->next < load->end)
        start_put(put);
}

static void run_load(struct load *load)
{
    struct put puts[IN_FLIGHT];

    for (unsigned i = 0; i < IN_FLIGHT && load->next < load->end; i++) {
        puts[i] = (struct put){.load = load};
        start_put(&puts[i]);
    }
    while (load->in_flight > 0)
        storebox_turn(load->box);
}

static void bench_load(struct bench *b)
{
    struct load load = {.box = &b->box, .end = b->keys, .notes = -1};
    double started = now();
    double ratio;

    STOREBOX_CHECK(storebox_open(&b->box) == 0, "open");
    run_load(&load);
    report(b, b->box.options.sync ? "durable puts, 64 in flight" : "puts without sync",
           (double)b->keys / (now() - started), "/s", true, 30000);
    report(b, "RssAnon while putting, most", load.anonymous_mb, "MB", false, 200);
    report(b, "longest commit", load.worst_ms, "ms", false, 1000);
    report(b, "longest commit beside a checkpoint", load.worst_checkpoint_ms, "ms", false, 1000);
    storebox_checkpoint_wait(&b->box);
    storebox_close(&b->box);
    ratio = (double)storebox_disk_bytes(b->box.dir) / (double)load.bytes;
    report(b, "bytes on disk to those of the data", ratio, "", false, 3.5);
}

static void bench_in_child(struct bench *b, void (*bench)(struct bench *b))
{
    struct storebox box = b->box;
    int status;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    STOREBOX_CHECK(pid >= 0, "%s", strerror(errno));
    if (pid == 0) {
        storebox_init(&b->box, box.dir, &box.options);
        bench(b);
        fflush(NULL);
        _exit(b->failed ? 3 : 0);
    }
    STOREBOX_CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
                       (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 3),
                   "the child failed");
    b->failed = b->failed || WEXITSTATUS(status) == 3;
}

/* --- Reading --------------------------------------------------------------------------------- */

static void bench_open(struct bench *b, const char *what, double target)
{
    double started = now();

    STOREBOX_CHECK(storebox_open(&b->box) == 0, "open");
    report(b, what, (now() - started) * 1000, "ms", false, target);
}

/* Keys are made beforehand, some at a time: that takes as long as the gets do. */
static void bench_gets(struct bench *b, const char *what, uint64_t first, int expected)
{
    struct rng rng = {.state = 1};
    struct record record;
    char keys[GETS_AT_ONCE][KEY_ROOM];
    size_t lens[GETS_AT_ONCE];
    double seconds = 0;

    for (unsigned i = 0; i < GETS / GETS_AT_ONCE; i++) {
        double started;

        for (unsigned j = 0; j < GETS_AT_ONCE; j++)
            lens[j] = make_key(first + rng_below(&rng, b->keys), keys[j]);
        started = now();
        for (unsigned j = 0; j < GETS_AT_ONCE; j++) {
            int rc = gdbm_engine_get(b->box.store, keys[j], lens[j], &record);

            STOREBOX_CHECK(rc == expected, "%s: %s", keys[j],
                           rc == 0 ? "is there" : uv_strerror(rc));
        }
        seconds += now() - started;
    }
    report(b, what, GETS / seconds, "/s", true, 600000);
}

static int count_cb(const void *key, size_t len, const struct record *record, void *arg)
{
    unsigned *left = arg;

    (void)key;
    (void)len;
    (void)record;
    return --*left == 0 ? 1 : 0;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static void bench_lists(struct bench *b)
{
    struct rng rng = {.state = 2};
    double ms[PAGES];
    char key[KEY_ROOM];

    for (unsigned i = 0; i < PAGES; i++) {
        size_t len = make_key(rng_below(&rng, b->keys), key);
        double started = now();
        unsigned left = PAGE_KEYS;
        int rc = gdbm_engine_list(b->box.store, "/bench/", 7, key, len, count_cb, &left);

        STOREBOX_CHECK(rc >= 0, "%s", uv_strerror(rc));
        ms[i] = (now() - started) * 1000;
    }
    qsort(ms, PAGES, sizeof(ms[0]), compare_doubles);
    report(b, "a page of 1,000 keys, median", ms[PAGES / 2], "ms", false, 5);
    report(b, "a page of 1,000 keys, longest", ms[PAGES - 1], "ms", false, 5);
}

/* --- Recovery -------------------------------------------------------------------------------- */

/* Puts keys over those there are, until it is killed. */
static void write_on(struct bench *b, int notes)
{
    struct load load = {.next = b->keys, .end = UINT64_MAX, .notes = notes};
    struct storebox box;

    storebox_init(&box, b->box.dir, &b->box.options);
    load.box = &box;
    STOREBOX_CHECK(storebox_open(&box) == 0, "open");
    run_load(&load);
}

/* The box is closed; the child makes a loop of its own. */
static void bench_recovery(struct bench *b)
{
    struct store_stats stats;
    size_t wanted = KILLED_PUTS / SAMPLE_EVERY;
    pid_t pid;
    int fds[2];
    char note;

    STOREBOX_CHECK(pipe(fds) == 0, "%s", strerror(errno));
    fflush(NULL);
    pid = fork();
    STOREBOX_CHECK(pid >= 0, "%s", strerror(errno));
    if (pid == 0) {
        close(fds[0]);
        write_on(b, fds[1]);
        _exit(1);
    }
    close(fds[1]);
    while (wanted > 0 && read(fds[0], &note, 1) == 1)
        wanted--;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(fds[0]);
    STOREBOX_CHECK(wanted == 0, "the writer ended");
    bench_open(b, "start after kill -9 of a writer", 3000);
    store_stats(b->box.store, &stats);
    printf("      (journal %.1f MB, table %.1f MB)\n", (double)stats.journal_bytes / MB,
           (double)stats.table_bytes / MB);
    STOREBOX_CHECK(stats.keys >= b->keys + KILLED_PUTS / SAMPLE_EVERY * SAMPLE_EVERY,
                   "%llu keys are there", (unsigned long long)stats.keys);
    storebox_close(&b->box);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"keys", required_argument, NULL, 'k'},
                                            {"dir", required_argument, NULL, 'd'},
                                            {"no-sync", no_argument, NULL, 'n'},
                                            {"strict", no_argument, NULL, 's'},
                                            {NULL, 0, NULL, 0}};
    struct gdbm_engine_options store_options = {.sync = true};
    struct bench b = {.keys = 1000000};
    const char *dir = NULL;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'k')
            b.keys = strtoull(optarg, NULL, 0);
        else if (option == 'd')
            dir = optarg;
        else if (option == 'n')
            store_options.sync = false;
        else if (option == 's')
            b.strict = true;
        else
            return 2;
    }
    STOREBOX_CHECK(b.keys > 0, "--keys");
    STOREBOX_CHECK(dir == NULL || access(dir, F_OK) < 0, "%s exists", dir);
    log_set_level(LOG_LEVEL_ERROR);
    storebox_init(&b.box, dir, &store_options);
    b.box.temporary = true;
    bench_in_child(&b, bench_load); /* else its memory would count in the start's */
    bench_open(&b, "start after a clean end", 1000);
    report(&b, "RssAnon after start", anonymous_mb(), "MB", false, 100);
    bench_gets(&b, "gets of present keys", 0, 0);
    bench_gets(&b, "gets of missing keys", b.keys, UV_ENOENT);
    bench_lists(&b);
    storebox_close(&b.box);
    bench_recovery(&b);
    storebox_deinit(&b.box);
    return b.strict && b.failed ? 1 : 0;
}
