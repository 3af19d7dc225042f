/* The part of a sort that is in memory: entries one after the other, and then, in the room after
 * them, their order. */
#ifndef MKV_MAINTENANCE_SORT_MEMORY_H
#define MKV_MAINTENANCE_SORT_MEMORY_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "index/maintenance/sort.h"
#include "index/store/key_order.h"

/* An entry as it lies in memory and in files: u16 length, u16 length of the key, as this machine
 * has them, bytes. */
#define SORT_HEAD      4
#define SORT_WHOLE_MAX (SORT_HEAD + SORT_ENTRY_MAX)

/* Returns its bytes in all. */
static inline size_t sort_entry_read(const unsigned char *at, struct sort_entry *entry)
{
    uint16_t lengths[2];

    memcpy(lengths, at, SORT_HEAD);
    *entry = (struct sort_entry){at + SORT_HEAD, lengths[0], lengths[1]};
    return SORT_HEAD + entry->len;
}

static inline int sort_entry_compare(const struct sort_entry *a, const struct sort_entry *b,
                                     sort_compare_cb compare)
{
    int order = key_compare(a->bytes, a->key_len, b->bytes, b->key_len);

    return order == 0 && compare != NULL ? compare(a, b) : order;
}

struct sort_item {
    uint64_t head;           /* some bytes of the key, as a number */
    const unsigned char *at; /* the entry */
};

struct sort_memory {
    unsigned char *bytes; /* given, borrowed, aligned as malloc() does */
    size_t size;          /* given: a multiple of sizeof(struct sort_item) */
    sort_compare_cb compare;
    size_t used; /* by entries */
    size_t count;
};

/* False when there is no room. An entry of any size fits into SORT_MEMORY_MIN / 2 bytes. */
bool sort_memory_add(struct sort_memory *m, const void *bytes, size_t len, size_t key_len);

/* The entries in order, `count` of them, valid until the next add or clear. */
const struct sort_item *sort_memory_sort(struct sort_memory *m);

/* Drops all entries. */
static inline void sort_memory_clear(struct sort_memory *m)
{
    m->used = m->count = 0;
}

#endif
