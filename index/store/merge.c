/* Goes through the old pages in key order. A page that no change falls into is copied if need be.
 * Else its entries and the changes, merged, go into `run`, from whose front full pages are written;
 * what is left at the end of the old page's range becomes one page or two halves, or, when it is
 * little, stays in the run and takes the next old page in. So pages keep at least a third full,
 * splits leave room on both sides, and keys that come in order fill their pages. */
#include "index/store/merge.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "index/base/buf.h"
#include "index/base/log.h"
#include "index/store/key_order.h"

#define ROOM   (PAGE_SIZE - PAGE_HEAD)
#define LITTLE (ROOM / 3)

/* An entry in the run's bytes: this, the key, the value. */
struct run_entry {
    uint16_t key_len;
    uint16_t value_len;
    uint16_t size; /* in a page, behind the entry before */
};

struct merger {
    const struct merge *in;
    struct memtable_cursor changes;
    /* Entries that wait to be written. */
    struct buf run;
    size_t run_size;                  /* bytes in pages, about */
    unsigned char last[PAGE_KEY_MAX]; /* key of the run's last entry */
    size_t last_len;
    /* The fence of the next page that is written: given by an old one, or cut by written pages. */
    unsigned char fence[PAGE_KEY_MAX];
    size_t fence_len;
    struct page_writer writer;
    /* Numbers of pages. */
    unsigned char *taken; /* by old pages: a bit each */
    uint32_t n_taken;     /* bits */
    uint32_t next;        /* the first that was not looked at: there, or past them all, new ones */
    struct buf freed;     /* uint32_t: of old pages that were merged, to be given out again */
};

static int out_of_memory(void)
{
    log_error("a checkpoint is out of memory");
    return UV_ENOMEM;
}

/* --- Numbers --------------------------------------------------------------------------------- */

static int init_numbers(struct merger *m)
{
    const struct fences *old = m->in->old;

    for (size_t i = 0; i < old->count; i++)
        if (old->list[i].number >= m->n_taken)
            m->n_taken = old->list[i].number + 1;
    m->taken = calloc(m->n_taken / 8 + 1, 1);
    if (m->taken == NULL)
        return out_of_memory();
    for (size_t i = 0; i < old->count; i++)
        m->taken[old->list[i].number / 8] |= (unsigned char)(1 << old->list[i].number % 8);
    return 0;
}

/* One of those that were freed, so that pages are written in place; else one that is free. */
static uint32_t take_number(struct merger *m)
{
    uint32_t number;

    if (buf_size(&m->freed) > 0) {
        buf_truncate(&m->freed, buf_size(&m->freed) - sizeof(number));
        memcpy(&number, buf_bytes(&m->freed) + buf_size(&m->freed), sizeof(number));
        return number;
    }
    while (m->next < m->n_taken && (m->taken[m->next / 8] >> m->next % 8 & 1))
        m->next++;
    return m->next++;
}

static int free_number(struct merger *m, uint32_t number)
{
    return buf_append(&m->freed, &number, sizeof(number)) < 0 ? out_of_memory() : 0;
}

/* --- Writing --------------------------------------------------------------------------------- */

static int run_add(struct merger *m, const unsigned char *key, size_t key_len,
                   const unsigned char *value, size_t value_len)
{
    struct run_entry entry = {
        .key_len = (uint16_t)key_len,
        .value_len = (uint16_t)value_len,
        .size = (uint16_t)page_entry_size(buf_size(&m->run) > 0 ? m->last : NULL, m->last_len, key,
                                          key_len, value_len),
    };

    if (buf_reserve(&m->run, sizeof(entry) + key_len + value_len) < 0)
        return out_of_memory();
    buf_append(&m->run, &entry, sizeof(entry));
    buf_append(&m->run, key, key_len);
    buf_append(&m->run, value, value_len);
    memcpy(m->last, key, key_len);
    m->last_len = key_len;
    m->run_size += entry.size;
    return 0;
}

/* The shortest key that is over the last one written and not over the run's first. */
static void cut_fence(struct merger *m, const unsigned char *first, size_t first_len)
{
    const struct page_writer *w = &m->writer;
    size_t n = key_shared(w->key, w->key_len, first, first_len);

    m->fence_len = n < first_len ? n + 1 : first_len;
    memcpy(m->fence, first, m->fence_len);
}

static const unsigned char *run_first(struct merger *m, struct run_entry *entry)
{
    const char *bytes = buf_bytes(&m->run);

    memcpy(entry, bytes, sizeof(*entry));
    return (const unsigned char *)bytes + sizeof(*entry);
}

/* Writes entries from the front of the run to one page, until they are `size` bytes or more. */
static int write_page(struct merger *m, uint32_t number, size_t size)
{
    struct run_entry entry;
    int rc;

    page_writer_init(&m->writer);
    while (buf_size(&m->run) > 0 && m->writer.size < PAGE_HEAD + size) {
        const unsigned char *key = run_first(m, &entry);

        if (!page_writer_add(&m->writer, key, entry.key_len, key + entry.key_len, entry.value_len))
            break;
        buf_consume(&m->run, sizeof(entry) + entry.key_len + entry.value_len);
        m->run_size -= entry.size;
    }
    page_writer_finish(&m->writer, number);
    rc = table_write(m->in->to, number, m->writer.bytes);
    if (rc == 0 &&
        fences_append(m->in->fences, number, m->in->generation, m->fence, m->fence_len) < 0)
        rc = out_of_memory();
    if (rc == 0 && buf_size(&m->run) > 0) {
        const unsigned char *key = run_first(m, &entry);

        cut_fence(m, key, entry.key_len);
    }
    return rc;
}

/* Keeps two pages' worth in the run, so that the last two can be balanced. */
static int write_full_pages(struct merger *m)
{
    int rc = 0;

    while (rc == 0 && m->run_size > 2 * ROOM)
        rc = write_page(m, take_number(m), ROOM);
    return rc;
}

static int write_rest(struct merger *m)
{
    int rc = 0;

    while (rc == 0 && buf_size(&m->run) > 0)
        rc = write_page(m, take_number(m), m->run_size > ROOM ? m->run_size / 2 : ROOM);
    return rc;
}

/* --- Merging --------------------------------------------------------------------------------- */

/* Whether the cursor's change falls before `limit`; every change does where that is NULL. */
static bool next_change(struct merger *m, const unsigned char *limit, size_t limit_len,
                        struct memtable_entry *change)
{
    return memtable_peek(&m->changes, change) &&
           (limit == NULL || key_compare(change->key, change->key_len, limit, limit_len) < 0);
}

static int take_change(struct merger *m, const struct memtable_entry *change)
{
    int rc = 0;

    if (change->value != NULL)
        rc = run_add(m, change->key, change->key_len, change->value, change->value_len);
    memtable_next(&m->changes);
    return rc < 0 ? rc : write_full_pages(m);
}

/* The changes before the entry's key, or on it, and then the entry unless it was changed. */
static int take_entry(struct merger *m, const struct page_entry *entry)
{
    struct memtable_entry change;
    int rc = 0;

    while (rc == 0 && next_change(m, entry->key, entry->key_len, &change))
        rc = take_change(m, &change);
    if (rc == 0 && memtable_peek(&m->changes, &change) &&
        key_compare(change.key, change.key_len, entry->key, entry->key_len) == 0)
        return take_change(m, &change);
    if (rc == 0)
        rc = run_add(m, entry->key, entry->key_len, entry->value, entry->value_len);
    return rc < 0 ? rc : write_full_pages(m);
}

static int merge_page(struct merger *m, uint32_t number, const unsigned char *limit,
                      size_t limit_len)
{
    struct memtable_entry change;
    struct page_reader reader;
    struct page_entry entry;
    unsigned char *page;
    int rc = table_read_checked(m->in->from, number, &page);

    if (rc < 0)
        return rc;
    page_reader_init(&reader, page);
    while (rc == 0 && page_reader_next(&reader, &entry) == 1)
        rc = take_entry(m, &entry);
    free(page);
    while (rc == 0 && next_change(m, limit, limit_len, &change))
        rc = take_change(m, &change);
    return rc;
}

/* A page that stays as it is. */
static int keep_page(struct merger *m, size_t i)
{
    const struct fence *fence = &m->in->old->list[i];
    unsigned char *page;
    size_t len;
    const unsigned char *key = fence_key(m->in->old, i, &len);
    int rc = 0;

    if (m->in->copy_all || fence->generation == m->in->generation - 1) {
        rc = table_read_checked(m->in->from, fence->number, &page);
        if (rc < 0)
            return rc;
        rc = table_write(m->in->to, fence->number, page);
        free(page);
    }
    if (rc == 0 && fences_append(m->in->fences, fence->number, fence->generation, key, len) < 0)
        rc = out_of_memory();
    return rc;
}

static int merge_range(struct merger *m, size_t i)
{
    const struct fences *old = m->in->old;
    bool last = i + 1 == old->count;
    struct memtable_entry change;
    size_t limit_len = 0;
    const unsigned char *limit = last ? NULL : fence_key(old, i + 1, &limit_len);
    int rc;

    if (atomic_load_explicit(m->in->cancel, memory_order_relaxed))
        return UV_ECANCELED;
    if (buf_size(&m->run) == 0) {
        size_t len;
        const unsigned char *key = fence_key(old, i, &len);

        if (!next_change(m, limit, limit_len, &change))
            return keep_page(m, i);
        memcpy(m->fence, key, len);
        m->fence_len = len;
    }
    rc = free_number(m, old->list[i].number);
    if (rc == 0)
        rc = merge_page(m, old->list[i].number, limit, limit_len);
    if (rc == 0 && (last || m->run_size > LITTLE))
        rc = write_rest(m);
    return rc;
}

static int merge_all(struct merger *m)
{
    struct memtable_entry change;
    int rc = 0;

    memtable_seek(m->in->changes, "", 0, &m->changes);
    for (size_t i = 0; i < m->in->old->count && rc == 0; i++)
        rc = merge_range(m, i);
    while (rc == 0 && memtable_peek(&m->changes, &change)) /* there was no old page */
        rc = take_change(m, &change);
    return rc < 0 ? rc : write_rest(m);
}

int merge_run(const struct merge *merge)
{
    struct merger *m = calloc(1, sizeof(*m));
    int rc;

    if (m == NULL)
        return out_of_memory();
    m->in = merge;
    rc = init_numbers(m);
    if (rc == 0)
        rc = merge_all(m);
    if (rc == 0 && fences_index(merge->fences) < 0)
        rc = out_of_memory();
    buf_deinit(&m->run);
    buf_deinit(&m->freed);
    free(m->taken);
    free(m);
    return rc;
}
