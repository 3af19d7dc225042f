/* The three tables in key order as one: of entries with the same key the newest counts, and hides
 * the others, as a deletion does too. */
#include <stdlib.h>

#include "index/store/gdbm/internal.h"
#include "index/store/key_order.h"

enum { ACTIVE, FROZEN, TABLE, N_SOURCES };

struct walk {
    struct gdbm_engine *store;
    struct memtable_cursor memtables[TABLE];
    /* The table's page at hand. */
    size_t fence;
    unsigned char *page;
    struct page_reader reader;
    struct memtable_entry entries[N_SOURCES]; /* what each source is at; key NULL: at its end */
};

static int table_next(struct walk *w)
{
    struct memtable_entry *entry = &w->entries[TABLE];
    const struct fences *fences = &w->store->fences;
    struct page_entry at;
    int rc = 0;

    entry->key = NULL;
    while (w->page != NULL && (rc = page_reader_next(&w->reader, &at)) == 0) {
        free(w->page);
        w->page = NULL;
        if (++w->fence == fences->count)
            return 0;
        rc = table_read_checked(w->store->table, fences->list[w->fence].number, &w->page);
        if (rc < 0)
            return rc;
        page_reader_init(&w->reader, w->page);
    }
    if (rc == 1)
        *entry = (struct memtable_entry){at.key, at.value, at.key_len, at.value_len};
    return rc < 0 ? table_damaged(w->store->table, fences->list[w->fence].number) : 0;
}

static int table_seek(struct walk *w, const void *key, size_t len)
{
    const struct fences *fences = &w->store->fences;
    struct memtable_entry *entry = &w->entries[TABLE];
    int rc;

    if (fences->count == 0)
        return 0;
    w->fence = fences_find(fences, key, len);
    rc = table_read_checked(w->store->table, fences->list[w->fence].number, &w->page);
    if (rc < 0)
        return rc;
    page_reader_init(&w->reader, w->page);
    do
        rc = table_next(w);
    while (rc == 0 && entry->key != NULL && key_compare(entry->key, entry->key_len, key, len) < 0);
    return rc;
}

static void memtable_refresh(struct walk *w, int source)
{
    if (!memtable_peek(&w->memtables[source], &w->entries[source]))
        w->entries[source].key = NULL;
}

static int seek(struct walk *w, const void *key, size_t len)
{
    const struct memtable *tables[] = {w->store->active, w->store->frozen};

    for (int i = ACTIVE; i <= FROZEN; i++) {
        if (tables[i] != NULL)
            memtable_seek(tables[i], key, len, &w->memtables[i]);
        memtable_refresh(w, i);
    }
    return table_seek(w, key, len);
}

static int order(const struct memtable_entry *a, const struct memtable_entry *b)
{
    return key_compare(a->key, a->key_len, b->key, b->key_len);
}

/* The source with the least key, the newest of them where several have it; or -1. */
static int least(const struct walk *w)
{
    int found = -1;

    for (int i = 0; i < N_SOURCES; i++) {
        if (w->entries[i].key != NULL &&
            (found < 0 || order(&w->entries[i], &w->entries[found]) < 0))
            found = i;
    }
    return found;
}

/* Moves all sources that are at the key of `source` on, that one last: the others compare with it.
 */
static int advance(struct walk *w, int source)
{
    for (int i = N_SOURCES - 1; i >= source; i--) {
        int rc = 0;

        if (w->entries[i].key == NULL || order(&w->entries[i], &w->entries[source]) != 0)
            continue;
        if (i == TABLE) {
            rc = table_next(w);
        } else {
            memtable_next(&w->memtables[i]);
            memtable_refresh(w, i);
        }
        if (rc < 0)
            return rc;
    }
    return 0;
}

int engine_walk(struct gdbm_engine *store, const void *start, size_t start_len, engine_walk_cb cb,
                void *arg)
{
    struct walk *w = calloc(1, sizeof(*w));
    int source;
    int rc;

    if (w == NULL)
        return UV_ENOMEM;
    w->store = store;
    rc = seek(w, start, start_len);
    while (rc == 0 && (source = least(w)) >= 0) {
        const struct memtable_entry *entry = &w->entries[source];

        if (entry->value != NULL)
            rc = cb(entry->key, entry->key_len, entry->value, entry->value_len, arg);
        if (rc == 0)
            rc = advance(w, source);
    }
    free(w->page);
    free(w);
    return rc;
}
