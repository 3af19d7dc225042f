#include "index/store/gdbm/page.h"

#include <assert.h>
#include <string.h>
#include <uv.h>

#include "index/base/codec.h"
#include "index/base/crc32c.h"
#include "index/store/key_order.h"

#define CRC_SIZE  4
#define NUMBER_AT 4
#define COUNT_AT  8
#define SIZE_AT   10

static unsigned load_u16(const unsigned char *bytes)
{
    return bytes[0] | (unsigned)bytes[1] << 8;
}

static void store_u16(unsigned char *bytes, size_t value)
{
    bytes[0] = (unsigned char)value;
    bytes[1] = (unsigned char)(value >> 8);
}

/* --- Reading --------------------------------------------------------------------------------- */

/* What an entry begins with. */
struct head {
    size_t shared;
    size_t own;
    size_t value_len;
};

/* Lengths are nearly always one byte: this is where lookups spend their time. */
static inline size_t get_length(struct page_reader *in, size_t max)
{
    size_t value;

    if (in->at == in->end)
        return SIZE_MAX;
    value = *in->at++;
    if (value >= 0x80) {
        if (in->at == in->end)
            return SIZE_MAX;
        value = (value & 0x7f) | (size_t)*in->at++ << 7;
    }
    return value <= max ? value : SIZE_MAX;
}

static inline bool get_head(struct page_reader *in, struct head *head)
{
    head->shared = get_length(in, PAGE_KEY_MAX);
    head->own = get_length(in, PAGE_KEY_MAX);
    head->value_len = get_length(in, PAGE_VALUE_MAX);
    return head->shared <= PAGE_KEY_MAX && head->own <= PAGE_KEY_MAX &&
           head->value_len <= PAGE_VALUE_MAX &&
           (size_t)(in->end - in->at) >= head->own + head->value_len;
}

unsigned page_count(const unsigned char *bytes)
{
    return load_u16(bytes + COUNT_AT);
}

void page_reader_init(struct page_reader *reader, const unsigned char *bytes)
{
    size_t size = load_u16(bytes + SIZE_AT);

    reader->at = bytes + PAGE_HEAD;
    reader->end = size >= PAGE_HEAD && size <= PAGE_SIZE ? bytes + size : reader->at;
    reader->left = page_count(bytes);
    reader->key_len = 0;
}

int page_reader_next(struct page_reader *reader, struct page_entry *entry)
{
    struct head head;

    if (reader->left == 0)
        return 0;
    if (!get_head(reader, &head) || head.shared > reader->key_len ||
        head.shared + head.own > PAGE_KEY_MAX)
        return UV_EILSEQ;
    memcpy(reader->key + head.shared, reader->at, head.own);
    reader->key_len = head.shared + head.own;
    *entry = (struct page_entry){
        .key = reader->key,
        .value = reader->at + head.own,
        .key_len = reader->key_len,
        .value_len = head.value_len,
    };
    reader->at += head.own + head.value_len;
    reader->left--;
    return 1;
}

bool page_is_intact(const unsigned char *bytes, uint32_t number)
{
    size_t size = load_u16(bytes + SIZE_AT);

    return load_u32(bytes + NUMBER_AT) == number && size >= PAGE_HEAD && size <= PAGE_SIZE &&
           load_u32(bytes) == crc32c(0, bytes + CRC_SIZE, size - CRC_SIZE);
}

bool page_check(const unsigned char *bytes, size_t n, uint32_t number)
{
    struct page_reader reader;
    struct page_entry entry;
    int rc;

    if (n != PAGE_SIZE || !page_is_intact(bytes, number))
        return false;
    page_reader_init(&reader, bytes);
    do
        rc = page_reader_next(&reader, &entry);
    while (rc == 1);
    return rc == 0 && reader.at == reader.end;
}

/* Keys need not be put together: `match` bytes of the key looked for are those of the entry before,
 * which is less. An entry that shares more than those with it is less as well; one that shares
 * fewer is greater. */
int page_find(const unsigned char *bytes, const void *key, size_t key_len,
              const unsigned char **value, size_t *value_len)
{
    const unsigned char *wanted = key;
    struct page_reader in;
    struct head head;
    size_t match = 0;

    page_reader_init(&in, bytes);
    for (; in.left > 0; in.left--) {
        const unsigned char *own;

        if (!get_head(&in, &head))
            return UV_EILSEQ;
        own = in.at;
        in.at += head.own + head.value_len;
        if (head.shared > match)
            continue;
        if (head.shared < match)
            return UV_ENOENT;
        match += key_shared(own, head.own, wanted + match, key_len - match);
        if (match == head.shared + head.own) {
            if (match < key_len)
                continue;
            *value = own + head.own;
            *value_len = head.value_len;
            return 0;
        }
        if (match == key_len || own[match - head.shared] > wanted[match])
            return UV_ENOENT;
    }
    return UV_ENOENT;
}

/* --- Writing --------------------------------------------------------------------------------- */

static size_t length_size(size_t n)
{
    return n < 0x80 ? 1 : 2;
}

size_t page_entry_size(const void *before, size_t before_len, const void *key, size_t key_len,
                       size_t value_len)
{
    size_t shared = before != NULL ? key_shared(before, before_len, key, key_len) : 0;

    return length_size(shared) + length_size(key_len - shared) + length_size(value_len) + key_len -
           shared + value_len;
}

void page_writer_init(struct page_writer *writer)
{
    writer->size = PAGE_HEAD;
    writer->count = 0;
    writer->key_len = 0;
}

bool page_writer_add(struct page_writer *writer, const void *key, size_t key_len, const void *value,
                     size_t value_len)
{
    unsigned char *out = writer->bytes + writer->size;
    size_t shared = key_shared(writer->key, writer->key_len, key, key_len);
    size_t size = page_entry_size(writer->key, writer->key_len, key, key_len, value_len);

    assert(key_len <= PAGE_KEY_MAX && value_len <= PAGE_VALUE_MAX);
    assert(writer->count == 0 || key_compare(writer->key, writer->key_len, key, key_len) < 0);
    if (size > PAGE_SIZE - writer->size)
        return false;
    out += put_varint(out, shared);
    out += put_varint(out, key_len - shared);
    out += put_varint(out, value_len);
    memcpy(out, (const unsigned char *)key + shared, key_len - shared);
    memcpy(out + key_len - shared, value, value_len);
    memcpy(writer->key + shared, (const unsigned char *)key + shared, key_len - shared);
    writer->key_len = key_len;
    writer->size += size;
    writer->count++;
    return true;
}

void page_writer_finish(struct page_writer *writer, uint32_t number)
{
    unsigned char *bytes = writer->bytes;

    memset(bytes + writer->size, 0, PAGE_SIZE - writer->size);
    put_u32(bytes + NUMBER_AT, number);
    store_u16(bytes + COUNT_AT, writer->count);
    store_u16(bytes + SIZE_AT, writer->size);
    put_u32(bytes, crc32c(0, bytes + CRC_SIZE, writer->size - CRC_SIZE));
}
