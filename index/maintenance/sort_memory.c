/* Keys are not compared where they lie, each in another place, but by their heads: eight bytes of
 * each, beside one another. Entries whose heads are equal are then sorted by the next eight, and so
 * on, until they are few. (Multikey quicksort with caching of characters: Ng and Kakehi, "Cache
 * Efficient Radix Sort for String Sorting", 2007; here with merge sort, which is stable.) */
#include "index/maintenance/sort_memory.h"

#include <endian.h>

#define FEW       16
#define HEAD_SIZE sizeof(uint64_t)

/* How items compare whose keys are the same in the first `depth` bytes. */
struct order {
    int (*compare)(const struct order *order, const struct sort_item *a, const struct sort_item *b);
    sort_compare_cb then;
    size_t depth;
};

static bool has_room(const struct sort_memory *m, size_t bytes)
{
    return m->used + bytes + 2 * (m->count + 1) * sizeof(struct sort_item) <= m->size;
}

bool sort_memory_add(struct sort_memory *m, const void *bytes, size_t len, size_t key_len)
{
    const uint16_t lengths[2] = {(uint16_t)len, (uint16_t)key_len};
    unsigned char *at = m->bytes + m->used;

    if (!has_room(m, SORT_HEAD + len))
        return false;
    memcpy(at, lengths, SORT_HEAD);
    memcpy(at + SORT_HEAD, bytes, len);
    m->used += SORT_HEAD + len;
    m->count++;
    return true;
}

/* --- Merge sort ------------------------------------------------------------------------------ */

static int compare_heads(const struct order *order, const struct sort_item *a,
                         const struct sort_item *b)
{
    (void)order;
    return (a->head > b->head) - (a->head < b->head);
}

static int compare_entries(const struct order *order, const struct sort_item *a,
                           const struct sort_item *b)
{
    struct sort_entry x;
    struct sort_entry y;
    int rc;

    sort_entry_read(a->at, &x);
    sort_entry_read(b->at, &y);
    rc = key_compare(x.bytes + order->depth, x.key_len - order->depth, y.bytes + order->depth,
                     y.key_len - order->depth);
    return rc == 0 && order->then != NULL ? order->then(&x, &y) : rc;
}

static void insertion_sort(const struct order *order, struct sort_item *items, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct sort_item item = items[i];
        size_t to = i;

        for (; to > 0 && order->compare(order, &items[to - 1], &item) > 0; to--)
            items[to] = items[to - 1];
        items[to] = item;
    }
}

/* Merges two sorted halves; `spare` has room for the first. */
static void merge(const struct order *order, struct sort_item *items, size_t half, size_t n,
                  struct sort_item *spare)
{
    const struct sort_item *left = spare;
    const struct sort_item *left_end = spare + half;
    const struct sort_item *right = items + half;
    const struct sort_item *right_end = items + n;

    memcpy(spare, items, half * sizeof(*items));
    while (left < left_end && right < right_end)
        *items++ = order->compare(order, left, right) <= 0 ? *left++ : *right++;
    memcpy(items, left, (size_t)(left_end - left) * sizeof(*items));
}

static void merge_sort(const struct order *order, struct sort_item *items, size_t n,
                       struct sort_item *spare)
{
    size_t half = n / 2;

    if (n <= FEW) {
        insertion_sort(order, items, n);
        return;
    }
    merge_sort(order, items, half, spare);
    merge_sort(order, items + half, n - half, spare);
    if (order->compare(order, &items[half - 1], &items[half]) > 0)
        merge(order, items, half, n, spare);
}

/* --- By heads -------------------------------------------------------------------------------- */

/* The key's bytes from `depth` on, zeros where it has ended. */
static uint64_t head_of(const unsigned char *at, size_t depth)
{
    struct sort_entry entry;
    uint64_t head = 0;

    sort_entry_read(at, &entry);
    if (entry.key_len >= depth + HEAD_SIZE)
        memcpy(&head, entry.bytes + depth, HEAD_SIZE);
    else if (entry.key_len > depth)
        memcpy(&head, entry.bytes + depth, entry.key_len - depth);
    return be64toh(head);
}

/* True if all are equal. */
static bool take_heads(struct sort_item *items, size_t n, size_t depth)
{
    uint64_t differ = 0;

    for (size_t i = 0; i < n; i++) {
        items[i].head = head_of(items[i].at, depth);
        differ |= items[i].head ^ items[0].head;
    }
    return differ == 0;
}

/* Moves the items whose keys end before `depth` to the front; how many there are. */
static size_t part_ended(struct sort_item *items, size_t n, size_t depth, struct sort_item *spare)
{
    size_t ended = 0;
    size_t others = 0;

    for (size_t i = 0; i < n; i++) {
        struct sort_entry entry;

        sort_entry_read(items[i].at, &entry);
        if (entry.key_len <= depth)
            items[ended++] = items[i];
        else
            spare[others++] = items[i];
    }
    memcpy(items + ended, spare, others * sizeof(*items));
    return ended;
}

/* The number of items with the head of the first. */
static size_t group_size(const struct sort_item *items, size_t n)
{
    size_t size = 1;

    while (size < n && items[size].head == items[0].head)
        size++;
    return size;
}

static void sort_items(const struct sort_memory *m, struct sort_item *items, size_t n, size_t depth,
                       struct sort_item *spare);

/* Of items whose heads are equal, those whose keys have ended come first, as all the rest of them
 * is in the longer ones too. */
static void sort_group(const struct sort_memory *m, struct sort_item *items, size_t n, size_t depth,
                       struct sort_item *spare)
{
    const struct order order = {compare_entries, m->compare, depth};
    size_t ended = 0;

    if (n > FEW)
        ended = part_ended(items, n, depth + HEAD_SIZE, spare);
    merge_sort(&order, items, n > FEW ? ended : n, spare);
    if (n > FEW)
        sort_items(m, items + ended, n - ended, depth + HEAD_SIZE, spare);
}

static void sort_items(const struct sort_memory *m, struct sort_item *items, size_t n, size_t depth,
                       struct sort_item *spare)
{
    static const struct order order = {compare_heads, NULL, 0};

    if (n > 0 && !take_heads(items, n, depth))
        merge_sort(&order, items, n, spare);
    for (size_t i = 0, size; i < n; i += size) {
        size = group_size(items + i, n - i);
        if (size > 1)
            sort_group(m, items + i, size, depth, spare);
    }
}

const struct sort_item *sort_memory_sort(struct sort_memory *m)
{
    struct sort_item *spare = (struct sort_item *)(void *)(m->bytes + m->size) - m->count;
    struct sort_item *items = spare - m->count;
    const unsigned char *at = m->bytes;
    struct sort_entry entry;

    for (size_t i = 0; i < m->count; i++) {
        items[i].at = at;
        at += sort_entry_read(at, &entry);
    }
    sort_items(m, items, m->count, 0, spare);
    return items;
}
