/* What the store keeps of a key, and its binary form:
 *
 *     u8       version: 2, or 1 for a blob of generation 0
 *     u8       flags: RECORD_UNLINKED, RECORD_MD5, RECORD_META; others are refused
 *     varint   size in bytes
 *     varint   time of the PUT, ms since 1970
 *     u64      generation, little-endian; not in version 1, as the next
 *     u32      what list of volumes it was placed by, little-endian
 *     16 bytes MD5 of the value, with RECORD_MD5
 *     u8       number of places, 1 to PLACES_MAX
 *     varint   volume id, varint subvolume plus one or 0 for none: for each of them
 *     varint   length of the metadata, 1 to RECORD_META_MAX, metadata: with RECORD_META
 *     u32      CRC-32C of all before, little-endian
 *
 * Varints are LEB128. A newer form has another version, or one more flag for what it adds.
 *
 * Version 3 is for a table that keeps the generation beside the record: it has none, and the time
 * only with RECORD_TIME, else it is the generation's. The CRC is of the generation, too, as if it
 * came before it. */
#ifndef MKV_STORE_RECORD_H
#define MKV_STORE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "index/base/place.h"

#define RECORD_MD5_SIZE 16
#define RECORD_META_MAX 2900 /* what an attribute of the blob's file has room for, besides ours */
#define RECORD_MAX                                                                                 \
    (2 + 10 + 10 + 12 + RECORD_MD5_SIZE + 1 + PLACES_MAX * 10 + 2 + RECORD_META_MAX + 4)

enum record_flags {
    RECORD_UNLINKED = 1,
    RECORD_MD5 = 2,
    RECORD_META = 4, /* of the binary form alone, as the next: in memory, meta_len says it */
    RECORD_TIME = 8  /* of version 3 */
};

struct record {
    unsigned flags;
    uint64_t size;
    uint64_t time;
    uint64_t generation; /* of the blob, which its name ends with; 0: it ends with none */
    uint32_t placed_by;  /* the list of volumes that it was placed by, and whether all of its places
                            are the best of that (objects/places.h); 0: unknown */
    unsigned char md5[RECORD_MD5_SIZE]; /* only with RECORD_MD5 */
    unsigned n_places;
    struct place places[PLACES_MAX];
    unsigned meta_len; /* bytes of `meta`; 0: none */
    /* Metadata of the value, opaque here (objects/note.h). The last member, and only meta_len bytes
     * mean anything: nobody clears, copies or compares the rest (record_copy()). */
    char meta[RECORD_META_MAX];
};

struct reader;

/* Writes the binary form of a place, 10 bytes at most, and returns its length; and reads it. */
size_t place_encode(const struct place *place, unsigned char *out);
struct place place_decode(struct reader *in);

/* Makes it one that says nothing. An initialiser does so too, and clears 3 KiB each time. */
static inline void record_clear(struct record *record)
{
    memset(record, 0, offsetof(struct record, meta));
}

/* Copies all that a record says. A plain assignment does so too, and takes 3 KiB each time. */
void record_copy(struct record *to, const struct record *from);

/* Whether two records say the same. */
bool record_equal(const struct record *a, const struct record *b);

/* Writes the binary form, of which there is one for each record, and returns its length. */
size_t record_encode(const struct record *record, unsigned char out[RECORD_MAX]);

/* Reads `n` bytes. 0; -ENOTSUP for a version or flag of a newer mkv; -EBADMSG for anything that
 * record_encode() can't have written. *record is untouched on failure. */
int record_decode(const unsigned char *bytes, size_t n, struct record *record);

/* The same of version 3, whose generation is kept beside it. */
size_t record_encode_beside(const struct record *record, unsigned char out[RECORD_MAX]);
int record_decode_beside(const unsigned char *bytes, size_t n, uint64_t generation,
                         struct record *record);

/* The generation in a binary form, whose beginning is enough and whose checksum isn't looked at; 0:
 * none, or these are no such bytes. */
uint64_t record_peek_generation(const unsigned char *bytes, size_t n);

/* Whether the `n` bytes, a binary form or its beginning, are of an unlinked key, by the flag alone.
 */
static inline bool record_is_unlinked(const unsigned char *bytes, size_t n)
{
    return n > 1 && (bytes[1] & RECORD_UNLINKED) != 0;
}

#endif
