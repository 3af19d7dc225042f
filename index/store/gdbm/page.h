/* A page of entries in key order, the unit in which a table is read and written:
 *
 *     u32      CRC-32C of all that follows, up to `size`
 *     u32      the page's own number, so that a page in a wrong place is noticed
 *     u16      entries
 *     u16      size: bytes in use
 *     entries  varint bytes shared with the key before, varint bytes of its own, varint length of
 *              the value, own bytes of the key, value
 *
 * Integers are little-endian; what is left of PAGE_SIZE is zero. */
#ifndef MKV_STORE_GDBM_PAGE_H
#define MKV_STORE_GDBM_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_SIZE      2044 /* with the key in GDBM, of 4 bytes, 2 KiB of its file */
#define PAGE_HEAD      12
#define PAGE_KEY_MAX   1152
#define PAGE_VALUE_MAX 384

struct page_entry {
    const unsigned char *key;
    const unsigned char *value;
    size_t key_len;
    size_t value_len;
};

/* Whether `n` bytes are page `number`, whole: size, checksum and each entry. */
bool page_check(const unsigned char *bytes, size_t n, uint32_t number);

/* Whether PAGE_SIZE bytes are page `number` as it was written, by its checksum. */
bool page_is_intact(const unsigned char *bytes, uint32_t number);

/* The number of its entries. */
unsigned page_count(const unsigned char *bytes);

/* Looks a key up in PAGE_SIZE bytes, of which only the size was checked. The value is borrowed from
 * them. 0, UV_ENOENT, or UV_EILSEQ when the page is damaged. */
int page_find(const unsigned char *bytes, const void *key, size_t key_len,
              const unsigned char **value, size_t *value_len);

/* A walk over PAGE_SIZE bytes. */
struct page_reader {
    const unsigned char *at;
    const unsigned char *end;
    unsigned left; /* entries */
    size_t key_len;
    unsigned char key[PAGE_KEY_MAX];
};

void page_reader_init(struct page_reader *reader, const unsigned char *bytes);

/* The next entry, whose key is valid until the next call and whose value is the page's. 1, 0 at the
 * end, or UV_EILSEQ when the page is damaged. */
int page_reader_next(struct page_reader *reader, struct page_entry *entry);

/* A page being written, key after key in order. */
struct page_writer {
    unsigned char bytes[PAGE_SIZE];
    size_t size;
    unsigned count;
    size_t key_len;
    unsigned char key[PAGE_KEY_MAX]; /* the last one */
};

void page_writer_init(struct page_writer *writer);

/* Bytes that a key with a value takes after the key before (NULL at a page's start). */
size_t page_entry_size(const void *before, size_t before_len, const void *key, size_t key_len,
                       size_t value_len);

/* False, and nothing changed, when the entry doesn't fit any more. */
bool page_writer_add(struct page_writer *writer, const void *key, size_t key_len, const void *value,
                     size_t value_len);

/* Writes the head: `bytes` are page `number` now. */
void page_writer_finish(struct page_writer *writer, uint32_t number);

#endif
