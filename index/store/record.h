/* What the store keeps of a key, and its binary form, version 1:
 *
 *     u8       version, 1
 *     u8       flags: RECORD_UNLINKED, RECORD_MD5; others are refused
 *     varint   size in bytes
 *     varint   time of the PUT, ms since 1970
 *     16 bytes MD5 of the value, with RECORD_MD5
 *     u8       number of replicas, 1 to RECORD_REPLICAS_MAX
 *     varint   volume id, varint subvolume plus one or 0 for none: for each of them
 *     u32      CRC-32C of all before, little-endian
 *
 * Varints are LEB128. A newer form has another version, or one more flag for what it adds. */
#ifndef MKV_STORE_RECORD_H
#define MKV_STORE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORD_REPLICAS_MAX 16
#define RECORD_MD5_SIZE     16
#define RECORD_MAX          (2 + 10 + 10 + RECORD_MD5_SIZE + 1 + RECORD_REPLICAS_MAX * 10 + 4)

enum record_flags { RECORD_UNLINKED = 1, RECORD_MD5 = 2 };

/* One copy of the blob. */
struct replica {
    uint32_t volume;    /* id that store_volume_name() knows */
    bool has_subvolume; /* its path begins with "/svXX" */
    uint32_t subvolume; /* XX; 0 without one */
};

struct record {
    unsigned flags;
    uint64_t size;
    uint64_t time;
    unsigned char md5[RECORD_MD5_SIZE]; /* only with RECORD_MD5 */
    unsigned n_replicas;
    struct replica replicas[RECORD_REPLICAS_MAX];
};

/* Writes the binary form and returns its length. */
size_t record_encode(const struct record *record, unsigned char out[RECORD_MAX]);

/* Reads `n` bytes. 0; -ENOTSUP for a version or flag of a newer mkv; -EBADMSG for anything that
 * record_encode() can't have written. *record is untouched on failure. */
int record_decode(const unsigned char *bytes, size_t n, struct record *record);

/* Whether the `n` bytes, a binary form, are of an unlinked key, by the flag alone. */
static inline bool record_is_unlinked(const unsigned char *bytes, size_t n)
{
    return n > 1 && (bytes[1] & RECORD_UNLINKED) != 0;
}

#endif
