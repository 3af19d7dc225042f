#include "index/s3/buckets.h"

#include <assert.h>
#include <string.h>

#include "index/s3/bucket_name.h"
#include "index/s3/bucket_walk.h"

void bucket_record_key(const char *name, size_t len, struct key *key)
{
    size_t n = sizeof(BUCKET_RECORDS) - 1;

    assert(len <= BUCKET_NAME_MAX);
    memcpy(key->bytes, BUCKET_RECORDS, n);
    memcpy(key->bytes + n, name, len);
    key->len = n + len;
}

int bucket_find_record(struct store *store, const char *name, size_t len, struct record *record)
{
    struct key key;
    int rc;

    bucket_record_key(name, len, &key);
    rc = store_get(store, key.bytes, key.len, record);
    if (rc == UV_ENOENT)
        return 0;
    return rc < 0 ? rc : (record->flags & RECORD_UNLINKED) == 0;
}

int bucket_has_record(struct store *store, const char *name, size_t len)
{
    struct record record;

    return bucket_find_record(store, name, len, &record);
}

int bucket_exists(struct store *store, const char *name, size_t len)
{
    int rc = bucket_has_record(store, name, len);

    return rc == 0 ? bucket_walk_finds_any(store, name, len) : rc;
}
