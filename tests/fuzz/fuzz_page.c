/* Two ways to a page. From any bytes, with the number, and for half of the inputs size and checksum
 * too, made right: nothing is read or pointed to outside of them, whether the page is good or not;
 * the walk and the search agree wherever the keys are in order. And from entries, which the input
 * describes: the page that is written has all of them and nothing else, and no changed byte goes
 * unnoticed. The first byte of the input says which. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "index/base/codec.h"
#include "index/base/crc32c.h"
#include "index/store/gdbm/page.h"
#include "index/store/key_order.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NUMBER   7
#define KEEP_ALL 240

static void require(bool truth)
{
    if (!truth)
        abort();
}

static void require_inside(const unsigned char *page, const unsigned char *at, size_t n)
{
    require(at >= page && at + n <= page + PAGE_SIZE);
    crc32c(0, at, n);
}

/* The search agrees with the walk on this entry, if it may. */
static void check_found(const unsigned char *page, const struct page_entry *entry, bool in_order)
{
    const unsigned char *value;
    size_t value_len;
    int rc = page_find(page, entry->key, entry->key_len, &value, &value_len);

    if (rc == 0)
        require_inside(page, value, value_len);
    if (in_order)
        require(rc == 0 && value == entry->value && value_len == entry->value_len);
}

/* Walks the page, and returns how many entries it has; *end is where the last one ends. */
static unsigned walk(const unsigned char *page, bool in_order, const unsigned char **end)
{
    struct page_reader reader;
    struct page_entry entry;
    size_t last_len = 0;
    unsigned n = 0;

    *end = page + PAGE_HEAD;
    page_reader_init(&reader, page);
    while (page_reader_next(&reader, &entry) == 1) {
        require(entry.key_len <= PAGE_KEY_MAX && entry.value_len <= PAGE_VALUE_MAX);
        require_inside(page, entry.value, entry.value_len);
        require(entry.value > *end && entry.key_len <= last_len + (size_t)(entry.value - *end));
        crc32c(0, entry.key, entry.key_len);
        check_found(page, &entry, in_order);
        *end = entry.value + entry.value_len;
        last_len = entry.key_len;
        n++;
    }
    return n;
}

/* The search says the same of a key as a look at each entry. */
static void check_search(const unsigned char *page, const unsigned char *key, size_t len)
{
    struct page_reader reader;
    struct page_entry entry;
    const unsigned char *value;
    size_t value_len;
    bool there = false;

    page_reader_init(&reader, page);
    while (!there && page_reader_next(&reader, &entry) == 1)
        there = entry.key_len == len && memcmp(entry.key, key, len) == 0;
    require(page_find(page, key, len, &value, &value_len) == (there ? 0 : UV_ENOENT));
}

/* Keys beside that of the entry `which`. */
static void check_neighbours(const unsigned char *page, unsigned which)
{
    unsigned char key[PAGE_KEY_MAX + 1];
    struct page_reader reader;
    struct page_entry entry = {0};

    page_reader_init(&reader, page);
    do
        require(page_reader_next(&reader, &entry) == 1);
    while (which-- > 0);
    memcpy(key, entry.key, entry.key_len);
    key[entry.key_len] = 'b';
    check_search(page, key, entry.key_len + 1);
    for (size_t len = 0; len <= entry.key_len; len++)
        check_search(page, key, len);
    for (size_t at = 0; at < entry.key_len; at++) {
        key[at]++;
        check_search(page, key, entry.key_len);
        key[at] = (unsigned char)(key[at] - 2);
        check_search(page, key, entry.key_len);
        key[at]++;
    }
}

/* --- From any bytes -------------------------------------------------------------------------- */

/* Whether the page is what would be written for its entries: in order, and each sharing all it can
 * with the one before. */
static bool is_as_written(const unsigned char *page)
{
    static struct page_writer writer;
    unsigned char last[PAGE_KEY_MAX];
    size_t last_len = 0;
    struct page_reader reader;
    struct page_entry entry;

    page_writer_init(&writer);
    page_reader_init(&reader, page);
    while (page_reader_next(&reader, &entry) == 1) {
        if (writer.count > 0 && key_compare(last, last_len, entry.key, entry.key_len) >= 0)
            return false;
        memcpy(last, entry.key, entry.key_len);
        last_len = entry.key_len;
        if (!page_writer_add(&writer, entry.key, entry.key_len, entry.value, entry.value_len))
            return false;
    }
    page_writer_finish(&writer, NUMBER);
    return memcmp(writer.bytes, page, writer.size) == 0;
}

static void check_bytes(const uint8_t *data, size_t size, bool mend)
{
    unsigned char *page = calloc(1, PAGE_SIZE); /* the sanitizer watches what follows */
    const unsigned char *value;
    const unsigned char *end;
    size_t value_len;
    bool good;

    require(page != NULL);
    if (size > PAGE_SIZE - 4)
        size = PAGE_SIZE - 4;
    memcpy(page + 8, data, size < PAGE_SIZE - 8 ? size : PAGE_SIZE - 8);
    put_u32(page + 4, NUMBER);
    if (mend) {
        size_t used = PAGE_HEAD + (size > 4 ? size - 4 : 0);

        if (used > PAGE_SIZE)
            used = PAGE_SIZE;
        page[10] = (unsigned char)used;
        page[11] = (unsigned char)(used >> 8);
        put_u32(page, crc32c(0, page + 4, used - 4));
    }
    good = page_check(page, PAGE_SIZE, NUMBER);
    require(!page_check(page, PAGE_SIZE, NUMBER + 1));
    walk(page, good && is_as_written(page), &end);
    require(!good || end == page + (page[10] | (size_t)page[11] << 8));
    if (page_find(page, data, size < PAGE_KEY_MAX ? size : PAGE_KEY_MAX, &value, &value_len) == 0)
        require_inside(page, value, value_len);
    free(page);
}

/* --- From entries ---------------------------------------------------------------------------- */

/* Each entry: how much of the key before is kept (KEEP_ALL or more: all), how many bytes follow,
 * those bytes, the value's length. Keys that are not over the one before are left out. */
static unsigned write_page(struct page_writer *writer, const uint8_t *data, size_t size)
{
    static const unsigned char value[PAGE_VALUE_MAX] = "value";
    unsigned char key[PAGE_KEY_MAX];
    size_t len = 0;
    unsigned n = 0;

    page_writer_init(writer);
    while (size > 3) {
        size_t own = data[1] < size - 3 ? data[1] : size - 3;
        size_t kept = data[0] < KEEP_ALL && data[0] < len ? data[0] : len;

        if (own > PAGE_KEY_MAX - kept)
            own = PAGE_KEY_MAX - kept;
        memcpy(key + kept, data + 2, own);
        len = kept + own;
        if (n == 0 || key_compare(writer->key, writer->key_len, key, len) < 0) {
            size_t expected =
                page_entry_size(writer->key, writer->key_len, key, len, data[2 + own]);
            size_t before = writer->size;
            bool fits = page_writer_add(writer, key, len, value, data[2 + own]);

            require(fits == (expected <= PAGE_SIZE - before));
            require(writer->size == before + (fits ? expected : 0));
            n += fits;
        }
        data += 3 + own;
        size -= 3 + own;
    }
    page_writer_finish(writer, NUMBER);
    return n;
}

static void check_entries(const uint8_t *data, size_t size, size_t where)
{
    static struct page_writer writer;
    unsigned n = write_page(&writer, data, size);
    const unsigned char *end;

    require(page_check(writer.bytes, PAGE_SIZE, NUMBER));
    require(walk(writer.bytes, true, &end) == n && end == writer.bytes + writer.size);
    if (n > 0)
        check_neighbours(writer.bytes, (unsigned)where % n);
    writer.bytes[where % writer.size] ^= 16;
    require(!page_check(writer.bytes, PAGE_SIZE, NUMBER));
    walk(writer.bytes, false, &end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    if (data[0] & 1)
        check_entries(data + 3, size - 3, data[1] | (size_t)data[2] << 8);
    else
        check_bytes(data + 1, size - 1, data[0] & 2);
    return 0;
}
