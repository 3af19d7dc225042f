/* Any XML, as each of the bodies that requests have, once as a whole and once in pieces, whose
 * lengths the first byte of the input says: both say the same. What is read keeps its bounds. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "index/s3/body_acl.h"
#include "index/s3/body_complete.h"
#include "index/s3/body_delete.h"
#include "index/s3/body_location.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum s3_error read_complete(struct body_complete *body, const char *bytes, size_t n,
                                   size_t piece)
{
    enum s3_error error = S3_OK;

    for (size_t at = 0; at < n && error == S3_OK; at += piece)
        error = body_complete_add(body, bytes + at, piece < n - at ? piece : n - at);
    return error == S3_OK ? body_complete_end(body) : error;
}

static void check_complete(const char *bytes, size_t n, size_t piece)
{
    struct body_complete *whole = body_complete_new();
    struct body_complete *split = body_complete_new();
    const struct complete_part *parts;
    const struct complete_part *others;
    enum s3_error error;
    unsigned n_parts;
    unsigned n_others;

    if (whole == NULL || split == NULL)
        abort();
    error = read_complete(whole, bytes, n, n + 1);
    if (read_complete(split, bytes, n, piece) != error)
        abort();
    parts = body_complete_parts(whole, &n_parts);
    others = body_complete_parts(split, &n_others);
    if (error == S3_OK && (n_parts == 0 || n_parts > PART_NUMBER_MAX || n_parts != n_others ||
                           memcmp(parts, others, n_parts * sizeof(*parts)) != 0))
        abort();
    for (unsigned i = 0; error == S3_OK && i < n_parts; i++) {
        if (parts[i].number <= i || parts[i].number > PART_NUMBER_MAX)
            abort();
    }
    body_complete_free(whole);
    body_complete_free(split);
}

static enum s3_error read_delete(struct body_delete *body, const char *bytes, size_t n,
                                 size_t piece)
{
    enum s3_error error = S3_OK;

    for (size_t at = 0; at < n && error == S3_OK; at += piece)
        error = body_delete_add(body, bytes + at, piece < n - at ? piece : n - at);
    return error == S3_OK ? body_delete_end(body) : error;
}

static void check_delete(const char *bytes, size_t n, size_t piece)
{
    struct body_delete *whole = body_delete_new();
    struct body_delete *split = body_delete_new();
    enum s3_error error;

    if (whole == NULL || split == NULL)
        abort();
    error = read_delete(whole, bytes, n, n + 1);
    if (read_delete(split, bytes, n, piece) != error)
        abort();
    if (error == S3_OK &&
        (body_delete_count(whole) == 0 || body_delete_count(whole) > BODY_DELETE_KEYS_MAX ||
         body_delete_count(whole) != body_delete_count(split)))
        abort();
    for (unsigned i = 0; error == S3_OK && i < body_delete_count(whole); i++) {
        struct delete_entry entry = body_delete_entry(whole, i);

        if (entry.key_len == 0 || strlen(entry.key) != entry.key_len ||
            strcmp(entry.key, body_delete_entry(split, i).key) != 0)
            abort();
    }
    body_delete_free(whole);
    body_delete_free(split);
}

static void check_location(const char *bytes, size_t n)
{
    struct body_location *body = body_location_new();

    if (body == NULL)
        abort();
    if (body_location_add(body, bytes, n) == S3_OK)
        body_location_end(body);
    body_location_free(body);
}

static void check_acl(const char *bytes, size_t n)
{
    struct body_acl body;

    if (body_acl_init(&body) < 0)
        abort();
    if (body_acl_add(&body, bytes, n) == S3_OK)
        body_acl_end(&body);
    body_acl_deinit(&body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data + 1;

    if (size < 1)
        return 0;
    check_complete(bytes, size - 1, (size_t)data[0] + 1);
    check_delete(bytes, size - 1, (size_t)data[0] + 1);
    check_location(bytes, size - 1);
    check_acl(bytes, size - 1);
    return 0;
}
