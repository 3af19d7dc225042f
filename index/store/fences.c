#include "index/store/fences.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "index/store/key_order.h"

void fences_deinit(struct fences *f)
{
    free(f->list);
    free(f->keys);
    *f = (struct fences){0};
}

static int reserve(void **list, size_t *room, size_t wanted, size_t size)
{
    size_t n = *room + *room / 2 + 64;
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

int fences_append(struct fences *f, uint32_t number, uint32_t generation, const void *key,
                  size_t key_len)
{
    if (f->count == 0)
        key_len = 0;
    if (f->keys_size + key_len > UINT32_MAX ||
        reserve((void **)&f->list, &f->room, f->count + 2, sizeof(*f->list)) < 0 ||
        reserve((void **)&f->keys, &f->keys_room, f->keys_size + key_len + 1, 1) < 0)
        return UV_ENOMEM;
    memcpy(f->keys + f->keys_size, key, key_len);
    f->list[f->count] = (struct fence){
        .number = number,
        .generation = generation,
        .at = (uint32_t)f->keys_size,
    };
    f->keys_size += key_len;
    f->count++;
    f->list[f->count].at = (uint32_t)f->keys_size;
    return 0;
}

size_t fences_find(const struct fences *f, const void *key, size_t key_len)
{
    size_t low = 0;
    size_t n = f->count;

    while (n > 1) {
        size_t half = n / 2;
        size_t len;
        const unsigned char *fence = fence_key(f, low + half, &len);

        if (key_compare(fence, len, key, key_len) <= 0)
            low += half;
        n -= half;
    }
    return low;
}
