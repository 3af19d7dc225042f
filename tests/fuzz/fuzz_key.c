/* Any path: a key that comes out of it is within bounds and has a path that a volume can take. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "index/base/key.h"
#include "index/cluster/placement.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_component(const char *component, size_t len)
{
    if (len == 0 || len > 255 || component[0] == '.')
        abort();
}

static void check_path(const struct key *key, uint64_t generation)
{
    char path[PLACEMENT_PATH_MAX];

    if (placement_path(key->bytes, key->len, generation, path) != strlen(path) || path[0] != '/')
        abort();
    for (const char *c = path; *c != '\0'; c += 1 + strcspn(c + 1, "/"))
        check_component(c + 1, strcspn(c + 1, "/"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct key key;

    if (key_decode((const char *)data, size, &key) == NULL && key.len > KEY_NATIVE_MAX)
        abort();
    if (key_decode_any((const char *)data, size, &key) != NULL)
        return 0;
    if (key.len < 2 || key.len > KEY_MAX || key.bytes[0] != '/' ||
        memchr(key.bytes, 0, key.len) != NULL)
        abort();
    check_path(&key, 0);
    check_path(&key, 1);
    check_path(&key, UINT64_MAX);
    return 0;
}
