/* The answer to POST /_mkv/hash (launcher/volume/hash.h), as it comes in pieces. */
#include <stdlib.h>
#include <string.h>

#include "index/base/hex.h"
#include "index/cluster/hash_internal.h"

#define LINE_LONG (PLACEMENT_FULL_PATH_MAX + 512)
#define DIGITS    19 /* of a size at most */

/* What comes behind the path: "SIZE TAB MD5", "missing" or "error TAB TEXT"; `text` has a NUL. */
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

/* Takes a line, whose end has become a NUL. */
static void take_line(struct hash_answer *a, const char *line)
{
    struct hash *hash;
    size_t n;

    if (*line == '\0' || strcmp(line, "end") == 0)
        return;
    if (a->at == a->n) {
        a->is_bad = true;
        return;
    }
    hash = a->files[a->at++];
    n = strcspn(hash->line, "\n");
    if (strncmp(line, hash->line, n) != 0 || line[n] != '\t' || !read_found(line + n + 1, hash))
        a->is_bad = true;
    else
        hash->is_found = true;
}

/* False where the line gets too long or has a NUL, or memory is short. */
static bool add_to_line(struct hash_answer *a, const char *bytes, size_t n)
{
    return buf_size(&a->line) + n <= LINE_LONG && memchr(bytes, '\0', n) == NULL &&
           buf_append(&a->line, bytes, n) == 0;
}

void hash_answer_add(struct hash_answer *a, const char *bytes, size_t n)
{
    while (n > 0 && !a->is_bad) {
        const char *newline = memchr(bytes, '\n', n);
        size_t used = newline != NULL ? (size_t)(newline - bytes) : n;

        if (!add_to_line(a, bytes, used) || (newline != NULL && buf_append(&a->line, "", 1) < 0)) {
            a->is_bad = true;
        } else if (newline != NULL) {
            take_line(a, buf_bytes(&a->line));
            buf_clear(&a->line);
            used++;
        }
        bytes += used;
        n -= used;
    }
}

void hash_answer_deinit(struct hash_answer *a)
{
    buf_deinit(&a->line);
    a->n = 0;
}
