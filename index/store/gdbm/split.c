#include "index/store/gdbm/split.h"

#include <string.h>
#include <uv.h>

#include "index/base/log.h"

bool split_is_piece_of(const unsigned char *key, size_t len, const unsigned char *of, size_t of_len,
                       size_t i)
{
    return len == of_len + SPLIT_SUFFIX && memcmp(key, of, of_len) == 0 && key[of_len] == '\0' &&
           key[of_len + 1] == i;
}

int split_damaged(const unsigned char *key, size_t len)
{
    log_limited(LOG_LEVEL_ERROR, "the index holds a record that is damaged: key \"%.*s\"",
                (int)len - 1, (const char *)key + 1);
    return UV_EIO;
}

int split_read(struct gdbm_engine *store, split_get get, unsigned char *key, size_t len,
               unsigned char value[SPLIT_ROOM], size_t *value_len)
{
    size_t i = 0;
    size_t n = 0;
    size_t more;
    int rc;

    do {
        more = 0;
        rc = get(store, key, split_key(key, len, i), value + n, &more);
        if (rc < 0)
            return rc == UV_ENOENT && i > 0 ? split_damaged(key, len) : rc;
        n += more;
    } while (more == PAGE_VALUE_MAX && ++i < SPLIT_ENTRIES_MAX);
    *value_len = n;
    return 0;
}
