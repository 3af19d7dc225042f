#include "index/store/gdbm/table.h"

#include <errno.h>
#include <gdbm.h>
#include <inttypes.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "index/base/codec.h"
#include "index/base/crc32c.h"
#include "index/base/disk_error.h"
#include "index/base/log.h"
#include "index/store/gdbm/mend.h"

#define FENCE_PAGE    0x80000000U
#define HEADER_NUMBER 0xffffffffU
#define HEADER_SIZE   56
#define VERSION       3
#define BLOCK_SIZE    16384       /* of GDBM's index; more is faster to read and slower to write */
#define GDBM_MAGIC    0x13579acfU /* of its files */
#define BLOCK_PAGES   320         /* of which a block tells where they are, at least; up to 677 */

static const char magic[8] = "mkvtable";

struct table {
    GDBM_FILE db;
    char path[PATH_MAX];
};

/* --- GDBM ------------------------------------------------------------------------------------ */

struct number_key {
    unsigned char bytes[4];
};

/* GDBM's hash adds up the bytes, each 5 bits further on: of numbers in a row, some 30 would share
 * one. So they are spread first; the factor is odd, so that none are lost (Knuth, vol. 3, 6.4). */
static datum key_datum(struct number_key *key, uint32_t number)
{
    put_u32(key->bytes, number * 0x9e3779b1U);
    return (datum){.dptr = (char *)key->bytes, .dsize = sizeof(key->bytes)};
}

static int translate(int gdbm_error, int system_errno)
{
    if (gdbm_error == GDBM_MALLOC_ERROR)
        return UV_ENOMEM;
    if (!gdbm_check_syserr(gdbm_error))
        return UV_EILSEQ;
    if (disk_is_full(system_errno))
        return UV_ENOSPC;
    return system_errno == ENOENT ? UV_ENOENT : UV_EIO;
}

static int db_failure(struct table *table, const char *verb)
{
    int rc = translate(gdbm_last_errno(table->db), gdbm_last_syserr(table->db));

    log_limited(LOG_LEVEL_ERROR, "cannot %s %s: %s", verb, table->path,
                gdbm_db_strerror(table->db));
    return rc;
}

static int open_failure(const char *path)
{
    int system_errno = errno;
    int rc = translate(gdbm_errno, system_errno);

    if (rc == UV_ENOENT)
        return rc;
    if (rc == UV_EILSEQ)
        log_error("%s is damaged (%s)" STORE_MEND, path, gdbm_strerror(gdbm_errno));
    else
        log_error("cannot open %s: %s (%s)", path, gdbm_strerror(gdbm_errno),
                  strerror(system_errno));
    return rc;
}

uint64_t table_size(const struct table *table)
{
    struct stat st;

    return fstat(gdbm_fdesc(table->db), &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* The whole index is to be cached: it is read at random, and a block that isn't there costs more
 * than all the rest of a lookup. */
static void cache_index(struct table *table)
{
    uint64_t pages = table_size(table) / (PAGE_SIZE + sizeof(struct number_key));
    size_t blocks = pages / BLOCK_PAGES + 1024;

    gdbm_setopt(table->db, GDBM_SETCACHESIZE, &blocks, sizeof(blocks));
}

/* What GDBM's header says of the size of its file, at this place for files made where off_t has 64
 * bits; or 0 of another kind of file. */
static uint64_t said_size(int fd)
{
    struct {
        uint32_t magic;
        uint32_t other[7];
        uint64_t next_block;
    } head;

    if (pread(fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head) || head.magic != GDBM_MAGIC)
        return 0;
    return head.next_block;
}

/* GDBM doesn't mind a file that was cut short, and a read beyond its end is a signal where it is
 * mapped. */
static int check_size(const struct table *table)
{
    uint64_t said = said_size(gdbm_fdesc(table->db));
    uint64_t size = table_size(table);

    if (size >= said)
        return 0;
    log_error("%s is damaged: it was cut at byte %" PRIu64 " of %" PRIu64 STORE_MEND, table->path,
              size, said);
    return UV_EILSEQ;
}

/* A table that is written isn't mapped: a full disk must be an error of write(), not a signal. */
int table_open(const char *path, enum table_mode mode, struct table **table)
{
    static const int flags[] = {
        [TABLE_READ] = GDBM_READER,
        [TABLE_UPDATE] = GDBM_WRITER | GDBM_NOMMAP,
        [TABLE_CREATE] = GDBM_NEWDB | GDBM_NOMMAP,
    };
    struct table *t = malloc(sizeof(*t));

    if (t == NULL) {
        log_error("cannot open %s: out of memory", path);
        return UV_ENOMEM;
    }
    snprintf(t->path, sizeof(t->path), "%s", path);
    t->db = gdbm_open(path, BLOCK_SIZE, flags[mode] | GDBM_NOLOCK | GDBM_CLOEXEC, 0600, NULL);
    if (t->db == NULL) {
        int rc = open_failure(path);

        free(t);
        return rc;
    }
    if (check_size(t) < 0) {
        table_close(t);
        return UV_EILSEQ;
    }
    cache_index(t);
    *table = t;
    return 0;
}

void table_close(struct table *table)
{
    if (table == NULL)
        return;
    gdbm_close(table->db);
    free(table);
}

int table_finish(struct table *table)
{
    int rc = 0;

    if (gdbm_sync(table->db) != 0)
        rc = db_failure(table, "sync");
    if (gdbm_close(table->db) != 0 && rc == 0) {
        rc = UV_EIO;
        log_error("cannot close %s: %s (%s)", table->path, gdbm_strerror(gdbm_errno),
                  strerror(errno));
    }
    free(table);
    return rc;
}

static int write_datum(struct table *table, uint32_t number, const void *bytes, size_t n)
{
    struct number_key key;
    datum value = {.dptr = (char *)bytes, .dsize = (int)n};

    if (gdbm_store(table->db, key_datum(&key, number), value, GDBM_REPLACE) != 0)
        return db_failure(table, "write to");
    return 0;
}

/* UV_ENOENT without a line when there is no such number. */
static int read_datum(struct table *table, uint32_t number, datum *value)
{
    struct number_key key;

    *value = gdbm_fetch(table->db, key_datum(&key, number));
    if (value->dptr != NULL)
        return 0;
    if (gdbm_last_errno(table->db) == GDBM_ITEM_NOT_FOUND)
        return UV_ENOENT;
    return db_failure(table, "read from");
}

/* --- Pages ----------------------------------------------------------------------------------- */

int table_damaged(const struct table *table, uint32_t number)
{
    log_limited(LOG_LEVEL_ERROR, "%s is damaged (page %u)" STORE_MEND, table->path, number);
    return UV_EILSEQ;
}

int table_read(struct table *table, uint32_t number, unsigned char **page)
{
    datum value;
    int rc = read_datum(table, number, &value);

    if (rc == UV_ENOENT)
        return table_damaged(table, number);
    if (rc < 0)
        return rc;
    if (value.dsize != PAGE_SIZE) {
        free(value.dptr);
        return table_damaged(table, number);
    }
    *page = (unsigned char *)value.dptr;
    return 0;
}

int table_read_checked(struct table *table, uint32_t number, unsigned char **page)
{
    unsigned char *bytes;
    int rc = table_read(table, number, &bytes);

    if (rc < 0)
        return rc;
    if (!page_check(bytes, PAGE_SIZE, number)) {
        free(bytes);
        return table_damaged(table, number);
    }
    *page = bytes;
    return 0;
}

int table_write(struct table *table, uint32_t number, const unsigned char page[PAGE_SIZE])
{
    return write_datum(table, number, page, PAGE_SIZE);
}

/* --- The list of pages, in pages ------------------------------------------------------------- */

static int add_fences_of(struct fences *fences, const unsigned char *page)
{
    struct page_reader reader;
    struct page_entry entry;

    page_reader_init(&reader, page);
    while (page_reader_next(&reader, &entry) == 1) {
        struct reader in = {.at = entry.value, .end = entry.value + entry.value_len};
        uint32_t number = (uint32_t)get_varint(&in, TABLE_PAGE_MAX - 1);
        uint32_t generation = (uint32_t)get_varint(&in, UINT32_MAX);

        if (in.bad || in.at != in.end)
            return UV_EILSEQ;
        if (fences_append(fences, number, generation, entry.key, entry.key_len) < 0)
            return UV_ENOMEM;
    }
    return 0;
}

/* Page `number` of the list. *last: it is the empty one that ends it. */
static int read_fence_page(struct table *table, uint32_t number, struct fences *fences, bool *last)
{
    unsigned char *page;
    int rc = table_read_checked(table, number, &page);

    if (rc < 0)
        return rc;
    *last = page_count(page) == 0;
    rc = add_fences_of(fences, page);
    free(page);
    if (rc == UV_ENOMEM)
        log_error("cannot open %s: out of memory", table->path);
    return rc == UV_EILSEQ ? table_damaged(table, number) : rc;
}

int table_read_fences(struct table *table, struct fences *fences)
{
    bool last = false;
    int rc = 0;

    for (uint32_t number = FENCE_PAGE; rc == 0 && !last; number++)
        rc = read_fence_page(table, number, fences, &last);
    if (rc == 0 && fences_index(fences) < 0) {
        rc = UV_ENOMEM;
        log_error("cannot open %s: out of memory", table->path);
    }
    return rc;
}

int table_write_fences(struct table *table, const struct fences *fences)
{
    struct page_writer writer;
    uint32_t number = FENCE_PAGE;
    int rc = 0;

    page_writer_init(&writer);
    for (size_t i = 0; i < fences->count && rc == 0; i++) {
        unsigned char value[2 * VARINT_MAX];
        size_t key_len;
        const unsigned char *key = fence_key(fences, i, &key_len);
        size_t n = put_varint(value, fences->list[i].number);

        n += put_varint(value + n, fences->list[i].generation);
        if (page_writer_add(&writer, key, key_len, value, n))
            continue;
        page_writer_finish(&writer, number);
        rc = table_write(table, number++, writer.bytes);
        page_writer_init(&writer);
        page_writer_add(&writer, key, key_len, value, n);
    }
    if (rc == 0 && writer.count > 0) {
        page_writer_finish(&writer, number);
        rc = table_write(table, number++, writer.bytes);
    }
    page_writer_init(&writer);
    page_writer_finish(&writer, number);
    return rc == 0 ? table_write(table, number, writer.bytes) : rc;
}

/* --- The header: magic, u32 version, u32 generation, five u64, u32 CRC-32C ------------------- */

int table_write_header(struct table *table, const struct table_header *header)
{
    unsigned char bytes[HEADER_SIZE + 4];
    size_t n = sizeof(magic);

    memcpy(bytes, magic, sizeof(magic));
    n += put_u32(bytes + n, VERSION);
    n += put_u32(bytes + n, header->generation);
    n += put_u64(bytes + n, header->block);
    n += put_u64(bytes + n, header->keys);
    n += put_u64(bytes + n, header->unlinked);
    n += put_u64(bytes + n, header->orphans);
    n += put_u64(bytes + n, header->last_generation);
    n += put_u32(bytes + n, crc32c(0, bytes, n));
    return write_datum(table, HEADER_NUMBER, bytes, n);
}

static int refuse_header(struct table *table, const datum *value)
{
    if (value->dptr == NULL || (size_t)value->dsize < sizeof(magic) + 4 ||
        memcmp(value->dptr, magic, sizeof(magic)) != 0)
        log_error("%s is no table of this version of mkv" STORE_MEND, table->path);
    else if (load_u32((const unsigned char *)value->dptr + sizeof(magic)) < VERSION)
        log_error("%s is of an older mkv: dump the index with that one, and restore it with this",
                  table->path);
    else
        log_error("%s is damaged, or of a newer mkv", table->path);
    return UV_EILSEQ;
}

int table_read_header(struct table *table, struct table_header *header)
{
    const unsigned char *bytes;
    datum value = {0};
    int rc = read_datum(table, HEADER_NUMBER, &value);

    if (rc < 0 && rc != UV_ENOENT)
        return rc;
    bytes = (const unsigned char *)value.dptr;
    if (bytes == NULL || value.dsize != HEADER_SIZE + 4 ||
        memcmp(bytes, magic, sizeof(magic)) != 0 || load_u32(bytes + 8) != VERSION ||
        load_u32(bytes + HEADER_SIZE) != crc32c(0, bytes, HEADER_SIZE)) {
        rc = refuse_header(table, &value);
        free(value.dptr);
        return rc;
    }
    *header = (struct table_header){
        .generation = load_u32(bytes + 12),
        .block = load_u64(bytes + 16),
        .keys = load_u64(bytes + 24),
        .unlinked = load_u64(bytes + 32),
        .orphans = load_u64(bytes + 40),
        .last_generation = load_u64(bytes + 48),
    };
    free(value.dptr);
    return 0;
}
