/* Where a listing of the store goes on that ends early: at an entry, or after one. */
#ifndef MKV_MAINTENANCE_RESUME_H
#define MKV_MAINTENANCE_RESUME_H

#include <string.h>

#include "index/store/store.h"

/* Zeroed: at the beginning. */
struct resume {
    struct key key;
    uint64_t generation; /* of orphans; of keys 0 */
    bool is_seen;        /* it goes on after this entry, which is listed once more */
};

static inline void resume_set(struct resume *r, const void *key, size_t len, uint64_t generation,
                              bool is_seen)
{
    memcpy(r->key.bytes, key, len);
    r->key.len = len;
    r->generation = generation;
    r->is_seen = is_seen;
}

/* Whether the entry was seen before. */
static inline bool resume_has_seen(const struct resume *r, const void *key, size_t len,
                                   uint64_t generation)
{
    return r->is_seen && r->generation == generation && r->key.len == len &&
           memcmp(r->key.bytes, key, len) == 0;
}

/* All keys from there on. */
static inline struct store_range resume_keys(const struct resume *r, size_t want)
{
    return (struct store_range){
        .prefix = "", .start = r->key.bytes, .start_len = r->key.len, .want = want};
}

/* All orphans from there on. */
static inline struct store_orphan_range resume_orphans(const struct resume *r, size_t want)
{
    return (struct store_orphan_range){
        .key = r->key.bytes, .len = r->key.len, .generation = r->generation, .want = want};
}

#endif
