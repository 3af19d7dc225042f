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

int backups_look_up(struct store *store, struct backups *backups)
{
    struct backups found = {.n = 0};
    int rc = store_list(store, PREFIX, PREFIX_LEN, "", 0, key_cb, &found);

    if (rc == 0)
        *backups = found;
    return rc;
}
