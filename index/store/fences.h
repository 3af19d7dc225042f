/* Which page holds which range of keys: for each page of a table, in key order, its number, and a
 * fence: no key of the page is less than it, and every key of the pages before is. In memory whole,
 * some ten bytes a page, since fences are cut to what tells neighbours apart. */
#ifndef MKV_STORE_FENCES_H
#define MKV_STORE_FENCES_H

#include <stddef.h>
#include <stdint.h>

struct fence {
    uint32_t number;     /* of the page */
    uint32_t generation; /* of the checkpoint that wrote the page */
    uint32_t at;         /* where the key begins; it ends where the next one begins */
};

struct fences {
    struct fence *list; /* one more than `count`: the end of the last key */
    unsigned char *keys;
    size_t count;
    size_t room;
    size_t keys_size;
    size_t keys_room;
};

/* All zero is empty. */
void fences_deinit(struct fences *f);

/* Appends a page behind the others. The first page's fence is made empty, whatever `key` is. 0, or
 * UV_ENOMEM with nothing changed. */
int fences_append(struct fences *f, uint32_t number, uint32_t generation, const void *key,
                  size_t key_len);

/* The index of the page that would hold a key; count must not be 0. */
size_t fences_find(const struct fences *f, const void *key, size_t key_len);

static inline const unsigned char *fence_key(const struct fences *f, size_t i, size_t *len)
{
    *len = f->list[i + 1].at - f->list[i].at;
    return f->keys + f->list[i].at;
}

#endif
