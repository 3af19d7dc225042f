/* The durable table key -> record, in one directory that one process holds at a time.
 *
 *     DIR/lock            held while the store is open
 *     DIR/index.gdbm      the table: what all journal blocks up to some number left behind
 *     DIR/journal.N       what was committed since, in segments (journal.h)
 *     DIR/sealed          up to where a clean stop had the journal on disk (seal.h)
 *     DIR/spare.gdbm      the table before index.gdbm, from which the next one is made
 *     DIR/next.gdbm       a table in the making; worthless after a crash
 *     DIR/restore.tmp/    a table in the making that is to replace all of this (build.h); likewise
 *
 * A commit is appended to the journal and, once that is on disk, to a sorted table in memory (the
 * memtable). A checkpoint brings the memtable into a new index.gdbm, in a worker thread, and drops
 * the journal after it. Reads look into the memtables, then into index.gdbm. commit.c tells
 * how, checkpoint.h and merge.c what a table is made of, journal.h what a crash may leave.
 *
 * All calls are the loop thread's. */
#ifndef MKV_STORE_STORE_H
#define MKV_STORE_STORE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#include "index/base/key.h"
#include "index/store/orphan.h"
#include "index/store/record.h"

#define STORE_KEY_MAX KEY_MAX

struct store;

/* Two tables in one: a commit may change both at once. */
enum store_space {
    STORE_KEYS,    /* key -> record: what the user sees, unlinked keys included */
    STORE_ORPHANS, /* key and generation -> orphan: blobs that no key names and that are to go */
};

struct store_options {
    bool sync;               /* a commit waits for the disk; else for the page cache only */
    size_t checkpoint_bytes; /* journal bytes after which a checkpoint begins; 0: the default */
    unsigned patience_ms;    /* of a commit that the disk doesn't let begin; 0: the default */
    bool only_reads;         /* change nothing in the directory: every commit is UV_EROFS */
};

/* Opens the store in `directory`, made 0700 when missing, and recovers what a crash left: replays
 * the journal, cuts a torn last entry off, and says so in one log line. 0 and *store, or a negative
 * UV_E* after one log line that names what is wrong and the mend: UV_EBUSY when another process has
 * it open, UV_EILSEQ when a file is damaged other than by a crash. With `only_reads` it has the
 * same as a store, and what a crash left stays there, as store_open_reader() says. */
int store_open(uv_loop_t *loop, const char *directory, const struct store_options *options,
               struct store **store);

/* Waits for commits in flight and a running checkpoint, brings the journal to disk and marks that
 * as a clean stop, lets go of the lock, frees, and fires `cb` from the loop. No other call may
 * follow. */
typedef void (*store_close_cb)(void *arg);
void store_close(struct store *store, store_close_cb cb, void *arg);

/* Opens the store in `directory`, which no other process may have open but to read it too, for
 * gets, listings, names and stats alone. It has what store_open() would find, and nothing in the
 * directory changes; one log line warns of a torn last block, which is left out. 0 and *store, to
 * be closed by store_close_reader(), or a negative UV_E* as store_open() says, UV_ENOENT when there
 * is no store.
 */
int store_open_reader(const char *directory, struct store **store);

/* NULL does nothing. */
void store_close_reader(struct store *store);

/* Looks up a key, which has no NUL, as the last finished commit left it. Never waits but for a page
 * of index.gdbm. 0 and *record, UV_ENOENT, or UV_EIO after a log line. */
int store_get(struct store *store, const void *key, size_t len, struct record *record);

/* The same of an orphan. */
int store_get_orphan(struct store *store, const void *key, size_t len, uint64_t generation,
                     struct orphan *orphan);

/* The greatest generation that a record or an orphan in here ever had; 0 before the first. */
uint64_t store_last_generation(const struct store *store);

/* --- Changes --------------------------------------------------------------------------------- */

/* What a change expects to find. */
enum store_expect {
    STORE_ANYTHING,
    STORE_NOTHING,
    STORE_EXACTLY /* `was`, or `orphan_was` */
};

struct store_change {
    enum store_space space;
    const void *key; /* 1 to STORE_KEY_MAX bytes, none of them NUL */
    size_t len;
    const struct record *record; /* STORE_KEYS. NULL deletes; what isn't there can be deleted */
    enum store_expect expect;
    const struct record *was;
    uint64_t generation;         /* STORE_ORPHANS, as what follows */
    const struct orphan *orphan; /* NULL deletes */
    const struct orphan *orphan_was;
};

struct store_commit;

/* A change met something else than it expects. */
#define STORE_CONFLICT (-ESTALE)

/* Fires once, never inside store_commit(), from the loop. 0: all changes are visible and, with
 * `sync`, on disk. Else nothing has changed: STORE_CONFLICT; UV_ENOSPC, or UV_EIO, and then none
 * will be visible after a restart either, unless the disk failed in between; or UV_ETIMEDOUT,
 * when the disk hung before it was given the commit. These end at once. All others end in the order
 * they began, and each finds what those before it have left, or will have. */
typedef void (*store_commit_cb)(struct store_commit *commit, int rc);

/* Embedded in an operation, which must keep it until the callback has fired. */
struct store_commit {
    void *data; /* the caller's */
    store_commit_cb done;
    int rc;                          /* STORE_CONFLICT or 0 */
    STAILQ_ENTRY(store_commit) link; /* in its batch */
};

/* Makes `n` changes, at most STORE_CHANGES_MAX of different keys, all or none. `changes` and all
 * it points to are copied. 0, or UV_ENOMEM, UV_ENOBUFS, UV_EIO, UV_EROFS, or UV_ENOSPC (on a disk
 * that is nearly full, for one that deletes nothing) when nothing was started. */
#define STORE_CHANGES_MAX 5
int store_commit(struct store *store, struct store_commit *commit,
                 const struct store_change *changes, size_t n, store_commit_cb done);

/* Makes one change, and fires `done` as soon as it is written: the end of this process can't undo
 * it then, but a power cut can until the next commit has ended. It is visible a moment later. */
int store_announce(struct store *store, struct store_commit *commit,
                   const struct store_change *change, store_commit_cb done);

/* --- In order -------------------------------------------------------------------------------- */

/* Calls `cb` for each key of the space that begins with `prefix` and isn't less than `start`, in
 * byte order, until it returns other than 0, and returns that; 0 at the end, or UV_EIO or
 * UV_ENOMEM. Key and record are valid during the call. `cb` must not call the store but for names
 * and gets. */
typedef int (*store_list_cb)(const void *key, size_t len, const struct record *record, void *arg);
int store_list(struct store *store, const void *prefix, size_t prefix_len, const void *start,
               size_t start_len, store_list_cb cb, void *arg);

/* The same of orphans from this key and generation on, by key and then by generation; of this key
 * alone with `only`. */
typedef int (*store_orphan_cb)(const void *key, size_t len, uint64_t generation,
                               const struct orphan *orphan, void *arg);
int store_list_orphans(struct store *store, const void *key, size_t len, uint64_t generation,
                       bool only, store_orphan_cb cb, void *arg);

/* --- Volumes --------------------------------------------------------------------------------- */

/* Records keep volumes by id, so that they stay small whatever the names; an id is never given to
 * another name. The id of the volume of that name, 1 to 255 bytes, which is given one if it has
 * none (it reaches the journal with the next commit). 0 and *id, or UV_ENAMETOOLONG, UV_ENOMEM. */
int store_volume_id(struct store *store, const char *name, uint32_t *id);

/* The name of a volume id, valid until the store closes, or NULL if there is none. */
const char *store_volume_name(const struct store *store, uint32_t id);

/* --- State ----------------------------------------------------------------------------------- */

struct store_stats {
    uint64_t keys;            /* without the unlinked ones */
    uint64_t unlinked;        /* keys */
    uint64_t orphans;         /* blobs that are to be removed */
    uint64_t table_bytes;     /* of index.gdbm */
    uint64_t segments;        /* of the journal */
    uint64_t journal_bytes;   /* of all segments */
    uint64_t pending_bytes;   /* of the journal, in no table yet */
    uint64_t memory_bytes;    /* of the memtables */
    uint64_t checkpoints;     /* since the store was opened */
    uint64_t checkpoint_ms;   /* the last one of them took */
    uint64_t checkpoint_time; /* when index.gdbm was made, ms since 1970; 0: there is none */
    bool checkpoint_running;
    int checkpoint_error; /* of the last one: 0 or a negative UV_E* */
    int journal_error;    /* of the last write: 0 or a negative UV_E* */
    uint64_t commits;     /* that have made all of their changes, since the store was opened */
    uint64_t conflicts;   /* that met something else than they expected, likewise */
    uint64_t failures;    /* that the disk failed, likewise */
    uint64_t flushes;     /* of the journal, each for all commits that waited, likewise */
    bool is_short;        /* of room on the disk: only commits that delete something are taken */
    bool sync;            /* as it was opened */
};

void store_stats(const struct store *store, struct store_stats *stats);

/* Begins a checkpoint, or has one begun when the one that runs has ended, unless the table has
 * everything. */
void store_checkpoint(struct store *store);

/* --- Replacing -------------------------------------------------------------------------------- */

#define STORE_STAGE                                                                                \
    "restore.tmp" /* the directory below the store's own in which its successor is made */

/* The number of the journal's last block. Not while a commit is on its way. */
uint64_t store_last_block(const struct store *store);

/* Puts the table in DIR/STORE_STAGE, which build_finish() has made, in place of all that this store
 * holds: at every instant, a crash or power cut leaves the one or the other, whole. Since
 * build_start() nothing was committed. Neither a commit nor a checkpoint of this store may run;
 * afterwards it can only be closed. 0, or a negative UV_E* after a log line, and this store is as
 * it was; or, when all that failed was to sync the directory, replaced. */
int store_adopt(struct store *store);

/* Removes a stage that comes to nothing; store_open() does so too, after a crash. 0, or a negative
 * UV_E* after a log line. */
int store_remove_stage(const char *directory);

#endif
