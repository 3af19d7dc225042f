/* Sorts any number of entries in bounded memory: what memory holds is sorted and written to an
 * unlinked file as a run, and the runs are merged; with many of them, in passes. Where all fits
 * into memory, no file is made.
 *
 *     sort_new(), sort_add() ..., sort_next() ..., sort_free()
 *
 * Calls block, and are one thread's at a time. */
#ifndef MKV_MAINTENANCE_SORT_H
#define MKV_MAINTENANCE_SORT_H

#include <stddef.h>

#define SORT_ENTRY_MAX  16384 /* bytes of an entry */
#define SORT_MEMORY_MIN ((size_t)256 << 10)

struct sort;

/* Bytes that begin with a key. */
struct sort_entry {
    const unsigned char *bytes;
    size_t len;     /* SORT_ENTRY_MAX at most */
    size_t key_len; /* the first ones, `len` at most */
};

/* Which of two entries with the same key comes first: less than, equal to, or greater than 0. */
typedef int (*sort_compare_cb)(const struct sort_entry *a, const struct sort_entry *b);

/* Prepares to sort by key, as key_compare() does, and entries of one key by `compare`, unless that
 * is NULL; those that are equal in this keep the order in which they were added. `dir_fd`,
 * borrowed, is the directory for the file; `memory` its bytes, SORT_MEMORY_MIN at least, of which
 * only those are used that are needed. NULL when memory is short. */
struct sort *sort_new(int dir_fd, size_t memory, sort_compare_cb compare);

/* Adds an entry, which is copied. 0; or UV_ENOSPC, UV_EIO or UV_ENOMEM after a log line; then only
 * sort_free() may follow. */
int sort_add(struct sort *sort, const void *bytes, size_t len, size_t key_len);

/* The next entry in order, valid until the next call. 1 and *entry, 0 at the end, or as sort_add().
 * Nothing is added after the first call. */
int sort_next(struct sort *sort, struct sort_entry *entry);

/* NULL does nothing. */
void sort_free(struct sort *sort);

#endif
