#include "index/store/record.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "index/base/crc32c.h"

#define VERSION     1
#define KNOWN_FLAGS (RECORD_UNLINKED | RECORD_MD5)
#define CRC_SIZE    4

static size_t put_varint(unsigned char *out, uint64_t value)
{
    size_t n = 0;

    while (value >= 0x80) {
        out[n++] = (unsigned char)(value | 0x80);
        value >>= 7;
    }
    out[n++] = (unsigned char)value;
    return n;
}

/* A replica's subvolume is written plus one, 0 meaning none. */
static uint64_t subvolume_code(const struct replica *replica)
{
    return replica->has_subvolume ? (uint64_t)replica->subvolume + 1 : 0;
}

size_t record_encode(const struct record *record, unsigned char out[RECORD_MAX])
{
    uint32_t crc;
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
    crc = crc32c(0, out, n);
    for (unsigned i = 0; i < CRC_SIZE; i++)
        out[n++] = (unsigned char)(crc >> (8 * i));
    return n;
}

/* What is left to read; `bad` once anything was wrong, and then every read gives 0. */
struct reader {
    const unsigned char *at;
    const unsigned char *end;
    bool bad;
};

static unsigned get_byte(struct reader *in)
{
    if (in->at == in->end) {
        in->bad = true;
        return 0;
    }
    return *in->at++;
}

/* Only the shortest form is taken, and no value over `max`. */
static uint64_t get_varint(struct reader *in, uint64_t max)
{
    uint64_t value = 0;
    unsigned shift = 0;
    unsigned byte;

    do {
        byte = get_byte(in);
        if (shift > 63 || (shift == 63 && byte > 1) || (shift > 0 && byte == 0))
            in->bad = true;
        if (in->bad)
            return 0;
        value |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80);
    if (value > max)
        in->bad = true;
    return in->bad ? 0 : value;
}

static void get_bytes(struct reader *in, unsigned char *out, size_t n)
{
    if ((size_t)(in->end - in->at) < n) {
        in->bad = true;
        return;
    }
    memcpy(out, in->at, n);
    in->at += n;
}

static struct replica get_replica(struct reader *in)
{
    struct replica replica = {.volume = (uint32_t)get_varint(in, UINT32_MAX)};
    uint64_t code = get_varint(in, (uint64_t)UINT32_MAX + 1);

    replica.has_subvolume = code > 0;
    replica.subvolume = code > 0 ? (uint32_t)(code - 1) : 0;
    return replica;
}

static bool crc_matches(const unsigned char *bytes, size_t n)
{
    uint32_t crc = 0;

    for (unsigned i = 0; i < CRC_SIZE; i++)
        crc |= (uint32_t)bytes[n - CRC_SIZE + i] << (8 * i);
    return crc == crc32c(0, bytes, n - CRC_SIZE);
}

int record_decode(const unsigned char *bytes, size_t n, struct record *record)
{
    struct reader in;
    struct record r;
    unsigned version;

    if (n < 2 + CRC_SIZE || !crc_matches(bytes, n))
        return -EBADMSG;
    in = (struct reader){.at = bytes, .end = bytes + n - CRC_SIZE};
    memset(&r, 0, sizeof(r));
    version = get_byte(&in);
    r.flags = get_byte(&in);
    if (version != VERSION || (r.flags & ~(unsigned)KNOWN_FLAGS) != 0)
        return version == 0 ? -EBADMSG : -ENOTSUP;
    r.size = get_varint(&in, UINT64_MAX);
    r.time = get_varint(&in, UINT64_MAX);
    if (r.flags & RECORD_MD5)
        get_bytes(&in, r.md5, RECORD_MD5_SIZE);
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
