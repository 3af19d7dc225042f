#include "index/maintenance/sort.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>

#include "index/maintenance/sort_memory.h"
#include "index/maintenance/sort_runs.h"

#define BUFFER_MAX (1UL << 20)

struct sort {
    unsigned char *bytes;
    struct sort_memory memory;
    struct sort_runs runs;
    bool reading;
    const struct sort_item *items; /* while all is in memory: in order, */
    size_t next;                   /* and the next to be given out */
};

/* One sixteenth of the memory is for writing, the rest for entries and, later, for reading. */
struct sort *sort_new(int dir_fd, size_t memory, sort_compare_cb compare)
{
    size_t buffer = memory / 16 < BUFFER_MAX ? memory / 16 : BUFFER_MAX;
    struct sort *s = calloc(1, sizeof(*s));

    assert(memory >= SORT_MEMORY_MIN);
    if (s == NULL)
        return NULL;
    s->bytes = malloc(memory);
    if (s->bytes == NULL) {
        free(s);
        return NULL;
    }
    s->memory.bytes = s->bytes;
    s->memory.size = (memory - buffer) / sizeof(struct sort_item) * sizeof(struct sort_item);
    s->memory.compare = s->runs.compare = compare;
    s->runs.dir_fd = dir_fd;
    s->runs.fd = -1;
    s->runs.buffer = s->bytes + s->memory.size;
    s->runs.buffer_size = buffer;
    return s;
}

void sort_free(struct sort *s)
{
    if (s == NULL)
        return;
    sort_runs_deinit(&s->runs);
    free(s->bytes);
    free(s);
}

static int spill(struct sort *s)
{
    int rc = sort_runs_add(&s->runs, sort_memory_sort(&s->memory), s->memory.count);

    sort_memory_clear(&s->memory);
    return rc;
}

int sort_add(struct sort *s, const void *bytes, size_t len, size_t key_len)
{
    int rc;

    assert(len <= SORT_ENTRY_MAX && key_len <= len && !s->reading);
    if (sort_memory_add(&s->memory, bytes, len, key_len))
        return 0;
    rc = spill(s);
    if (rc == 0)
        sort_memory_add(&s->memory, bytes, len, key_len);
    return rc;
}

static int begin(struct sort *s)
{
    int rc;

    s->reading = true;
    if (s->runs.count == 0) {
        s->items = sort_memory_sort(&s->memory);
        return 0;
    }
    rc = spill(s);
    return rc == 0 ? sort_runs_begin(&s->runs, s->memory.bytes, s->memory.size) : rc;
}

int sort_next(struct sort *s, struct sort_entry *entry)
{
    int rc = s->reading ? 0 : begin(s);

    if (rc < 0)
        return rc;
    if (s->items == NULL)
        return sort_runs_next(&s->runs, entry);
    if (s->next == s->memory.count)
        return 0;
    sort_entry_read(s->items[s->next++].at, entry);
    return 1;
}
