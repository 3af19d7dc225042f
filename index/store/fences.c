#include "index/store/fences.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "index/store/key_order.h"

#define SAMPLE_EVERY 32

static void keys_deinit(struct fence_keys *k)
{
    free(k->bytes);
    free(k->ends);
}

void fences_deinit(struct fences *f)
{
    free(f->list);
    keys_deinit(&f->keys);
    keys_deinit(&f->samples);
    *f = (struct fences){0};
}

static int reserve(void **list, size_t *room, size_t wanted, size_t size)
{
    size_t n = *room + *room / 4 + 64;
    void *grown;

    if (wanted <= *room)
        return 0;
    if (n < wanted)
        n = wanted;
    grown = realloc(*list, n * size);
    if (grown == NULL)
        return UV_ENOMEM;
    *list = grown;
    *room = n;
    return 0;
}

static int keys_append(struct fence_keys *k, const void *key, size_t len)
{
    size_t end = k->count > 0 ? k->ends[k->count] : 0;

    if (end + len > UINT32_MAX ||
        reserve((void **)&k->bytes, &k->bytes_room, end + len + 1, 1) < 0 ||
        reserve((void **)&k->ends, &k->ends_room, k->count + 2, sizeof(*k->ends)) < 0)
        return UV_ENOMEM;
    memcpy(k->bytes + end, key, len);
    if (k->count == 0)
        k->ends[0] = 0;
    k->ends[++k->count] = (uint32_t)(end + len);
    return 0;
}

int fences_append(struct fences *f, uint32_t number, uint32_t generation, const void *key,
                  size_t key_len)
{
    if (f->count == 0)
        key_len = 0;
    if (reserve((void **)&f->list, &f->room, f->count + 1, sizeof(*f->list)) < 0 ||
        keys_append(&f->keys, key, key_len) < 0 ||
        (f->count % SAMPLE_EVERY == 0 && keys_append(&f->samples, key, key_len) < 0))
        return UV_ENOMEM;
    f->list[f->count++] = (struct fence){.number = number, .generation = generation};
    return 0;
}

/* The last of the `n` keys from `first` on, n > 0, that isn't over `key`; the first one never is.
 */
static size_t search(const struct fence_keys *k, size_t first, size_t n, const void *key,
                     size_t key_len)
{
    while (n > 1) {
        size_t half = n / 2;
        uint32_t at = k->ends[first + half];

        if (key_compare(k->bytes + at, k->ends[first + half + 1] - at, key, key_len) <= 0)
            first += half;
        n -= half;
    }
    return first;
}

size_t fences_find(const struct fences *f, const void *key, size_t key_len)
{
    size_t first = SAMPLE_EVERY * search(&f->samples, 0, f->samples.count, key, key_len);
    size_t left = f->count - first;

    return search(&f->keys, first, left < SAMPLE_EVERY ? left : SAMPLE_EVERY, key, key_len);
}
