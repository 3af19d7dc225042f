#include "index/store/gdbm/run.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "index/base/log.h"
#include "index/store/key_order.h"

/* An entry in the run's bytes: this, the key, the value. */
struct run_entry {
    uint16_t key_len;
    uint16_t value_len;
    uint16_t size; /* in a page, after the entry before */
};

static int out_of_memory(void)
{
    log_error("cannot make the index's next table: out of memory");
    return UV_ENOMEM;
}

/* --- Numbers --------------------------------------------------------------------------------- */

int run_init(struct run *run, const struct fences *old)
{
    for (size_t i = 0; i < old->count; i++)
        if (old->list[i].number >= run->n_taken)
            run->n_taken = old->list[i].number + 1;
    run->taken = calloc(run->n_taken / 8 + 1, 1);
    if (run->taken == NULL)
        return out_of_memory();
    for (size_t i = 0; i < old->count; i++)
        run->taken[old->list[i].number / 8] |= (unsigned char)(1 << old->list[i].number % 8);
    return 0;
}

void run_deinit(struct run *run)
{
    buf_deinit(&run->entries);
    buf_deinit(&run->freed);
    free(run->taken);
}

/* One of those that were freed, so that pages are written in place; else one that is free. */
static uint32_t take_number(struct run *run)
{
    uint32_t number;

    if (buf_size(&run->freed) > 0) {
        buf_truncate(&run->freed, buf_size(&run->freed) - sizeof(number));
        memcpy(&number, buf_bytes(&run->freed) + buf_size(&run->freed), sizeof(number));
        return number;
    }
    while (run->next < run->n_taken && (run->taken[run->next / 8] >> run->next % 8 & 1))
        run->next++;
    return run->next++;
}

int run_free_number(struct run *run, uint32_t number)
{
    return buf_append(&run->freed, &number, sizeof(number)) < 0 ? out_of_memory() : 0;
}

/* --- Writing --------------------------------------------------------------------------------- */

void run_begin(struct run *run, const unsigned char *fence, size_t fence_len)
{
    memcpy(run->fence, fence, fence_len);
    run->fence_len = fence_len;
}

/* The shortest key that is over the last one written and not over the run's first. */
static void cut_fence(struct run *run, const unsigned char *first, size_t first_len)
{
    const struct page_writer *w = &run->writer;
    size_t n = key_shared(w->key, w->key_len, first, first_len);

    run_begin(run, first, n < first_len ? n + 1 : first_len);
}

int run_list_page(struct run *run, const struct fence *page, const unsigned char *fence,
                  size_t fence_len)
{
    if (fences_append(run->fences, page->number, page->generation, fence, fence_len) < 0)
        return out_of_memory();
    return 0;
}

static const unsigned char *first_entry(const struct run *run, struct run_entry *entry)
{
    const char *bytes = buf_bytes(&run->entries);

    memcpy(entry, bytes, sizeof(*entry));
    return (const unsigned char *)bytes + sizeof(*entry);
}

/* Moves entries from the front of the run to the page, until they are `size` bytes or more. */
static void fill_page(struct run *run, size_t size)
{
    struct run_entry entry;

    page_writer_init(&run->writer);
    while (!run_is_empty(run) && run->writer.size < PAGE_HEAD + size) {
        const unsigned char *key = first_entry(run, &entry);

        if (!page_writer_add(&run->writer, key, entry.key_len, key + entry.key_len,
                             entry.value_len))
            break;
        buf_consume(&run->entries, sizeof(entry) + entry.key_len + entry.value_len);
        run->size -= entry.size;
    }
}

static int write_page(struct run *run, size_t size)
{
    struct fence page = {.number = take_number(run), .generation = run->generation};
    struct run_entry entry;
    int rc;

    fill_page(run, size);
    page_writer_finish(&run->writer, page.number);
    rc = table_write(run->to, page.number, run->writer.bytes);
    if (rc == 0)
        rc = run_list_page(run, &page, run->fence, run->fence_len);
    if (rc == 0 && !run_is_empty(run)) {
        const unsigned char *key = first_entry(run, &entry);

        cut_fence(run, key, entry.key_len);
    }
    return rc;
}

int run_write_rest(struct run *run)
{
    int rc = 0;

    while (rc == 0 && !run_is_empty(run))
        rc = write_page(run, run->size > RUN_ROOM ? run->size / 2 : RUN_ROOM);
    return rc;
}

int run_finish(struct run *run)
{
    int rc = run_write_rest(run);

    if (rc == 0 && fences_index(run->fences) < 0)
        rc = out_of_memory();
    return rc == 0 ? table_write_fences(run->to, run->fences) : rc;
}

static int append(struct run *run, const struct run_entry *entry, const unsigned char *key,
                  const unsigned char *value)
{
    if (buf_reserve(&run->entries, sizeof(*entry) + entry->key_len + entry->value_len) < 0)
        return out_of_memory();
    buf_append(&run->entries, entry, sizeof(*entry));
    buf_append(&run->entries, key, entry->key_len);
    buf_append(&run->entries, value, entry->value_len);
    run->size += entry->size;
    memcpy(run->last, key, entry->key_len);
    run->last_len = entry->key_len;
    return 0;
}

/* Keeps two pages' worth in the run, so that the last two can be balanced. */
int run_add(struct run *run, const unsigned char *key, size_t key_len, const unsigned char *value,
            size_t value_len)
{
    const struct run_entry entry = {
        .key_len = (uint16_t)key_len,
        .value_len = (uint16_t)value_len,
        .size = (uint16_t)page_entry_size(run_is_empty(run) ? NULL : run->last, run->last_len, key,
                                          key_len, value_len),
    };
    int rc = append(run, &entry, key, value);

    while (rc == 0 && run->size > 2 * RUN_ROOM)
        rc = write_page(run, RUN_ROOM);
    return rc;
}
