/* A plain sorted array of keys and values: what a store is compared with. */
#ifndef MKV_TESTS_SUPPORT_ARRAY_TABLE_H
#define MKV_TESTS_SUPPORT_ARRAY_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "index/store/orphan.h"
#include "index/store/record.h"

struct array_entry {
    unsigned char *key;
    size_t len;
    size_t value_len;
    unsigned char value[RECORD_MAX]; /* a record or an orphan, encoded, so that they compare */
};

struct array_table {
    struct array_entry **entries;
    size_t n;
    size_t room;
};

/* Where the key is, or would be. */
size_t array_table_find(const struct array_table *table, const void *key, size_t len, bool *found);

void array_table_put(struct array_table *table, const void *key, size_t len, const void *value,
                     size_t value_len);
void array_table_delete(struct array_table *table, const void *key, size_t len);
void array_table_deinit(struct array_table *table);

#endif
