#include "index/store/orphan.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "index/base/codec.h"
#include "index/base/crc32c.h"

#define VERSION  2
#define PLAIN    1 /* the version without a time */
#define CRC_SIZE 4

size_t orphan_encode(const struct orphan *orphan, unsigned char out[ORPHAN_MAX])
{
    size_t n = 0;

    assert(orphan->n_places >= 1 && orphan->n_places <= ORPHAN_PLACES_MAX);
    out[n++] = orphan->time > 0 ? VERSION : PLAIN;
    n += put_varint(out + n, orphan->until);
    if (orphan->time > 0)
        n += put_varint(out + n, orphan->time);
    out[n++] = (unsigned char)orphan->n_places;
    for (unsigned i = 0; i < orphan->n_places; i++)
        n += place_encode(&orphan->places[i], out + n);
    return n + put_u32(out + n, crc32c(0, out, n));
}

int orphan_decode(const unsigned char *bytes, size_t n, struct orphan *orphan)
{
    struct reader in;
    struct orphan o = {0};
    unsigned version;

    if (n < 1 + CRC_SIZE || load_u32(bytes + n - CRC_SIZE) != crc32c(0, bytes, n - CRC_SIZE))
        return -EBADMSG;
    in = (struct reader){.at = bytes, .end = bytes + n - CRC_SIZE};
    version = get_byte(&in);
    if (version != VERSION && version != PLAIN)
        return version == 0 ? -EBADMSG : -ENOTSUP;
    o.until = get_varint(&in, UINT64_MAX);
    if (version != PLAIN) {
        o.time = get_varint(&in, UINT64_MAX);
        if (o.time == 0)
            return -EBADMSG;
    }
    o.n_places = get_byte(&in);
    if (o.n_places < 1 || o.n_places > ORPHAN_PLACES_MAX)
        return -EBADMSG;
    for (unsigned i = 0; i < o.n_places; i++)
        o.places[i] = place_decode(&in);
    if (in.bad || in.at != in.end)
        return -EBADMSG;
    *orphan = o;
    return 0;
}
