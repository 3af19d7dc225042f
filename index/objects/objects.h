/* What all operations on keys share. write.h, change.h and move.h are the operations; reclaim.h
 * removes the blobs that they leave.
 *
 * Nothing holds a key. Each PUT gives its blob a name of its own (generation.h), and each commit
 * says which record it expects, so that of two that meet one finds the other's. A blob is an orphan
 * in the store from before it is written until a commit names it, and again from the commit on that
 * names it no more. */
#ifndef MKV_OBJECTS_OBJECTS_H
#define MKV_OBJECTS_OBJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "index/base/generation.h"
#include "index/base/key.h"
#include "index/cluster/transfer.h"
#include "index/cluster/upload.h"
#include "index/objects/places.h"
#include "index/store/store.h"

struct healer;
struct reclaimer;
struct spread;

struct objects {
    uv_loop_t *loop;       /* borrowed, as the next four */
    const char *directory; /* of the index */
    struct store *store;
    struct transfers *transfers;
    struct places *places;
    unsigned copies; /* volumes that each value goes to; at least 1 */
    bool sync;       /* volumes bring a blob to disk before it is recorded */
    bool md5;        /* keep the MD5 of values */
    uint64_t grace;  /* ms that a blob stays for those who were sent to it before it was replaced */
    struct upload_budget budget; /* of all writes */
    size_t recipe_bytes;         /* of what all composes have told volumes, or are about to */
    struct generations generations;
    struct reclaimer *reclaimer;
    struct spread *spread;
    struct healer *healer; /* maintenance/healer.h; only carried here */
    void *held;            /* blobs that are made or removed: a tree of struct hold */
    unsigned read_turn;    /* of places to read from (copy_search.h) */
    uint64_t changes;      /* commits that have changed a key, since the start */
    uint64_t hidden;       /* keys that are mkv's own, once they were counted: */
    bool hidden_counted;   /* objects_hidden() */
    uint64_t hidden_at;    /* loop time of that */
    uint64_t hidden_now;   /* of the count that goes on */
    struct store_reading hidden_reading;
    size_t n_running;        /* operations that still need this struct */
    void (*idle)(void *arg); /* fires when that has come to 0, from within an operation; NULL:
                                nobody waits */
    void *idle_arg;
};

/* Counts an operation in n_running, and takes it out again. */
void objects_begin(struct objects *objects);
void objects_end(struct objects *objects);

/* Whether all that is left to do is to wait for operations to end. */
static inline bool objects_is_stopping(const struct objects *objects)
{
    return objects->idle != NULL;
}

/* Looks a key up, as store_get() has it: the key is borrowed until the record is there. An unlinked
 * key is found, and its record says so: to a reader it is missing. */
static inline int objects_look_up(const struct objects *objects, struct store_reading *reading,
                                  const struct key *key, struct record *record, store_got_cb done)
{
    return store_get(objects->store, reading, key->bytes, key->len, record, done);
}

/* The same of all that a change of the key goes by, as store_view() has it. */
static inline int objects_view(const struct objects *objects, struct store_reading *reading,
                               const struct key *key, struct store_view *view, store_viewed_cb done)
{
    return store_view(objects->store, reading, key->bytes, key->len, view, done);
}

/* Notes what a commit has made of a key: whether it had a value, which wasn't unlinked, and has one
 * now. */
void objects_changed(struct objects *objects, const struct key *key, bool had, bool has);

/* How many of the store's keys, which store_stats() counts, are mkv's own (key_is_reserved()):
 * backups, S3's buckets, uploads and parts. The first call goes through all of them, and where
 * other indexes change keys too, one after some seconds does so again. 0 and *hidden, as it was
 * counted last; UV_EAGAIN while the first count goes on; or a negative UV_E* as store_list(). */
int objects_hidden(struct objects *objects, uint64_t *hidden);

/* Ends what objects_hidden() has begun, before the store closes. */
void objects_deinit(struct objects *objects);

/* Adds these bytes, at least 1, of the value that the record names; copies whose volume can't be
 * asked now are left out. */
void objects_add_to_recipe(struct objects *objects, struct recipe *recipe, const struct key *key,
                           const struct record *record, uint64_t offset, uint64_t length);

/* A blob in the making, which is not to be reclaimed though the store calls it an orphan; or one
 * that is being reclaimed. */
struct hold {
    const struct key *key; /* borrowed; NULL: nothing is held */
    uint64_t generation;
    uint64_t time;    /* of the blob, ms since 1970 */
    bool is_removing; /* false at first; the holder may set it */
};

/* Keeps the reclaimer away from a blob until objects_release(); `hold` stays the caller's and in
 * place. 0; UV_EBUSY when another operation holds it, or UV_ENOMEM. */
int objects_hold(struct objects *objects, struct hold *hold, const struct key *key,
                 uint64_t generation, uint64_t time);
void objects_release(struct objects *objects, struct hold *hold);

/* Whether an operation holds the blob that may yet make it the key's value. */
bool objects_is_making(const struct objects *objects, const struct key *key, uint64_t generation);

/* The time of the key's last blob, by generation, that is held; 0: none is. */
uint64_t objects_held_time(const struct objects *objects, const struct key *key);

#endif
