/* Changes on their way: engine_commit() adds them to `filling`; at the end of the loop's turn that
 * becomes `flushing` and one block of the journal, in a worker; when the block is on disk, its
 * operations go to the active memtable and the commits end. Meanwhile the next ones gather: one
 * flush serves all that wait.
 *
 * A commit that expects something compares with what is on its way before it, or else with the
 * tables. Should the batch fail that it has looked into, its own fails as well.
 *
 * On a disk that is nearly full only commits that delete something are taken (room.h). While the
 * disk hangs, no commit is taken, and those that gather end with UV_ETIMEDOUT, never to be done.
 * Those of the block that the disk has wait: nobody knows whether they are done. */
#include <assert.h>
#include <string.h>
#include <sys/random.h>

#include "index/base/log.h"
#include "index/store/gdbm/internal.h"

#define MEMTABLE_MAX     (56UL << 20) /* bytes at which commits wait for the one that runs */
#define CHECKPOINT_BYTES (64UL << 20) /* of the journal, likewise */
#define PATIENCE_MS      30000
#define PATIENCE_TICKS   4 /* that it is counted in: a clock that jumps counts as one */

static bool is_empty(const struct batch *batch)
{
    return STAILQ_EMPTY(&batch->commits) && STAILQ_EMPTY(&batch->announced);
}

/* --- Flushes --------------------------------------------------------------------------------- */

/* The journal counts too: a key that is written over and over takes no more memory. */
static bool is_full(const struct gdbm_engine *s)
{
    return s->frozen != NULL && (memtable_bytes(s->active) >= MEMTABLE_MAX ||
                                 s->unfrozen_bytes >= 2 * s->options.checkpoint_bytes);
}

/* In the worker: the block is in the file, and goes to disk now. */
static void block_written_cb(void *arg)
{
    struct gdbm_engine *s = arg;

    atomic_store(&s->is_written, true);
    uv_async_send(&s->written);
}

static void flush_work_cb(uv_work_t *work)
{
    struct gdbm_engine *s = work->data;

    /* A batch that only deletes what isn't there has nothing to write. */
    if (s->flushing.rc == 0 && buf_size(&s->flushing.payload) > 0)
        s->flushing.rc = journal_append(s->journal, buf_bytes(&s->flushing.payload),
                                        buf_size(&s->flushing.payload), block_written_cb, s);
    s->flush_room = room_look(s->directory);
}

/* The callbacks may begin new commits, which gather in `filling`. */
static void count(struct store_stats *stats, int rc)
{
    if (rc == 0)
        stats->commits++;
    else if (rc == STORE_CONFLICT)
        stats->conflicts++;
    else
        stats->failures++;
}

static void end_commits(struct gdbm_engine *s, struct commit_queue *queue, int rc)
{
    struct commit_queue commits = STAILQ_HEAD_INITIALIZER(commits);
    struct store_commit *commit;

    STAILQ_CONCAT(&commits, queue);
    while ((commit = STAILQ_FIRST(&commits)) != NULL) {
        STAILQ_REMOVE_HEAD(&commits, link);
        count(&s->stats, rc < 0 ? rc : commit->rc);
        commit->done(commit, rc < 0 ? rc : commit->rc);
    }
}

static void written_cb(uv_async_t *async)
{
    struct gdbm_engine *s = async->data;

    if (s->flush_running && atomic_exchange(&s->is_written, false))
        end_commits(s, &s->flushing.announced, 0);
}

static void take_room(struct gdbm_engine *s, struct room room)
{
    bool is_short = room_is_short(&room, s->short_of_room);

    s->room = room;
    if (is_short && !s->short_of_room)
        log_limited(LOG_LEVEL_WARN,
                    "the disk of the index in %s is nearly full: nothing new is taken until there "
                    "is room; keys can be deleted",
                    s->directory);
    if (!is_short && s->short_of_room)
        log_limited(LOG_LEVEL_INFO, "the disk of the index in %s has room again", s->directory);
    s->short_of_room = is_short;
}

static void clear_batch(struct batch *batch)
{
    batch->rc = 0;
    batch->depends = false;
    batch->n_ops = 0;
    buf_clear(&batch->payload);
    slots_clear(&batch->last);
}

static void patience_cb(uv_timer_t *timer)
{
    struct gdbm_engine *s = timer->data;
    struct commit_queue commits = STAILQ_HEAD_INITIALIZER(commits);

    if (++s->patience_ticks < PATIENCE_TICKS)
        return;
    uv_timer_stop(timer);
    log_limited(LOG_LEVEL_ERROR,
                "the disk of the index in %s hangs: nothing new is taken until it goes on",
                s->directory);
    s->hangs = true;
    s->stats.journal_error = UV_ETIMEDOUT;
    STAILQ_CONCAT(&commits, &s->filling.announced);
    STAILQ_CONCAT(&commits, &s->filling.commits);
    clear_batch(&s->filling);
    end_commits(s, &commits, UV_ETIMEDOUT);
}

static void wait_from_now(struct gdbm_engine *s)
{
    unsigned tick = s->options.patience_ms / PATIENCE_TICKS;

    s->patience_ticks = 0;
    uv_timer_start(&s->patience, patience_cb, tick, tick);
}

static void flush_done_cb(uv_work_t *work, int status)
{
    struct gdbm_engine *s = work->data;
    size_t bytes = buf_size(&s->flushing.payload);
    int rc = s->flushing.rc;

    (void)status;
    s->flush_running = false;
    uv_timer_stop(&s->patience);
    atomic_store(&s->is_written, false);
    if (s->flush_began && bytes > 0) {
        s->stats.journal_error = rc;
        s->stats.flushes++;
    }
    if (rc == 0) {
        ops_each((const unsigned char *)buf_bytes(&s->flushing.payload), bytes, engine_apply_cb, s);
        s->n_saved_volumes = s->flushing_volumes;
        s->unfrozen_bytes += bytes;
    }
    take_room(s, s->flush_room);
    engine_checkpoint_if_due(s);
    if (rc < 0 && s->filling.depends)
        s->filling.rc = rc;
    s->filling.depends = false;
    clear_batch(&s->flushing);
    end_commits(s, &s->flushing.announced, rc);
    end_commits(s, &s->flushing.commits, rc);
    engine_flush_soon(s);
    engine_close_if_idle(s);
}

/* The names of volumes that this batch may be the first to use. */
static int add_volume_names(struct gdbm_engine *s)
{
    struct batch *batch = &s->filling;

    for (uint32_t id = s->n_saved_volumes; id < s->volumes.count; id++) {
        const char *name = names_text(&s->volumes, id);
        unsigned char key[VOLUME_KEY_SIZE];
        struct op op = {
            .key = key,
            .key_len = sizeof(key),
            .value = (const unsigned char *)name,
            .value_len = strlen(name),
        };

        engine_volume_key(id, key);
        if (buf_reserve(&batch->payload, OP_MAX(op.key_len, op.value_len)) < 0)
            return UV_ENOMEM;
        op_write(&batch->payload, &op);
        batch->n_ops++;
    }
    s->flushing_volumes = s->volumes.count;
    return memtable_reserve(s->active, batch->n_ops, buf_size(&batch->payload));
}

/* The queues of two batches that were swapped: an empty one points at itself. */
static void move_queues(struct batch *filling, struct batch *flushing)
{
    STAILQ_INIT(&filling->commits);
    STAILQ_INIT(&filling->announced);
    if (STAILQ_EMPTY(&flushing->commits))
        STAILQ_INIT(&flushing->commits);
    if (STAILQ_EMPTY(&flushing->announced))
        STAILQ_INIT(&flushing->announced);
}

/* The commits of a batch that has failed already end by way of the worker too: what they begin from
 * the prepare phase would not be seen before the loop has slept. */
static void start_flush(struct gdbm_engine *s)
{
    struct batch swap = s->flushing;

    wait_from_now(s);
    s->flushing = s->filling;
    s->filling = swap;
    move_queues(&s->filling, &s->flushing);
    s->flush_running = true;
    s->flush_began = s->flushing.rc == 0;
    s->flush_work.data = s;
    uv_queue_work(s->loop, &s->flush_work, flush_work_cb, flush_done_cb);
}

static void prepare_cb(uv_prepare_t *prepare)
{
    struct gdbm_engine *s = prepare->data;
    struct batch *batch = &s->filling;

    uv_prepare_stop(prepare);
    if (s->flush_running || is_empty(batch))
        return;
    engine_checkpoint_if_due(s);
    if (s->checkpoint_running && (is_full(s) || s->unfrozen_bytes > s->beside_bytes) && !s->closing)
        return; /* checkpoint_done_cb() comes back here */
    if (batch->rc == 0 && is_full(s) && !s->closing)
        batch->rc = s->stats.checkpoint_error;
    if (batch->rc == 0)
        batch->rc = add_volume_names(s);
    start_flush(s);
}

void engine_flush_soon(struct gdbm_engine *s)
{
    if (s->hangs && !s->flush_running) {
        log_limited(LOG_LEVEL_INFO, "the disk of the index in %s goes on", s->directory);
        s->hangs = false;
        if (s->stats.journal_error == UV_ETIMEDOUT)
            s->stats.journal_error = 0;
    }
    if (is_empty(&s->filling) || s->flush_running)
        return;
    uv_prepare_start(&s->prepare, prepare_cb);
    wait_from_now(s);
}

/* --- Commits --------------------------------------------------------------------------------- */

static int reserve(struct gdbm_engine *s, const struct store_change *changes, size_t n)
{
    struct batch *batch = &s->filling;
    size_t n_ops = n * SPLIT_ENTRIES_MAX;
    size_t bytes = 0;

    for (size_t i = 0; i < n; i++)
        bytes += SPLIT_ENTRIES_MAX * OP_MAX(1 + changes[i].len + ORPHAN_SUFFIX, PAGE_VALUE_MAX);
    if (buf_size(&batch->payload) + bytes > JOURNAL_PAYLOAD_MAX / 2)
        return UV_ENOBUFS;
    if (buf_reserve(&batch->payload, bytes) < 0 || slots_reserve(&batch->last, n_ops) < 0)
        return UV_ENOMEM;
    return memtable_reserve(s->active, s->flushing.n_ops + batch->n_ops + n_ops,
                            buf_size(&s->flushing.payload) + buf_size(&batch->payload) + bytes);
}

/* A change as bytes, and what it finds. */
struct prepared {
    unsigned char key[INTERNAL_KEY_MAX];
    unsigned char value[RECORD_MAX];
    size_t key_len;
    size_t value_len;
    size_t entries; /* that it makes (split.h); 0: it deletes */
    size_t old_entries;
    enum op_class was;
};

/* The last operation on an internal key in the batch; at *at its slot. False if there is none. */
static bool find_in_batch(const struct batch *batch, const unsigned char *key, size_t len,
                          uint32_t hash, struct op *op, size_t *at)
{
    const unsigned char *payload = (const unsigned char *)buf_bytes(&batch->payload);
    const void *item = slots_find(&batch->last, hash, at);

    for (; item != NULL; item = slots_find_next(&batch->last, hash, at)) {
        op_read(payload, buf_size(&batch->payload), (uintptr_t)item - 1, op);
        if (op->key_len == len && memcmp(op->key, key, len) == 0)
            return true;
    }
    return false;
}

/* A split_get: what the key has once all that is on its way is done. */
static int look_ahead(struct gdbm_engine *s, const unsigned char *key, size_t len,
                      unsigned char *value, size_t *value_len)
{
    uint32_t hash = slots_hash(s->seed, key, len);
    struct op op;
    size_t at;

    if (!find_in_batch(&s->filling, key, len, hash, &op, &at)) {
        if (!s->flush_running || !find_in_batch(&s->flushing, key, len, hash, &op, &at))
            return engine_lookup(s, key, len, value, value_len);
        s->filling.depends = true;
    }
    if (op.value == NULL)
        return UV_ENOENT;
    memcpy(value, op.value, op.value_len);
    *value_len = op.value_len;
    return 0;
}

static size_t encode(enum store_space space, const struct record *record,
                     const struct orphan *orphan, unsigned char *value)
{
    return space == STORE_KEYS ? record_encode(record, value) : orphan_encode(orphan, value);
}

static bool is_expected(const struct store_change *c, const unsigned char *found, size_t found_len)
{
    unsigned char value[RECORD_MAX];

    if (c->expect == STORE_ANYTHING || (c->expect == STORE_OWN && c->orphan_was == NULL))
        return true;
    if (c->expect == STORE_NOTHING || found == NULL)
        return c->expect == STORE_NOTHING && found == NULL;
    return encode(c->space, c->was, c->orphan_was, value) == found_len &&
           memcmp(value, found, found_len) == 0;
}

static bool sets(const struct store_change *c)
{
    return c->space == STORE_KEYS ? c->record != NULL : c->orphan != NULL;
}

/* 0, STORE_CONFLICT, or UV_EIO when the table can't be read. */
static int prepare_change(struct gdbm_engine *s, const struct store_change *c, struct prepared *p)
{
    unsigned char found[SPLIT_ROOM];
    size_t found_len = 0;
    int rc;

    assert(memchr(c->key, '\0', c->len) == NULL);
    if (c->space == STORE_KEYS)
        p->key_len = engine_internal_key(c->key, c->len, p->key);
    else
        p->key_len = engine_orphan_key(c->key, c->len, c->generation, p->key);
    rc = split_read(s, look_ahead, p->key, p->key_len, found, &found_len);
    if (rc < 0 && rc != UV_ENOENT)
        return UV_EIO;
    if (!is_expected(c, rc == 0 ? found : NULL, found_len))
        return STORE_CONFLICT;
    p->was = op_class_of(p->key, p->key_len, rc == 0 ? found : NULL, found_len);
    p->old_entries = rc == 0 ? split_count(found_len) : 0;
    p->value_len = sets(c) ? encode(c->space, c->record, c->orphan, p->value) : 0;
    p->entries = sets(c) ? split_count(p->value_len) : 0;
    return 0;
}

static void add_op(struct gdbm_engine *s, const struct op *op)
{
    struct batch *batch = &s->filling;
    size_t place = buf_size(&batch->payload);
    uint32_t hash = slots_hash(s->seed, op->key, op->key_len);
    struct op old;
    size_t at;

    if (find_in_batch(batch, op->key, op->key_len, hash, &old, &at))
        slots_drop(&batch->last, at);
    op_write(&batch->payload, op);
    slots_add(&batch->last, (void *)(place + 1), hash); // NOLINT(performance-no-int-to-ptr)
    batch->n_ops++;
}

/* Entries that the key had, and has no more, go. */
static void add_change(struct gdbm_engine *s, struct prepared *p)
{
    size_t n = p->entries > p->old_entries ? p->entries : p->old_entries;

    for (size_t i = 0; i < n; i++) {
        struct op op = {.key = p->key, .key_len = split_key(p->key, p->key_len, i)};

        if (i < p->old_entries)
            op.was = i == 0 ? p->was : OP_PIECE;
        if (i < p->entries) {
            op.value = p->value + i * PAGE_VALUE_MAX;
            op.value_len = split_size(p->value_len, i);
        }
        add_op(s, &op);
    }
}

/* Whether there is room for it: deleting is always tried. */
static bool has_room(struct gdbm_engine *s, const struct store_change *changes, size_t n)
{
    if (!s->short_of_room)
        return true;
    for (size_t i = 0; i < n; i++) {
        if (!sets(&changes[i]))
            return true;
    }
    take_room(s, room_look(s->directory));
    if (s->short_of_room)
        s->stats.journal_error = UV_ENOSPC;
    return !s->short_of_room;
}

/* Whether changes are taken now, and then memory for them. */
static int take(struct gdbm_engine *s, const struct store_change *changes, size_t n)
{
    if (s->options.only_reads)
        return UV_EROFS;
    if (s->hangs)
        return UV_ETIMEDOUT;
    return has_room(s, changes, n) ? reserve(s, changes, n) : UV_ENOSPC;
}

static int add_commit(struct gdbm_engine *s, struct store_commit *commit,
                      const struct store_change *changes, size_t n, store_commit_cb done)
{
    struct prepared prepared[STORE_CHANGES_MAX];
    int rc = take(s, changes, n);

    assert(n > 0 && n <= STORE_CHANGES_MAX && !s->closing);
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = prepare_change(s, &changes[i], &prepared[i]);
    if (rc < 0 && rc != STORE_CONFLICT)
        return rc;
    for (size_t i = 0; i < n && rc == 0; i++)
        add_change(s, &prepared[i]);
    commit->done = done;
    commit->rc = rc;
    if (!s->flush_running)
        uv_prepare_start(&s->prepare, prepare_cb);
    if (!uv_is_active((uv_handle_t *)&s->patience))
        wait_from_now(s);
    return 0;
}

int engine_commit(struct gdbm_engine *s, struct store_commit *commit,
                  const struct store_change *changes, size_t n, store_commit_cb done)
{
    int rc = add_commit(s, commit, changes, n, done);

    if (rc == 0)
        STAILQ_INSERT_TAIL(&s->filling.commits, commit, link);
    return rc;
}

int engine_announce(struct gdbm_engine *s, struct store_commit *commit,
                    const struct store_change *change, store_commit_cb done)
{
    int rc = add_commit(s, commit, change, 1, done);

    if (rc == 0)
        STAILQ_INSERT_TAIL(&s->filling.announced, commit, link);
    return rc;
}

bool engine_is_quiet(const struct gdbm_engine *s)
{
    return is_empty(&s->filling);
}

int engine_commit_init(struct gdbm_engine *s)
{
    int rc = uv_async_init(s->loop, &s->written, written_cb);

    if (rc < 0) {
        log_error("the index cannot be opened: %s", uv_strerror(rc));
        return rc;
    }
    s->written.data = s;
    uv_unref((uv_handle_t *)&s->written);
    uv_prepare_init(s->loop, &s->prepare);
    s->prepare.data = s;
    uv_timer_init(s->loop, &s->patience);
    s->patience.data = s;
    if (s->options.patience_ms == 0)
        s->options.patience_ms = PATIENCE_MS;
    if (getrandom(&s->seed, sizeof(s->seed), 0) != (ssize_t)sizeof(s->seed))
        s->seed = uv_hrtime();
    move_queues(&s->filling, &s->flushing);
    take_room(s, room_look(s->directory));
    if (s->options.checkpoint_bytes == 0)
        s->options.checkpoint_bytes = CHECKPOINT_BYTES;
    return 0;
}
