#include "index/s3/buckets.h"

#include <assert.h>
#include <string.h>

#define KEYS_MAX 1000 /* that are looked at in a bucket without a record */

void bucket_record_key(const char *name, size_t len, struct key *key)
{
    size_t n = sizeof(BUCKET_RECORDS) - 1;

    assert(len <= BUCKET_NAME_MAX);
    memcpy(key->bytes, BUCKET_RECORDS, n);
    memcpy(key->bytes + n, name, len);
    key->len = n + len;
}

/* --- Its keys -------------------------------------------------------------------------------- */

enum { NONE, ANY }; /* of store_list() */

static int any_cb(const void *key, size_t len, const struct record *record, void *arg)
{
    struct bucket_look *look = arg;

    (void)key;
    (void)len;
    return (record->flags & RECORD_UNLINKED) == 0 || --look->left == 0 ? ANY : NONE;
}

static int result_of_list(int rc)
{
    return rc == ANY ? 0 : rc == NONE ? UV_ENOENT : rc;
}

static void listed_cb(struct store_reading *reading, int rc)
{
    struct bucket_look *look = reading->data;

    look->done(look, result_of_list(rc));
}

/* They begin with a slash, the bucket's name, and a slash, as the end of the record's key does. */
static int look_for_keys(struct bucket_look *look)
{
    size_t end = sizeof(BUCKET_RECORDS) - 1 + look->name_len;
    const struct store_range range = {.prefix = look->key + sizeof(BUCKET_RECORDS) - 2,
                                      .prefix_len = look->name_len + 2,
                                      .start = "",
                                      .want = 8};

    look->key[end] = '/';
    look->left = KEYS_MAX;
    return result_of_list(store_list(look->store, &look->reading, &range, any_cb, look, listed_cb));
}

/* --- Its record ------------------------------------------------------------------------------ */

static int go_on(struct bucket_look *look, int rc, const struct record *record)
{
    if (rc == UV_ENOENT || (rc == 0 && (record->flags & RECORD_UNLINKED) != 0))
        return look_for_keys(look);
    return rc;
}

static void got_cb(struct store_reading *reading, int rc, const struct record *record)
{
    struct bucket_look *look = reading->data;

    rc = go_on(look, rc, record);
    if (rc != STORE_LATER)
        look->done(look, rc);
}

int bucket_find(struct bucket_look *look, struct store *store, const char *name, size_t len,
                bucket_found_cb done)
{
    size_t n = sizeof(BUCKET_RECORDS) - 1;
    struct record record;
    int rc;

    assert(len <= BUCKET_NAME_MAX);
    look->store = store;
    look->reading = (struct store_reading){.data = look};
    look->done = done;
    look->name_len = len;
    memcpy(look->key, BUCKET_RECORDS, n);
    memcpy(look->key + n, name, len);
    rc = store_get(store, &look->reading, look->key, n + len, &record, got_cb);
    return rc == STORE_LATER ? rc : go_on(look, rc, &record);
}
