/* Arrays as parameters of a statement, in PostgreSQL's binary form (array_send() of its sources):
 * big-endian u32s for the number of dimensions (1, or 0 of an empty array), whether there are
 * NULLs (0), the type of elements, how many there are, and the first index (1); and for each
 * element its length and bytes. */
#ifndef MKV_POSTGRES_ARRAYS_H
#define MKV_POSTGRES_ARRAYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/base/buf.h"

/* Types of elements: pg_type.dat of PostgreSQL. */
enum array_type { ARRAY_BYTES = 17, ARRAY_I64 = 20 };

/* All zero is none. */
struct array {
    struct buf bytes;
    uint32_t count;
    bool failed; /* memory was short: nothing of it is to be sent */
};

/* Begins anew, and keeps the memory. */
void array_begin(struct array *array, enum array_type type);
void array_add(struct array *array, const void *bytes, size_t n);
void array_add_i64(struct array *array, uint64_t value);

/* Makes it fit to be sent: array->bytes. 0 or UV_ENOMEM. */
int array_end(struct array *array);
void array_deinit(struct array *array);

static inline void store_be32(char *out, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        out[i] = (char)(value >> (24 - 8 * i));
}

static inline void store_be64(char *out, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        out[i] = (char)(value >> (56 - 8 * i));
}

static inline uint64_t load_be64(const char *in)
{
    uint64_t value = 0;

    for (int i = 0; i < 8; i++)
        value = value << 8 | (unsigned char)in[i];
    return value;
}

#endif
