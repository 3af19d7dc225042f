#include "tests/support/array_table.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/storebox.h"

#define ENTRY_SIZE sizeof(struct array_entry *)

size_t array_table_find(const struct array_table *table, const void *key, size_t len, bool *found)
{
    size_t low = 0;
    size_t high = table->n;

    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct array_entry *entry = table->entries[middle];

        if (storebox_compare(entry->key, entry->len, key, len) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *found = low < table->n &&
             storebox_compare(table->entries[low]->key, table->entries[low]->len, key, len) == 0;
    return low;
}

void array_table_delete(struct array_table *table, const void *key, size_t len)
{
    bool found;
    size_t at = array_table_find(table, key, len, &found);

    if (!found)
        return;
    free(table->entries[at]->key);
    free(table->entries[at]);
    table->n--;
    memmove(&table->entries[at], &table->entries[at + 1], (table->n - at) * ENTRY_SIZE);
}

void array_table_put(struct array_table *table, const void *key, size_t len, const void *value,
                     size_t value_len)
{
    struct array_entry *entry = calloc(1, sizeof(*entry));
    size_t at;
    bool found;

    array_table_delete(table, key, len);
    at = array_table_find(table, key, len, &found);
    if (table->n == table->room) {
        table->room = table->room * 2 + 64;
        table->entries = realloc(table->entries, table->room * ENTRY_SIZE);
    }
    STOREBOX_CHECK(entry != NULL && table->entries != NULL, "out of memory");
    entry->key = malloc(len);
    STOREBOX_CHECK(entry->key != NULL, "out of memory");
    memcpy(entry->key, key, len);
    entry->len = len;
    STOREBOX_CHECK(value_len <= sizeof(entry->value), "a value of %zu bytes", value_len);
    memcpy(entry->value, value, value_len);
    entry->value_len = value_len;
    memmove(&table->entries[at + 1], &table->entries[at], (table->n - at) * ENTRY_SIZE);
    table->entries[at] = entry;
    table->n++;
}

void array_table_deinit(struct array_table *table)
{
    while (table->n > 0)
        array_table_delete(table, table->entries[table->n - 1]->key,
                           table->entries[table->n - 1]->len);
    free(table->entries);
}
