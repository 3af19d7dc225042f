#include "index/base/crc32c.h"

#include <string.h>

/* One table entry a nibble: the polynomial 0x1edc6f41, bit-reversed, applied to 0..15. For
 * processors without an instruction for it. */
static const uint32_t nibbles[16] = {
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
    0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

static uint32_t crc_by_table(uint32_t crc, const unsigned char *p, size_t n)
{
    while (n-- > 0) {
        crc ^= *p++;
        crc = nibbles[crc & 15] ^ (crc >> 4);
        crc = nibbles[crc & 15] ^ (crc >> 4);
    }
    return crc;
}

#ifdef __x86_64__

/* SSE 4.2 has an instruction for just this polynomial. */
__attribute__((target("sse4.2"))) static uint32_t crc_by_cpu(uint32_t crc, const unsigned char *p,
                                                             size_t n)
{
    uint64_t wide = crc;
    uint64_t word;

    for (; n >= sizeof(word); n -= sizeof(word), p += sizeof(word)) {
        memcpy(&word, p, sizeof(word));
        wide = __builtin_ia32_crc32di(wide, word);
    }
    crc = (uint32_t)wide;
    while (n-- > 0)
        crc = __builtin_ia32_crc32qi(crc, *p++);
    return crc;
}

uint32_t crc32c(uint32_t crc, const void *data, size_t n)
{
    if (__builtin_cpu_supports("sse4.2"))
        return ~crc_by_cpu(~crc, data, n);
    return ~crc_by_table(~crc, data, n);
}

#else

uint32_t crc32c(uint32_t crc, const void *data, size_t n)
{
    return ~crc_by_table(~crc, data, n);
}

#endif
