#include "index/store/slots.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define SIZE_MIN 1024

void slots_deinit(struct slots *s)
{
    free(s->list);
    *s = (struct slots){0};
}

void slots_clear(struct slots *s)
{
    if (s->count > 0)
        memset(s->list, 0, s->size * sizeof(*s->list));
    s->count = 0;
}

static void put(struct slot *list, size_t size, struct slot slot)
{
    size_t at = slot.hash & (size - 1);

    while (list[at].item != NULL)
        at = (at + 1) & (size - 1);
    list[at] = slot;
}

int slots_reserve(struct slots *s, size_t n)
{
    size_t size = s->size > 0 ? s->size : SIZE_MIN;
    struct slot *list;

    while (size / 4 * 3 < s->count + n)
        size *= 2;
    if (size == s->size)
        return 0;
    list = calloc(size, sizeof(*list));
    if (list == NULL)
        return UV_ENOMEM;
    for (size_t i = 0; i < s->size; i++) {
        if (s->list[i].item != NULL)
            put(list, size, s->list[i]);
    }
    free(s->list);
    s->list = list;
    s->size = size;
    return 0;
}

void slots_add(struct slots *s, void *item, uint32_t hash)
{
    put(s->list, s->size, (struct slot){.item = item, .hash = hash});
    s->count++;
}

static void *look(const struct slots *s, uint32_t hash, size_t *at)
{
    while (s->list[*at].item != NULL && s->list[*at].hash != hash)
        *at = (*at + 1) & (s->size - 1);
    return s->list[*at].item;
}

void *slots_find(const struct slots *s, uint32_t hash, size_t *at)
{
    if (s->count == 0)
        return NULL;
    *at = hash & (s->size - 1);
    return look(s, hash, at);
}

void *slots_find_next(const struct slots *s, uint32_t hash, size_t *at)
{
    *at = (*at + 1) & (s->size - 1);
    return look(s, hash, at);
}

/* Closes the gap: an item after it moves up, unless that were before the place of its hash. */
void slots_drop(struct slots *s, size_t at)
{
    size_t mask = s->size - 1;
    size_t gap = at;

    for (size_t i = (gap + 1) & mask; s->list[i].item != NULL; i = (i + 1) & mask) {
        size_t home = s->list[i].hash & mask;

        if (((i - home) & mask) >= ((i - gap) & mask)) {
            s->list[gap] = s->list[i];
            gap = i;
        }
    }
    s->list[gap].item = NULL;
    s->count--;
}

/* --- The hash: multiply and fold, eight bytes at a time, as in wyhash (Wang Yi) -------------- */

static uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint32_t slots_hash(uint64_t seed, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    uint64_t hash = seed ^ len;
    uint64_t word;

    for (; len >= sizeof(word); at += sizeof(word), len -= sizeof(word)) {
        memcpy(&word, at, sizeof(word));
        hash = fold(hash ^ word, seed | 1);
    }
    word = 0;
    memcpy(&word, at, len);
    hash = fold(hash ^ word, 0x9e3779b97f4a7c15);
    return (uint32_t)(hash ^ hash >> 32);
}
