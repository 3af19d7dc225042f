/* The engine on GDBM: the table in one directory that one process holds at a time.
 *
 *     DIR/lock            held while the store is open
 *     DIR/index.gdbm      the table: what all journal blocks up to some number left behind
 *     DIR/journal.N       what was committed since, in segments (journal.h)
 *     DIR/sealed          up to where a clean stop had the journal on disk (seal.h)
 *     DIR/spare.gdbm      the table before index.gdbm, from which the next one is made
 *     DIR/next.gdbm       a table in the making; worthless after a crash
 *     DIR/NAME            a note: "drained" and "scrub" (store.h)
 *     DIR/restore.tmp/    a table in the making that is to replace all of this (build.h); likewise
 *
 * A commit is appended to the journal and, once that is on disk, to a sorted table in memory (the
 * memtable). A checkpoint brings the memtable into a new index.gdbm, in a worker thread, and drops
 * the journal after it. Reads look into the memtables, then into index.gdbm. commit.c tells
 * how, checkpoint.h and merge.c what a table is made of, journal.h what a crash may leave.
 *
 * Whoever has a `struct store` that isn't this engine's calls store.h alone. The calls below that
 * read do what those of store.h do, and never say STORE_LATER: they are for commands that work
 * with files, and for tests. */
#ifndef MKV_STORE_GDBM_ENGINE_H
#define MKV_STORE_GDBM_ENGINE_H

#include "index/store/store.h"

struct gdbm_engine_options {
    bool sync;               /* a commit waits for the disk; else for the page cache only */
    size_t checkpoint_bytes; /* journal bytes after which a checkpoint begins; 0: the default */
    unsigned patience_ms;    /* of a commit that the disk doesn't let begin; 0: the default */
    bool only_reads;         /* change nothing in the directory: every commit is UV_EROFS */
};

/* Opens the store in `directory`, made 0700 when missing, and recovers what a crash left: replays
 * the journal, cuts a torn last entry off, and says so in one log line. 0 and *store, or a negative
 * UV_E* after one log line that names what is wrong and the mend: UV_EBUSY when another process has
 * it open, UV_EILSEQ when a file is damaged other than by a crash. With `only_reads` it has the
 * same as a store, and what a crash left stays there, as gdbm_engine_open_reader() says. To be
 * closed by store_close(), which waits for a running checkpoint, brings the journal to disk, marks
 * that as a clean stop and lets go of the lock. */
int gdbm_engine_open(uv_loop_t *loop, const char *directory,
                     const struct gdbm_engine_options *options, struct store **store);

/* Opens the store in `directory`, which no other process may have open but to read it too, for
 * gets, listings, names and stats alone. It has what gdbm_engine_open() would find, and nothing in
 * the directory changes; one log line warns of a torn last block, which is left out. 0 and *store,
 * to be closed by gdbm_engine_close_reader(), or a negative UV_E* as gdbm_engine_open() says,
 * UV_ENOENT when there is no store. */
int gdbm_engine_open_reader(const char *directory, struct store **store);

/* NULL does nothing. */
void gdbm_engine_close_reader(struct store *store);

int gdbm_engine_get(struct store *store, const void *key, size_t len, struct record *record);
int gdbm_engine_get_orphan(struct store *store, const void *key, size_t len, uint64_t generation,
                           struct orphan *orphan);
int gdbm_engine_list(struct store *store, const void *prefix, size_t prefix_len, const void *start,
                     size_t start_len, store_list_cb cb, void *arg);
int gdbm_engine_list_orphans(struct store *store, const void *key, size_t len, uint64_t generation,
                             bool only, store_orphan_cb cb, void *arg);
int gdbm_engine_volume_id(struct store *store, const char *name, uint32_t *id);

/* Begins a checkpoint, or has one begun when the one that runs has ended, unless the table has
 * everything. */
void gdbm_engine_checkpoint(struct store *store);

/* --- Replacing -------------------------------------------------------------------------------- */

#define GDBM_ENGINE_STAGE                                                                          \
    "restore.tmp" /* the directory below the store's own in which its successor is made */

/* The number of the journal's last block. Not while a commit is on its way. */
uint64_t gdbm_engine_last_block(const struct store *store);

/* Puts the table in DIR/GDBM_ENGINE_STAGE, which build_finish() has made, in place of all that this
 * store holds: at every instant, a crash or power cut leaves the one or the other, whole. Since
 * build_start() nothing was committed. Neither a commit nor a checkpoint of this store may run;
 * afterwards it can only be closed. 0, or a negative UV_E* after a log line, and this store is as
 * it was; or, when all that failed was to sync the directory, replaced. */
int gdbm_engine_adopt(struct store *store);

/* Removes a stage that comes to nothing; gdbm_engine_open() does so too, after a crash. 0, or a
 * negative UV_E* after a log line. */
int gdbm_engine_remove_stage(const char *directory);

#endif
