/* CRC-32C (Castagnoli), as RFC 3720, appendix B.4 defines it: "123456789" gives 0xe3069283. */
#ifndef MKV_BASE_CRC32C_H
#define MKV_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of `n` bytes that follow bytes whose checksum is `crc` (0 at the start). */
uint32_t crc32c(uint32_t crc, const void *data, size_t n);

#endif
