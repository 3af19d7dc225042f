/* Any headers of a request, and its target, which is the first line, as metadata, and any bytes as
 * a record's. The lines that are made of headers are all read again, none of them can split a
 * header of an answer, and there is room for what the server adds. Of a record's lines those that
 * are read say what those before say. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "index/s3/meta.h"
#include "index/s3/parts.h"
#include "tests/support/request_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line(const struct meta_line *line)
{
    char name[META_HEADER_MAX];

    for (size_t i = 0; i < line->value_len; i++) {
        if ((unsigned char)line->value[i] < 0x20 || line->value[i] == 0x7f)
            abort();
    }
    if (meta_header(line, name) && strpbrk(name, ": =\r\n\t\"\\$%") != NULL)
        abort();
}

/* Each byte of `meta` belongs to a line. */
static void check_whole(const struct meta *meta)
{
    struct meta_line line;
    size_t used = 0;
    size_t at = 0;

    while (meta_next(meta->bytes, meta->len, &at, &line)) {
        check_line(&line);
        used += line.name_len + 1 + line.value_len + 1;
    }
    if (used != meta->len)
        abort();
}

static void check_request(const char *lines, size_t n)
{
    static const unsigned char bytes[CHECKSUM_SIZE_MAX];
    static const uint64_t sizes[] = {1, 2, 3, UINT64_MAX, 4, 5, 6, 7, 8, 9};
    struct meta meta = {.len = 0};
    struct http_request request;
    const char *newline = memchr(lines, '\n', n);
    size_t len = newline != NULL ? (size_t)(newline - lines) : 0;
    char *target = calloc(1, len + 2); /* strndup() looks for a NUL behind them, says ASan */

    if (target == NULL)
        abort();
    memcpy(target, newline != NULL ? lines : "/", newline != NULL ? len : 1);
    request_head_init(&request, target, lines, n);
    free(target);
    if (meta_add_request(&meta, &request) == S3_OK) {
        check_whole(&meta);
        meta_add_etag(&meta, bytes, 10000);
        meta_add_checksum(&meta, CHECKSUM_SHA256, bytes, 10000);
        meta_add_parts(&meta, sizes, sizeof(sizes) / sizeof(sizes[0]));
        if (meta.len > META_MAX)
            abort();
        check_whole(&meta);
    }
    request_head_deinit(&request);
}

static void check_parts(const struct meta_line *line)
{
    int n = parts_count(line->value, line->value_len);
    struct range before = {.first = 0};
    struct range range;

    for (unsigned i = 1; (int)i <= n && i < 100; i++, before = range) {
        int rc = parts_find(line->value, line->value_len, i, &range);

        if (rc == -ENODATA)
            return;
        if (rc != 0 || range.first != before.first + before.length)
            abort();
    }
}

static void check_record(const char *bytes, size_t n)
{
    static const struct record record = {.flags = RECORD_MD5};
    struct meta meta = {.len = 0};
    char etag[META_ETAG_SIZE];
    struct meta_line line;
    size_t at = 0;

    while (meta_next(bytes, n, &at, &line)) {
        check_line(&line);
        check_parts(&line);
    }
    if (meta_add_client_lines(&meta, bytes, n) == S3_OK)
        check_whole(&meta);
    meta_etag(bytes, n, &record, etag);
    if (strlen(etag) < 3 || etag[0] != '"' || etag[strlen(etag) - 1] != '"' ||
        strchr(etag + 1, '"') != etag + strlen(etag) - 1)
        abort();
    if (meta_checksum(bytes, n, &line) != CHECKSUM_NONE)
        check_line(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_request((const char *)data, size);
    check_record((const char *)data, size);
    return 0;
}
