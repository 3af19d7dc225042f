/* A hash table of pointers, by 32 bits of hash: linear probing, at most three quarters full,
 * without tombstones. Whoever looks something up compares what it finds: several may have the same
 * hash. */
#ifndef MKV_STORE_SLOTS_H
#define MKV_STORE_SLOTS_H

#include <stddef.h>
#include <stdint.h>

struct slot {
    void *item; /* borrowed; NULL: empty */
    uint32_t hash;
};

/* All zero is empty. */
struct slots {
    struct slot *list;
    size_t size; /* a power of two, or 0 */
    size_t count;
};

void slots_deinit(struct slots *s);

/* Drops all items, and keeps the room. */
void slots_clear(struct slots *s);

/* Makes room for `n` more. 0, or UV_ENOMEM with nothing changed. */
int slots_reserve(struct slots *s, size_t n);

/* Adds an item, for which there is room. */
void slots_add(struct slots *s, void *item, uint32_t hash);

/* The first item with a hash, and the one after that at *at, or NULL; *at says where it lies. */
void *slots_find(const struct slots *s, uint32_t hash, size_t *at);
void *slots_find_next(const struct slots *s, uint32_t hash, size_t *at);

/* Takes an item out that was found at `at`. */
void slots_drop(struct slots *s, size_t at);

/* A hash of bytes that who doesn't know the seed can't make collide at will. */
uint32_t slots_hash(uint64_t seed, const void *bytes, size_t len);

#endif
