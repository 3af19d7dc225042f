/* What the files of the store share. */
#ifndef MKV_STORE_GDBM_INTERNAL_H
#define MKV_STORE_GDBM_INTERNAL_H

#include <assert.h>
#include <sys/queue.h>

#include "index/base/buf.h"
#include "index/store/gdbm/checkpoint.h"
#include "index/store/gdbm/gdbm_engine.h"
#include "index/store/gdbm/journal.h"
#include "index/store/gdbm/memtable.h"
#include "index/store/gdbm/ops.h"
#include "index/store/gdbm/room.h"
#include "index/store/gdbm/split.h"
#include "index/store/names.h"
#include "index/store/slots.h"

#define INTERNAL_KEY_MAX (1 + STORE_KEY_MAX + ORPHAN_SUFFIX)

static_assert(INTERNAL_KEY_MAX <= PAGE_KEY_MAX && SPLIT_SUFFIX <= ORPHAN_SUFFIX,
              "any internal key fits in a page");

STAILQ_HEAD(commit_queue, store_commit);

/* Commits that go to the journal as one block. */
struct batch {
    struct buf payload;
    size_t n_ops;
    struct slots last; /* by key: where in the payload its last operation is, plus one */
    bool depends;      /* on the batch before: a commit has found what that is to leave */
    struct commit_queue commits;
    struct commit_queue announced; /* those that end when the block is written */
    int rc; /* 0, or why it comes to nothing: the batch that it depends on has failed, say */
};

struct gdbm_engine {
    struct store base;
    uv_loop_t *loop;
    char *directory;
    struct gdbm_engine_options options;
    int lock;
    struct journal *journal;
    /* Reads look into these in this order. */
    struct memtable *active; /* takes what is committed */
    struct memtable *frozen; /* what a checkpoint is to write, or NULL */
    struct table *table;     /* NULL before the first checkpoint */
    struct fences fences;
    struct table_header header;
    /* As of the last commit that ended; indexed by enum op_class. */
    uint64_t counts[OP_CLASSES];
    uint64_t last_generation;
    struct names volumes;
    uint32_t n_saved_volumes; /* the first ones, which the journal or the table has */
    /* Commits: `filling` waits, `flushing` is with the worker. */
    struct batch filling;
    struct batch flushing;
    uint32_t flushing_volumes; /* volumes.count as the batch has it */
    bool flush_began;          /* rather than being refused before */
    struct room flush_room;    /* after it */
    bool flush_running;
    uv_work_t flush_work;
    uv_prepare_t prepare; /* starts a flush at the end of a turn of the loop */
    uv_timer_t patience;  /* runs while the disk is waited for */
    unsigned patience_ticks;
    bool hangs;         /* the disk: that has ended, and what comes is refused */
    uv_async_t written; /* the worker has written the block, and brings it to disk now */
    atomic_bool is_written;
    uint64_t seed;           /* of the hash of keys on their way */
    uint64_t unfrozen_bytes; /* of the journal, in no checkpoint yet */
    uint64_t frozen_bytes;   /* of the journal, in a checkpoint that isn't done yet */
    uint64_t beside_bytes;   /* most of unfrozen_bytes while the checkpoint runs */
    /* The checkpoint. */
    struct checkpoint checkpoint;
    bool checkpoint_running;
    int checkpoint_rc;           /* of the worker */
    bool checkpoint_wanted;      /* by gdbm_engine_checkpoint() */
    uint64_t checkpoint_started; /* loop time */
    uint64_t checkpoint_failed;  /* loop time */
    uv_work_t checkpoint_work;
    struct room room;         /* as of the last flush, or since */
    bool short_of_room;       /* and that was logged */
    struct store_stats stats; /* what isn't kept elsewhere */
    bool closing;
    bool sealing; /* the last step of that */
    uv_work_t seal_work;
    store_close_cb close_cb;
    void *close_arg;
};

static inline struct gdbm_engine *engine_of(const struct store *store)
{
    return (struct gdbm_engine *)store;
}

/* What store.h has of these, of this engine. */
extern const struct store_engine engine_calls;
int engine_commit(struct gdbm_engine *s, struct store_commit *commit,
                  const struct store_change *changes, size_t n, store_commit_cb done);
int engine_announce(struct gdbm_engine *s, struct store_commit *commit,
                    const struct store_change *change, store_commit_cb done);
void engine_close(struct gdbm_engine *s, store_close_cb cb, void *arg);
void engine_stats(const struct gdbm_engine *s, struct store_stats *stats);

/* Each writes an internal key and returns its length; INTERNAL_KEY_MAX bytes. */
size_t engine_internal_key(const void *key, size_t len, unsigned char *out);
size_t engine_orphan_key(const void *key, size_t len, uint64_t generation, unsigned char *out);

/* The internal key of the name of a volume. */
#define VOLUME_KEY_SIZE 5
void engine_volume_key(uint32_t id, unsigned char out[VOLUME_KEY_SIZE]);

/* The generation at the end of the internal key of an orphan. */
uint64_t engine_orphan_generation(const unsigned char *key, size_t len);

/* A split_get: what the tables hold. Failures are UV_EIO or UV_EILSEQ. */
int engine_lookup(struct gdbm_engine *store, const unsigned char *key, size_t len,
                  unsigned char *value, size_t *value_len);

/* Calls `cb` for each internal key from `start` on, in order, until it returns other than 0; 0 at
 * the end, or a negative UV_E* after a log line. */
typedef int (*engine_walk_cb)(const unsigned char *key, size_t len, const unsigned char *value,
                              size_t value_len, void *arg);
int engine_walk(struct gdbm_engine *store, const void *start, size_t start_len, engine_walk_cb cb,
                void *arg);

/* Makes one operation visible in the store `arg`: to the active memtable, which has room reserved,
 * and the counts. */
void engine_apply_cb(const struct op *op, void *arg);

/* Begins to close once nothing runs any more. */
void engine_close_if_idle(struct gdbm_engine *store);

/* Prepares for commits: the handles on the loop. */
int engine_commit_init(struct gdbm_engine *store);

/* Has the commits that wait, if there are any, flushed at the end of the loop's turn. */
void engine_flush_soon(struct gdbm_engine *store);

/* Whether no commit waits for its batch. */
bool engine_is_quiet(const struct gdbm_engine *store);

/* Starts a checkpoint when there is enough to write. */
void engine_checkpoint_if_due(struct gdbm_engine *store);

#endif
