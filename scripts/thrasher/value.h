/* Values that need no storage: every byte follows from the key, at any offset. */
#ifndef MKV_THRASHER_VALUE_H
#define MKV_THRASHER_VALUE_H

#include <stddef.h>
#include <stdint.h>

struct value {
    uint64_t seed; /* hash of the key: what the bytes are made of */
    uint64_t size; /* bytes */
};

/* The value of `key`, of a size between `min` and `max` that follows from the key too. */
struct value value_of(const char *key, uint64_t min, uint64_t max);

/* Writes `n` bytes from `offset` on to `data`; offset + n <= size. */
void value_read(const struct value *v, uint64_t offset, char *data, size_t n);

/* Compares `n` bytes that came from `offset` on. Returns how many agree: `n` when all do. Bytes
 * past the end of the value don't. */
size_t value_compare(const struct value *v, uint64_t offset, const char *data, size_t n);

#endif
