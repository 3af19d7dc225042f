/* Measures the engine on PostgreSQL in process, on a server of its own that it fills, and says what
 * it was asked to reach.
 *
 *     postgres_bench [--keys N] [--store URI] [--filled] [--in-flight N] [--strict]
 *
 * The targets are those at a million keys on 2 cores, which the server has a part of. --store: a
 * database in place of the own server, which lies in TMPDIR: give that a disk. --filled: it has the
 * keys of a run before. --strict: a target that is missed makes it exit 1. */
#include <getopt.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "index/store/postgres/postgres_engine.h"
#include "tests/support/postgres.h"
#include "tests/support/rng.h"
#include "tests/support/storebox.h"

#define IN_FLIGHT 64
#define SECONDS   5.0
#define PAGES     200
#define PAGE_KEYS 1000
#define KEY_ROOM  64

struct bench {
    uv_loop_t loop;
    char uri[POSTGRES_URI_MAX];
    struct store *store;
    uint32_t volumes[3];
    uint64_t keys; /* that the table was filled with */
    unsigned in_flight;
    bool is_filled; /* by a run before */
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

/* Of this process, without the server's. */
static double cpu(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* Of the whole machine, and so of the server, but for what runs at a lower priority; and what is
 * left. In seconds. */
static double machine_cpu(double *idle)
{
    unsigned long long t[7] = {0};
    FILE *stat = fopen("/proc/stat", "re");
    double tick = 1.0 / (double)sysconf(_SC_CLK_TCK);

    if (stat == NULL || fscanf(stat, "cpu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1], &t[2],
                               &t[3], &t[4], &t[5], &t[6]) != 7)
        memset(t, 0, sizeof(t));
    if (stat != NULL)
        fclose(stat);
    *idle = (double)(t[3] + t[4]) * tick;
    return (double)(t[0] + t[2] + t[5] + t[6]) * tick;
}

struct meter {
    double own;
    double machine;
    double idle;
    double started;
};

static void begin_meter(struct meter *m)
{
    m->own = cpu();
    m->machine = machine_cpu(&m->idle);
    m->started = now();
}

static void report_meter(const struct meter *m, const char *what, uint64_t ops)
{
    double idle;
    double machine = machine_cpu(&idle) - m->machine;
    double took = now() - m->started;

    printf("      CPU of %s: %.2f us of the index, %.2f us of all; idle: %.0f %% of a core\n", what,
           (cpu() - m->own) * 1e6 / (double)ops, machine * 1e6 / (double)ops,
           (idle - m->idle) / took * 100);
}

/* As in bench/store_bench.c: names in no order, records of three places with an MD5. */
static size_t make_key(uint64_t number, char key[KEY_ROOM])
{
    struct rng rng = {.state = number};
    uint64_t hash = rng_next(&rng);

    return (size_t)snprintf(key, KEY_ROOM, "/bench/%02x/%016llx-%012llu", (unsigned)(hash & 0xff),
                            (unsigned long long)hash, (unsigned long long)number);
}

static uint64_t generation_of(uint64_t number)
{
    return (1795000000000U + number) << 16;
}

static struct record make_record(const struct bench *b, uint64_t number)
{
    struct record record = {.flags = RECORD_MD5,
                            .size = number % 1000000,
                            .time = 1795000000000U + number,
                            .generation = generation_of(number),
                            .placed_by = 0x80000001,
                            .n_places = 3};
    struct rng rng = {.state = ~number};

    for (unsigned i = 0; i < RECORD_MD5_SIZE; i++)
        record.md5[i] = (unsigned char)rng_below(&rng, 256);
    for (unsigned i = 0; i < record.n_places; i++)
        record.places[i].volume = b->volumes[i];
    return record;
}

/* --- Operations in a row --------------------------------------------------------------------- */

struct load {
    struct bench *b;
    uint64_t next;
    uint64_t end;
    double until; /* 0: none */
    uint64_t done;
    unsigned in_flight;
    bool announces;
    double worst_ms;
};

struct put {
    struct store_commit commit;
    struct load *load;
    double started;
    uint64_t number;
    size_t len;
    char key[KEY_ROOM];
};

static void start_put(struct put *put);

static bool is_over(const struct load *load)
{
    return load->next == load->end || (load->until > 0 && now() >= load->until);
}

static void put_cb(struct store_commit *commit, int rc)
{
    struct put *put = commit->data;
    struct load *load = put->load;
    double ms = (now() - put->started) * 1000;

    STOREBOX_CHECK(rc == 0, "%s: %s", put->key, uv_strerror(rc));
    if (ms > load->worst_ms)
        load->worst_ms = ms;
    load->done++;
    load->in_flight--;
    if (!is_over(load))
        start_put(put);
}

static void commit_put(struct put *put)
{
    struct load *load = put->load;
    struct record record = make_record(load->b, put->number);
    struct store_change changes[2] = {
        {.space = STORE_KEYS,
         .key = put->key,
         .len = put->len,
         .record = &record,
         .expect = STORE_NOTHING},
        {.space = STORE_ORPHANS,
         .key = put->key,
         .len = put->len,
         .generation = record.generation,
         .expect = STORE_OWN},
    };
    int rc = store_commit(load->b->store, &put->commit, changes, load->announces ? 2 : 1, put_cb);

    STOREBOX_CHECK(rc == 0, "%s", uv_strerror(rc));
}

static void announced_cb(struct store_commit *commit, int rc)
{
    struct put *put = commit->data;

    STOREBOX_CHECK(rc == 0, "%s: %s", put->key, uv_strerror(rc));
    commit_put(put);
}

static void announce_put(struct put *put)
{
    struct load *load = put->load;
    struct orphan orphan = {.until = 1795000000000U + put->number, .n_places = 3};
    struct store_change change = {.space = STORE_ORPHANS,
                                  .key = put->key,
                                  .len = put->len,
                                  .generation = generation_of(put->number),
                                  .orphan = &orphan,
                                  .expect = STORE_NOTHING};
    int rc;

    for (unsigned i = 0; i < orphan.n_places; i++)
        orphan.places[i].volume = load->b->volumes[i];
    rc = store_announce(load->b->store, &put->commit, &change, announced_cb);
    STOREBOX_CHECK(rc == 0, "%s", uv_strerror(rc));
}

static void start_put(struct put *put)
{
    struct load *load = put->load;

    put->started = now();
    put->number = load->next++;
    put->len = make_key(put->number, put->key);
    put->commit.data = put;
    load->in_flight++;
    if (load->announces)
        announce_put(put);
    else
        commit_put(put);
}

static double run_puts(struct load *load, unsigned in_flight)
{
    struct put *puts = calloc(in_flight, sizeof(*puts));
    double started = now();

    STOREBOX_CHECK(puts != NULL, "out of memory");
    for (unsigned i = 0; i < in_flight && load->next < load->end; i++) {
        puts[i].load = load;
        start_put(&puts[i]);
    }
    while (load->in_flight > 0)
        uv_run(&load->b->loop, UV_RUN_ONCE);
    free(puts);
    return (double)load->done / (now() - started);
}

struct get {
    struct store_reading reading;
    struct load *load;
    struct rng rng;
    uint64_t number;
    size_t len;
    char key[KEY_ROOM];
};

static void start_get(struct get *get);

static void got_cb(struct store_reading *reading, int rc, const struct record *record)
{
    struct get *get = reading->data;
    struct load *load = get->load;

    STOREBOX_CHECK(rc == 0 && record->generation == generation_of(get->number), "%s: %s", get->key,
                   uv_strerror(rc));
    load->done++;
    load->in_flight--;
    if (!is_over(load))
        start_get(get);
}

static void start_get(struct get *get)
{
    struct load *load = get->load;
    int rc;

    get->number = rng_below(&get->rng, load->b->keys);
    get->len = make_key(get->number, get->key);
    get->reading.data = get;
    load->in_flight++;
    rc = store_get(load->b->store, &get->reading, get->key, get->len, NULL, got_cb);
    STOREBOX_CHECK(rc == STORE_LATER, "%s", uv_strerror(rc));
}

static double run_gets(struct load *load, unsigned in_flight)
{
    struct get *gets = calloc(in_flight, sizeof(*gets));
    double started = now();

    STOREBOX_CHECK(gets != NULL, "out of memory");
    for (unsigned i = 0; i < in_flight; i++) {
        gets[i].load = load;
        gets[i].rng.state = i + 1;
        start_get(&gets[i]);
    }
    while (load->in_flight > 0)
        uv_run(&load->b->loop, UV_RUN_ONCE);
    free(gets);
    return (double)load->done / (now() - started);
}

/* --- Pages ----------------------------------------------------------------------------------- */

struct page {
    unsigned left;
    bool ended;
};

static int key_cb(const void *key, size_t len, const struct record *record, void *arg)
{
    struct page *page = arg;

    (void)key, (void)len, (void)record;
    return --page->left == 0;
}

static void listed_cb(struct store_reading *reading, int rc)
{
    struct page *page = reading->data;

    STOREBOX_CHECK(rc >= 0, "%s", uv_strerror(rc));
    page->ended = true;
}

static double page_ms(struct bench *b)
{
    double started = now();

    for (unsigned i = 0; i < PAGES; i++) {
        struct page page = {.left = PAGE_KEYS};
        struct store_reading reading = {.data = &page};
        struct rng rng = {.state = i};
        char start[KEY_ROOM];
        const struct store_range range = {.prefix = "/bench/",
                                          .prefix_len = 7,
                                          .start = start,
                                          .start_len = make_key(rng_next(&rng), start),
                                          .want = PAGE_KEYS};
        int rc = store_list(b->store, &reading, &range, key_cb, &page, listed_cb);

        STOREBOX_CHECK(rc == STORE_LATER, "%s", uv_strerror(rc));
        while (!page.ended)
            uv_run(&b->loop, UV_RUN_ONCE);
    }
    return (now() - started) * 1000 / PAGES;
}

/* --- All of it ------------------------------------------------------------------------------- */

static void closed_cb(void *arg)
{
    *(bool *)arg = true;
}

static void identified_cb(struct store_reading *reading, int rc, uint32_t id)
{
    STOREBOX_CHECK(rc == 0, "%s", uv_strerror(rc));
    *(int64_t *)reading->data = id;
}

static void name_volumes(struct bench *b)
{
    for (unsigned i = 0; i < 3; i++) {
        int64_t id = -1;
        struct store_reading reading = {.data = &id};
        char name[32];

        snprintf(name, sizeof(name), "localhost:%u", 3001 + i);
        if (store_volume_id(b->store, &reading, name, &b->volumes[i], identified_cb) == 0)
            continue;
        while (id < 0)
            uv_run(&b->loop, UV_RUN_ONCE);
        b->volumes[i] = (uint32_t)id;
    }
}

static void measure(struct bench *b)
{
    struct load fill = {.b = b, .end = b->keys};
    struct load puts = {.b = b, .next = b->keys, .end = UINT64_MAX, .announces = true};
    struct load gets = {.b = b, .end = UINT64_MAX};
    char *bytes;
    double rate;
    struct meter meter;

    if (b->is_filled) {
        puts.next += (uint64_t)(time(NULL) - 1795000000) * 1000000;
    } else {
        printf("      filled at %.0f keys/s\n", run_puts(&fill, 1024));
        free(postgres_sql(b->uri, "VACUUM (ANALYZE) mkv.keys"));
    }
    bytes = postgres_sql(b->uri, "SELECT pg_total_relation_size('mkv.keys')");
    report(b, "bytes of the table, a key", strtod(bytes, NULL) / (double)b->keys, "B", false, 200);
    free(bytes);

    begin_meter(&meter);
    gets.until = now() + SECONDS;
    rate = run_gets(&gets, b->in_flight);
    report(b, "gets", rate, "/s", true, 150000);
    report_meter(&meter, "a get", gets.done);
    report(b, "a page of 1,000 keys", page_ms(b), "ms", false, 2);

    begin_meter(&meter);
    puts.until = now() + SECONDS;
    rate = run_puts(&puts, b->in_flight);
    report(b, "PUTs, announced and committed", rate, "/s", true, 30000);
    report_meter(&meter, "a PUT", puts.done);
    printf("      the slowest PUT: %.1f ms\n", puts.worst_ms);
}

static void open_store(struct bench *b, struct postgres_server *server, const char *uri)
{
    struct postgres_engine_options options = {
        .name = "bench", .sync = true, .shared = {.copies = 3, .subvolumes = 1}};
    int rc;

    if (uri == NULL) {
        postgres_server_new_database(server, b->uri);
        free(postgres_sql(b->uri, "ALTER SYSTEM SET max_wal_size = '4GB'"));
        free(postgres_sql(b->uri, "SELECT pg_reload_conf()"));
    } else {
        snprintf(b->uri, sizeof(b->uri), "%s", uri);
    }
    options.uri = b->uri;
    STOREBOX_CHECK(uv_loop_init(&b->loop) == 0, "no loop");
    rc = postgres_engine_open(&b->loop, &options, &b->store);
    STOREBOX_CHECK(rc == 0, "%s", uv_strerror(rc));
    name_volumes(b);
}

static void close_store(struct bench *b)
{
    bool closed = false;

    store_close(b->store, closed_cb, &closed);
    while (!closed)
        uv_run(&b->loop, UV_RUN_ONCE);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    uv_loop_close(&b->loop);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"keys", required_argument, NULL, 'k'}, {"store", required_argument, NULL, 's'},
        {"filled", no_argument, NULL, 'f'},     {"in-flight", required_argument, NULL, 'n'},
        {"strict", no_argument, NULL, 'x'},     {NULL, 0, NULL, 0}};
    struct bench b = {.keys = 1000000, .in_flight = IN_FLIGHT};
    struct postgres_server *server = NULL;
    const char *uri = NULL;
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 'k')
            b.keys = strtoull(optarg, NULL, 10);
        else if (c == 's')
            uri = optarg;
        else if (c == 'f')
            b.is_filled = true;
        else if (c == 'n')
            b.in_flight = (unsigned)strtoul(optarg, NULL, 10);
        else if (c == 'x')
            b.strict = true;
        else
            return 2;
    }
    STOREBOX_CHECK(b.keys > 0 && b.in_flight > 0, "nothing to do");
    if (uri == NULL)
        /* As anybody would give it, for a table of this size. */
        server = postgres_server_start("-cshared_buffers=1GB");
    open_store(&b, server, uri);
    measure(&b);
    close_store(&b);
    postgres_server_stop(server);
    return b.strict && b.failed;
}
