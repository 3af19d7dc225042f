/* Changes on their way: store_commit() adds them to `filling`; at the end of the loop's turn that
 * becomes `flushing` and one block of the journal, in a worker; when the block is on disk, its
 * operations go to the active memtable and the commits end. Meanwhile the next ones gather: one
 * flush serves all that wait.
 *
 * When enough has gathered in the active memtable, it is frozen, a new one and a new segment of the
 * journal are begun, and a checkpoint writes the frozen one into the next table. A checkpoint that
 * fails leaves the frozen memtable to be tried again. On a disk that is nearly full it begins
 * earlier, and only commits that delete something are taken (room.h). */
#include <assert.h>
#include <string.h>

#include "index/base/log.h"
#include "index/store/internal.h"

#define MEMTABLE_LIMIT   (32UL << 20) /* bytes after which a checkpoint begins */
#define MEMTABLE_MAX     (56UL << 20) /* bytes at which commits wait for the one that runs */
#define CHECKPOINT_BYTES (64UL << 20) /* of the journal, likewise */
#define RETRY_INTERVAL   1000         /* ms before a failed checkpoint is tried again */

static void prepare_cb(uv_prepare_t *prepare);

/* --- Checkpoints ----------------------------------------------------------------------------- */

static void checkpoint_work_cb(uv_work_t *work)
{
    struct store *s = work->data;

    s->checkpoint_rc = checkpoint_run(&s->checkpoint);
}

static void take_checkpoint(struct store *s)
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
    struct store *s = work->data;

    (void)status;
    s->checkpoint_running = false;
    s->stats.checkpoint_error = s->checkpoint_rc;
    if (s->stats.checkpoint_error == 0)
        take_checkpoint(s);
    else
        s->checkpoint_failed = uv_now(s->loop);
    store_checkpoint_if_due(s);
    store_close_if_idle(s);
    if (s->filling.first != NULL && !s->flush_running)
        uv_prepare_start(&s->prepare, prepare_cb);
}

static void start_checkpoint(struct store *s)
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
static int freeze(struct store *s)
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
    };
    return 0;
}

static int checkpoint_now(struct store *s)
{
    int rc = 0;

    if (s->frozen == NULL)
        rc = freeze(s);
    if (rc == 0)
        start_checkpoint(s);
    return rc;
}

void store_checkpoint_if_due(struct store *s)
{
    if (s->checkpoint_running || s->flush_running || s->closing)
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

void store_checkpoint(struct store *s)
{
    s->checkpoint_wanted = true;
    store_checkpoint_if_due(s);
}

/* The journal counts too: a key that is written over and over takes no more memory. */
static bool is_full(const struct store *s)
{
    return s->frozen != NULL && (memtable_bytes(s->active) >= MEMTABLE_MAX ||
                                 s->unfrozen_bytes >= 2 * s->options.checkpoint_bytes);
}

/* --- Flushes --------------------------------------------------------------------------------- */

static void flush_work_cb(uv_work_t *work)
{
    struct store *s = work->data;

    /* A batch that only deletes what isn't there has nothing to write. */
    if (s->flush_rc == 0 && buf_size(&s->flushing.payload) > 0)
        s->flush_rc = journal_append(s->journal, buf_bytes(&s->flushing.payload),
                                     buf_size(&s->flushing.payload));
    s->flush_room = room_look(s->directory);
}

static void apply_cb(const struct op *op, void *arg)
{
    store_apply(arg, op);
}

/* The callbacks may begin new commits, which gather in `filling`. */
static void end_commits(struct batch *batch, int rc)
{
    struct store_commit *commit = batch->first;

    batch->first = batch->last = NULL;
    batch->n_ops = 0;
    buf_clear(&batch->payload);
    while (commit != NULL) {
        struct store_commit *next = commit->next;

        commit->done(commit, rc);
        commit = next;
    }
}

static void take_room(struct store *s, struct room room)
{
    bool is_short = room_is_short(&room, s->short_of_room);

    s->room = room;
    if (is_short && !s->short_of_room)
        log_warn("the disk of the index in %s is nearly full: nothing new is taken until there is "
                 "room; keys can be deleted",
                 s->directory);
    if (!is_short && s->short_of_room)
        log_info("the disk of the index in %s has room again", s->directory);
    s->short_of_room = is_short;
}

static void flush_done_cb(uv_work_t *work, int status)
{
    struct store *s = work->data;
    size_t bytes = buf_size(&s->flushing.payload);

    (void)status;
    s->flush_running = false;
    if (s->flush_began && bytes > 0)
        s->stats.journal_error = s->flush_rc;
    if (s->flush_rc == 0) {
        ops_each((const unsigned char *)buf_bytes(&s->flushing.payload), bytes, apply_cb, s);
        s->n_saved_volumes = s->flushing_volumes;
        s->unfrozen_bytes += bytes;
    }
    take_room(s, s->flush_room);
    store_checkpoint_if_due(s);
    end_commits(&s->flushing, s->flush_rc);
    if (s->filling.first != NULL)
        uv_prepare_start(&s->prepare, prepare_cb);
    store_close_if_idle(s);
}

/* The names of volumes that this batch may be the first to use. */
static int add_volume_names(struct store *s)
{
    struct batch *batch = &s->filling;

    for (uint32_t id = s->n_saved_volumes; id < s->n_volumes; id++) {
        unsigned char key[5] = {OP_VOLUME, (unsigned char)(id >> 24), (unsigned char)(id >> 16),
                                (unsigned char)(id >> 8), (unsigned char)id};
        struct op op = {
            .key = key,
            .key_len = sizeof(key),
            .value = (const unsigned char *)s->volumes[id],
            .value_len = strlen(s->volumes[id]),
        };

        if (buf_reserve(&batch->payload, OP_MAX(op.key_len, op.value_len)) < 0)
            return UV_ENOMEM;
        op_write(&batch->payload, &op);
        batch->n_ops++;
    }
    s->flushing_volumes = s->n_volumes;
    return memtable_reserve(s->active, batch->n_ops, buf_size(&batch->payload));
}

/* With `rc` < 0 the commits end with that. They do so by way of the worker too: what they begin
 * from the prepare phase would not be seen before the loop has slept. */
static void start_flush(struct store *s, int rc)
{
    struct batch swap = s->flushing;

    s->flushing = s->filling;
    s->filling = swap;
    s->flush_running = true;
    s->flush_rc = rc;
    s->flush_began = rc == 0;
    s->flush_work.data = s;
    uv_queue_work(s->loop, &s->flush_work, flush_work_cb, flush_done_cb);
}

static void prepare_cb(uv_prepare_t *prepare)
{
    struct store *s = prepare->data;
    int rc;

    uv_prepare_stop(prepare);
    if (s->flush_running || s->filling.first == NULL)
        return;
    store_checkpoint_if_due(s);
    if (s->checkpoint_running && (is_full(s) || s->unfrozen_bytes > s->beside_bytes) && !s->closing)
        return; /* checkpoint_done_cb() comes back here */
    rc = is_full(s) && !s->closing ? s->stats.checkpoint_error : add_volume_names(s);
    start_flush(s, rc);
}

/* --- Commits --------------------------------------------------------------------------------- */

static int reserve(struct store *s, const struct store_change *changes, size_t n)
{
    struct batch *batch = &s->filling;
    size_t bytes = 0;

    for (size_t i = 0; i < n; i++)
        bytes += OP_MAX(1 + changes[i].len, RECORD_MAX);
    if (buf_size(&batch->payload) + bytes > JOURNAL_PAYLOAD_MAX / 2)
        return UV_ENOBUFS;
    if (buf_reserve(&batch->payload, bytes) < 0)
        return UV_ENOMEM;
    return memtable_reserve(s->active, s->flushing.n_ops + batch->n_ops + n,
                            buf_size(&s->flushing.payload) + buf_size(&batch->payload) + bytes);
}

/* Writes the operation behind `payload`; fails only when the table can't be read. */
static int write_change(struct store *s, const struct store_change *change)
{
    unsigned char key[INTERNAL_KEY_MAX];
    unsigned char value[RECORD_MAX];
    unsigned char old[PAGE_VALUE_MAX];
    size_t old_len;
    struct op op = {.key = key};
    int rc;

    op.key_len = store_internal_key(change->space, change->key, change->len, key);
    rc = store_lookup(s, key, op.key_len, old, &old_len);
    if (rc < 0 && rc != UV_ENOENT)
        return UV_EIO;
    if (rc == 0)
        op.was = op_class_of(key, old, old_len);
    if (change->record != NULL) {
        op.value = value;
        op.value_len = record_encode(change->record, value);
    } else if (op.was == OP_ABSENT) {
        return 0;
    }
    op_write(&s->filling.payload, &op);
    s->filling.n_ops++;
    return 0;
}

/* Whether there is room for it: deleting is always tried. */
static bool has_room(struct store *s, const struct store_change *changes, size_t n)
{
    if (!s->short_of_room)
        return true;
    for (size_t i = 0; i < n; i++)
        if (changes[i].record == NULL)
            return true;
    take_room(s, room_look(s->directory));
    if (s->short_of_room)
        s->stats.journal_error = UV_ENOSPC;
    return !s->short_of_room;
}

int store_commit(struct store *s, struct store_commit *commit, const struct store_change *changes,
                 size_t n, store_commit_cb done)
{
    struct batch *batch = &s->filling;
    size_t size = buf_size(&batch->payload);
    size_t n_ops = batch->n_ops;
    int rc;

    assert(n > 0 && n <= STORE_CHANGES_MAX && !s->closing);
    rc = has_room(s, changes, n) ? reserve(s, changes, n) : UV_ENOSPC;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = write_change(s, &changes[i]);
    if (rc < 0) {
        buf_truncate(&batch->payload, size);
        batch->n_ops = n_ops;
        return rc;
    }
    commit->done = done;
    commit->next = NULL;
    if (batch->last != NULL)
        batch->last->next = commit;
    else
        batch->first = commit;
    batch->last = commit;
    if (!s->flush_running)
        uv_prepare_start(&s->prepare, prepare_cb);
    return 0;
}

void store_commit_init(struct store *s)
{
    uv_prepare_init(s->loop, &s->prepare);
    s->prepare.data = s;
    take_room(s, room_look(s->directory));
    if (s->options.checkpoint_bytes == 0)
        s->options.checkpoint_bytes = CHECKPOINT_BYTES;
}
