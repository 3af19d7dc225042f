#include "index/store/record.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "index/base/codec.h"
#include "index/base/crc32c.h"

#define VERSION     2
#define PLAIN       1 /* the version without a generation */
#define KNOWN_FLAGS (RECORD_UNLINKED | RECORD_MD5)
#define CRC_SIZE    4

/* A place's subvolume is written plus one, 0 meaning none. */
size_t place_encode(const struct place *place, unsigned char *out)
{
    uint64_t subvolume = place->has_subvolume ? (uint64_t)place->subvolume + 1 : 0;
    size_t n = put_varint(out, place->volume);

    return n + put_varint(out + n, subvolume);
}

size_t record_encode(const struct record *record, unsigned char out[RECORD_MAX])
{
    size_t n = 0;

    assert(record->n_places >= 1 && record->n_places <= PLACES_MAX);
    assert((record->flags & ~(unsigned)KNOWN_FLAGS) == 0);
    out[n++] = record->generation > 0 ? VERSION : PLAIN;
    out[n++] = (unsigned char)record->flags;
    n += put_varint(out + n, record->size);
    n += put_varint(out + n, record->time);
    if (record->generation > 0) {
        n += put_u64(out + n, record->generation);
        n += put_u32(out + n, record->placed_by);
    }
    if (record->flags & RECORD_MD5) {
        memcpy(out + n, record->md5, RECORD_MD5_SIZE);
        n += RECORD_MD5_SIZE;
    }
    out[n++] = (unsigned char)record->n_places;
    for (unsigned i = 0; i < record->n_places; i++)
        n += place_encode(&record->places[i], out + n);
    return n + put_u32(out + n, crc32c(0, out, n));
}

struct place place_decode(struct reader *in)
{
    struct place place = {.volume = (uint32_t)get_varint(in, UINT32_MAX)};
    uint64_t code = get_varint(in, (uint64_t)UINT32_MAX + 1);

    place.has_subvolume = code > 0;
    place.subvolume = code > 0 ? (uint32_t)(code - 1) : 0;
    return place;
}

int record_decode(const unsigned char *bytes, size_t n, struct record *record)
{
    struct reader in;
    const unsigned char *generation;
    const unsigned char *md5;
    struct record r;
    unsigned version;

    if (n < 2 + CRC_SIZE || load_u32(bytes + n - CRC_SIZE) != crc32c(0, bytes, n - CRC_SIZE))
        return -EBADMSG;
    in = (struct reader){.at = bytes, .end = bytes + n - CRC_SIZE};
    memset(&r, 0, sizeof(r));
    version = get_byte(&in);
    r.flags = get_byte(&in);
    if ((version != VERSION && version != PLAIN) || (r.flags & ~(unsigned)KNOWN_FLAGS) != 0)
        return version == 0 ? -EBADMSG : -ENOTSUP;
    r.size = get_varint(&in, UINT64_MAX);
    r.time = get_varint(&in, UINT64_MAX);
    if (version != PLAIN) {
        generation = get_bytes(&in, 12);
        r.generation = generation != NULL ? load_u64(generation) : 0;
        if (r.generation == 0)
            return -EBADMSG;
        r.placed_by = load_u32(generation + 8);
    }
    if (r.flags & RECORD_MD5) {
        md5 = get_bytes(&in, RECORD_MD5_SIZE);
        if (md5 == NULL)
            return -EBADMSG;
        memcpy(r.md5, md5, RECORD_MD5_SIZE);
    }
    r.n_places = get_byte(&in);
    if (r.n_places < 1 || r.n_places > PLACES_MAX)
        return -EBADMSG;
    for (unsigned i = 0; i < r.n_places; i++)
        r.places[i] = place_decode(&in);
    if (in.bad || in.at != in.end)
        return -EBADMSG;
    *record = r;
    return 0;
}
