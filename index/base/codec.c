#include "index/base/codec.h"

size_t put_varint(unsigned char *out, uint64_t value)
{
    size_t n = 0;

    while (value >= 0x80) {
        out[n++] = (unsigned char)(value | 0x80);
        value >>= 7;
    }
    out[n++] = (unsigned char)value;
    return n;
}

size_t put_u32(unsigned char *out, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        out[i] = (unsigned char)(value >> (8 * i));
    return 4;
}

size_t put_u64(unsigned char *out, uint64_t value)
{
    put_u32(out, (uint32_t)value);
    put_u32(out + 4, (uint32_t)(value >> 32));
    return 8;
}

uint32_t load_u32(const unsigned char *bytes)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < 4; i++)
        value |= (uint32_t)bytes[i] << (8 * i);
    return value;
}

uint64_t load_u64(const unsigned char *bytes)
{
    return load_u32(bytes) | (uint64_t)load_u32(bytes + 4) << 32;
}

unsigned get_byte(struct reader *in)
{
    if (in->bad || in->at == in->end) {
        in->bad = true;
        return 0;
    }
    return *in->at++;
}

uint64_t get_varint(struct reader *in, uint64_t max)
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

const unsigned char *get_bytes(struct reader *in, size_t n)
{
    const unsigned char *bytes = in->at;

    if (in->bad || reader_left(in) < n) {
        in->bad = true;
        return NULL;
    }
    in->at += n;
    return bytes;
}
