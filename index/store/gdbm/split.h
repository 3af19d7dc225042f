/* The encoded record of a key as entries of a page: one, or, as metadata can make a record longer
 * than a page takes, several.
 *
 *     key             the first PAGE_VALUE_MAX bytes
 *     key, NUL, u8 1  the next
 *     key, NUL, u8 2  ...
 *
 * One that is full has another one after it: the last is shorter, or empty. What lies beyond the
 * first are pieces. No key has a NUL, so that in key order its pieces follow it, before any other
 * key that begins as it does: whoever walks, or makes a table in one go, meets a record whole. A
 * commit writes and deletes a key's entries together, and nobody outside of the store sees them. */
#ifndef MKV_STORE_GDBM_SPLIT_H
#define MKV_STORE_GDBM_SPLIT_H

#include <stdbool.h>
#include <stddef.h>

#include "index/store/gdbm/ops.h"
#include "index/store/gdbm/page.h"
#include "index/store/record.h"

#define SPLIT_ENTRIES_MAX (RECORD_MAX / PAGE_VALUE_MAX + 1)
#define SPLIT_ROOM        (SPLIT_ENTRIES_MAX * PAGE_VALUE_MAX) /* bytes that they hold */
#define SPLIT_SUFFIX      2                                    /* bytes after the key of a piece */

struct gdbm_engine;

/* How many entries a value of `len` bytes makes. */
static inline size_t split_count(size_t len)
{
    return len / PAGE_VALUE_MAX + 1;
}

/* The bytes of a value of `len` that entry `i` has. */
static inline size_t split_size(size_t len, size_t i)
{
    size_t left = len - i * PAGE_VALUE_MAX;

    return left < PAGE_VALUE_MAX ? left : PAGE_VALUE_MAX;
}

/* Makes the internal key of `len` bytes that of entry `i`, which has at most SPLIT_SUFFIX bytes
 * more, and returns its length. */
static inline size_t split_key(unsigned char *key, size_t len, size_t i)
{
    if (i == 0)
        return len;
    key[len] = '\0';
    key[len + 1] = (unsigned char)i;
    return len + SPLIT_SUFFIX;
}

/* Whether an internal key is that of a piece. */
static inline bool split_is_piece(const unsigned char *key, size_t len)
{
    return len > 1 + SPLIT_SUFFIX && key[0] == OP_KEY && key[len - SPLIT_SUFFIX] == '\0';
}

/* Whether it is that of piece `i` of this key. */
bool split_is_piece_of(const unsigned char *key, size_t len, const unsigned char *of, size_t of_len,
                       size_t i);

/* Looks an internal key up: 0 and the value, PAGE_VALUE_MAX bytes at most; UV_ENOENT; or another
 * negative UV_E* after a log line. */
typedef int (*split_get)(struct gdbm_engine *store, const unsigned char *key, size_t len,
                         unsigned char *value, size_t *value_len);

/* Puts the value of an internal key together out of its entries. `key` has SPLIT_SUFFIX bytes more
 * than `len`, in which anything may stand afterwards. As `get`; UV_EIO after a log line when a
 * piece is missing. */
int split_read(struct gdbm_engine *store, split_get get, unsigned char *key, size_t len,
               unsigned char value[SPLIT_ROOM], size_t *value_len);

/* Says that the record of an internal key is damaged, and returns UV_EIO. */
int split_damaged(const unsigned char *key, size_t len);

#endif
