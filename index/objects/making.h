/* What the store hears of a new blob, from before a volume does until the blob is a key's value, or
 * has come to nothing:
 *
 *     making_init ──▶ making_announce ──▶ (volumes get the blob) ──▶ making_commit ──▶ ended
 *                                                               └──▶ making_settle ──▶ ended
 *
 * The blob is an orphan at all places that may get it from the announcement on. A commit makes it
 * the key's value, and what that replaces an orphan; or the orphan is made to name just those
 * places that may have the blob, and is the reclaimer's.
 *
 * A commit expects the record that the key was found to have. Where the key has another one by
 * then, it is looked at again: that may do as well, or the blob has lost.
 *
 * A commit may remove another key, which the value takes the place of: an upload, by its object. */
#ifndef MKV_OBJECTS_MAKING_H
#define MKV_OBJECTS_MAKING_H

#include "index/objects/objects.h"

/* ms: an announcement that has taken longer, and names a volume that is drained by then, is refused
 * with UV_EAGAIN where several indexes share the store. */
#define MAKING_LATE 2000

struct making;

/* Says whether the key may get the value, by the record that it has now: NULL when it has none, or
 * an unlinked one. 0, or a negative error to refuse it with. Must not call this module. */
typedef int (*making_condition_cb)(void *arg, const struct record *record);

/* Fires once, from the loop, with how a commit ended; `text` is "" or a line that says why not.
 * 0: the blob is the key's value; or, with `is_superseded`, may count as what one of a later
 * generation has replaced, which is there now (only with `replaces`). Negative, and the key is as
 * it was: UV_EEXIST when it has a value that can't be replaced, what the condition said,
 * STORE_CONFLICT when a later value came and there is a condition, UV_ENOENT when there is nothing
 * that it `removes`, UV_EAGAIN when the announcement isn't this index's any more, or as
 * store_commit_cb. */
typedef void (*making_done_cb)(struct making *making, int rc, const char *text);

/* Fires once, from the loop: nothing runs any more, and the making is over; it can be freed. */
typedef void (*making_ended_cb)(struct making *making);

/* The key was looked at and can have the value, and the blob is announced: its generation and its
 * time are what they will be. Or, with `text`, a negative error, as making_init() or
 * store_announce() has it, UV_EBUSY while the reclaimer removes the blob already, or UV_EAGAIN when
 * the announcement took too long or another index has taken it over; and making_settle() is what
 * may follow. Fires once, from the loop. */
typedef void (*making_announced_cb)(struct making *making, int rc, const char *text);

struct making_options {
    bool replaces;                 /* it may take the place of another value */
    making_condition_cb condition; /* asked when the key was looked at, and again whenever it turns
                                      out to have got another record; NULL: there is none */
    const struct key *removes;     /* a key that the commit removes, and that is there until then;
                                      borrowed until `done`; NULL: none */
    void *arg;                     /* of the condition */
    making_announced_cb announced;
    making_done_cb done;
    making_ended_cb ended;
};

/* Embedded in an operation. */
struct making {
    void *data; /* the operation's */
    struct objects *objects;
    struct making_options options;
    bool has_condition;
    struct key key;
    struct hold hold;
    struct store_reading reading;
    struct store_view view; /* of the key: what it replaces, if there is anything */
    struct record record;   /* what it makes: generation and time are the making's, and may change
                               until the blob is announced; the rest is the operation's */
    const struct upload_target *targets; /* that may get the blob, borrowed, */
    size_t n_targets;                    /* from the announcement on; at most PLACES_MAX */
    uint64_t announced_at;               /* loop time of its beginning, */
    uint64_t instance;                   /* and as which one of the store's */
    bool is_announced;                   /* the store knows of the blob */
    bool leaves;                         /* a blob where the record doesn't name it */
    struct store_view *removed;          /* what the commit removes; NULL: nothing */
    unsigned vain;      /* commits in a row that met something else though the key is as it was */
    bool is_superseded; /* by a value of a later generation; readable in `done` */
    struct store_commit commit;
};

/* Gives the blob its generation. 0; or, with `text`, a negative error as making_done_cb has it,
 * UV_EIO or UV_ENOMEM, and nothing is to be undone. */
int making_init(struct making *making, struct objects *objects, const struct key *key,
                const struct making_options *options, const char **text);

/* Lets go of a blob that wasn't announced. Not after making_announce(), unless that has failed at
 * once. */
void making_deinit(struct making *making);

/* Tells the store that the blob may come to be at these targets, of which no volume may hear before
 * `announced`. 0, and that will fire; or negative. */
int making_announce(struct making *making, const struct upload_target *targets, size_t n);

/* Whether the announcement is still this index's, as far as it knows: else the blob can't become
 * the key's value, and making_lost_track says so. */
bool making_is_ours(const struct making *making);
extern const char making_lost_track[];

/* Makes the blob the key's value, by `record`. `done` will fire, from the loop or inside this call,
 * and then `ended`; but of a blob that is superseded only after making_settle(), until when it
 * stays where it is. */
void making_commit(struct making *making);

/* Gives the blob up, also one that couldn't be announced. `ended` will fire, from the loop or
 * inside this call. Where the store can't be told, leftovers.h goes on with that. */
void making_settle(struct making *making);

/* `arg` is about to be gone: the condition isn't asked any more. Should the key turn out to have
 * another record than the one that it was asked about last, the blob has lost. One that `removes` a
 * key isn't to be committed any more then. */
void making_forget(struct making *making);

#endif
