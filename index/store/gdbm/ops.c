#include "index/store/gdbm/ops.h"

#include <uv.h>

#include "index/base/codec.h"
#include "index/store/gdbm/page.h"
#include "index/store/gdbm/split.h"
#include "index/store/record.h"

enum op_class op_class_of(const unsigned char *key, size_t key_len, const unsigned char *value,
                          size_t value_len)
{
    if (value == NULL)
        return OP_ABSENT;
    if (key[0] == OP_ORPHAN)
        return OP_ORPHANED;
    if (key[0] == OP_VOLUME)
        return OP_NAME;
    if (split_is_piece(key, key_len))
        return OP_PIECE;
    return record_is_unlinked(value, value_len) ? OP_UNLINKED : OP_LIVE;
}

void op_write(struct buf *payload, const struct op *op)
{
    unsigned char head[1 + VARINT_MAX];
    unsigned char length[VARINT_MAX];
    size_t n = 1;

    head[0] = (unsigned char)((op->value != NULL) + 2 * op->was);
    n += put_varint(head + n, op->key_len);
    buf_append(payload, head, n);
    buf_append(payload, op->key, op->key_len);
    if (op->value == NULL)
        return;
    buf_append(payload, length, put_varint(length, op->value_len));
    buf_append(payload, op->value, op->value_len);
}

static void read_op(struct reader *in, struct op *op)
{
    unsigned head = get_byte(in);

    op->was = head / 2;
    if (head / 2 >= OP_CLASSES)
        in->bad = true;
    op->key_len = get_varint(in, PAGE_KEY_MAX);
    op->key = get_bytes(in, op->key_len);
    op->value = NULL;
    op->value_len = 0;
    if (head & 1) {
        op->value_len = get_varint(in, PAGE_VALUE_MAX);
        op->value = get_bytes(in, op->value_len);
    }
    if (op->key_len < 1)
        in->bad = true;
}

void op_read(const unsigned char *payload, size_t n, size_t at, struct op *op)
{
    struct reader in = {.at = payload + at, .end = payload + n};

    read_op(&in, op);
}

int ops_each(const unsigned char *payload, size_t n, op_cb cb, void *arg)
{
    struct reader in = {.at = payload, .end = payload + n};
    struct op op;

    while (in.at < in.end) {
        read_op(&in, &op);
        if (in.bad)
            return UV_EILSEQ;
        cb(&op, arg);
    }
    return 0;
}
