#include "index/maintenance/backup_key.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

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
    static const char digits[] = "0123456789abcdef";
    const char *bytes = key;
    uint64_t value = 0;

    if (len != PREFIX_LEN + DIGITS || memcmp(bytes, PREFIX, PREFIX_LEN) != 0)
        return false;
    for (size_t i = PREFIX_LEN; i < len; i++) {
        const char *digit = memchr(digits, bytes[i], 16);

        if (digit == NULL)
            return false;
        value = value << 4 | (uint64_t)(digit - digits);
    }
    *ms = value;
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

int backups_look_up(struct store *store, struct backups *backups)
{
    struct backups found = {.n = 0};
    int rc = store_list(store, PREFIX, PREFIX_LEN, "", 0, key_cb, &found);

    if (rc == 0)
        *backups = found;
    return rc;
}
