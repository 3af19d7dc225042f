#include "tests/crash/sequel.h"

#include <string.h>

#include "tests/crash/workload.h"
#include "tests/support/storebox.h"

#define COMMITS   12
#define WIDTH_MAX 8

static void note_cb(const struct note *note, void *arg)
{
    ledger_note(arg, note);
}

void sequel_run(struct ledger *ledger, struct rng *rng, const char *dir)
{
    static const struct gdbm_engine_options options = {.sync = true};
    static struct workload w;
    struct storebox box;
    int rc;

    storebox_init(&box, dir, &options);
    STOREBOX_CHECK(storebox_open(&box) == 0, "can't open %s again", dir);
    memset(&w, 0, sizeof(w));
    w.box = &box;
    w.rng.state = rng_next(rng);
    w.version = ledger->next_version;
    w.width = 1 + rng_below(rng, WIDTH_MAX);
    w.commits = COMMITS;
    w.tell = note_cb;
    w.arg = ledger;
    workload_run(&w);
    rc = storebox_checkpoint(&box);
    STOREBOX_CHECK(rc == 0, "checkpoint: %s", uv_strerror(rc));
    storebox_deinit(&box);
    ledger_check(ledger, rng, dir);
}
