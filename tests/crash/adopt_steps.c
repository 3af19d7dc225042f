/* Ends a process that builds a table and adopts it, at each step there is, in turn, and looks each
 * time whether the index holds what it held before or what was built, whole, and goes on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "index/base/log.h"
#include "index/store/gdbm/build.h"
#include "index/store/gdbm/step.h"
#include "tests/support/storebox.h"

#define OLD_KEYS  3000
#define NEW_KEYS  2000
#define STEPS_MAX 1000
#define ENDED     42 /* exit status of a child that came to its step */

enum found { OLD, NEW };

static const struct gdbm_engine_options durable = {.sync = true};
static unsigned last_step; /* at which the child ends; 0: none */
static unsigned calls;

void engine_step(const char *name)
{
    if (last_step == 0 || ++calls != last_step)
        return;
    printf("%4u  %s\n", last_step, name);
    fflush(stdout);
    _exit(ENDED);
}

static struct record record_of(unsigned size)
{
    return (struct record){.size = size, .n_places = 1};
}

static size_t key_of(char kind, unsigned i, char key[32])
{
    return (size_t)snprintf(key, 32, "/%c%06u", kind, i);
}

/* Part in the table, with a spare beside it, part in the journal. */
static void make_old(const char *dir)
{
    struct storebox box;
    char key[32];

    storebox_init(&box, dir, &durable);
    STOREBOX_CHECK(storebox_open(&box) == 0, "can't open %s", dir);
    for (unsigned i = 0; i < OLD_KEYS; i++) {
        struct record record = record_of(i);

        STOREBOX_CHECK(storebox_put(&box, key, key_of('o', i, key), &record) == 0, "no put");
        if (i % 1000 == 500 && i < 2000)
            STOREBOX_CHECK(storebox_checkpoint(&box) == 0, "no checkpoint");
    }
    storebox_deinit(&box);
}

static int replace(const char *dir)
{
    struct storebox box;
    struct build *build;
    char key[32];
    uint32_t id;

    storebox_init(&box, dir, &durable);
    STOREBOX_CHECK(storebox_open(&box) == 0, "can't open %s", dir);
    STOREBOX_CHECK(build_start(dir, gdbm_engine_last_block(box.store), &build) == 0, "no start");
    STOREBOX_CHECK(build_volume_id(build, "a:1", &id) == 0, "no id");
    for (unsigned i = 0; i < NEW_KEYS; i++) {
        struct record record = record_of(i);

        STOREBOX_CHECK(build_add_key(build, key, key_of('n', i, key), &record) == 0, "no add");
    }
    STOREBOX_CHECK(build_finish(build) == 0, "no finish");
    STOREBOX_CHECK(gdbm_engine_adopt(box.store) == 0, "not adopted");
    storebox_deinit(&box);
    return 0;
}

/* --- What is there --------------------------------------------------------------------------- */

struct seen {
    char kind;
    unsigned n;
};

static int see_cb(const void *key, size_t len, const struct record *record, void *arg)
{
    struct seen *seen = arg;
    char wanted[32];

    if (seen->n == 0)
        seen->kind = ((const char *)key)[1];
    STOREBOX_CHECK(len == key_of(seen->kind, seen->n, wanted) && memcmp(key, wanted, len) == 0 &&
                       record->size == seen->n,
                   "%.*s is there where %s should be", (int)len, (const char *)key, wanted);
    seen->n++;
    return 0;
}

static enum found look(struct storebox *box)
{
    struct store_stats stats;
    struct seen seen = {.n = 0};
    bool is_new;

    store_stats(box->store, &stats);
    STOREBOX_CHECK(gdbm_engine_list(box->store, "", 0, "", 0, see_cb, &seen) == 0, "no list");
    is_new = seen.kind == 'n';
    STOREBOX_CHECK(seen.n == (is_new ? NEW_KEYS : OLD_KEYS) && stats.keys == seen.n,
                   "%u keys of '%c', %llu counted", seen.n, seen.kind,
                   (unsigned long long)stats.keys);
    return is_new ? NEW : OLD;
}

/* The index goes on: what is put and deleted now stays so over a checkpoint and a start. */
static void go_on(struct storebox *box)
{
    struct record record = record_of(0);

    for (unsigned i = 0; i < 3; i++) {
        STOREBOX_CHECK(storebox_put(box, "/x", 2, &record) == 0, "no put");
        STOREBOX_CHECK(storebox_checkpoint(box) == 0, "no checkpoint");
        storebox_close(box);
        STOREBOX_CHECK(storebox_open(box) == 0, "can't open it again");
        STOREBOX_CHECK(storebox_delete(box, "/x", 2) == 0, "no delete");
    }
}

static enum found check(const char *dir)
{
    struct storebox box;
    char stage[PATH_MAX + sizeof(GDBM_ENGINE_STAGE)];
    enum found found;

    storebox_init(&box, dir, &durable);
    STOREBOX_CHECK(storebox_open(&box) == 0, "can't open %s", dir);
    snprintf(stage, sizeof(stage), "%s/" GDBM_ENGINE_STAGE, dir);
    STOREBOX_CHECK(access(stage, F_OK) < 0, "%s is still there", stage);
    found = look(&box);
    go_on(&box);
    STOREBOX_CHECK(look(&box) == found, "it became another");
    storebox_deinit(&box);
    return found;
}

/* --- Steps ----------------------------------------------------------------------------------- */

static int run_child(const char *dir, unsigned step)
{
    int status = 0;
    pid_t pid = fork();

    STOREBOX_CHECK(pid >= 0, "no child");
    if (pid == 0) {
        last_step = step;
        exit(replace(dir));
    }
    STOREBOX_CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status), "a child fell");
    return WEXITSTATUS(status);
}

/* False once the child came to its own end. *found: what it left. */
static bool try_step(const char *old, const char *top, unsigned step, enum found *found)
{
    char dir[PATH_MAX];
    int status;

    snprintf(dir, sizeof(dir), "%s/%u", top, step);
    storebox_copy_directory(old, dir);
    status = run_child(dir, step);
    STOREBOX_CHECK(status == 0 || status == ENDED, "a child failed: %s is left", dir);
    *found = check(dir);
    storebox_remove_directory(dir);
    return status == ENDED;
}

int main(void)
{
    enum found found = OLD;
    unsigned step = 1;
    unsigned n_old = 0;
    char top[64];
    char old[80];

    log_set_level(LOG_LEVEL_ERROR);
    storebox_make_scratch(top, sizeof(top), "adopt");
    snprintf(old, sizeof(old), "%s/old", top);
    make_old(old);
    while (step < STEPS_MAX) {
        enum found before = found;
        bool more = try_step(old, top, step, &found);

        STOREBOX_CHECK(found >= before, "step %u brought the old index back", step);
        n_old += found == OLD;
        if (!more)
            break;
        step++;
    }
    STOREBOX_CHECK(found == NEW && n_old > 0 && n_old < step - 1, "%u steps, %u before it", step,
                   n_old);
    storebox_remove_directory(old);
    STOREBOX_CHECK(rmdir(top) == 0, "%s isn't empty", top);
    printf("%u steps, %u of them before the new index is there\n", step - 1, n_old);
    return 0;
}
