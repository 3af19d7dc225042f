/* The parameters of a query, each decoded and encoded again as AWS's signatures have it: what
 * clients write in different ways ("%2f", "/", "+") is one thing here, and an empty value and none
 * are the same. */
#ifndef MKV_ACCESS_PARAMS_H
#define MKV_ACCESS_PARAMS_H

#include <stddef.h>

#include "index/base/buf.h"

#define PARAMS_MAX 128 /* in one query */

struct param {
    const char *name; /* encoded, not terminated */
    size_t name_len;
    const char *value;
    size_t value_len;
};

/* All zero has none. */
struct params {
    size_t n;
    struct param at[PARAMS_MAX]; /* sorted by name, then by value; equal names in a row */
    struct buf text;             /* what they point into */
};

/* Reads a query, which may be NULL for none: A-Z a-z 0-9 - _ . ~ stay as they are, all other bytes
 * become "%XX" with upper-case digits. A '%' that no two digits follow is one itself. '+' is a
 * space. 0, -E2BIG, or -ENOMEM; params_deinit() in each case. */
int params_init(struct params *params, const char *query, size_t len);
void params_deinit(struct params *params);

/* The first one of that name, of which no byte needs encoding; NULL when there is none. */
const struct param *params_find(const struct params *params, const char *name);

/* Decodes a value, or a name, and ends it with a NUL. Its length; -EMSGSIZE when it doesn't fit, or
 * -EINVAL when it has a NUL. */
int param_decode(const char *encoded, size_t len, char *out, size_t size);

#endif
