#include "index/store/gdbm/fences.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "index/store/key_order.h"

#define CACHE_LINE 64

void fences_deinit(struct fences *f)
{
    for (unsigned i = 0; i < f->n_levels; i++) {
        free(f->levels[i].heads);
        free(f->levels[i].shared);
    }
    free(f->list);
    free(f->bytes);
    free(f->ends);
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

static int append_key(struct fences *f, const void *key, size_t len)
{
    size_t end = f->count > 0 ? f->ends[f->count] : 0;

    if (end + len > UINT32_MAX ||
        reserve((void **)&f->bytes, &f->bytes_room, end + len + 1, 1) < 0 ||
        reserve((void **)&f->ends, &f->ends_room, f->count + 2, sizeof(*f->ends)) < 0)
        return UV_ENOMEM;
    memcpy(f->bytes + end, key, len);
    f->ends[0] = 0;
    f->ends[f->count + 1] = (uint32_t)(end + len);
    return 0;
}

int fences_append(struct fences *f, uint32_t number, uint32_t generation, const void *key,
                  size_t key_len)
{
    if (f->count == 0)
        key_len = 0;
    if (reserve((void **)&f->list, &f->room, f->count + 1, sizeof(*f->list)) < 0 ||
        append_key(f, key, key_len) < 0)
        return UV_ENOMEM;
    f->list[f->count++] = (struct fence){.number = number, .generation = generation};
    return 0;
}

/* --- Groups ---------------------------------------------------------------------------------- */

/* A group of a level. Its fences are numbered as in the level; in the list they lie 2^shift apart.
 */
struct group {
    size_t first;
    size_t count;
    unsigned shift;
    bool last; /* of the level */
};

static struct group group_at(const struct fences *f, unsigned level, size_t at)
{
    size_t first = at * FENCE_GROUP;
    size_t left = f->levels[level].count - first;

    return (struct group){
        .first = first,
        .count = left < FENCE_GROUP ? left : FENCE_GROUP,
        .shift = level * FENCE_GROUP_BITS,
        .last = left <= FENCE_GROUP,
    };
}

static const unsigned char *key_at(const struct fences *f, size_t at, unsigned shift, size_t *len)
{
    return fence_key(f, at << shift, len);
}

/* A fence that begins as all of the group do. The very first one is empty, and left out of that. */
static size_t model_of(const struct group *g)
{
    return g->first == 0 && g->count > 1 ? 1 : g->first;
}

static size_t shared_by(const struct fences *f, unsigned shift, size_t a, size_t b)
{
    size_t a_len;
    size_t b_len;
    const unsigned char *a_key = key_at(f, a, shift, &a_len);
    const unsigned char *b_key = key_at(f, b, shift, &b_len);

    return key_shared(a_key, a_len, b_key, b_len);
}

/* The four bytes of a key after `skip` others, as a number; zeros where there are fewer. */
static inline uint32_t head_of(const unsigned char *key, size_t len, size_t skip)
{
    uint32_t head = 0;

    for (size_t i = skip; i < skip + sizeof(head); i++)
        head = head << 8 | (i < len ? key[i] : 0);
    return head;
}

/* What the group shares it shares with the fence after it, too, if there is one: so that a key in
 * between is known to begin with it. */
static void index_group(struct fences *f, unsigned level, size_t at)
{
    struct group g = group_at(f, level, at);
    size_t shared = shared_by(f, g.shift, model_of(&g), g.first + g.count - (g.last ? 1 : 0));
    uint32_t *heads = f->levels[level].heads[at];

    memset(heads, 0xff, sizeof(*f->levels[level].heads));
    for (size_t i = 0; i < g.count; i++) {
        size_t len;
        const unsigned char *key = key_at(f, g.first + i, g.shift, &len);

        heads[i] = head_of(key, len, shared);
    }
    f->levels[level].shared[at] = (uint16_t)shared;
}

static int index_level(struct fences *f, size_t count)
{
    struct fence_level *level = &f->levels[f->n_levels];
    size_t groups = (count + FENCE_GROUP - 1) / FENCE_GROUP;

    level->count = count;
    level->heads = malloc(groups * sizeof(*level->heads));
    level->shared = malloc(groups * sizeof(*level->shared));
    f->n_levels++;
    if (level->heads == NULL || level->shared == NULL)
        return UV_ENOMEM;
    for (size_t at = 0; at < groups; at++)
        index_group(f, f->n_levels - 1, at);
    return 0;
}

int fences_index(struct fences *f)
{
    int rc = 0;

    for (size_t n = f->count; n > 1 && rc == 0; n = (n + FENCE_GROUP - 1) / FENCE_GROUP)
        rc = index_level(f, n);
    return rc;
}

/* --- Searching ------------------------------------------------------------------------------- */

/* As memcmp() of a key's beginning with that of the group. */
static int compare_start(const struct fences *f, const struct group *g, size_t shared,
                         const void *key, size_t key_len)
{
    size_t len;
    const unsigned char *model = key_at(f, model_of(g), g->shift, &len);

    return key_compare(key, key_len < shared ? key_len : shared, model, shared);
}

/* The last of the `n` fences from `first` on that isn't over the key; n > 0, and the first one
 * never is. */
static size_t search_keys(const struct fences *f, size_t first, size_t n, unsigned shift,
                          const void *key, size_t key_len)
{
    while (n > 1) {
        size_t half = n / 2;
        size_t len;
        const unsigned char *fence = key_at(f, first + half, shift, &len);

        if (key_compare(fence, len, key, key_len) <= 0)
            first += half;
        n -= half;
    }
    return first;
}

/* The same in a group whose beginning the key has. */
static size_t search_heads(const struct fences *f, const struct group *g, const uint32_t *heads,
                           uint32_t head, const void *key, size_t key_len)
{
    unsigned less = 0;
    unsigned not_over = 0;

    for (unsigned i = 0; i < FENCE_GROUP; i++) {
        less += heads[i] < head;
        not_over += heads[i] <= head;
    }
    if (less > 0)
        less--;
    if (not_over > g->count)
        not_over = (unsigned)g->count; /* the key's head is as those that aren't there */
    return search_keys(f, g->first + less, not_over - less, g->shift, key, key_len);
}

/* A level's first group and its last have neighbours on one side only: what they share, a key that
 * comes here needn't begin with. */
static size_t search_group(const struct fences *f, unsigned level, size_t at, const void *key,
                           size_t key_len)
{
    struct group g = group_at(f, level, at);
    size_t shared = f->levels[level].shared[at];

    if (at == 0 || g.last) {
        int order = compare_start(f, &g, shared, key, key_len);

        if (order < 0)
            return g.first;
        if (order > 0)
            return g.first + g.count - 1;
    }
    return search_heads(f, &g, f->levels[level].heads[at], head_of(key, key_len, shared), key,
                        key_len);
}

size_t fences_find(const struct fences *f, const void *key, size_t key_len)
{
    size_t at = 0;

    assert(f->n_levels > 0 || f->count == 1);
    for (unsigned level = f->n_levels; level-- > 0;) {
        if (level == 0) /* what the caller reads next: let it come with the heads */
            for (unsigned i = 0; i < FENCE_GROUP; i += CACHE_LINE / sizeof(*f->list))
                __builtin_prefetch(&f->list[at * FENCE_GROUP + i]);
        at = search_group(f, level, at, key, key_len);
    }
    return at;
}
