/* The answer to POST /_mkv/hash (launcher/volume/hash.h), as it comes in pieces. */
#include <stdlib.h>
#include <string.h>

#include "index/base/hex.h"
#include "index/cluster/hash_internal.h"

#define DIGITS 19 /* of a size at most */

/* What comes after the path: "SIZE TAB MD5", "missing" or "error TAB TEXT"; `text` has a NUL. */
static bool read_found(const char *text, struct hash *hash)
{
    char *end;

    if (strcmp(text, "missing") == 0) {
        hash->found = HASH_MISSING;
        return true;
    }
    if (strncmp(text, "error\t", 6) == 0) {
        hash->found = HASH_UNREADABLE;
        return true;
    }
    if (*text < '0' || *text > '9' || strspn(text, "0123456789") > DIGITS)
        return false;
    hash->found = HASH_READ;
    hash->size = strtoull(text, &end, 10);
    return *end == '\t' && hex_read(end + 1, hash->md5, MD5_SIZE);
}

static bool take_line_cb(void *arg, const char *line)
{
    struct hash_answer *a = arg;
    struct hash *hash;
    size_t n;

    if (*line == '\0' || strcmp(line, "end") == 0)
        return true;
    if (a->at == a->n)
        return false;
    hash = a->files[a->at++];
    n = strcspn(hash->line, "\n");
    hash->is_found =
        strncmp(line, hash->line, n) == 0 && line[n] == '\t' && read_found(line + n + 1, hash);
    return hash->is_found;
}

void hash_answer_add(struct hash_answer *a, const char *bytes, size_t n)
{
    answer_lines_add(&a->lines, bytes, n, take_line_cb, a);
}

void hash_answer_deinit(struct hash_answer *a)
{
    answer_lines_deinit(&a->lines);
    a->n = 0;
}
