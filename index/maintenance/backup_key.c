#include "index/maintenance/backup_key.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "index/base/hex.h"

#define PREFIX     "/_mkv/index/"
#define PREFIX_LEN (sizeof(PREFIX) - 1)
#define DIGITS     12

void backup_key_make(uint64_t ms, struct key *key)
{
    key->len = PREFIX_LEN + DIGITS;
    snprintf(key->bytes, sizeof(key->bytes), PREFIX "%0*" PRIx64, DIGITS,
             ms & ((UINT64_C(1) << 4 * DIGITS) - 1));
}

bool backup_key_parse(const void *key, size_t len, uint64_t *ms)
{
    unsigned char bytes[DIGITS / 2];
    char digits[DIGITS + 1];

    if (len != PREFIX_LEN + DIGITS || memcmp(key, PREFIX, PREFIX_LEN) != 0)
        return false;
    snprintf(digits, sizeof(digits), "%.*s", DIGITS, (const char *)key + PREFIX_LEN);
    if (!hex_read(digits, bytes, sizeof(bytes)))
        return false;
    *ms = 0;
    for (size_t i = 0; i < sizeof(bytes); i++)
        *ms = *ms << 8 | bytes[i];
    return true;
}

static int key_cb(const void *key, size_t len, const struct record *record, void *arg)
{
    struct backups *b = arg;

    if (!backup_key_parse(key, len, &b->newest))
        return 0;
    b->newest_bytes = record->size;
    if (b->n++ > 0)
        return 0;
    b->oldest.len = len;
    memcpy(b->oldest.bytes, key, len);
    b->oldest_record = *record;
    return 0;
}

static void listed_cb(struct store_reading *reading, int rc)
{
    struct backups_search *search = reading->data;

    search->done(search, rc);
}

int backups_search(struct backups_search *search, struct store *store, backups_found_cb done)
{
    const struct store_range range = {.prefix = PREFIX, .prefix_len = PREFIX_LEN};

    search->done = done;
    search->found.n = 0;
    search->reading.data = search;
    return store_list(store, &search->reading, &range, key_cb, &search->found, listed_cb);
}

static void watched_cb(struct backups_search *search, int rc)
{
    struct backups_watch *watch = search->data;

    if (rc == 0)
        watch->last = search->found;
}

const struct backups *backups_watch(struct backups_watch *watch, struct store *store)
{
    int rc = STORE_LATER;

    watch->search.data = watch;
    if (watch->search.reading.request == NULL)
        rc = backups_search(&watch->search, store, watched_cb);
    if (rc != STORE_LATER)
        watched_cb(&watch->search, rc); /* on failure, a log line tells */
    return &watch->last;
}
