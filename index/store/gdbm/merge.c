/* Goes through the old pages in key order. A page that no change falls into is copied if need be.
 * Else its entries and the changes, merged, go into `run`, from whose front full pages are written;
 * what is left at the end of the old page's range becomes one page or two halves, or, when it is
 * little, stays in the run and takes the next old page in. So pages keep at least a third full,
 * splits leave room on both sides, and keys that come in order fill their pages. */
#include "index/store/gdbm/merge.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "index/store/gdbm/run.h"
#include "index/store/key_order.h"

#define LITTLE (RUN_ROOM / 3)

struct merger {
    const struct merge *in;
    struct memtable_cursor changes;
    struct run run;
};

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
        rc = run_add(&m->run, change->key, change->key_len, change->value, change->value_len);
    memtable_next(&m->changes);
    return rc;
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
        rc = run_add(&m->run, entry->key, entry->key_len, entry->value, entry->value_len);
    return rc;
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
    return rc == 0 ? run_list_page(&m->run, fence, key, len) : rc;
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
    if (run_is_empty(&m->run)) {
        size_t len;
        const unsigned char *key = fence_key(old, i, &len);

        if (!next_change(m, limit, limit_len, &change))
            return keep_page(m, i);
        run_begin(&m->run, key, len);
    }
    rc = run_free_number(&m->run, old->list[i].number);
    if (rc == 0)
        rc = merge_page(m, old->list[i].number, limit, limit_len);
    if (rc == 0 && (last || m->run.size > LITTLE))
        rc = run_write_rest(&m->run);
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
    return rc < 0 ? rc : run_finish(&m->run);
}

int merge_run(const struct merge *merge)
{
    struct merger m = {
        .in = merge,
        .run = {.to = merge->to, .fences = merge->fences, .generation = merge->generation},
    };
    int rc = run_init(&m.run, merge->old);

    if (rc == 0)
        rc = merge_all(&m);
    run_deinit(&m.run);
    return rc;
}
