/* Numbers in files: varints (LEB128, shortest form only) and little-endian integers; and a reader
 * that never goes past its end. */
#ifndef MKV_BASE_CODEC_H
#define MKV_BASE_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VARINT_MAX 10 /* bytes that a varint takes at most */

/* Each writes to `out` and returns how many bytes it wrote. */
size_t put_varint(unsigned char *out, uint64_t value);
size_t put_u32(unsigned char *out, uint32_t value);
size_t put_u64(unsigned char *out, uint64_t value);

uint32_t load_u32(const unsigned char *bytes);
uint64_t load_u64(const unsigned char *bytes);

/* What is left to read; `bad` once anything was wrong, and then every read gives 0 or NULL. */
struct reader {
    const unsigned char *at;
    const unsigned char *end;
    bool bad;
};

static inline size_t reader_left(const struct reader *in)
{
    return (size_t)(in->end - in->at);
}

unsigned get_byte(struct reader *in);

/* Only the shortest form is taken, and no value over `max`. */
uint64_t get_varint(struct reader *in, uint64_t max);

/* The next `n` bytes, borrowed. */
const unsigned char *get_bytes(struct reader *in, size_t n);

#endif
