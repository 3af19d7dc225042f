/* Entries in key order on their way into pages. They wait in the run until they fill a page and
 * more than one page besides, so that the last two can be balanced: pages are full where entries
 * come without end, and the last two are about half full. */
#ifndef MKV_STORE_GDBM_RUN_H
#define MKV_STORE_GDBM_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/base/buf.h"
#include "index/store/gdbm/fences.h"
#include "index/store/gdbm/page.h"
#include "index/store/gdbm/table.h"

#define RUN_ROOM (PAGE_SIZE - PAGE_HEAD) /* bytes of entries in a full page */

struct run {
    struct table *to;      /* given, borrowed: where pages go */
    struct fences *fences; /* given, borrowed: where they are listed */
    uint32_t generation;   /* given: of the pages that are written */
    /* Entries that wait to be written. */
    struct buf entries;
    size_t size;                      /* bytes in pages, about */
    unsigned char last[PAGE_KEY_MAX]; /* key of the last entry */
    size_t last_len;
    /* The fence of the next page that is written: given by run_begin(), or cut by written pages. */
    unsigned char fence[PAGE_KEY_MAX];
    size_t fence_len;
    struct page_writer writer;
    /* Numbers of pages. */
    unsigned char *taken; /* by old pages: a bit each */
    uint32_t n_taken;     /* bits */
    uint32_t next;        /* the first that was not looked at: there, or past them all, new ones */
    struct buf freed;     /* uint32_t: to be given out again */
};

/* Set what is given, and zero the rest. The numbers of the pages of `old` are taken. Each of these
 * returns 0, or a negative UV_E* after a log line, and then the table is worthless. */
int run_init(struct run *run, const struct fences *old);

/* Adds an entry after the last one, whose key is less, and writes pages that are full. */
int run_add(struct run *run, const unsigned char *key, size_t key_len, const unsigned char *value,
            size_t value_len);

/* Writes all that waits. */
int run_write_rest(struct run *run);

/* Writes all that waits, and the list of all pages, and prepares `fences` for searches. */
int run_finish(struct run *run);

/* Lists a page that the table has already, while nothing waits. */
int run_list_page(struct run *run, const struct fence *page, const unsigned char *fence,
                  size_t fence_len);

/* Gives out the number of an old page for one of the next that are written. */
int run_free_number(struct run *run, uint32_t number);

/* Says what fence the next page gets, while nothing waits: of the range that it continues. */
void run_begin(struct run *run, const unsigned char *fence, size_t fence_len);

void run_deinit(struct run *run);

static inline bool run_is_empty(const struct run *run)
{
    return buf_size(&run->entries) == 0;
}

#endif
