#include "index/store/record.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "index/base/codec.h"
#include "index/base/crc32c.h"
#include "index/base/generation.h"

#define VERSION     2
#define PLAIN       1                              /* the version without a generation */
#define BESIDE      3                              /* the one whose generation is beside it */
#define KNOWN_FLAGS (RECORD_UNLINKED | RECORD_MD5) /* in memory */
#define HEAD_SIZE   offsetof(struct record, meta)
#define CRC_SIZE    4

/* A place's subvolume is written plus one, 0 meaning none. */
size_t place_encode(const struct place *place, unsigned char *out)
{
    uint64_t subvolume = place->has_subvolume ? (uint64_t)place->subvolume + 1 : 0;
    size_t n = put_varint(out, place->volume);

    return n + put_varint(out + n, subvolume);
}

void record_copy(struct record *to, const struct record *from)
{
    assert(from->meta_len <= RECORD_META_MAX);
    memcpy(to, from, HEAD_SIZE + from->meta_len);
}

bool record_equal(const struct record *a, const struct record *b)
{
    unsigned char bytes[2][RECORD_MAX];
    size_t n = record_encode(a, bytes[0]);

    return record_encode(b, bytes[1]) == n && memcmp(bytes[0], bytes[1], n) == 0;
}

static size_t put_meta(const struct record *record, unsigned char *out)
{
    size_t n = put_varint(out, record->meta_len);

    memcpy(out + n, record->meta, record->meta_len);
    return n + record->meta_len;
}

/* What comes after the time and the generation, but for the CRC. */
static size_t put_rest(const struct record *record, unsigned char *out)
{
    size_t n = 0;

    if (record->generation > 0)
        n += put_u32(out + n, record->placed_by);
    if (record->flags & RECORD_MD5) {
        memcpy(out + n, record->md5, RECORD_MD5_SIZE);
        n += RECORD_MD5_SIZE;
    }
    out[n++] = (unsigned char)record->n_places;
    for (unsigned i = 0; i < record->n_places; i++)
        n += place_encode(&record->places[i], out + n);
    return record->meta_len > 0 ? n + put_meta(record, out + n) : n;
}

/* The version, the flags, and the size. */
static size_t put_head(const struct record *record, unsigned version, unsigned flags,
                       unsigned char *out)
{
    assert(record->n_places >= 1 && record->n_places <= PLACES_MAX);
    assert((record->flags & ~(unsigned)KNOWN_FLAGS) == 0 && record->meta_len <= RECORD_META_MAX);
    out[0] = (unsigned char)version;
    out[1] = (unsigned char)(record->flags | flags | (record->meta_len > 0 ? RECORD_META : 0));
    return 2 + put_varint(out + 2, record->size);
}

size_t record_encode(const struct record *record, unsigned char out[RECORD_MAX])
{
    size_t n = put_head(record, record->generation > 0 ? VERSION : PLAIN, 0, out);

    n += put_varint(out + n, record->time);
    if (record->generation > 0)
        n += put_u64(out + n, record->generation);
    n += put_rest(record, out + n);
    return n + put_u32(out + n, crc32c(0, out, n));
}

static uint32_t crc_beside(const unsigned char *bytes, size_t n, uint64_t generation)
{
    unsigned char end[8];

    put_u64(end, generation);
    return crc32c(crc32c(0, bytes, n), end, sizeof(end));
}

size_t record_encode_beside(const struct record *record, unsigned char out[RECORD_MAX])
{
    bool has_time = record->time != generation_time(record->generation);
    size_t n = put_head(record, BESIDE, has_time ? RECORD_TIME : 0, out);

    if (has_time)
        n += put_varint(out + n, record->time);
    n += put_rest(record, out + n);
    return n + put_u32(out + n, crc_beside(out, n, record->generation));
}

struct place place_decode(struct reader *in)
{
    struct place place = {.volume = (uint32_t)get_varint(in, UINT32_MAX)};
    uint64_t code = get_varint(in, (uint64_t)UINT32_MAX + 1);

    place.has_subvolume = code > 0;
    place.subvolume = code > 0 ? (uint32_t)(code - 1) : 0;
    return place;
}

/* What comes after the time and the generation; in->bad tells whether it is bad. */
static void get_rest(struct reader *in, struct record *r)
{
    const unsigned char *bytes;

    if (r->generation > 0 && (bytes = get_bytes(in, 4)) != NULL)
        r->placed_by = load_u32(bytes);
    if ((r->flags & RECORD_MD5) && (bytes = get_bytes(in, RECORD_MD5_SIZE)) != NULL)
        memcpy(r->md5, bytes, RECORD_MD5_SIZE);
    r->n_places = get_byte(in);
    if (r->n_places < 1 || r->n_places > PLACES_MAX)
        in->bad = true;
    for (unsigned i = 0; i < r->n_places && !in->bad; i++)
        r->places[i] = place_decode(in);
}

/* The metadata, borrowed. */
static const unsigned char *get_meta(struct reader *in, unsigned *len)
{
    *len = (unsigned)get_varint(in, RECORD_META_MAX);
    in->bad = in->bad || *len == 0;
    return get_bytes(in, *len);
}

/* The end of a record of which `r` has what comes before get_rest(): `r` is filled in up to its
 * metadata, and only that much of it is copied. */
static int finish(struct reader *in, struct record *r, struct record *record)
{
    const unsigned char *meta = NULL;

    get_rest(in, r);
    if (r->flags & RECORD_META)
        meta = get_meta(in, &r->meta_len);
    if (in->bad || in->at != in->end)
        return -EBADMSG;
    r->flags &= KNOWN_FLAGS;
    memcpy(record, r, HEAD_SIZE);
    if (meta != NULL)
        memcpy(record->meta, meta, r->meta_len);
    return 0;
}

int record_decode(const unsigned char *bytes, size_t n, struct record *record)
{
    const unsigned char *generation;
    struct reader in;
    struct record r;
    unsigned version;

    if (n < 2 + CRC_SIZE || load_u32(bytes + n - CRC_SIZE) != crc32c(0, bytes, n - CRC_SIZE))
        return -EBADMSG;
    in = (struct reader){.at = bytes, .end = bytes + n - CRC_SIZE};
    memset(&r, 0, HEAD_SIZE);
    version = get_byte(&in);
    r.flags = get_byte(&in);
    if ((version != VERSION && version != PLAIN) ||
        (r.flags & ~(unsigned)(KNOWN_FLAGS | RECORD_META)) != 0)
        return version == 0 ? -EBADMSG : -ENOTSUP;
    r.size = get_varint(&in, UINT64_MAX);
    r.time = get_varint(&in, UINT64_MAX);
    if (version != PLAIN && (generation = get_bytes(&in, 8)) != NULL) {
        r.generation = load_u64(generation);
        in.bad = in.bad || r.generation == 0;
    }
    return finish(&in, &r, record);
}

int record_decode_beside(const unsigned char *bytes, size_t n, uint64_t generation,
                         struct record *record)
{
    struct reader in;
    struct record r;
    unsigned version;

    if (n < 2 + CRC_SIZE ||
        load_u32(bytes + n - CRC_SIZE) != crc_beside(bytes, n - CRC_SIZE, generation))
        return -EBADMSG;
    in = (struct reader){.at = bytes, .end = bytes + n - CRC_SIZE};
    memset(&r, 0, HEAD_SIZE);
    version = get_byte(&in);
    r.flags = get_byte(&in);
    if (version != BESIDE || (r.flags & ~(unsigned)(KNOWN_FLAGS | RECORD_META | RECORD_TIME)) != 0)
        return version == 0 ? -EBADMSG : -ENOTSUP;
    r.size = get_varint(&in, UINT64_MAX);
    r.generation = generation;
    r.time = r.flags & RECORD_TIME ? get_varint(&in, UINT64_MAX) : generation_time(generation);
    return finish(&in, &r, record);
}

uint64_t record_peek_generation(const unsigned char *bytes, size_t n)
{
    struct reader in = {.at = bytes, .end = bytes + n};
    unsigned version = get_byte(&in);
    const unsigned char *generation;

    get_byte(&in);
    get_varint(&in, UINT64_MAX);
    get_varint(&in, UINT64_MAX);
    generation = version == VERSION ? get_bytes(&in, 8) : NULL;
    return generation != NULL ? load_u64(generation) : 0;
}
