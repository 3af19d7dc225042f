#include "index/store/gdbm/memtable.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <uv.h>

#include "index/store/key_order.h"
#include "index/store/slots.h"

#define HEIGHT_MAX 12          /* a quarter of the nodes reaches each next level: 16M nodes */
#define CHUNK      (1UL << 20) /* bytes that come from the system at once */
#define ALIGN      16
#define BLOCK_MAX  2048 /* bytes of a key or a value with its node, at most */

struct node {
    unsigned char *value; /* NULL: deleted */
    uint16_t key_len;
    uint16_t value_len;
    uint16_t value_room; /* bytes allocated for it */
    uint8_t height;
    bool below;
    struct node *next[]; /* `height` of them; the key follows */
};

struct chunk {
    struct chunk *next;
    char bytes[];
};

/* A block that was given back, for the next one of its size. */
struct hole {
    struct hole *next;
};

struct memtable {
    struct chunk *chunks; /* the first is being filled, up to `used`; behind it those used up */
    struct chunk *spare;  /* reserved */
    size_t used;          /* bytes of the first chunk */
    size_t n_chunks;      /* spare ones too */
    size_t n_spare;
    uint64_t random; /* xorshift */
    struct hole *holes[BLOCK_MAX / ALIGN + 1];
    struct node *head[HEIGHT_MAX];
    struct slots slots; /* the nodes, for gets: a step or two, where the list takes some twenty */
    uint64_t seed;      /* of their hash */
};

/* --- Memory ---------------------------------------------------------------------------------- */

static int add_spare(struct memtable *m)
{
    struct chunk *chunk =
        mmap(NULL, CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (chunk == MAP_FAILED)
        return UV_ENOMEM;
    chunk->next = m->spare;
    m->spare = chunk;
    m->n_spare++;
    m->n_chunks++;
    return 0;
}

static size_t block_size(size_t n)
{
    return (n + ALIGN - 1) / ALIGN * ALIGN;
}

static void *allocate(struct memtable *m, size_t n)
{
    size_t size = block_size(n);
    struct hole *hole;
    struct chunk *chunk;

    assert(size <= BLOCK_MAX);
    hole = m->holes[size / ALIGN];
    if (hole != NULL) {
        m->holes[size / ALIGN] = hole->next;
        return hole;
    }
    if (m->chunks == NULL || m->used + size > CHUNK) {
        chunk = m->spare;
        assert(chunk != NULL); /* memtable_reserve() was asked for too little */
        m->spare = chunk->next;
        m->n_spare--;
        chunk->next = m->chunks;
        m->chunks = chunk;
        m->used = ALIGN;
    }
    m->used += size;
    return (char *)m->chunks + m->used - size;
}

static void give_back(struct memtable *m, void *block, size_t n)
{
    struct hole *hole = block;
    size_t size = block_size(n);

    if (size == 0)
        return;
    hole->next = m->holes[size / ALIGN];
    m->holes[size / ALIGN] = hole;
}

int memtable_reserve(struct memtable *m, size_t n, size_t bytes)
{
    size_t each = sizeof(struct node) + HEIGHT_MAX * sizeof(struct node *) + 2 * ALIGN;
    size_t chunks = (bytes + n * each) / (CHUNK - ALIGN - BLOCK_MAX) + 1;

    while (m->n_spare < chunks) {
        if (add_spare(m) < 0)
            return UV_ENOMEM;
    }
    return slots_reserve(&m->slots, n);
}

struct memtable *memtable_new(void)
{
    struct memtable *m = calloc(1, sizeof(*m));

    if (m == NULL)
        return NULL;
    m->random = 0x9e3779b97f4a7c15;
    if (getrandom(&m->seed, sizeof(m->seed), GRND_NONBLOCK) < 0)
        m->seed = uv_hrtime(); /* early in a boot */
    return m;
}

static void free_chunks(struct chunk *chunk)
{
    while (chunk != NULL) {
        struct chunk *next = chunk->next;

        munmap(chunk, CHUNK);
        chunk = next;
    }
}

void memtable_free(struct memtable *m)
{
    if (m == NULL)
        return;
    free_chunks(m->chunks);
    free_chunks(m->spare);
    slots_deinit(&m->slots);
    free(m);
}

/* --- The list -------------------------------------------------------------------------------- */

static unsigned char *node_key(const struct node *node)
{
    return (unsigned char *)(node->next + node->height);
}

static size_t node_size(unsigned height, size_t key_len)
{
    return sizeof(struct node) + height * sizeof(struct node *) + key_len;
}

static unsigned random_height(struct memtable *m)
{
    unsigned height = 1;
    uint64_t bits;

    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    for (bits = m->random; (bits & 3) == 0 && height < HEIGHT_MAX; bits >>= 2)
        height++;
    return height;
}

/* The first node whose key isn't less than `key`. With `links`, also where each level's pointer to
 * it or past it lies. */
static struct node *find(const struct memtable *m, const void *key, size_t key_len,
                         struct node **links[HEIGHT_MAX])
{
    struct node **level = (struct node **)m->head;
    struct node *behind = NULL; /* known to be not less: not compared twice */

    for (unsigned i = HEIGHT_MAX; i-- > 0;) {
        while (level[i] != NULL && level[i] != behind &&
               key_compare(node_key(level[i]), level[i]->key_len, key, key_len) < 0)
            level = level[i]->next;
        behind = level[i];
        if (links != NULL)
            links[i] = &level[i];
    }
    return level[0];
}

static bool is_key(const struct node *node, const void *key, size_t key_len)
{
    return node->key_len == key_len && memcmp(node_key(node), key, key_len) == 0;
}

/* The node with a key, or NULL. */
static struct node *lookup(const struct memtable *m, const void *key, size_t key_len, size_t *at)
{
    uint32_t hash = slots_hash(m->seed, key, key_len);
    struct node *node = slots_find(&m->slots, hash, at);

    while (node != NULL && !is_key(node, key, key_len))
        node = slots_find_next(&m->slots, hash, at);
    return node;
}

static struct node *insert(struct memtable *m, const void *key, size_t key_len, bool below)
{
    unsigned height = random_height(m);
    struct node *node = allocate(m, node_size(height, key_len));
    struct node **links[HEIGHT_MAX];

    find(m, key, key_len, links);
    *node = (struct node){
        .key_len = (uint16_t)key_len,
        .height = (uint8_t)height,
        .below = below,
    };
    memcpy(node_key(node), key, key_len);
    for (unsigned i = 0; i < height; i++) {
        node->next[i] = *links[i];
        *links[i] = node;
    }
    slots_add(&m->slots, node, slots_hash(m->seed, key, key_len));
    return node;
}

static void drop_value(struct memtable *m, struct node *node)
{
    if (node->value != NULL)
        give_back(m, node->value, node->value_room);
    node->value = NULL;
}

static void drop_node(struct memtable *m, struct node *node, size_t at)
{
    struct node **links[HEIGHT_MAX];

    find(m, node_key(node), node->key_len, links);
    for (unsigned i = 0; i < node->height; i++)
        *links[i] = node->next[i];
    drop_value(m, node);
    give_back(m, node, node_size(node->height, node->key_len));
    slots_drop(&m->slots, at);
}

static void set_value(struct memtable *m, struct node *node, const void *value, size_t len)
{
    if (node->value == NULL || len > node->value_room) {
        drop_value(m, node);
        node->value_room = (uint16_t)block_size(len > 0 ? len : 1);
        node->value = allocate(m, node->value_room);
    }
    memcpy(node->value, value, len);
    node->value_len = (uint16_t)len;
}

void memtable_set(struct memtable *m, const void *key, size_t key_len, const void *value,
                  size_t value_len, bool below)
{
    size_t at;
    struct node *node = lookup(m, key, key_len, &at);

    if (node == NULL && value == NULL && !below)
        return;
    if (node == NULL)
        node = insert(m, key, key_len, below);
    if (value != NULL)
        set_value(m, node, value, value_len);
    else if (node->below)
        drop_value(m, node);
    else
        drop_node(m, node, at);
}

static void describe(const struct node *node, struct memtable_entry *entry)
{
    *entry = (struct memtable_entry){
        .key = node_key(node),
        .value = node->value,
        .key_len = node->key_len,
        .value_len = node->value != NULL ? node->value_len : 0,
    };
}

bool memtable_get(const struct memtable *m, const void *key, size_t key_len,
                  struct memtable_entry *entry)
{
    size_t at;
    const struct node *node = lookup(m, key, key_len, &at);

    if (node == NULL)
        return false;
    describe(node, entry);
    return true;
}

void memtable_seek(const struct memtable *m, const void *key, size_t key_len,
                   struct memtable_cursor *cursor)
{
    cursor->node = find(m, key, key_len, NULL);
}

bool memtable_peek(const struct memtable_cursor *cursor, struct memtable_entry *entry)
{
    if (cursor->node == NULL)
        return false;
    describe(cursor->node, entry);
    return true;
}

void memtable_next(struct memtable_cursor *cursor)
{
    cursor->node = cursor->node->next[0];
}

size_t memtable_count(const struct memtable *m)
{
    return m->slots.count;
}

size_t memtable_bytes(const struct memtable *m)
{
    return (m->n_chunks - m->n_spare) * CHUNK + m->slots.size * sizeof(*m->slots.list);
}
