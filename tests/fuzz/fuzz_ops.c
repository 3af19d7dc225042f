/* Any payload of a journal block: the operations read from it, written again, are the same bytes,
 * up to the first bad one. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "index/store/gdbm/ops.h"
#include "index/store/gdbm/page.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void op_again_cb(const struct op *op, void *arg)
{
    struct buf *again = arg;

    if (op->key_len < 1 || op->key_len > PAGE_KEY_MAX || op->value_len > PAGE_VALUE_MAX)
        abort();
    if (op_class_of(op->key, op->key_len, op->value, op->value_len) >= OP_CLASSES ||
        op->was >= OP_CLASSES)
        abort();
    if (buf_reserve(again, OP_MAX(op->key_len, op->value_len)) < 0)
        abort();
    op_write(again, op);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf again = {0};
    int rc = ops_each(data, size, op_again_cb, &again);

    if (buf_size(&again) > size || (rc == 0 && buf_size(&again) != size))
        abort();
    if (buf_size(&again) > 0 && memcmp(buf_bytes(&again), data, buf_size(&again)) != 0)
        abort();
    buf_deinit(&again);
    return 0;
}
