/* Which page holds which range of keys: for each page of a table, in key order, its number, and a
 * fence: no key of the page is less than it, and every key of the pages before is. In memory whole,
 * some 25 bytes a page, since fences are cut to what tells neighbours apart.
 *
 * A binary search in the fences would miss the CPU's cache, and mispredict a branch, at nearly
 * every step. So they are searched as a B-tree is: level 0 has all of them, each level above the
 * first of every group of the one below, up to a level of one group. The fences of a group are told
 * apart by their heads, four bytes of each after what they all begin with, which are compared
 * without a branch; fences themselves are looked at only where heads are equal. (Poor man's
 * normalized keys after a truncated prefix: Graefe and Larson, "B-Tree Indexes and CPU Caches",
 * ICDE 2001.) */
#ifndef MKV_STORE_GDBM_FENCES_H
#define MKV_STORE_GDBM_FENCES_H

#include <stddef.h>
#include <stdint.h>

#define FENCE_GROUP_BITS 5
#define FENCE_GROUP      (1U << FENCE_GROUP_BITS)
#define FENCE_LEVELS_MAX 7 /* 2^31 pages */

struct fence {
    uint32_t number;     /* of the page */
    uint32_t generation; /* of the checkpoint that wrote the page */
};

struct fence_level {
    uint32_t (*heads)[FENCE_GROUP]; /* of each group; all ones where there is no fence */
    uint16_t *shared;               /* bytes before the heads */
    size_t count;
};

struct fences {
    struct fence *list;
    size_t count;
    size_t room;
    unsigned char *bytes; /* the fences, one after the other */
    uint32_t *ends;       /* of each in `bytes`; before the first one's, a 0 */
    size_t bytes_room;
    size_t ends_room;
    struct fence_level levels[FENCE_LEVELS_MAX];
    unsigned n_levels;
};

/* All zero is empty. */
void fences_deinit(struct fences *f);

/* Appends a page after the others. The first page's fence is made empty, whatever `key` is. 0, or
 * UV_ENOMEM, and then the fences are worthless. */
int fences_append(struct fences *f, uint32_t number, uint32_t generation, const void *key,
                  size_t key_len);

/* Prepares for searches, after the last append. 0, or UV_ENOMEM, and then the fences are worthless.
 */
int fences_index(struct fences *f);

/* The index of the page that would hold a key; count must not be 0. */
size_t fences_find(const struct fences *f, const void *key, size_t key_len);

/* A page's fence, borrowed until the next append. */
static inline const unsigned char *fence_key(const struct fences *f, size_t i, size_t *len)
{
    *len = f->ends[i + 1] - f->ends[i];
    return f->bytes + f->ends[i];
}

#endif
