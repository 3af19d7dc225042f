#include "index/store/gdbm/gdbm_engine.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "index/base/clock.h"
#include "index/base/lockfile.h"
#include "index/base/log.h"
#include "index/store/gdbm/directory.h"
#include "index/store/gdbm/internal.h"
#include "index/store/gdbm/segment.h"

#define PATH_ROOM 64 /* that the names of files below the directory need */

/* --- Operations ------------------------------------------------------------------------------ */

/* An orphan's counts also where it is deleted. */
static uint64_t generation_of(const struct op *op, enum op_class class)
{
    if (op->key[0] == OP_ORPHAN && op->key_len > ORPHAN_SUFFIX)
        return engine_orphan_generation(op->key, op->key_len);
    if (class != OP_LIVE && class != OP_UNLINKED)
        return 0;
    return record_peek_generation(op->value, op->value_len);
}

void engine_apply_cb(const struct op *op, void *arg)
{
    struct gdbm_engine *s = arg;
    enum op_class class = op_class_of(op->key, op->key_len, op->value, op->value_len);
    uint64_t generation = generation_of(op, class);

    if (generation > s->last_generation)
        s->last_generation = generation;
    memtable_set(s->active, op->key, op->key_len, op->value, op->value_len, op->was != OP_ABSENT);
    s->counts[op->was]--;
    s->counts[class]++;
}

/* --- Volumes --------------------------------------------------------------------------------- */

void engine_volume_key(uint32_t id, unsigned char out[VOLUME_KEY_SIZE])
{
    out[0] = OP_VOLUME;
    for (unsigned i = 1; i < VOLUME_KEY_SIZE; i++)
        out[i] = (unsigned char)(id >> (32 - 8 * i));
}

int gdbm_engine_volume_id(struct store *store, const char *name, uint32_t *id)
{
    struct gdbm_engine *s = engine_of(store);

    return names_id(&s->volumes, name, id);
}

static int load_volume_cb(const unsigned char *key, size_t len, const unsigned char *value,
                          size_t value_len, void *arg)
{
    struct gdbm_engine *s = arg;

    (void)len;
    if (key[0] != OP_VOLUME)
        return 1;
    return names_add(&s->volumes, value, value_len);
}

/* --- Opening --------------------------------------------------------------------------------- */

static int open_table(struct gdbm_engine *s)
{
    char path[PATH_MAX];
    int rc;

    snprintf(path, sizeof(path), "%s/" TABLE_NAME, s->directory);
    rc = table_open(path, TABLE_READ, &s->table);
    if (rc == UV_ENOENT)
        return 0;
    if (rc == 0)
        rc = table_read_header(s->table, &s->header);
    if (rc == 0)
        rc = table_read_fences(s->table, &s->fences);
    s->counts[OP_LIVE] = s->header.keys;
    s->counts[OP_UNLINKED] = s->header.unlinked;
    s->counts[OP_ORPHANED] = s->header.orphans;
    s->last_generation = s->header.last_generation;
    return rc;
}

static void count_op_cb(const struct op *op, void *arg)
{
    size_t *count = arg;

    (void)op;
    (*count)++;
}

static int replay_block_cb(const unsigned char *payload, size_t n, void *arg)
{
    struct gdbm_engine *s = arg;
    size_t count = 0;

    if (ops_each(payload, n, count_op_cb, &count) < 0) {
        log_error("the journal in %s holds an operation of a newer mkv", s->directory);
        return UV_EILSEQ;
    }
    if (memtable_reserve(s->active, count, n) < 0) {
        log_error("the journal can't be replayed: out of memory");
        return UV_ENOMEM;
    }
    s->unfrozen_bytes += n;
    return ops_each(payload, n, engine_apply_cb, s);
}

static int replay_journal(struct gdbm_engine *s)
{
    uint64_t started = uv_hrtime();
    struct journal_replay replay;
    int rc = journal_open(s->directory, s->header.block, s->options.sync, replay_block_cb, s,
                          &replay, &s->journal);

    if (rc < 0)
        return rc;
    if (replay.blocks > 0 || replay.torn > 0)
        log_info("the index replayed %llu blocks of its journal (%llu bytes) in %llu ms%s",
                 (unsigned long long)replay.blocks, (unsigned long long)replay.bytes,
                 (unsigned long long)(uv_hrtime() - started) / 1000000,
                 replay.torn > 0 ? ", and cut off a torn last one" : "");
    return 0;
}

static void free_store(struct gdbm_engine *s)
{
    names_deinit(&s->volumes);
    journal_close(s->journal);
    table_close(s->table);
    fences_deinit(&s->fences);
    memtable_free(s->active);
    memtable_free(s->frozen);
    buf_deinit(&s->filling.payload);
    buf_deinit(&s->flushing.payload);
    slots_deinit(&s->filling.last);
    slots_deinit(&s->flushing.last);
    if (s->lock >= 0)
        lockfile_release(s->lock);
    free(s->directory);
    free(s);
}

static int load_volumes(struct gdbm_engine *s)
{
    int rc = engine_walk(s, (const char[]){OP_VOLUME}, 1, load_volume_cb, s);

    s->n_saved_volumes = s->volumes.count;
    return rc < 0 ? rc : 0;
}

static int read_journal(struct gdbm_engine *s)
{
    struct journal_replay replay;
    int rc = journal_read(s->directory, s->header.block, replay_block_cb, s, &replay);

    if (rc == 0 && replay.torn > 0)
        log_warn("%s/" SEGMENT_NAME " ends at byte %" PRIu64 " with a block that a crash tore: it "
                 "is left out",
                 s->directory, replay.tail, replay.tail_size);
    return rc;
}

static int open_to_read(struct gdbm_engine *s, lockfile_fn lock)
{
    int rc = lockfile_take_index(s->directory, lock, &s->lock);

    if (rc == 0)
        rc = open_table(s);
    if (rc == 0)
        rc = read_journal(s);
    return rc < 0 ? rc : load_volumes(s);
}

static int open_to_write(struct gdbm_engine *s)
{
    int rc = directory_make(s->directory);

    if (rc == 0)
        rc = lockfile_take_index(s->directory, lockfile_acquire, &s->lock);
    if (rc == 0)
        rc = checkpoint_clean_up(s->directory);
    if (rc == 0)
        rc = gdbm_engine_remove_stage(s->directory);
    if (rc == 0)
        rc = open_table(s);
    if (rc == 0)
        rc = replay_journal(s);
    return rc < 0 ? rc : load_volumes(s);
}

static int new_store(const char *directory, struct gdbm_engine **store)
{
    struct gdbm_engine *s;

    if (strlen(directory) > PATH_MAX - PATH_ROOM) {
        log_error("the path of the index directory %s is too long", directory);
        return UV_ENAMETOOLONG;
    }
    s = calloc(1, sizeof(*s));
    if (s != NULL) {
        s->base = (struct store){.engine = &engine_calls, .is_prompt = true, .numbers = 1};
        s->lock = -1;
        s->directory = strdup(directory);
        s->active = memtable_new();
    }
    if (s == NULL || s->directory == NULL || s->active == NULL) {
        log_error("the index cannot be opened: out of memory");
        if (s != NULL)
            free_store(s);
        return UV_ENOMEM;
    }
    *store = s;
    return 0;
}

int gdbm_engine_open(uv_loop_t *loop, const char *directory,
                     const struct gdbm_engine_options *options, struct store **store)
{
    struct gdbm_engine *s;
    int rc = new_store(directory, &s);

    if (rc < 0)
        return rc;
    s->loop = loop;
    s->options = *options;
    rc = options->only_reads ? open_to_read(s, lockfile_acquire_read_only) : open_to_write(s);
    if (rc < 0) {
        free_store(s);
        return rc;
    }
    rc = engine_commit_init(s);
    if (rc < 0) {
        free_store(s);
        return rc;
    }
    *store = &s->base;
    engine_checkpoint_if_due(s);
    return 0;
}

int gdbm_engine_open_reader(const char *directory, struct store **store)
{
    struct gdbm_engine *s;
    int rc = new_store(directory, &s);

    if (rc < 0)
        return rc;
    rc = open_to_read(s, lockfile_share);
    if (rc < 0) {
        free_store(s);
        return rc;
    }
    *store = &s->base;
    return 0;
}

void gdbm_engine_close_reader(struct store *store)
{
    if (store != NULL)
        free_store(engine_of(store));
}

/* --- Closing --------------------------------------------------------------------------------- */

static void closed_cb(uv_handle_t *handle)
{
    struct gdbm_engine *s = handle->data;
    store_close_cb cb = s->close_cb;
    void *arg = s->close_arg;

    free_store(s);
    cb(arg);
}

static void patience_closed_cb(uv_handle_t *handle)
{
    struct gdbm_engine *s = handle->data;

    uv_close((uv_handle_t *)&s->written, closed_cb);
}

static void prepare_closed_cb(uv_handle_t *handle)
{
    struct gdbm_engine *s = handle->data;

    uv_close((uv_handle_t *)&s->patience, patience_closed_cb);
}

static void seal_work_cb(uv_work_t *work)
{
    struct gdbm_engine *s = work->data;

    journal_seal(s->journal);
}

static void seal_done_cb(uv_work_t *work, int status)
{
    struct gdbm_engine *s = work->data;

    (void)status;
    uv_close((uv_handle_t *)&s->prepare, prepare_closed_cb);
}

void engine_close_if_idle(struct gdbm_engine *s)
{
    if (!s->closing || s->flush_running || s->checkpoint_running || !engine_is_quiet(s) ||
        s->sealing)
        return;
    s->sealing = true;
    if (s->options.only_reads) {
        uv_close((uv_handle_t *)&s->prepare, prepare_closed_cb);
        return;
    }
    s->seal_work.data = s;
    uv_queue_work(s->loop, &s->seal_work, seal_work_cb, seal_done_cb);
}

void engine_close(struct gdbm_engine *s, store_close_cb cb, void *arg)
{
    s->closing = true;
    s->close_cb = cb;
    s->close_arg = arg;
    atomic_store(&s->checkpoint.cancel, true);
    engine_close_if_idle(s);
}

/* --- State ----------------------------------------------------------------------------------- */

static void measure_journal(const struct gdbm_engine *s, struct store_stats *stats)
{
    struct segment_list list = {0};

    segment_list_read(s->directory, &list);
    stats->segments = list.count;
    for (size_t i = 0; i < list.count; i++)
        stats->journal_bytes += list.segments[i].size;
    segment_list_deinit(&list);
}

static uint64_t checkpoint_time(const struct gdbm_engine *s)
{
    char path[PATH_MAX];
    struct stat st;

    snprintf(path, sizeof(path), "%s/" TABLE_NAME, s->directory);
    if (stat(path, &st) < 0)
        return 0;
    return clock_ms(&st.st_mtim);
}

/* Not as of the last commit: there may be none as long as nobody is told that there is room. */
static bool is_short_now(const struct gdbm_engine *s)
{
    struct room room = room_look(s->directory);

    return room_is_short(&room, s->short_of_room);
}

void engine_stats(const struct gdbm_engine *s, struct store_stats *stats)
{
    *stats = s->stats;
    stats->keys = s->counts[OP_LIVE];
    stats->unlinked = s->counts[OP_UNLINKED];
    stats->orphans = s->counts[OP_ORPHANED];
    stats->table_bytes = s->table != NULL ? table_size(s->table) : 0;
    measure_journal(s, stats);
    stats->pending_bytes = s->unfrozen_bytes + s->frozen_bytes;
    stats->checkpoint_time = checkpoint_time(s);
    stats->is_short = is_short_now(s);
    stats->sync = s->options.sync;
    stats->memory_bytes = memtable_bytes(s->active);
    if (s->frozen != NULL)
        stats->memory_bytes += memtable_bytes(s->frozen);
    stats->checkpoint_running = s->checkpoint_running;
    stats->indexes = 1;
}
