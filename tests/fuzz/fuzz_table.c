/* A table's file of which some bytes are changed, or the end is cut off: opening it and reading all
 * of it may fail, but a page that passes its check has what was written. The input: two bytes that
 * say how long the file is (all zero: as it was), then, again and again,
 * three of an offset and one that is added there. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/base/log.h"
#include "index/store/gdbm/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PAGES 40

static int file; /* in memory, and nothing is left of it in the end */
static char path[32];
static unsigned char written[PAGES][PAGE_SIZE];
static size_t written_size[PAGES];
static unsigned char *original;
static unsigned char *changed;
static size_t file_size;

static void require(bool truth)
{
    if (!truth)
        abort();
}

static void fill_page(uint32_t number, struct fences *fences)
{
    static struct page_writer writer;
    char key[32];

    page_writer_init(&writer);
    for (unsigned i = 0; i < 60; i++) {
        int len = snprintf(key, sizeof(key), "k/%02u/%02u", number, i);

        require(page_writer_add(&writer, key, (size_t)len, key, (size_t)len));
        if (i == 0)
            require(fences_append(fences, number, 1, key, (size_t)len) == 0);
    }
    page_writer_finish(&writer, number);
    memcpy(written[number], writer.bytes, PAGE_SIZE);
    written_size[number] = writer.size;
}

static void make_table(void)
{
    struct table_header header = {.generation = 1, .block = 3, .keys = PAGES * 60};
    struct fences fences = {0};
    struct table *table;

    require(table_open(path, TABLE_CREATE, &table) == 0);
    for (uint32_t number = 0; number < PAGES; number++) {
        fill_page(number, &fences);
        require(table_write(table, number, written[number]) == 0);
    }
    require(table_write_fences(table, &fences) == 0);
    require(table_write_header(table, &header) == 0);
    require(table_finish(table) == 0);
    fences_deinit(&fences);
}

static void start(void)
{
    struct stat st;

    log_open("/dev/null");
    file = memfd_create("table", MFD_CLOEXEC);
    require(file >= 0);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    make_table();
    require(fstat(file, &st) == 0);
    file_size = (size_t)st.st_size;
    original = malloc(file_size);
    changed = malloc(file_size);
    require(original != NULL && changed != NULL);
    require(pread(file, original, file_size, 0) == st.st_size);
}

static void write_changed(const uint8_t *data, size_t size)
{
    size_t n = data[0] | (size_t)data[1] << 8;

    memcpy(changed, original, file_size);
    for (data += 2, size -= 2; size >= 4; data += 4, size -= 4)
        changed[(data[0] | data[1] << 8 | (size_t)data[2] << 16) % file_size] += data[3];
    n = n > 0 && n < file_size ? n : file_size;
    require(ftruncate(file, 0) == 0);
    require(pwrite(file, changed, n, 0) == (ssize_t)n);
}

static void read_page(struct table *table, uint32_t number)
{
    const unsigned char *value;
    unsigned char *page;
    size_t value_len;

    if (table_read(table, number, &page) == 0) {
        page_find(page, "k/05/05", 7, &value, &value_len);
        free(page);
    }
    if (table_read_checked(table, number, &page) == 0) {
        require(number < PAGES);
        require(memcmp(page, written[number], written_size[number]) == 0); /* zeros follow */
        free(page);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct table_header header;
    struct fences fences = {0};
    struct table *table;

    if (size < 2)
        return 0;
    if (original == NULL)
        start();
    write_changed(data, size);
    if (table_open(path, TABLE_READ, &table) < 0)
        return 0;
    if (table_read_header(table, &header) == 0)
        require(header.generation == 1 && header.block == 3);
    if (table_read_fences(table, &fences) == 0)
        require(fences.count == PAGES);
    fences_deinit(&fences);
    for (uint32_t number = 0; number <= PAGES; number++)
        read_page(table, number);
    table_close(table);
    return 0;
}
