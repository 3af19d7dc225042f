/* Names of volumes by id, 0, 1, 2, ..., and ids by name. */
#ifndef MKV_STORE_NAMES_H
#define MKV_STORE_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/store/slots.h"

#define NAMES_TEXT_MAX 255

struct name;

/* All zero is empty. */
struct names {
    struct name **list; /* by id */
    uint32_t count;
    struct slots by_text;
};

void names_deinit(struct names *names);

/* Gives the next id to a name of `len` bytes that has none. 0 or UV_ENOMEM. */
int names_add(struct names *names, const void *text, size_t len);

/* Whether a name has an id, and that. */
bool names_find(const struct names *names, const char *text, uint32_t *id);

/* The id of a name, which is added if it has none. 0 and *id, UV_ENOMEM, or UV_ENAMETOOLONG unless
 * it has 1 to NAMES_TEXT_MAX bytes. */
int names_id(struct names *names, const char *text, uint32_t *id);

/* The name of an id, valid until names_deinit(), or NULL if there is none. */
const char *names_text(const struct names *names, uint32_t id);

#endif
