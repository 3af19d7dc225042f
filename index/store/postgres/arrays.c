#include "index/store/postgres/arrays.h"

#include <uv.h>

#define HEAD 20 /* bytes of an array that isn't empty, */
#define NONE 12 /* and of one that is */

static void add(struct array *a, const void *bytes, size_t n)
{
    if (buf_append(&a->bytes, bytes, n) < 0)
        a->failed = true;
}

static void add_u32(struct array *a, uint32_t value)
{
    char bytes[4];

    store_be32(bytes, value);
    add(a, bytes, sizeof(bytes));
}

void array_begin(struct array *a, enum array_type type)
{
    buf_clear(&a->bytes);
    a->count = 0;
    a->failed = false;
    add_u32(a, 1);
    add_u32(a, 0);
    add_u32(a, type);
    add_u32(a, 0); /* array_end() sets it */
    add_u32(a, 1);
}

void array_add(struct array *a, const void *bytes, size_t n)
{
    add_u32(a, (uint32_t)n);
    add(a, bytes, n);
    a->count++;
}

void array_add_i64(struct array *a, uint64_t value)
{
    char bytes[8];

    store_be64(bytes, value);
    array_add(a, bytes, sizeof(bytes));
}

int array_end(struct array *a)
{
    char *head = a->bytes.data + a->bytes.head;

    if (a->failed || buf_size(&a->bytes) < HEAD)
        return UV_ENOMEM;
    store_be32(head + 12, a->count);
    if (a->count == 0) {
        store_be32(head, 0);
        buf_truncate(&a->bytes, NONE);
    }
    return 0;
}

void array_deinit(struct array *a)
{
    buf_deinit(&a->bytes);
}
