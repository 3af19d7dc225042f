/* A blob that no key names and that is to be removed, as the store keeps it: where it may lie, and
 * how long it stays there. Its name in the store is the key and the generation that it was put
 * under. Binary form:
 *
 *     u8       version: 2, or 1 for a blob that has the time of its generation
 *     varint   ms since 1970: not to be removed before that
 *     varint   time of the PUT, ms since 1970, not 0; not in version 1
 *     u8       number of places, 1 to ORPHAN_PLACES_MAX
 *     varint   volume id, varint subvolume plus one or 0 for none: for each of them
 *     u32      CRC-32C of all before, little-endian */
#ifndef MKV_STORE_ORPHAN_H
#define MKV_STORE_ORPHAN_H

#include <stddef.h>
#include <stdint.h>

#include "index/base/generation.h"
#include "index/store/record.h"

#define ORPHAN_PLACES_MAX (2 * PLACES_MAX) /* where it was, and where it was copied to */
#define ORPHAN_MAX        (1 + 10 + 10 + 1 + ORPHAN_PLACES_MAX * 10 + 4)

struct orphan {
    uint64_t until; /* ms since 1970 */
    uint64_t time;  /* of the PUT, as the record had it; 0: that of the generation */
    unsigned n_places;
    struct place places[ORPHAN_PLACES_MAX];
};

/* The time of the orphan's blob. */
static inline uint64_t orphan_time(const struct orphan *orphan, uint64_t generation)
{
    return orphan->time > 0 ? orphan->time : generation_time(generation);
}

/* As record_encode() and record_decode(). */
size_t orphan_encode(const struct orphan *orphan, unsigned char out[ORPHAN_MAX]);
int orphan_decode(const unsigned char *bytes, size_t n, struct orphan *orphan);

#endif
