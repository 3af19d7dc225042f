/* Which page holds which range of keys: for each page of a table, in key order, its number, and a
 * fence: no key of the page is less than it, and every key of the pages before is. In memory whole,
 * some twenty bytes a page, since fences are cut to what tells neighbours apart.
 *
 * A search in all of them would miss the CPU's cache at nearly every step. So every so manieth
 * fence is in `samples` as well, which is small enough to stay there. */
#ifndef MKV_STORE_FENCES_H
#define MKV_STORE_FENCES_H

#include <stddef.h>
#include <stdint.h>

/* Keys one behind the other. */
struct fence_keys {
    unsigned char *bytes;
    uint32_t *ends; /* of each key in `bytes`; before the first one's, a 0 */
    size_t count;
    size_t bytes_room;
    size_t ends_room;
};

struct fence {
    uint32_t number;     /* of the page */
    uint32_t generation; /* of the checkpoint that wrote the page */
};

struct fences {
    struct fence *list;
    size_t count;
    size_t room;
    struct fence_keys keys;
    struct fence_keys samples;
};

/* All zero is empty. */
void fences_deinit(struct fences *f);

/* Appends a page behind the others. The first page's fence is made empty, whatever `key` is. 0, or
 * UV_ENOMEM, and then the fences are worthless. */
int fences_append(struct fences *f, uint32_t number, uint32_t generation, const void *key,
                  size_t key_len);

/* The index of the page that would hold a key; count must not be 0. */
size_t fences_find(const struct fences *f, const void *key, size_t key_len);

/* A page's fence, borrowed until the next append. */
static inline const unsigned char *fence_key(const struct fences *f, size_t i, size_t *len)
{
    *len = f->keys.ends[i + 1] - f->keys.ends[i];
    return f->keys.bytes + f->keys.ends[i];
}

#endif
