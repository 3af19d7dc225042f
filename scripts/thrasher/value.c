#include "scripts/thrasher/value.h"

#include <string.h>

/* The finisher of splitmix64: a bijection that flips about half the bits for any one bit in. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

/* FNV-1a, 64 bits. */
static uint64_t hash(const char *text)
{
    uint64_t h = 0xcbf29ce484222325;

    while (*text != '\0')
        h = (h ^ (unsigned char)*text++) * 0x100000001b3;
    return mix(h);
}

struct value value_of(const char *key, uint64_t min, uint64_t max)
{
    uint64_t seed = hash(key);

    return (struct value){.seed = seed, .size = min + mix(seed) % (max - min + 1)};
}

/* Copies the rest of the word around `offset`, at most `n` bytes. Returns how many. */
static size_t read_word(const struct value *v, uint64_t offset, char *data, size_t n)
{
    uint64_t word = mix(v->seed + offset / sizeof(word));
    size_t skip = offset % sizeof(word);
    size_t part = sizeof(word) - skip < n ? sizeof(word) - skip : n;

    memcpy(data, (const char *)&word + skip, part);
    return part;
}

void value_read(const struct value *v, uint64_t offset, char *data, size_t n)
{
    size_t part;

    for (; n > 0; n -= part) {
        part = read_word(v, offset, data, n);
        data += part;
        offset += part;
    }
}

size_t value_compare(const struct value *v, uint64_t offset, const char *data, size_t n)
{
    uint64_t left = offset < v->size ? v->size - offset : 0;
    size_t end = left < n ? (size_t)left : n;
    size_t at = 0;
    char word[sizeof(uint64_t)];

    while (at < end) {
        size_t part = read_word(v, offset + at, word, end - at);

        if (memcmp(data + at, word, part) != 0)
            break;
        at += part;
    }
    for (size_t i = at; i < end; i++) {
        read_word(v, offset + i, word, 1);
        if (data[i] != word[0])
            return i;
    }
    return end;
}
