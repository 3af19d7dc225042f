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

struct backups_search;

/* Fires once, from the loop: rc is 0, and search->found there; or as store_list(). */
typedef void (*backups_found_cb)(struct backups_search *search, int rc);

/* Embedded in what searches; zero it, and set the first one. */
struct backups_search {
    void *data;
    backups_found_cb done;
    struct backups found;
    struct store_reading reading;
};

/* 0, or a negative UV_E* as store_list(); or STORE_LATER, and then `done` fires unless
 * store_cancel(search->reading) came before. */
int backups_search(struct backups_search *search, struct store *store, backups_found_cb done);

/* For those who show them: what was found last, which is looked up anew. */
struct backups_watch {
    struct backups_search search;
    struct backups last;
};

const struct backups *backups_watch(struct backups_watch *watch, struct store *store);

#endif
