/* A table on disk: a GDBM file of pages by number, a list of the pages in key order, and a header.
 * The only file of mkv that knows GDBM. GDBM can't undo a write that was cut short, so a file that
 * is in use is never written: the next table is made in another file (checkpoint.h).
 *
 *     page number, 31 bits     entries (page.h)
 *     0x80000000 + i           page i of the list: fence -> varint number, varint generation; an
 *                              empty page ends it
 *     0xffffffff               the header
 *
 * each under GDBM's key of 4 bytes: the number by 0x9e3779b1 mod 2^32, little-endian. A handle is
 * one thread's at a time. */
#ifndef MKV_STORE_GDBM_TABLE_H
#define MKV_STORE_GDBM_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/store/gdbm/fences.h"
#include "index/store/gdbm/page.h"

#define TABLE_PAGE_MAX 0x7fffffffU /* numbers of pages are less */

struct table;

struct table_header {
    uint32_t generation; /* counts checkpoints; 0: no table yet */
    uint64_t block;      /* the last block of the journal that is in it */
    uint64_t keys;
    uint64_t unlinked;
    uint64_t orphans;
    uint64_t last_generation; /* the greatest that was ever in it */
};

enum table_mode {
    TABLE_READ,   /* mapped into memory */
    TABLE_UPDATE, /* an existing one, to be written */
    TABLE_CREATE  /* empty, in place of what is there */
};

/* Each returns 0 or a negative UV_E* after one log line: UV_ENOENT (without a line) when there is
 * no such file, UV_EILSEQ when it is damaged or of another version, UV_ENOSPC, UV_EIO. `path` is
 * copied. */
int table_open(const char *path, enum table_mode mode, struct table **table);
int table_read_header(struct table *table, struct table_header *header);
int table_read_fences(struct table *table, struct fences *fences);
int table_write_fences(struct table *table, const struct fences *fences);
int table_write_header(struct table *table, const struct table_header *header);
int table_write(struct table *table, uint32_t number, const unsigned char page[PAGE_SIZE]);

/* *page is PAGE_SIZE bytes, the caller's to free(). Only the size was checked. */
int table_read(struct table *table, uint32_t number, unsigned char **page);

/* As table_read(), and the page passes page_check(). */
int table_read_checked(struct table *table, uint32_t number, unsigned char **page);

/* Says that a page is damaged, and returns UV_EILSEQ. */
int table_damaged(const struct table *table, uint32_t number);

/* Brings all that was written to disk and closes. On failure the file is worthless. */
int table_finish(struct table *table);

/* Closes one that was only read, or is given up. NULL does nothing. */
void table_close(struct table *table);

/* Bytes of the file. */
uint64_t table_size(const struct table *table);

#endif
