/* Runs the workload, and writes a note to stdout before each commit and in each callback; the
 * harness reads them and kills this process.
 *
 *     crash_writer DIR UNIVERSE SEED VERSION CHECKPOINT_BYTES SYNC CHECKPOINTS STEP
 *
 * UNIVERSE and SEED are those of the keys and of what it does; VERSION the first that no record has
 * had; CHECKPOINTS after so many it closes the store and ends, 0: never; STEP the call of
 * engine_step() at which it ends itself, 0: none (only where the store was built with steps). */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "index/base/log.h"
#include "tests/crash/workload.h"

static void tell(const struct note *note)
{
    if (write(STDOUT_FILENO, note, sizeof(*note)) != sizeof(*note))
        _exit(3); /* the harness is gone */
}

static void tell_cb(const struct note *note, void *arg)
{
    (void)arg;
    tell(note);
}

#ifdef MKV_STORE_STEPS
#include "index/store/gdbm/step.h"

static atomic_ullong step_calls;
static unsigned long long step_last;

/* From any thread. */
void engine_step(const char *name)
{
    struct note note = {.kind = NOTE_STEP};

    if (atomic_fetch_add(&step_calls, 1) + 1 != step_last)
        return;
    snprintf(note.step, sizeof(note.step), "%s", name);
    tell(&note);
    _exit(0);
}
#endif

int main(int argc, char **argv)
{
    static struct storebox box;
    static struct workload w = {
        .box = &box, .width = UNIVERSE_IN_FLIGHT, .commits = UINT64_MAX, .tell = tell_cb};
    static const struct note end = {.kind = NOTE_END};
    struct gdbm_engine_options options = {.sync = false};

    if (argc != 9) {
        fprintf(stderr, "usage: crash_writer DIR UNIVERSE SEED VERSION CHECKPOINT_BYTES SYNC "
                        "CHECKPOINTS STEP\n");
        return 2;
    }
    log_set_level(LOG_LEVEL_ERROR);
    universe_init(strtoull(argv[2], NULL, 0));
    w.rng.state = strtoull(argv[3], NULL, 0);
    w.version = strtoull(argv[4], NULL, 0);
    options.checkpoint_bytes = strtoull(argv[5], NULL, 0);
    options.sync = strcmp(argv[6], "1") == 0;
    w.checkpoints = strtoull(argv[7], NULL, 0);
#ifdef MKV_STORE_STEPS
    step_last = strtoull(argv[8], NULL, 0);
#endif
    storebox_init(&box, argv[1], &options);
    STOREBOX_CHECK(storebox_open(&box) == 0, "can't open %s", argv[1]);
    workload_run(&w);
    storebox_deinit(&box);
    tell(&end);
    return 0;
}
