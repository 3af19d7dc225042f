#include "index/store/record.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "index/base/codec.h"
#include "index/base/crc32c.h"

#define VERSION     1
#define KNOWN_FLAGS (RECORD_UNLINKED | RECORD_MD5)
#define CRC_SIZE    4

/* A replica's subvolume is written plus one, 0 meaning none. */
static uint64_t subvolume_code(const struct replica *replica)
{
    return replica->has_subvolume ? (uint64_t)replica->subvolume + 1 : 0;
}

size_t record_encode(const struct record *record, unsigned char out[RECORD_MAX])
{
    size_t n = 0;

    assert(record->n_replicas >= 1 && record->n_replicas <= RECORD_REPLICAS_MAX);
    assert((record->flags & ~(unsigned)KNOWN_FLAGS) == 0);
    out[n++] = VERSION;
    out[n++] = (unsigned char)record->flags;
    n += put_varint(out + n, record->size);
    n += put_varint(out + n, record->time);
    if (record->flags & RECORD_MD5) {
        memcpy(out + n, record->md5, RECORD_MD5_SIZE);
        n += RECORD_MD5_SIZE;
    }
    out[n++] = (unsigned char)record->n_replicas;
    for (unsigned i = 0; i < record->n_replicas; i++) {
        n += put_varint(out + n, record->replicas[i].volume);
        n += put_varint(out + n, subvolume_code(&record->replicas[i]));
    }
    return n + put_u32(out + n, crc32c(0, out, n));
}

static struct replica get_replica(struct reader *in)
{
    struct replica replica = {.volume = (uint32_t)get_varint(in, UINT32_MAX)};
    uint64_t code = get_varint(in, (uint64_t)UINT32_MAX + 1);

    replica.has_subvolume = code > 0;
    replica.subvolume = code > 0 ? (uint32_t)(code - 1) : 0;
    return replica;
}

int record_decode(const unsigned char *bytes, size_t n, struct record *record)
{
    struct reader in;
    const unsigned char *md5;
    struct record r;
    unsigned version;

    if (n < 2 + CRC_SIZE || load_u32(bytes + n - CRC_SIZE) != crc32c(0, bytes, n - CRC_SIZE))
        return -EBADMSG;
    in = (struct reader){.at = bytes, .end = bytes + n - CRC_SIZE};
    memset(&r, 0, sizeof(r));
    version = get_byte(&in);
    r.flags = get_byte(&in);
    if (version != VERSION || (r.flags & ~(unsigned)KNOWN_FLAGS) != 0)
        return version == 0 ? -EBADMSG : -ENOTSUP;
    r.size = get_varint(&in, UINT64_MAX);
    r.time = get_varint(&in, UINT64_MAX);
    if (r.flags & RECORD_MD5) {
        md5 = get_bytes(&in, RECORD_MD5_SIZE);
        if (md5 == NULL)
            return -EBADMSG;
        memcpy(r.md5, md5, RECORD_MD5_SIZE);
    }
    r.n_replicas = get_byte(&in);
    if (r.n_replicas < 1 || r.n_replicas > RECORD_REPLICAS_MAX)
        return -EBADMSG;
    for (unsigned i = 0; i < r.n_replicas; i++)
        r.replicas[i] = get_replica(&in);
    if (in.bad || in.at != in.end)
        return -EBADMSG;
    *record = r;
    return 0;
}
