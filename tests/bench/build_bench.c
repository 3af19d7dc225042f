/* Measures what makes an index in one go: sorting, in memory and with runs on disk, and building.
 *
 *     build_bench [--keys N] [--dir DIR]
 *
 * --dir: where temporary files go, /var/tmp without it. Times are of the CPU, which others who use
 * the machine don't change so much, and by the clock. */
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "index/base/log.h"
#include "index/maintenance/sort.h"
#include "index/store/gdbm/build.h"
#include "tests/support/rng.h"
#include "tests/support/storebox.h"

#define ENTRY_SIZE 60
#define SPILLING   ((size_t)64 << 20)

static double cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double anonymous_mb(void)
{
    FILE *status = fopen("/proc/self/status", "re");
    unsigned long long kb = 0;
    char line[256];

    STOREBOX_CHECK(status != NULL, "no /proc/self/status");
    while (fgets(line, sizeof(line), status) != NULL)
        if (strncmp(line, "RssAnon:", 8) == 0)
            kb = strtoull(line + 8, NULL, 10);
    fclose(status);
    return (double)kb / 1024;
}

struct measure {
    const char *what;
    uint64_t n;
    uint64_t began;
    double cpu_began;
};

static struct measure begin(const char *what, uint64_t n)
{
    return (struct measure){what, n, uv_hrtime(), cpu_seconds()};
}

static void end(const struct measure *m)
{
    double seconds = (double)(uv_hrtime() - m->began) / 1e9;

    printf("%-28s %10.0f /s  %10.0f /s of CPU  %6.1f MB\n", m->what, (double)m->n / seconds,
           (double)m->n / (cpu_seconds() - m->cpu_began), anonymous_mb());
    fflush(stdout);
}

static void key_of(uint64_t number, char key[ENTRY_SIZE])
{
    unsigned directory = (unsigned)(number * 2654435761U % 1000);
    uint64_t file = number * 0x9e3779b97f4a7c15U;

    snprintf(key, ENTRY_SIZE, "/photos/%03u/%016" PRIx64 ".jpg", directory, file);
}

/* --- Sorting --------------------------------------------------------------------------------- */

static void measure_sort(const char *what, const char *dir, uint64_t n, size_t memory)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct sort *sort = sort_new(fd, memory, NULL);
    struct measure m = begin(what, n);
    char bytes[ENTRY_SIZE] = {0};
    struct sort_entry entry;
    uint64_t left = n;

    STOREBOX_CHECK(fd >= 0 && sort != NULL, "cannot sort in %s", dir);
    for (uint64_t i = 0; i < n; i++) {
        key_of(i, bytes);
        STOREBOX_CHECK(sort_add(sort, bytes, sizeof(bytes), strlen(bytes)) == 0, "no add");
    }
    while (sort_next(sort, &entry) == 1)
        left--;
    STOREBOX_CHECK(left == 0, "%llu are lost", (unsigned long long)left);
    end(&m);
    sort_free(sort);
    close(fd);
}

/* What the keys themselves cost. */
static void measure_keys(uint64_t n)
{
    struct measure m = begin("making these keys alone", n);
    char bytes[ENTRY_SIZE];

    for (uint64_t i = 0; i < n; i++)
        key_of(i, bytes);
    end(&m);
}

/* --- Building -------------------------------------------------------------------------------- */

static void measure_build(struct storebox *box, uint64_t n)
{
    struct measure m = begin("build", n);
    struct record record = {.flags = RECORD_MD5, .n_places = 3};
    struct build *build;
    struct rng rng = {1};

    STOREBOX_CHECK(storebox_open(box) == 0, "no store");
    STOREBOX_CHECK(build_start(box->dir, gdbm_engine_last_block(box->store), &build) == 0,
                   "no build");
    for (unsigned i = 0; i < 3; i++)
        STOREBOX_CHECK(build_volume_id(build, (const char *[]){"a:1", "b:1", "c:1"}[i],
                                       &record.places[i].volume) == 0,
                       "no id");
    for (uint64_t i = 0; i < n; i++) {
        char key[40];

        snprintf(key, sizeof(key), "/photos/%024llu.jpg", (unsigned long long)i);
        record.size = rng_below(&rng, 1 << 20);
        record.time = 1763740800123 + i;
        record.generation = record.time << 16;
        memcpy(record.md5, &rng.state, sizeof(rng.state));
        STOREBOX_CHECK(build_add_key(build, key, strlen(key), &record) == 0, "no add");
    }
    STOREBOX_CHECK(build_finish(build) == 0, "no finish");
    end(&m);
    STOREBOX_CHECK(gdbm_engine_adopt(box->store) == 0, "not adopted");
    storebox_close(box);
    printf("%-28s %10.1f bytes a key\n", "the table",
           (double)storebox_disk_bytes(box->dir) / (double)n);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"keys", required_argument, NULL, 'k'}, {"dir", required_argument, NULL, 'd'}, {0}};
    const char *parent = "/var/tmp";
    uint64_t keys = 1000000;
    struct storebox box;
    char dir[100];
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
        if (c == 'k')
            keys = strtoull(optarg, NULL, 0);
        else if (c == 'd')
            parent = optarg;
        else
            return 2;
    }
    log_set_level(LOG_LEVEL_WARN);
    snprintf(dir, sizeof(dir), "%s/mkv-build-XXXXXX", parent);
    STOREBOX_CHECK(mkdtemp(dir) != NULL, "%s", dir);
    measure_keys(keys);
    measure_sort("sort in memory", dir, keys, keys * (ENTRY_SIZE + 40) + SPILLING);
    measure_sort("sort with 64 MiB", dir, keys, SPILLING);
    measure_sort("sort with 4 MiB", dir, keys, SPILLING / 16);
    storebox_init(&box, dir, &(struct gdbm_engine_options){.sync = true});
    measure_build(&box, keys);
    storebox_deinit(&box);
    storebox_remove_directory(dir);
    return 0;
}
