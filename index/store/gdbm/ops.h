/* The payload of a journal block: operations on the internal keys, one after the other.
 *
 *     u8      1 sets, 0 deletes; plus 2 x what the key was before (enum op_class)
 *     varint  length of the key, key
 *     varint  length of the value, value: when it sets
 *
 * An internal key is one byte for what it belongs to, and the key. */
#ifndef MKV_STORE_GDBM_OPS_H
#define MKV_STORE_GDBM_OPS_H

#include <stddef.h>

#include "index/base/buf.h"

#define OP_MAX(key_len, value_len) (1 + 2 * 10 + (key_len) + (value_len)) /* bytes of one */

/* The first byte of an internal key. */
enum op_space {
    OP_KEY = 'k',    /* + key -> record; + key, NUL, u8 number -> a piece of it (split.h) */
    OP_ORPHAN = 'o', /* + key, NUL, u64 generation, big-endian -> orphan */
    OP_VOLUME = 'v'  /* + u32 id, big-endian -> name */
};

/* What a key is, for the counts. */
enum op_class { OP_ABSENT, OP_LIVE, OP_UNLINKED, OP_ORPHANED, OP_NAME, OP_PIECE, OP_CLASSES };

struct op {
    const unsigned char *key;
    size_t key_len;
    const unsigned char *value; /* NULL deletes */
    size_t value_len;
    enum op_class was;
};

/* What an internal key with this value is; value NULL: OP_ABSENT. */
enum op_class op_class_of(const unsigned char *key, size_t key_len, const unsigned char *value,
                          size_t value_len);

#define ORPHAN_SUFFIX 9 /* bytes after the key of an orphan */

/* Appends; the buffer has OP_MAX bytes reserved. */
void op_write(struct buf *payload, const struct op *op);

/* Reads the operation at a place of the payload where one was written. */
void op_read(const unsigned char *payload, size_t n, size_t at, struct op *op);

/* Calls `cb` for each operation of a payload. 0, or UV_EILSEQ at the first bad one. */
typedef void (*op_cb)(const struct op *op, void *arg);
int ops_each(const unsigned char *payload, size_t n, op_cb cb, void *arg);

#endif
