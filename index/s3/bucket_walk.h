/* The way through a bucket's keys in byte order, for ListObjects: keys and common prefixes, a page
 * of them, in slices of a millisecond.
 *
 * A common prefix is what the keys share that have the delimiter after the prefix: all of a key up
 * to the delimiter's first place there, with it. The walk gives it out once, and goes on at its
 * successor, so that a page costs the page however many keys lie below a common prefix. Unlinked
 * keys are absent, and so are common prefixes that have no other ones.
 *
 * Nothing is pinned in the store between two slices: keys that come and go meanwhile may or may not
 * be seen. */
#ifndef MKV_S3_BUCKET_WALK_H
#define MKV_S3_BUCKET_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/base/key.h"
#include "index/store/store.h"

#define BUCKET_WALK_TEXT_MAX                                                                       \
    1024 /* bytes of a prefix, a delimiter, or what a walk begins after                            \
          */

/* What a walk is to give. Prefix and `after` are of S3 keys: without the bucket. All is copied but
 * `entry`'s argument. */
struct bucket_query {
    const char *root;   /* what keys have before the bucket; NULL: "/" */
    const char *bucket; /* bucket_len bytes; NULL: all of the store is the bucket */
    size_t bucket_len;
    const char *prefix; /* prefix_len bytes, BUCKET_WALK_TEXT_MAX at most; as the next two */
    size_t prefix_len;
    const char *delimiter; /* none when it is empty */
    size_t delimiter_len;
    const char *after; /* only what is greater; from the start when it is empty. It may be longer
                          by after_tail */
    size_t after_len;
    size_t tail;        /* bytes at the end of keys that come after their names, say an upload's id;
                           entries have them. 0 for objects */
    size_t after_tail;  /* the same of `after` */
    bool passes_prefix; /* the common prefix that `after` lies in isn't given any more, as a V1
                           marker has it; else it is, if keys after `after` have it */
    bool only_utf8;     /* leave out what isn't UTF-8 */
    uint64_t max;       /* entries of the page; 0 is none, and then the page is all there is */
    size_t want;        /* entries that the callback takes before it wants a break, more or less;
                           0: many */
};

/* What is given: a key, or a common prefix. */
struct bucket_entry {
    const char *name; /* without the bucket, a key's with its tail; `len` bytes */
    size_t len;
    bool is_prefix;
    const struct record *record; /* of the key; or of the first key of the common prefix */
};

/* One entry, in order, valid during the call, which must not call the store but for names. 0 to go
 * on, 1 to take a break, or a negative UV_E*, which ends the walk. */
typedef int (*bucket_entry_cb)(const struct bucket_entry *entry, void *arg);

struct bucket_walk;

/* What bucket_walk_on() would have returned at once. Fires once, from the loop. */
typedef void (*bucket_walked_cb)(struct bucket_walk *walk, int rc);

struct bucket_walk {
    struct store *store;
    struct store_reading reading;
    bucket_entry_cb entry;
    void *arg; /* of that, and for bucket_walked_cb to read */
    bucket_walked_cb done;
    size_t want;       /* as in struct store_range */
    bool is_late;      /* the slice begins when the first key comes */
    size_t root;       /* bytes of keys before their S3 name */
    size_t tail;       /* and after it */
    struct key prefix; /* of the store's keys, as `next` and `last` */
    struct key next;   /* where to go on */
    bool is_past_next; /* after `next`, rather than at it */
    char delimiter[BUCKET_WALK_TEXT_MAX];
    size_t delimiter_len;
    bool only_utf8;
    uint64_t left;       /* entries that may still be given */
    struct key last;     /* entry that was given; len 0: none was */
    bool last_is_prefix; /* it is a common prefix */
    unsigned steps;      /* over keys of that, one after the other */
    bool is_full;        /* the callback wants a break */
    bool at_end;
    bool is_truncated; /* the page is full, and there is more */
    unsigned looked_at;
    uint64_t slice_until;
    int rc; /* of the callback */
};

/* Prepares a walk. The prefix may be any bytes; one that no key can have finds nothing. */
void bucket_walk_init(struct bucket_walk *walk, struct store *store,
                      const struct bucket_query *query, bucket_entry_cb entry, void *arg);

enum { BUCKET_WALK_END, BUCKET_WALK_MORE, BUCKET_WALK_LATER = STORE_LATER };

/* One slice. BUCKET_WALK_MORE: it goes on with the next call; BUCKET_WALK_END, and is_truncated
 * tells whether there is more than the page; what the callback returned, or an error of
 * store_list(); or BUCKET_WALK_LATER, and `done` will fire unless bucket_walk_cancel(). */
int bucket_walk_on(struct bucket_walk *walk, bucket_walked_cb done);

/* The slice isn't waited for any more; nothing when none is. */
static inline void bucket_walk_cancel(struct bucket_walk *walk)
{
    store_cancel(walk->store, &walk->reading);
}

/* The last entry that was given, as it was given: what the next page comes after. */
const char *bucket_walk_last(const struct bucket_walk *walk, size_t *len);

#endif
