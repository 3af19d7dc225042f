/* Any query of a list. What it is read as stays within its bounds, and a walk can be begun with it;
 * a token that is taken is the one that its key makes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "index/s3/list_parameters.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int entry_cb(const struct bucket_entry *entry, void *arg)
{
    (void)entry;
    (void)arg;
    return 0;
}

static void check_walk(const struct list_parameters *p)
{
    const struct bucket_query query = list_parameters_query(p, "bucket", 6);
    struct bucket_walk walk;

    bucket_walk_init(&walk, NULL, &query, entry_cb, NULL);
    if (walk.next.len > KEY_MAX || walk.prefix.len > KEY_MAX ||
        (walk.next.len > 0 && memcmp(walk.next.bytes, "/bucket", 7) != 0))
        abort();
}

static void check_token(const struct list_parameters *p)
{
    char again[TOKEN_MAX];
    bool found = false;

    if (!p->after.is_given)
        return;
    for (int kind = 0; kind <= 1; kind++) {
        size_t n = token_write(kind == 0 ? TOKEN_AFTER_KEY : TOKEN_AFTER_PREFIX, p->after.bytes,
                               p->after.len, again);

        found |= n == p->token_len && memcmp(again, p->token, n) == 0;
    }
    if (!found)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct list_parameters *p = malloc(sizeof(*p)); /* the sanitizer watches what is behind */
    const char *message;

    if (p == NULL)
        return 0;
    if (list_parameters_read((const char *)data, size, p, &message) == S3_OK) {
        if (p->max_keys > LIST_KEYS_MAX)
            abort();
        check_walk(p);
        check_token(p);
    }
    free(p);
    return 0;
}
