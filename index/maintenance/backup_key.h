/* The keys of an index's backups: "/_mkv/index/" and when the dump in it began, 12 hexadecimal
 * digits of ms since 1970, so that the newest comes last. */
#ifndef MKV_MAINTENANCE_BACKUP_KEY_H
#define MKV_MAINTENANCE_BACKUP_KEY_H

#include "index/store/store.h"

/* `ms` has 48 bits. */
void backup_key_make(uint64_t ms, struct key *key);

/* Whether it is a backup's, and then *ms. */
bool backup_key_parse(const void *key, size_t len, uint64_t *ms);

/* What a store has of them. */
struct backups {
    uint64_t n; /* 0: the rest says nothing */
    struct key oldest;
    struct record oldest_record;
    uint64_t newest; /* ms since 1970, by its key; */
    uint64_t newest_bytes;
};

/* 0 and *backups, or UV_EIO or UV_ENOMEM. */
int backups_look_up(struct store *store, struct backups *backups);

#endif
