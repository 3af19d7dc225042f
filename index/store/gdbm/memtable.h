/* What was committed since the last checkpoint: a skip list (Pugh, "Skip Lists: A Probabilistic
 * Alternative to Balanced Trees", 1990) of keys in byte order, values and deletions, in memory of
 * its own that goes at once. Once nobody writes to it, any thread may read it. */
#ifndef MKV_STORE_GDBM_MEMTABLE_H
#define MKV_STORE_GDBM_MEMTABLE_H

#include <stdbool.h>
#include <stddef.h>

struct memtable;

struct memtable_entry {
    const unsigned char *key;
    const unsigned char *value; /* NULL: deleted */
    size_t key_len;
    size_t value_len;
};

/* NULL when memory is short. */
struct memtable *memtable_new(void);
void memtable_free(struct memtable *m);

/* Makes room for `n` more sets of `bytes` bytes of keys and values in all. 0 or UV_ENOMEM. */
int memtable_reserve(struct memtable *m, size_t n, size_t bytes);

/* Sets a key's value, or with NULL marks it deleted. `below`: an older table may hold the key; if
 * it can't, a deletion leaves nothing behind. Never fails within what was reserved. */
void memtable_set(struct memtable *m, const void *key, size_t key_len, const void *value,
                  size_t value_len, bool below);

/* The key's entry, borrowed until the next set; false if the table says nothing of it. */
bool memtable_get(const struct memtable *m, const void *key, size_t key_len,
                  struct memtable_entry *entry);

/* A walk in key order from the first key that isn't less than `key`. */
struct memtable_cursor {
    const struct node *node; /* NULL at the end */
};

void memtable_seek(const struct memtable *m, const void *key, size_t key_len,
                   struct memtable_cursor *cursor);
/* The entry at the cursor, borrowed; false at the end. */
bool memtable_peek(const struct memtable_cursor *cursor, struct memtable_entry *entry);
void memtable_next(struct memtable_cursor *cursor);

size_t memtable_count(const struct memtable *m); /* entries, deletions included */
size_t memtable_bytes(const struct memtable *m); /* of memory */

#endif
