/* Parameters in the query of a request target, such as "list&start=a%2Fb&limit=3", which is read as
 * what a form sends: application/x-www-form-urlencoded. */
#ifndef MKV_HTTP_QUERY_H
#define MKV_HTTP_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Finds the first parameter `name` (not encoded, terminated) in the `len` bytes of `query`,
 * which may be NULL for none, and decodes its value into `value`, which has room for `size` bytes.
 * Names are compared decoded. '+' is a space, "%2B" a plus. A parameter without '=' has an empty
 * value. The value may hold any byte and is not terminated; *value_len is its length, size at most.
 * 0, or
 *   -ENOENT   there is no such parameter;
 *   -EINVAL   in its value a '%' isn't followed by two hexadecimal digits;
 *   -EMSGSIZE the value is longer than `size`.
 * What is wrong with other parameters is no matter: query_has_only() finds those.
 * On failure *value_len is untouched, and what `value` holds is undefined. */
int query_find(const char *query, size_t len, const char *name, char *value, size_t size,
               size_t *value_len);

/* The same of a number: 1 to 10 decimal digits. Also -EINVAL for anything else. */
int query_find_number(const char *query, size_t len, const char *name, uint64_t *number);

/* Whether each parameter in the `len` bytes of `query` has one of the names, which end with NULL.
 * Empty ones ("&&") are none. */
bool query_has_only(const char *query, size_t len, const char *const *names);

#endif
