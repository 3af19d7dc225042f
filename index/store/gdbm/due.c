/* When a checkpoint is due, and what becomes of it: once enough has gathered in the active
 * memtable, that is frozen, a new one and a new segment of the journal are begun, and a worker
 * writes the frozen one into the next table (checkpoint.h). If that fails, the frozen memtable
 * waits to be tried again. On a disk that is nearly full a checkpoint begins earlier (room.h). */
#include "index/store/gdbm/internal.h"

#define MEMTABLE_LIMIT (32UL << 20) /* bytes after which a checkpoint begins */
#define RETRY_INTERVAL 1000         /* ms before a failed one is tried again */

static void checkpoint_work_cb(uv_work_t *work)
{
    struct gdbm_engine *s = work->data;

    s->checkpoint_rc = checkpoint_run(&s->checkpoint);
}

static void take_checkpoint(struct gdbm_engine *s)
{
    table_close(s->table);
    fences_deinit(&s->fences);
    memtable_free(s->frozen);
    s->frozen = NULL;
    s->table = s->checkpoint.table;
    s->fences = s->checkpoint.fences;
    s->header = s->checkpoint.header;
    s->frozen_bytes = 0;
    s->stats.checkpoints++;
    s->stats.checkpoint_ms = uv_now(s->loop) - s->checkpoint_started;
}

static void checkpoint_done_cb(uv_work_t *work, int status)
{
    struct gdbm_engine *s = work->data;

    (void)status;
    s->checkpoint_running = false;
    s->stats.checkpoint_error = s->checkpoint_rc;
    if (s->stats.checkpoint_error == 0)
        take_checkpoint(s);
    else
        s->checkpoint_failed = uv_now(s->loop);
    engine_checkpoint_if_due(s);
    engine_close_if_idle(s);
    engine_flush_soon(s);
}

static void start_checkpoint(struct gdbm_engine *s)
{
    s->beside_bytes = room_beside_checkpoint(&s->room, s->frozen_bytes);
    s->checkpoint.directory = s->directory;
    s->checkpoint.changes = s->frozen;
    s->checkpoint.old = &s->fences;
    s->checkpoint.header.generation = s->header.generation + 1;
    atomic_store(&s->checkpoint.cancel, false);
    s->checkpoint_running = true;
    s->checkpoint_started = uv_now(s->loop);
    s->checkpoint_work.data = s;
    uv_queue_work(s->loop, &s->checkpoint_work, checkpoint_work_cb, checkpoint_done_cb);
}

/* Between two flushes only: what is in the active memtable is then all that the segments hold. */
static int freeze(struct gdbm_engine *s)
{
    struct memtable *fresh = memtable_new();

    if (fresh == NULL ||
        memtable_reserve(fresh, s->filling.n_ops, buf_size(&s->filling.payload)) < 0) {
        memtable_free(fresh);
        return UV_ENOMEM;
    }
    s->frozen = s->active;
    s->active = fresh;
    s->frozen_bytes = s->unfrozen_bytes;
    s->unfrozen_bytes = 0;
    s->checkpoint.header = (struct table_header){
        .block = journal_rotate(s->journal),
        .keys = s->counts[OP_LIVE],
        .unlinked = s->counts[OP_UNLINKED],
        .orphans = s->counts[OP_ORPHANED],
        .last_generation = s->last_generation,
    };
    return 0;
}

static int checkpoint_now(struct gdbm_engine *s)
{
    int rc = 0;

    if (s->frozen == NULL)
        rc = freeze(s);
    if (rc == 0)
        start_checkpoint(s);
    return rc;
}

void engine_checkpoint_if_due(struct gdbm_engine *s)
{
    if (s->checkpoint_running || s->flush_running || s->closing || s->options.only_reads)
        return;
    if (s->frozen != NULL) {
        if (uv_now(s->loop) >= s->checkpoint_failed + RETRY_INTERVAL)
            checkpoint_now(s);
    } else if (s->checkpoint_wanted || memtable_bytes(s->active) >= MEMTABLE_LIMIT ||
               s->unfrozen_bytes >= s->options.checkpoint_bytes ||
               room_wants_checkpoint(&s->room, s->unfrozen_bytes)) {
        bool empty = memtable_count(s->active) == 0 && s->unfrozen_bytes == 0 && s->table != NULL;

        s->checkpoint_wanted = !empty && checkpoint_now(s) < 0;
    }
}

void gdbm_engine_checkpoint(struct store *store)
{
    struct gdbm_engine *s = engine_of(store);
    s->checkpoint_wanted = true;
    engine_checkpoint_if_due(s);
}
