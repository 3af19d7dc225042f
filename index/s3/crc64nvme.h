/* CRC-64/NVME: "123456789" gives 0xae8b14860a799888. */
#ifndef MKV_S3_CRC64NVME_H
#define MKV_S3_CRC64NVME_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of `n` bytes that follow bytes whose checksum is `crc` (0 at the start). */
uint64_t crc64nvme(uint64_t crc, const void *data, size_t n);

/* The same for processors without an instruction for it; for tests. */
uint64_t crc64nvme_by_table(uint64_t crc, const void *data, size_t n);

#endif
