/* The durable, ordered table key -> record: the contract of an engine. gdbm/ keeps the table in a
 * directory that one process holds at a time, postgres/ in a database that several indexes share.
 *
 * What is read may be there at once, or come later: each call that reads says which. It returns the
 * result, and then no callback fires; or STORE_LATER, and then the callback fires exactly once,
 * from the loop, unless the reading is cancelled before. So a caller writes
 *
 *     rc = store_get(store, &op->reading, key->bytes, key->len, &record, got_cb);
 *     if (rc != STORE_LATER)
 *         go_on(op, rc, &record);
 *
 * and got_cb() calls go_on() as well. GDBM always has it at once. What is read is as some finished
 * commit left it, and no older than what any index had told its client before the call.
 *
 * All calls are the loop thread's. */
#ifndef MKV_STORE_STORE_H
#define MKV_STORE_STORE_H

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#include "index/base/buf.h"
#include "index/base/key.h"
#include "index/store/orphan.h"
#include "index/store/record.h"

#define STORE_KEY_MAX KEY_MAX

struct store_engine;

/* An engine's own struct begins with it. Each engine has a function that opens it. */
struct store {
    const struct store_engine *engine;
    bool is_prompt;   /* no reading ever comes later: none needs to stay, not even its key */
    unsigned number;  /* of this index among those that share the table, from 0 on; */
    unsigned numbers; /* less than this: 1 where nobody else can have it open. Generations that this
                         index makes are `number` modulo `numbers` */
    uint64_t instance;  /* of this index among all that ever lived; another one once it counted as
                           dead. 0 where nobody else can have the table open */
    unsigned settle_ms; /* after a note was put, no index that doesn't know it can begin to change
                           anything; 0 where nobody else can have the table open */
    /* NULL, or fires from the loop when notes have changed: the caller's to set. */
    void (*noted)(void *arg);
    void *noted_arg;
};

/* Two tables in one: a commit may change both at once. */
enum store_space {
    STORE_KEYS,    /* key -> record: what the user sees, unlinked keys included */
    STORE_ORPHANS, /* key and generation -> orphan: blobs that no key names and that are to go */
};

/* Waits for commits in flight, frees, and fires `cb` from the loop. No other call may follow, and
 * no reading may be waited for. */
typedef void (*store_close_cb)(void *arg);

/* --- Reading ---------------------------------------------------------------------------------- */

#define STORE_LATER INT_MAX

struct store_request; /* an engine's */
struct store_view;

/* `rc` and what was read are as the call would have returned them; `record` and the like are NULL
 * unless `rc` is 0, and valid during the callback. */
struct store_reading;
typedef void (*store_got_cb)(struct store_reading *reading, int rc, const struct record *record);
typedef void (*store_got_orphan_cb)(struct store_reading *reading, int rc,
                                    const struct orphan *orphan);
typedef void (*store_viewed_cb)(struct store_reading *reading, int rc,
                                const struct store_view *view);
typedef void (*store_listed_cb)(struct store_reading *reading, int rc);
typedef void (*store_identified_cb)(struct store_reading *reading, int rc, uint32_t id);

/* Embedded in an operation, one for each thing that it waits for at a time. It has to stay until
 * the callback has begun, or store_cancel() was called. */
struct store_reading {
    void *data; /* the caller's */
    /* The engine's; NULL: nothing is waited for. So a reading begins zeroed. */
    struct store_request *request;
};

/* A key's record, when it comes later. */
struct store_view {
    bool exists;          /* has a record */
    struct record record; /* only then */
    struct orphan orphan; /* of the record's own generation, that is of copies of its blob that are
                             made or not yet removed; n_places 0: there is none */
    uint64_t latest;      /* the latest time of the key's orphans of the record's generation or a
                             later one, of those that count (blob_time_counts()); 0: none */
};

/* For engines: a view of a key's record, without orphans so far; and one of the key's orphans, of
 * the record's generation or a later one, or of any where there is no record. */
static inline void store_view_begin(struct store_view *view, bool exists)
{
    view->exists = exists;
    view->orphan.n_places = 0;
    view->latest = 0;
}

/* As record_copy(). */
static inline void store_view_copy(struct store_view *to, const struct store_view *from)
{
    to->exists = from->exists;
    to->latest = from->latest;
    to->orphan = from->orphan;
    if (from->exists)
        record_copy(&to->record, &from->record);
}

static inline void store_view_add_orphan(struct store_view *view, uint64_t generation,
                                         const struct orphan *orphan)
{
    uint64_t time = orphan_time(orphan, generation);

    if (view->exists && generation == view->record.generation)
        view->orphan = *orphan;
    if (time > view->latest && blob_time_counts(time))
        view->latest = time;
}

/* Of whatever failed at a store that several share: it can't be reached now. Nothing is known then,
 * least of all that a key is missing. */
#define STORE_AWAY (-ENOTCONN)

/* --- Changes --------------------------------------------------------------------------------- */

/* What a change expects to find. */
enum store_expect {
    STORE_ANYTHING,
    STORE_NOTHING,
    STORE_EXACTLY, /* `was`, or `orphan_was` */
    STORE_OWN      /* an orphan that this index has announced or changed, and that nobody has taken
                      over since, not even this index after it counted as dead. An engine that only
                      one index can have open takes it for STORE_EXACTLY where `orphan_was` is
                      given, and else for STORE_ANYTHING */
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
 * will be visible after a restart either, unless the disk failed in between; UV_ETIMEDOUT, when the
 * disk hung before it was given the commit; or STORE_AWAY. GDBM: these end at once, all others in
 * the order they began, and each finds what those before it have left, or will have. A commit that
 * begins after another has ended finds what that has left, in every engine. As long as nobody knows
 * how a commit has ended, the callback doesn't fire. */
typedef void (*store_commit_cb)(struct store_commit *commit, int rc);

/* Embedded in an operation, which must keep it until the callback has fired. */
struct store_commit {
    void *data; /* the caller's */
    store_commit_cb done;
    /* Of an announcement, in `done`: the key as it was right before, valid during the call; NULL:
     * the engine hasn't looked, and store_view() tells. */
    const struct store_view *view;
    int rc;                          /* STORE_CONFLICT or 0 */
    STAILQ_ENTRY(store_commit) link; /* in its batch */
};

#define STORE_CHANGES_MAX 5

/* --- In order --------------------------------------------------------------------------------- */

/* Gets one entry of a listing, and returns 0 to go on. Anything else ends the listing, which
 * returns that; it must not be STORE_LATER. Key and record are valid during the call, which may
 * call the store for names and to begin a reading, and else not at all. */
typedef int (*store_list_cb)(const void *key, size_t len, const struct record *record, void *arg);
typedef int (*store_orphan_cb)(const void *key, size_t len, uint64_t generation,
                               const struct orphan *orphan, void *arg);

/* What is listed: keys that begin with `prefix` and aren't less than `start`, in byte order. */
struct store_range {
    const void *prefix;
    size_t prefix_len;
    const void *start;
    size_t start_len;
    size_t want; /* about how many the callback will take: an engine fetches so many at a time, and
                    goes on after them until the callback has had enough; 0: the engine's default */
};

/* Orphans from this key and generation on, by key and then by generation. */
struct store_orphan_range {
    const void *key;
    size_t len;
    uint64_t generation;
    bool only; /* those of this key */
    bool mine; /* those that are this index's to remove: its own, and those of indexes that have
                  died, each of which one of the others has taken over */
    size_t want;
};

/* --- Notes ----------------------------------------------------------------------------------- */

/* A note is a small value under a name, beside the table: which volumes are drained, for instance.
 * All indexes share them, and each has all of them at hand, as of its last renewal. GDBM keeps each
 * in a file of that name in the index directory. */
#define STORE_NOTE_NAME_MAX 32
#define STORE_NOTE_MAX      (512 << 10)

/* A note of no bytes is one that isn't there. All is copied. */
struct store_note {
    const char *name; /* of letters */
    const void *was;  /* what it is expected to have */
    size_t was_len;
    const void *value; /* what it gets */
    size_t len;        /* at most STORE_NOTE_MAX */
};

typedef void (*store_put_note_cb)(struct store_reading *reading, int rc);

/* --- State ----------------------------------------------------------------------------------- */

struct store_stats {
    uint64_t keys;            /* without the unlinked ones */
    uint64_t unlinked;        /* keys */
    uint64_t orphans;         /* blobs that are to be removed */
    uint64_t table_bytes;     /* of index.gdbm; of the tables and their indexes */
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
    bool is_away;         /* the database can't be reached now */
    bool refuses_changes; /* for a while now it can be read, and not changed */
    unsigned indexes;     /* that share the table and are alive; 1 where nobody else can */
};

/* --- The calls -------------------------------------------------------------------------------- */

/* What an engine gives. Each call is described below. */
struct store_engine {
    const char *name; /* "gdbm", "postgres" */
    void (*close)(struct store *store, store_close_cb cb, void *arg);
    void (*abort)(struct store *store);
    int (*get)(struct store *store, struct store_reading *reading, const void *key, size_t len,
               struct record *record, store_got_cb done);
    int (*get_orphan)(struct store *store, struct store_reading *reading, const void *key,
                      size_t len, uint64_t generation, struct orphan *orphan,
                      store_got_orphan_cb done);
    int (*view)(struct store *store, struct store_reading *reading, const void *key, size_t len,
                struct store_view *view, store_viewed_cb done);
    int (*list)(struct store *store, struct store_reading *reading, const struct store_range *range,
                store_list_cb each, void *arg, store_listed_cb done);
    int (*list_orphans)(struct store *store, struct store_reading *reading,
                        const struct store_orphan_range *range, store_orphan_cb each, void *arg,
                        store_listed_cb done);
    void (*cancel)(struct store *store, struct store_reading *reading);
    int (*commit)(struct store *store, struct store_commit *commit,
                  const struct store_change *changes, size_t n, store_commit_cb done);
    int (*announce)(struct store *store, struct store_commit *commit,
                    const struct store_change *change, store_commit_cb done);
    int (*volume_id)(struct store *store, struct store_reading *reading, const char *name,
                     uint32_t *id, store_identified_cb done);
    const char *(*volume_name)(const struct store *store, uint32_t id);
    uint64_t (*last_generation)(const struct store *store);
    void (*stats)(const struct store *store, struct store_stats *stats);
    bool (*leads)(const struct store *store);
    bool (*holds)(const struct store *store);
    bool (*lives)(const struct store *store, uint64_t instance);
    int (*get_note)(const struct store *store, const char *name, struct buf *value);
    int (*put_note)(struct store *store, struct store_reading *reading,
                    const struct store_note *note, store_put_note_cb done);
};

static inline void store_close(struct store *store, store_close_cb cb, void *arg)
{
    store->engine->close(store, cb, arg);
}

/* Ends with STORE_AWAY whatever waits for another machine, now and until the store closes: the
 * index is to stop. How such a commit has ended nobody knows. */
static inline void store_abort(struct store *store)
{
    if (store->engine->abort != NULL)
        store->engine->abort(store);
}

/* Looks up a key, which has no NUL and is borrowed until the result is there. 0 and *record,
 * UV_ENOENT, UV_EIO or UV_ENOMEM after a log line, STORE_AWAY; or STORE_LATER, and *record isn't
 * touched. */
static inline int store_get(struct store *store, struct store_reading *reading, const void *key,
                            size_t len, struct record *record, store_got_cb done)
{
    return store->engine->get(store, reading, key, len, record, done);
}

/* The same of an orphan. */
static inline int store_get_orphan(struct store *store, struct store_reading *reading,
                                   const void *key, size_t len, uint64_t generation,
                                   struct orphan *orphan, store_got_orphan_cb done)
{
    return store->engine->get_orphan(store, reading, key, len, generation, orphan, done);
}

/* All that a change of a key goes by, in one look. 0 and *view, also of a key that has no record;
 * else as store_get(). */
static inline int store_view(struct store *store, struct store_reading *reading, const void *key,
                             size_t len, struct store_view *view, store_viewed_cb done)
{
    return store->engine->view(store, reading, key, len, view, done);
}

/* Calls `each` for the range's entries, in order, until it returns other than 0, and returns that;
 * 0 at the end; UV_EIO, UV_ENOMEM or STORE_AWAY; or STORE_LATER, and then `each` is called from the
 * loop, and `done` after it with what would have been returned. `each` and `done` aren't called any
 * more after store_cancel(), not even if `each` called it (which then returns other than 0). The
 * range is copied. */
static inline int store_list(struct store *store, struct store_reading *reading,
                             const struct store_range *range, store_list_cb each, void *arg,
                             store_listed_cb done)
{
    return store->engine->list(store, reading, range, each, arg, done);
}

/* The same of orphans. */
static inline int store_list_orphans(struct store *store, struct store_reading *reading,
                                     const struct store_orphan_range *range, store_orphan_cb each,
                                     void *arg, store_listed_cb done)
{
    return store->engine->list_orphans(store, reading, range, each, arg, done);
}

/* Nobody waits for this reading any more: its callbacks don't fire. Nothing when nobody does. */
static inline void store_cancel(struct store *store, struct store_reading *reading)
{
    if (reading->request != NULL)
        store->engine->cancel(store, reading);
}

/* Makes `n` changes, at most STORE_CHANGES_MAX of different keys, all or none. `changes` and all
 * it points to are copied. 0, or UV_ENOMEM, UV_ENOBUFS, UV_EIO, UV_EROFS, STORE_AWAY, or UV_ENOSPC
 * (on a disk that is nearly full, for one that deletes nothing) when nothing was started. */
static inline int store_commit(struct store *store, struct store_commit *commit,
                               const struct store_change *changes, size_t n, store_commit_cb done)
{
    return store->engine->commit(store, commit, changes, n, done);
}

/* Makes one change, and fires `done` as soon as it is written: the end of this process can't undo
 * it then, but a power cut may until the next commit has ended. It is visible a moment later. With
 * STORE_AWAY it may have been made all the same, or be made yet: nobody waits to know. Where to
 * look at the change's key costs a round trip, an engine may do so along with it. */
static inline int store_announce(struct store *store, struct store_commit *commit,
                                 const struct store_change *change, store_commit_cb done)
{
    commit->view = NULL;
    return store->engine->announce(store, commit, change, done);
}

/* Records keep volumes by id, 0, 1, 2, ..., so that they stay small whatever the names; an id is
 * never given to another name. The id of the volume of that name, 1 to 255 bytes, borrowed until
 * the result is there, which is given one if it has none. 0 and *id, UV_ENAMETOOLONG, UV_ENOMEM,
 * STORE_AWAY; or STORE_LATER. */
static inline int store_volume_id(struct store *store, struct store_reading *reading,
                                  const char *name, uint32_t *id, store_identified_cb done)
{
    return store->engine->volume_id(store, reading, name, id, done);
}

/* The name of a volume id, valid until the store closes, or NULL if there is none. Each id of a
 * record or an orphan that the store has given out has one. */
static inline const char *store_volume_name(const struct store *store, uint32_t id)
{
    return store->engine->volume_name(store, id);
}

/* The greatest generation that a record or an orphan had when the store was opened, or that it was
 * given since; 0 before the first. */
static inline uint64_t store_last_generation(const struct store *store)
{
    return store->engine->last_generation(store);
}

static inline void store_stats(const struct store *store, struct store_stats *stats)
{
    store->engine->stats(store, stats);
}

/* Whether it is known already that the database can't be reached. What has begun to be answered can
 * only be cut off, so nothing that is long is to begin then. */
static inline bool store_is_away(const struct store *store)
{
    struct store_stats stats = {.is_away = false};

    if (!store->is_prompt)
        store_stats(store, &stats);
    return stats.is_away;
}

/* Whether this index is the one that does what only one at a time should: backups, repair, verify
 * without being asked. True where nobody else can have the table open. */
static inline bool store_leads(const struct store *store)
{
    return store->engine->leads(store);
}

/* Whether the orphans that this index has read are still its own: false as soon as another index
 * may have taken them over. To be asked right before a blob is removed, for an index that was
 * suspended acts on what it read long ago. */
static inline bool store_holds(const struct store *store)
{
    return store->engine->holds(store);
}

/* Whether the index of that instance (store->instance) lived as of the last renewal. One that
 * didn't may have been about to renew its lease: then two think that something is theirs. */
static inline bool store_lives(const struct store *store, uint64_t instance)
{
    return store->engine->lives(store, instance);
}

/* Appends what the note has, at once: nothing where there is none. 0, UV_ENOMEM, or a negative
 * UV_E* when its file can't be read. */
static inline int store_get_note(const struct store *store, const char *name, struct buf *value)
{
    return store->engine->get_note(store, name, value);
}

/* Gives the note another value if it has the one that is expected. 0: it has it, durably, and
 * store_get_note() of this index says so; others' does after their next renewal, at the latest
 * store->settle_ms from now on. STORE_CONFLICT: it has another one, which store_get_note() gives
 * now. STORE_AWAY: nobody knows, and a later renewal tells. UV_ENOMEM, UV_EROFS, or what the file
 * system says; or STORE_LATER, and then it goes on though it is cancelled. GDBM blocks. */
static inline int store_put_note(struct store *store, struct store_reading *reading,
                                 const struct store_note *note, store_put_note_cb done)
{
    return store->engine->put_note(store, reading, note, done);
}

#endif
